//! The home's side: requests that another POP sends on to be run here. That one has decided about them, counted them and will log them.

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use selvedge_filters::cache::Scheme;

use super::body::{self, Body};
use super::order::{ANSWER, Order, RUN, Word};
use super::run::{self, Outcome};
use super::{Role, Task, reply};
use crate::edge::answer::Answer;
use crate::edge::context::Context;
use crate::edge::forwarded::{Client, Trust};
use crate::edge::request_id::RequestId;
use crate::edge::{Edge, parent, target};
use crate::node::Node;
use crate::shield::Home;

/// Takes the order of a request that is to be run here; none where it brings none, and is for somebody else. `Some` is no answer for it.
pub(in crate::edge) fn receive(node: &Node, session: &mut Session, context: &mut Context) -> Option<Option<Answer>> {
    let request = session.req_header_mut();
    if !request.headers.contains_key(RUN) {
        return None;
    }
    let order = Order::read(&request.headers);
    parent::drop_order(request);
    // Rules have spoken where it came from, so nothing that is claimed is the client's.
    context.original = Some(request.headers.clone());
    Some(match order.ok_or("its order cannot be read").and_then(|order| take(node, order, context)) {
        Ok(()) => None,
        Err(why) => Some(Answer::Unshielded(why)),
    })
}

fn take(node: &Node, order: Order, context: &mut Context) -> Result<(), &'static str> {
    let plan = &context.plan;
    // Two POPs that go by different rosters must not both be the home.
    if !matches!(plan.homes.of(&order.name()), Home::Here) || node.runs().is_none() {
        return Err("this POP does not answer for its key");
    }
    let policy = plan.config.idempotencies.iter().any(|policy| policy.name == order.policy);
    let asked = &order.request;
    let origin = plan.origins.iter().find(|origin| origin.name() == asked.origin).cloned();
    let scheme = if asked.is_tls { Scheme::Https } else { Scheme::Http };
    let target = target::of_order(&asked.authority, scheme, (asked.path.clone(), asked.query.clone()));
    if !policy {
        return Err("no idempotency policy has this name here");
    }
    context.origin = Some(origin.ok_or("no origin has this name here")?);
    context.target = target.map_err(|_| "its target is malformed")?;
    context.rerouted = asked.rerouted;
    context.peer = Some(asked.peer);
    let via = if asked.is_forwarded { Trust::Proxy } else { Trust::Client };
    context.client = Some(Client { address: asked.client, via });
    context.id = RequestId::numbered(asked.request);
    context.role = Some(Role::Asked(Box::new(order)));
    Ok(())
}

/// Runs a request for another POP, and answers that one.
///
/// # Errors
/// When it does not send the request whole, or cannot be written to.
pub(super) async fn serve(edge: &Edge, session: &mut Session, context: &mut Context, order: Order) -> Result<()> {
    let plan = std::sync::Arc::clone(&context.plan);
    let Some(facts) = plan.config.idempotencies.iter().find(|policy| policy.name == order.policy) else {
        return edge.answer(session, context, Answer::Internal).await;
    };
    // What the other POP let pass is bounded there.
    let body = match body::read(session, context, selvedge_conf::KEYED_BODY_MAX).await? {
        Body::Whole(body) => body,
        Body::TooLong | Body::Late => {
            session.set_keepalive(None);
            return edge.answer(session, context, Answer::RequestTimeout).await;
        }
    };
    let task = Task::new(facts, (order.name(), order.print()), body);
    let (outcome, fence) = run::numbered(edge, session, context, &task, false).await?;
    edge.node.metrics.runs.served(outcome.word());
    let (word, reply) = match outcome {
        Outcome::First(reply) => (Word::First(fence), Some(reply)),
        Outcome::Repeat(reply) => (Word::Repeat, Some(reply)),
        Outcome::Refused(refusal) => (Word::Refused(refusal), None),
        Outcome::Failed(failed) => (Word::Failed(failed), None),
    };
    match reply {
        Some(reply) => {
            let (mut header, rest) = reply.into_parts();
            header.insert_header(ANSWER, word.text())?;
            reply::write(session, header, rest).await
        }
        None => {
            let mut header = ResponseHeader::build(200, Some(2))?;
            header.insert_header(ANSWER, word.text())?;
            header.insert_header("content-length", 0)?;
            session.write_response_header(Box::new(header), false).await?;
            session.write_response_body(Some(Bytes::new()), true).await
        }
    }
}
