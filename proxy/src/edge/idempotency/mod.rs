//! Requests that are run once for each key: who runs them, what becomes of repeats, and what clients are told.
//!
//! A request that rules and limits let pass is read whole, named ([`selvedge_filters::idempotency`]) and taken to the home of its key: here, or another POP, which
//! is asked as origins are. There it is written down ([`keep::Runs`](crate::keep::Runs)) and then run, by a task of its own, so that a client that leaves does not stop it.

mod body;
mod home;
mod leg;
mod order;
mod reply;
mod run;

use std::sync::Arc;

use bytes::Bytes;
use pingora::Result;
use pingora::proxy::Session;
use selvedge_conf::{Idempotency, IdempotencyMode};
use selvedge_filters::From;
use selvedge_filters::idempotency::{Name, Refusal, print};

use self::body::Body;
pub(super) use self::home::receive;
pub(super) use self::leg::{Leg, apart, broken, choose, dress, failed, heard, is_one, is_to_home, take, tell};
use self::order::{ANSWER, Order};
pub(super) use self::order::{FENCE, RUN, STATUS};
use self::run::Outcome;
use super::Edge;
use super::answer::Answer;
use super::context::Context;
use super::session as sessions;
use super::slices::Served;
use crate::keep::Question;
use crate::shield::{Home, Parent};

/// What a request has to do with runs.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// It is the edge's own: a run at the origin, or the way to the home of a key.
    Leg(Leg),
    /// Another POP asks for it to be run here.
    Asked(Box<Order>),
    /// It is a client's, and this came of it, in a word.
    Told(&'static str),
}

/// A request that is to be run once.
struct Task {
    policy: Arc<str>,
    question: Question,
    not_done: Vec<u16>,
    body: Bytes,
}

impl Task {
    fn new(policy: &Idempotency, (name, print): (Name, selvedge_filters::idempotency::Print), body: Bytes) -> Task {
        let lifetime = u64::try_from(policy.lifetime.as_millis()).unwrap_or(u64::MAX);
        let question = Question { name, print, lifetime, response_max: policy.response_max };
        Task { policy: policy.name.as_str().into(), question, not_done: policy.not_done.clone(), body }
    }
}

/// Runs a request once, where a policy is for it, and answers it.
///
/// # Errors
/// When the client's connection fails before the request is whole, or cannot be written to.
pub(super) async fn serve(edge: &Edge, session: &mut Session, context: &mut Context) -> Result<Served> {
    match &context.role {
        Some(Role::Asked(order)) => {
            let order = order.clone();
            return home::serve(edge, session, context, *order).await.map(|()| Served::Here);
        }
        Some(_) => return Ok(Served::No),
        None if session.subrequest_ctx.is_some() || context.child.is_some() => return Ok(Served::No),
        None => {}
    }
    let plan = Arc::clone(&context.plan);
    let (Some(site), Some(head)) = (context.site, context.head(session.req_header())) else { return Ok(Served::No) };
    let node = &edge.node;
    let Some(keyed) = plan.filters.keyed(&head, (site, &context.said.tags), &node.store, node.clock.now()) else {
        return Ok(Served::No);
    };
    let Some(policy) = plan.filters.idempotency(keyed.policy) else { return Ok(Served::No) };
    let facts = policy.facts();
    let name = match keyed.name {
        Ok(Some(name)) => name,
        Ok(None) if !facts.required => return Ok(Served::No),
        Ok(None) => return refuse(edge, session, context, facts, Refusal::Missing).await,
        Err(_) => return refuse(edge, session, context, facts, Refusal::Malformed).await,
    };
    let body = match body::read(session, context, facts.body_max).await? {
        Body::Whole(body) => body,
        Body::TooLong => return refuse(edge, session, context, facts, Refusal::TooLong { max: facts.body_max }).await,
        Body::Late => {
            session.set_keepalive(None);
            return edge.answer(session, context, Answer::RequestTimeout).await.map(|()| Served::Here);
        }
    };
    let task = Task::new(facts, (name, printed(session, context, &body)), body);
    let (outcome, alone) = outcome(edge, session, context, facts, &task).await?;
    told(edge, context, facts, if alone && outcome.is_answer() { "alone" } else { outcome.word() });
    give(edge, session, context, outcome, alone).await
}

/// What a request asks for, as its client sent it.
fn printed(session: &Session, context: &Context, body: &[u8]) -> selvedge_filters::idempotency::Print {
    let request = session.req_header();
    let headers = context.original.as_ref().unwrap_or(&request.headers);
    let media = headers.get(http::header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let target = &context.target;
    let aims = [target.path.as_str(), target.query.as_deref().unwrap_or("")];
    print(request.method.as_str(), &target.authority, aims, media, body)
}

/// What comes of a request; and whether it was run without the home of its key.
async fn outcome(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    facts: &Idempotency,
    task: &Task,
) -> Result<(Outcome, bool)> {
    let homes = Arc::clone(&context.plan);
    let may_act = facts.mode == IdempotencyMode::Available;
    let knows = || edge.node.runs().is_some_and(|runs| runs.knows(&task.question.name));
    match homes.homes.of(&task.question.name) {
        Home::Here => Ok((run::here(edge, session, context, task, false).await?, false)),
        // What was run here while its home was away is not run there as well, as far as this POP can help it.
        Home::There(_) if may_act && knows() => Ok((run::here(edge, session, context, task, true).await?, true)),
        Home::There(home) => match there(edge, session, context, task, home).await? {
            Some(outcome) => Ok((outcome, false)),
            None if may_act => Ok((run::here(edge, session, context, task, true).await?, true)),
            None => Ok((Outcome::Refused(Refusal::Away), false)),
        },
        Home::Nowhere => Ok((Outcome::Refused(Refusal::Away), false)),
    }
}

/// What the home of the key makes of a request; none where it cannot be reached. A kept connection to it may be gone; to ask once more is safe,
/// since it knows what it runs.
async fn there(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    task: &Task,
    home: &Arc<Parent>,
) -> Result<Option<Outcome>> {
    // Of its own POP a node is not told whether it is heard.
    if home.pop() != edge.node.me.pop && !edge.node.store.hears_pop(home.pop()) {
        return Ok(None);
    }
    for _ in 0..2 {
        match run::there(session, context, task, home).await? {
            run::Heard::Answer(outcome) => return Ok(Some(outcome)),
            run::Heard::KeptGone => {}
            run::Heard::Nothing => break,
        }
    }
    Ok(None)
}

/// Gives a client what came of its request.
async fn give(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    outcome: Outcome,
    alone: bool,
) -> Result<Served> {
    let (reply, word) = match outcome {
        Outcome::First(reply) => (*reply, if alone { "first;alone" } else { "first" }),
        Outcome::Repeat(reply) => (*reply, if alone { "repeat;alone" } else { "repeat" }),
        Outcome::Refused(refusal) => {
            return edge.answer(session, context, Answer::Unrepeatable(refusal)).await.map(|()| Served::Here);
        }
        Outcome::Failed(failed) => {
            return edge.answer(session, context, failed.answer()).await.map(|()| Served::Here);
        }
    };
    let (mut header, rest) = reply.into_parts();
    header.remove_header(ANSWER);
    header.insert_header(STATUS, word)?;
    edge.complete(session, context, &mut header, None, From::Origin)?;
    sessions::outlives(&edge.node, context).await;
    reply::write(session, header, rest).await.map(|()| Served::Here)
}

async fn refuse(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    facts: &Idempotency,
    refusal: Refusal,
) -> Result<Served> {
    told(edge, context, facts, refusal.name());
    if matches!(refusal, Refusal::TooLong { .. }) {
        session.set_keepalive(None);
    }
    edge.answer(session, context, Answer::Unrepeatable(refusal)).await.map(|()| Served::Here)
}

/// Takes note of what came of a client's request.
fn told(edge: &Edge, context: &mut Context, facts: &Idempotency, outcome: &'static str) {
    edge.node.metrics.runs.came(&facts.name, outcome);
    context.role = Some(Role::Told(outcome));
}
