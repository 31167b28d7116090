//! `GET /v1/tail`: live requests, one JSON line each, here or at other POPs.
//!
//! A line is that of the access log. Between them stand lines about the tail itself ([`Note`]): what was lost on the way, a POP that
//! cannot be asked, an end.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::asking::Asking;
use super::lines::{HEARTBEAT, Lines, line, lines};
use super::pops::asked;
use super::relay::{self, Unanswered};
use super::report::Note;
use super::server::failure;
use crate::link::Links;
use crate::node::Node;
use crate::plan::Plan;
use crate::witness::{self, Missed, Tail, TailError};

/// After how long a POP that was lost is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// A reader that takes nothing for so long is gone, or stopped: it keeps no place.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// An expression; everything when absent.
    expr: Option<String>,
    /// `all`, or the name of a POP; this one when absent.
    pop: Option<String>,
}

/// Here or elsewhere, for the admin socket.
pub(super) async fn anywhere(State(node): State<Arc<Node>>, Asking(question): Asking<Question>) -> Response {
    let asked = match asked(&node, question.pop.as_deref()) {
        Ok(asked) => asked,
        Err(error) => return failure(StatusCode::NOT_FOUND, error),
    };
    let (near, answer) = lines();
    if asked.here() {
        match begin(&node, question.expr.as_deref()) {
            Ok(tail) => tokio::spawn(follow(Arc::clone(&node), tail, near.clone())),
            Err((status, error)) => return failure(status, error),
        };
    }
    let Some(links) = node.links.get() else { return answer };
    for pop in asked.others(&node) {
        let (links, name) = (Arc::clone(links), node.pops.name(pop));
        tokio::spawn(relay(links, (pop, name), path(question.expr.as_deref()), near.clone()));
    }
    answer
}

/// Here, for other POPs.
pub(super) async fn here(State(node): State<Arc<Node>>, Asking(question): Asking<Question>) -> Response {
    match begin(&node, question.expr.as_deref()) {
        Ok(tail) => {
            let (near, answer) = lines();
            tokio::spawn(follow(node, tail, near));
            answer
        }
        Err((status, error)) => failure(status, error),
    }
}

fn path(expr: Option<&str>) -> String {
    match expr {
        Some(expr) => format!("/v1/tail?expr={}", super::escape(expr)),
        None => "/v1/tail".to_owned(),
    }
}

fn begin(node: &Node, expr: Option<&str>) -> Result<Tail<Plan>, (StatusCode, String)> {
    let wrong = |error| (StatusCode::UNPROCESSABLE_ENTITY, error);
    let filter = expr.map(|expr| witness::filter(expr, &node.plan.load_full())).transpose().map_err(wrong)?;
    let tail = node.witness.hub.tail(filter);
    let tail = tail.map_err(|error @ TailError::TooMany| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    // A reload between the two would not have seen it.
    if let Some(filter) = tail.filter() {
        witness::renew(filter, &node.plan.load_full()).map_err(wrong)?;
    }
    Ok(tail)
}

/// Hands on what a tail sees, until its reader has had enough.
async fn follow(node: Arc<Node>, mut tail: Tail<Plan>, lines: Lines) {
    let pop = node.pops.name(node.me.pop);
    let mut beat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    loop {
        let next = tokio::select! {
            next = tail.next() => next,
            _ = beat.tick() => "\n".into(),
            () = lines.closed() => return,
        };
        let missed = tail.missed();
        let note = match &missed {
            None => None,
            Some(Missed::Lines(dropped)) => Some(Note { pop: pop.clone(), dropped: Some(*dropped), error: None }),
            Some(Missed::Rest(cause)) => Some(Note { pop: pop.clone(), dropped: None, error: Some(cause.clone()) }),
        };
        for part in [Some(next).filter(|next| !next.is_empty()), note.map(|note| line(&note))].into_iter().flatten() {
            if !matches!(timeout(STUCK_MAX, lines.send(part)).await, Ok(Ok(()))) {
                return;
            }
        }
        if matches!(missed, Some(Missed::Rest(_))) {
            return;
        }
    }
}

/// Hands on what a tail at another POP sees. A POP that is lost is told once and asked again and again.
async fn relay(links: Arc<Links>, (pop, name): (selvedge_state::PopId, String), path: String, lines: Lines) {
    let mut told = None;
    loop {
        let ended = tokio::select! {
            ended = hand_on(&links, pop, &path, &lines, &mut told) => ended,
            () = lines.closed() => return,
        };
        let error = ended.to_string();
        if told.as_deref() != Some(&error) {
            let note = Note { pop: name.clone(), dropped: None, error: Some(error.clone()) };
            if lines.send(line(&note)).await.is_err() {
                return;
            }
            told = Some(error);
        }
        if matches!(ended, Unanswered::Refused(StatusCode::UNPROCESSABLE_ENTITY, _)) {
            return;
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = lines.closed() => return,
        }
    }
}

async fn hand_on(
    links: &Arc<Links>,
    pop: selvedge_state::PopId,
    path: &str,
    lines: &Lines,
    told: &mut Option<String>,
) -> Unanswered {
    let mut coming = match relay::ask(links, pop, path).await {
        Ok(coming) => coming,
        Err(unanswered) => return unanswered,
    };
    *told = None;
    loop {
        match coming.line().await {
            Ok(Some(line)) => {
                if lines.send(line).await.is_err() {
                    return Unanswered::Unreachable("nobody reads".to_owned());
                }
            }
            Ok(None) => return Unanswered::Unreachable("it ended the tail".to_owned()),
            Err(unanswered) => return unanswered,
        }
    }
}
