//! `/v1/explain`: why a request was answered as it was, by its id, and what would come of one that nobody sent. Nothing is charged,
//! counted or changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use selvedge_filters::idempotency::Name;
use selvedge_state::PopId;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::asking::Asking;
use super::pops::asked;
use super::relay::{self, Unanswered};
use super::report::explanation::{Ask, Explanation, Remembered};
use super::server::{answer, aside, failure};
use crate::node::Node;
use crate::shield::Home;
use crate::witness::{VERDICTS_MAX, Verdict};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// A request's id, as on its error page: 16 hex digits.
    id: String,
    /// `all`, or the name of a POP; this one when absent.
    pop: Option<String>,
}

/// A request that nobody sent, on the state and config of now.
pub(super) async fn made_up(State(node): State<Arc<Node>>, ask: Result<Json<Ask>, JsonRejection>) -> Response {
    match ask {
        Ok(Json(ask)) => answer(aside(move || explained(&node, &ask)).await, StatusCode::UNPROCESSABLE_ENTITY),
        Err(rejection) => failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    }
}

/// A request that was answered here, for other POPs.
pub(super) async fn here(State(node): State<Arc<Node>>, Asking(question): Asking<Question>) -> Response {
    match id(&question.id) {
        Ok(id) => local(node, id).await.unwrap_or_else(|| failure(StatusCode::NOT_FOUND, forgotten(&question.id))),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, error),
    }
}

/// A request that was answered here or elsewhere, for the admin socket.
pub(super) async fn anywhere(State(node): State<Arc<Node>>, Asking(question): Asking<Question>) -> Response {
    let id = match id(&question.id) {
        Ok(id) => id,
        Err(error) => return failure(StatusCode::UNPROCESSABLE_ENTITY, error),
    };
    let asked = match asked(&node, question.pop.as_deref()) {
        Ok(asked) => asked,
        Err(error) => return failure(StatusCode::NOT_FOUND, error),
    };
    if asked.here()
        && let Some(found) = local(Arc::clone(&node), id).await
    {
        return found;
    }
    match elsewhere(&node, asked.others(&node), &question.id).await {
        Ok(found) => ([("content-type", "application/json")], found).into_response(),
        Err(error) => failure(StatusCode::NOT_FOUND, error),
    }
}

/// The first answer of these POPs.
///
/// # Errors
/// In words, when none of them remembers it: the POPs that could not be asked are named.
async fn elsewhere(node: &Arc<Node>, pops: Vec<PopId>, id: &str) -> Result<bytes::Bytes, String> {
    let mut asking = JoinSet::new();
    for pop in node.links.get().map_or_else(Vec::new, |_| pops) {
        let (node, path) = (Arc::clone(node), format!("/v1/explain?id={id}"));
        asking.spawn(async move { (pop, whole(&node, pop, &path).await) });
    }
    let mut error = forgotten(id);
    while let Some(joined) = asking.join_next().await {
        match joined {
            Ok((_, Ok(found))) => return Ok(found),
            Ok((_, Err(Unanswered::Refused(StatusCode::NOT_FOUND, _)))) | Err(_) => {}
            Ok((pop, Err(unanswered))) => error.push_str(&format!("\n{}: {unanswered}", node.pops.name(pop))),
        }
    }
    Err(error)
}

async fn whole(node: &Node, pop: PopId, path: &str) -> Result<bytes::Bytes, Unanswered> {
    let links = node.links.get().ok_or_else(|| Unanswered::Unreachable("this POP is alone".to_owned()))?;
    relay::ask(links, pop, path).await?.whole().await
}

/// What is remembered here, beside the explanation of the same request now.
async fn local(node: Arc<Node>, id: u64) -> Option<Response> {
    let then = node.witness.verdicts.find(id)?;
    let remembered = aside(move || {
        let (now, unexplained) = match explained(&node, &ask(&then)) {
            Ok(now) => (Some(now), None),
            Err(error) => (None, Some(error)),
        };
        Ok(Remembered { pop: node.pops.name(node.me.pop), then, now, unexplained })
    });
    Some(answer(remembered.await, StatusCode::INTERNAL_SERVER_ERROR))
}

/// The same request once more, without its body and its secrets, which are not remembered.
fn ask(then: &Verdict) -> Ask {
    Ask {
        method: then.method.clone(),
        url: then.url.clone(),
        headers: then.headers.clone(),
        body: String::new(),
        client_ip: then.client.unwrap_or([127, 0, 0, 1].into()),
        peer_ip: then.peer,
        status: None,
    }
}

fn explained(node: &Node, ask: &Ask) -> Result<Explanation, String> {
    let plan = node.plan.load();
    let explanation = crate::rehearse::explain(&plan.config, &plan.filters, ask, &node.store, node.clock.now());
    let mut explanation = explanation.map_err(|error| error.to_string())?;
    if let Some(told) = &mut explanation.idempotency {
        let home = told.key.as_deref().and_then(Name::parse).map(|name| plan.homes.of(&name));
        told.home = home.and_then(|home| match home {
            Home::Here => Some(node.pops.name(node.me.pop)),
            Home::There(home) => Some(home.name().to_owned()),
            Home::Nowhere => None,
        });
    }
    Ok(explanation)
}

fn id(text: &str) -> Result<u64, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u64::from_str_radix(text, 16).ok().filter(|_| digits);
    id.ok_or_else(|| "the id of a request is 16 hex digits, as on its error page and in X-Request-Id".to_owned())
}

fn forgotten(id: &str) -> String {
    format!(
        "request {id} is not remembered: the newest {VERDICTS_MAX} that a POP answered by itself with an error or a redirect are"
    )
}
