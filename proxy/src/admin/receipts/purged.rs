//! Receipts of purges.
//!
//! Where the cache has a tier on disk, a purge is applied for good when the log of purges has it: before that, a crash could bring back what was
//! purged. Where that log cannot be written it is removed, and then nothing that is on disk is ever served: a receipt is right without it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use selvedge_state::{Actor, Application, Author, Dot, Incarnation, Key128, PopId, PurgeKey, Seq};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::super::purges::MARKS_MAX;
use super::super::report::{Missing, Receipt};
use super::super::server::failure;
use super::{LOOK, Said, WAIT_MAX};
use crate::node::Node;
use crate::purge::Made;

/// What another POP asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Question {
    /// Who purged: POP, node, life.
    author: (u16, u32, u64),
    /// Key and number of each purge.
    marks: Vec<(String, u64)>,
    wait_ms: u64,
}

/// Asks all other POPs; says who has applied all, this node first, and of whom that is not known.
pub(in crate::admin) async fn collect(node: &Arc<Node>, made: &[Made], wait: Duration) -> (Vec<Receipt>, Vec<Missing>) {
    let marks: Vec<_> = made.iter().map(|made| (made.key, made.dot)).collect();
    let body = serde_json::to_vec(&question(made, wait)).unwrap_or_default().into();
    let question = super::Question { path: "/v1/purged", body, wait, what: "purges", made: made.len() };
    super::collect(node, question, until_applied(node, &marks, wait)).await
}

fn question(made: &[Made], wait: Duration) -> Question {
    let author = made.first().map(|made| made.dot.author);
    let author = author.map(|Author { actor, incarnation }| (actor.pop.0, actor.node, incarnation.0));
    // Known here by the name that is in force here, and so by all to whom it was told.
    let mark = |made: &Made| (made.key.to_string(), made.dot.seq.0);
    Question {
        author: author.unwrap_or_default(),
        marks: made.iter().map(mark).collect(),
        wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Whether purges of another POP are applied here, as soon as they are, or when the wait is over. For other POPs.
pub(in crate::admin) async fn here(
    State(node): State<Arc<Node>>,
    asked: Result<Json<Question>, JsonRejection>,
) -> Response {
    let Question { author: (pop, number, incarnation), marks, wait_ms } = match asked {
        Ok(Json(question)) => question,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let author = Author { actor: Actor { pop: PopId(pop), node: number }, incarnation: Incarnation(incarnation) };
    let mark =
        |(key, seq): &(String, u64)| Some((PurgeKey::new(Key128::parse(key)?, None), Dot { author, seq: Seq(*seq) }));
    let Some(marks) = marks.iter().map(mark).collect::<Option<Vec<_>>>().filter(|marks| marks.len() <= MARKS_MAX)
    else {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, format!("no keys, or more than {MARKS_MAX}"));
    };
    let wait = Duration::from_millis(wait_ms).min(WAIT_MAX);
    Json(until_applied(&node, &marks, wait).await).into_response()
}

async fn until_applied(node: &Node, marks: &[(PurgeKey, Dot)], wait: Duration) -> Said {
    let deadline = Instant::now() + wait;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked_at = None;
    loop {
        looks.tick().await;
        let fill = node.store.fill();
        // Nothing was applied since the last look, so that would find the same.
        if looked_at.replace(fill) != Some(fill) || Instant::now() >= deadline {
            let (said, last) = applied(node, marks);
            if said.at.is_some() {
                return logged(node, said, last, deadline).await;
            }
            if Instant::now() >= deadline {
                return said;
            }
        }
    }
}

/// Waits until what is applied is so for good.
async fn logged(node: &Node, said: Said, last: u64, deadline: Instant) -> Said {
    let Some(log) = &node.purge_log else { return said };
    let unlogged = match timeout_at(deadline, log.until_safe(last)).await {
        Ok(Ok(())) => return said,
        Ok(Err(broken)) => broken.to_string(),
        Err(_) => "the log of purges has not got it yet".to_owned(),
    };
    Said { at: None, unlogged: Some(unlogged), ..said }
}

/// What is applied here now, and the last number of its applications.
fn applied(node: &Node, marks: &[(PurgeKey, Dot)]) -> (Said, u64) {
    let found: Vec<Application> = marks.iter().filter_map(|(key, dot)| node.store.purge_applied(*key, *dot)).collect();
    let at = found.iter().map(|applied| applied.at.0).max().filter(|_| found.len() == marks.len());
    let last = found.iter().map(|applied| applied.number).max().unwrap_or_default();
    let (number, incarnation) = (node.me.node, node.incarnation.0);
    (Said { node: number, incarnation, at, applied: found.len(), unlogged: None }, last)
}
