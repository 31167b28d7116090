//! Receipts of revocations. The node that made one says so once its log has it, where it keeps one; the others may lose it in a crash, and hear of it anew.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use selvedge_state::{RevocationKey, Time};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::super::report::{Missing, Receipt};
use super::super::server::failure;
use super::super::sessions::REVOKED_MAX;
use super::{LOOK, Said, WAIT_MAX};
use crate::node::Node;

/// One that was made: its name, and the instant before which what is meant was issued.
pub(in crate::admin) type Made = (RevocationKey, Time);

/// What another POP asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Question {
    /// Each name, and the instant before which what is meant was issued, ms since the Unix epoch.
    revoked: Vec<(String, u64)>,
    wait_ms: u64,
}

/// Asks all other POPs; says who has applied all, this node first, and of whom that is not known.
pub(in crate::admin) async fn collect(node: &Arc<Node>, made: &[Made], wait: Duration) -> (Vec<Receipt>, Vec<Missing>) {
    let question = Question {
        // Known here by the name that is in force here, and so by all to whom it was told.
        revoked: made.iter().map(|(key, before)| (key.to_string(), before.0)).collect(),
        wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
    };
    let body = serde_json::to_vec(&question).unwrap_or_default().into();
    let question = super::Question { path: "/v1/revoked", body, wait, what: "revocations", made: made.len() };
    let deadline = Instant::now() + wait;
    let here = async { logged(node, until_applied(node, made, deadline).await, deadline).await };
    super::collect(node, question, here).await
}

/// Whether revocations of another POP are applied here, as soon as they are, or when the wait is over. For other POPs.
pub(in crate::admin) async fn here(
    State(node): State<Arc<Node>>,
    asked: Result<Json<Question>, JsonRejection>,
) -> Response {
    let Question { revoked, wait_ms } = match asked {
        Ok(Json(question)) => question,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let one = |(key, before): &(String, u64)| Some((RevocationKey::parse(key)?, Time(*before)));
    let Some(made) = revoked.iter().map(one).collect::<Option<Vec<_>>>().filter(|made| made.len() <= REVOKED_MAX)
    else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, format!("no keys, or more than {REVOKED_MAX}"));
    };
    let deadline = Instant::now() + Duration::from_millis(wait_ms).min(WAIT_MAX);
    Json(until_applied(&node, &made, deadline).await).into_response()
}

async fn until_applied(node: &Node, made: &[Made], deadline: Instant) -> Said {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut left, mut last) = (made.to_vec(), Time::ZERO);
    loop {
        looks.tick().await;
        let now = node.clock.now();
        left.retain(|(key, before)| match node.store.revocation_applied(*key, *before, now) {
            Some(at) => {
                last = last.max(at);
                false
            }
            None => true,
        });
        if left.is_empty() || Instant::now() >= deadline {
            return Said {
                node: node.me.node,
                incarnation: node.incarnation.0,
                at: left.is_empty().then_some(last.0),
                applied: made.len() - left.len(),
                unlogged: None,
            };
        }
    }
}

/// Waits until no crash of this node can take them back.
async fn logged(node: &Node, said: Said, deadline: Instant) -> Said {
    let Some(log) = node.revocation_log() else { return said };
    let unlogged = match timeout_at(deadline, log.until_durable(node.store.revocations_made())).await {
        Ok(Ok(())) => return said,
        Ok(Err(error)) => format!("the log of revocations cannot be written: {error}"),
        Err(_) => "the log of revocations has not got it yet".to_owned(),
    };
    Said { at: None, unlogged: Some(unlogged), ..said }
}
