//! Receipts: proof that each POP has applied a purge, collected over connections that watch. Who has not applied it yet when asked
//! waits until it has, so that one question to each POP is enough.
//!
//! Where the cache has a tier on disk, a purge is applied for good when the log of purges has it: before that, a crash could bring back what was
//! purged. Where that log cannot be written it is removed, and then nothing that is on disk is ever served: a receipt is right without it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use selvedge_state::{Actor, Application, Author, Dot, Incarnation, Key128, PopId, PurgeKey, Seq};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::purges::{MARKS_MAX, WAIT_MAX};
use super::relay;
use super::report::{Missing, Receipt};
use super::server::failure;
use crate::link::Links;
use crate::node::Node;
use crate::purge::Made;

/// Between two looks at whether what is waited for has come.
const LOOK: Duration = Duration::from_millis(2);

/// How much longer than the wait an answer may be on its way.
const SLACK: Duration = Duration::from_secs(1);

/// What another POP asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Who purged: POP, node, life.
    author: (u16, u32, u64),
    /// Key and number of each purge.
    marks: Vec<(String, u64)>,
    wait_ms: u64,
}

/// What a node says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    node: u32,
    incarnation: u64,
    /// When the last of them held, node time; absent when not all of them do.
    at: Option<u64>,
    /// How many do.
    applied: usize,
    /// Why that they do may not outlive a crash there; absent when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlogged: Option<String>,
}

/// Asks all other POPs; says who has applied all, this node first, and of whom that is not known.
pub(super) async fn collect(node: &Arc<Node>, made: &[Made], wait: Duration) -> (Vec<Receipt>, Vec<Missing>) {
    let marks: Vec<_> = made.iter().map(|made| (made.key, made.dot)).collect();
    let (mut receipts, mut missing) = (Vec::new(), Vec::new());
    let mut note = |pop, said: Result<Said, String>| match said.and_then(|said| receipt(node, pop, &said, made.len())) {
        Ok(receipt) => receipts.push(receipt),
        Err(cause) => missing.push(Missing { pop: node.pops.name(pop), node: None, cause }),
    };
    let Some(links) = node.links.get() else {
        note(node.me.pop, Ok(until_applied(node, &marks, wait).await));
        return (receipts, missing);
    };
    let body = bytes::Bytes::from(serde_json::to_vec(&question(made, wait)).unwrap_or_default());
    let mut asking = JoinSet::new();
    for pop in node.pops.others(node.me.pop) {
        let (links, body) = (Arc::clone(links), body.clone());
        asking.spawn(async move { (pop, ask(&links, pop, body, wait).await) });
    }
    note(node.me.pop, Ok(until_applied(node, &marks, wait).await));
    while let Some(joined) = asking.join_next().await {
        let Ok((pop, said)) = joined else { continue };
        note(pop, said);
    }
    let known = receipts.iter().map(|receipt| (receipt.pop.as_str(), receipt.node)).collect();
    let more = unasked(node, links, &known, &missing);
    missing.extend(more);
    receipts.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    missing.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    (receipts, missing)
}

/// Nodes that are known to be there and were not asked: of each POP one is, the one at its address.
pub(super) fn unasked(node: &Node, links: &Links, known: &HashSet<(&str, u32)>, missing: &[Missing]) -> Vec<Missing> {
    let peers = links.status().state.peers.into_iter().map(|peer| peer.actor);
    let name = |actor: Actor| (node.pops.name(actor.pop), actor.node);
    let is_known = |(pop, number): &(String, u32)| {
        known.contains(&(pop.as_str(), *number)) || missing.iter().any(|missing| missing.pop == *pop)
    };
    let cause = "only the node at the address of its POP can be asked";
    let unknown = peers.map(name).filter(|name| !is_known(name));
    unknown.map(|(pop, node)| Missing { pop, node: Some(node), cause: cause.to_owned() }).collect()
}

async fn ask(links: &Arc<Links>, pop: PopId, body: bytes::Bytes, wait: Duration) -> Result<Said, String> {
    let asked = async {
        let mut coming = relay::put(links, pop, "/v1/purged", body, wait.saturating_add(SLACK)).await?;
        coming.whole().await
    };
    let said = timeout(wait.saturating_add(SLACK), asked).await;
    let said = said.map_err(|_| "it did not answer in time".to_owned())?.map_err(|error| error.to_string())?;
    serde_json::from_slice(&said).map_err(|error| format!("its answer cannot be read: {error}"))
}

fn question(made: &[Made], wait: Duration) -> Question {
    let author = made.first().map(|made| made.dot.author);
    let author = author.map(|Author { actor, incarnation }| (actor.pop.0, actor.node, incarnation.0));
    // Known here by the name that is in force here, and so by all to whom it was told.
    let mark = |made: &Made| (made.key.each().next().map(|key| key.to_string()).unwrap_or_default(), made.dot.seq.0);
    Question {
        author: author.unwrap_or_default(),
        marks: made.iter().map(mark).collect(),
        wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Whether purges of another POP are applied here, as soon as they are, or when the wait is over. For other POPs.
pub(super) async fn here(State(node): State<Arc<Node>>, asked: Result<Json<Question>, JsonRejection>) -> Response {
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

/// The receipt that a node gives, if it has applied all `made` of them for good.
fn receipt(node: &Node, pop: PopId, said: &Said, made: usize) -> Result<Receipt, String> {
    let Said { node: number, incarnation, at, applied, unlogged } = said;
    let cause = || unlogged.clone().unwrap_or_else(|| format!("{applied} of {made} purges are applied there"));
    let at = at.ok_or_else(cause)?;
    Ok(Receipt { pop: node.pops.name(pop), node: *number, incarnation: *incarnation, at })
}
