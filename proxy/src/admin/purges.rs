//! `/v1/purge`: what is stored and shall not be served any more, here and at every POP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use selvedge_filters::purge::{Reach, Unfit, Wanted};

use super::receipts;
use super::receipts::WAIT_MAX;
use super::repeats::{self, Asked};
use super::report::{NewPurge, OnePurge, Purged, What};
use super::server::{aside, failure};
use crate::node::Node;
use crate::purge::{Made, counted, made_by, purge};

/// The most that one question purges.
pub(super) const PURGES_MAX: usize = 10_000;

/// The most marks that they leave: a URL leaves one more for each way in which cache policies count its query.
pub(super) const MARKS_MAX: usize = 2 * PURGES_MAX;

/// The longest question, bytes.
pub(super) const PURGE_QUESTION_MAX: usize = 4 * 1024 * 1024;

/// What can be purged of a question.
pub(crate) struct Batch {
    new: NewPurge,
    wanted: Vec<Wanted>,
}

/// What becomes of a question that may have been asked before.
pub(crate) enum Once<E> {
    /// It is answered, now or before.
    Said(Bytes),
    /// It cannot be done.
    Failed(E),
    /// It is being answered.
    Running,
    /// Its key was another question's.
    Other,
}

/// Purges, and waits for receipts if it shall; a second question under the same key is answered as the first one was.
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    new: Result<Json<NewPurge>, JsonRejection>,
) -> Response {
    let (new, key) = match (new, repeats::key(&headers)) {
        (Ok(Json(new)), Ok(key)) => (new, key),
        (Err(rejection), _) => return failure(StatusCode::BAD_REQUEST, rejection.body_text()),
        (_, Err(error)) => return failure(StatusCode::BAD_REQUEST, error),
    };
    let question = new.clone();
    let made = async { Batch::of(&node, question)?.make(&node, "operator".to_owned()).await };
    match once(&node, key, &new, made).await {
        Once::Said(said) => ([("content-type", "application/json")], said).into_response(),
        Once::Failed(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, error),
        Once::Running => failure(StatusCode::CONFLICT, repeats::RUNNING.to_owned()),
        Once::Other => failure(StatusCode::UNPROCESSABLE_ENTITY, repeats::OTHER.to_owned()),
    }
}

/// Has a question answered, once where it has a key.
pub(crate) async fn once<E>(
    node: &Node,
    key: Option<String>,
    new: &NewPurge,
    made: impl Future<Output = Result<Purged, E>>,
) -> Once<E> {
    let said = |purged: Purged| Bytes::from(serde_json::to_vec(&purged).unwrap_or_default());
    let Some(key) = key else {
        return made.await.map_or_else(Once::Failed, |purged| Once::Said(said(purged)));
    };
    let question = serde_json::to_vec(new).unwrap_or_default();
    match node.repeats.ask(key, &question, node.clock.now()) {
        Asked::First(turn) => match made.await {
            Ok(purged) => {
                let said = said(purged);
                turn.keep(said.clone());
                Once::Said(said)
            }
            Err(error) => Once::Failed(error),
        },
        Asked::Again(said) => Once::Said(said),
        Asked::Running => Once::Running,
        Asked::Other => Once::Other,
    }
}

impl Batch {
    /// Of a question.
    ///
    /// # Errors
    /// In words, with the place of what does not fit: nothing is purged then.
    pub(crate) fn of(node: &Node, new: NewPurge) -> Result<Batch, String> {
        if new.wait_ms > u64::try_from(WAIT_MAX.as_millis()).unwrap_or(u64::MAX) {
            return Err(format!("wait_ms is {} at most", WAIT_MAX.as_millis()));
        }
        let wanted = all_wanted(&new.purges)?;
        let marks = wanted.len() + counted(&node.plan.load(), &wanted).len();
        if marks > MARKS_MAX {
            return Err(format!(
                "with what cache policies make of their queries these are {marks} purges, and {MARKS_MAX} are made at once"
            ));
        }
        Ok(Batch { new, wanted })
    }

    /// What is purged.
    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// As far as this.
    pub(crate) fn reach(&self) -> Reach {
        if self.new.soft { Reach::Soft } else { Reach::Hard }
    }

    /// Purges it, and waits for receipts if it shall. `by` is for the log.
    ///
    /// # Errors
    /// In words, with the place of the first that could not be purged; those before it are.
    pub(crate) async fn make(self, node: &Arc<Node>, by: String) -> Result<Purged, String> {
        let (reach, wait) = (self.reach(), Duration::from_millis(self.new.wait_ms));
        let Batch { new, wanted } = self;
        let here = Arc::clone(node);
        // Many at once take their time; the peer links must not wait for it.
        let made = aside(move || {
            purge(&here, &wanted, reach, &by).map_err(|(made, error)| {
                let nth = made.min(wanted.len().saturating_sub(1));
                format!("purges[{nth}]: {error}; the {nth} before it were made")
            })
        });
        let made = made.await?;
        let mut purged = report(node, &new, &made);
        if !wait.is_zero() {
            (purged.receipts, purged.missing) = receipts::purged::collect(node, &made, wait).await;
        }
        Ok(purged)
    }
}

/// What a question is about.
///
/// # Errors
/// In words, with the place of the first that does not fit: nothing is purged then.
fn all_wanted(purges: &[What]) -> Result<Vec<Wanted>, String> {
    if !(1..=PURGES_MAX).contains(&purges.len()) {
        return Err(format!("purges: 1 to {PURGES_MAX} at once, not {}", purges.len()));
    }
    let each = purges.iter().enumerate();
    each.map(|(nth, what)| wanted(what).map_err(|unfit| format!("purges[{nth}]: {unfit}"))).collect()
}

fn wanted(what: &What) -> Result<Wanted, String> {
    let (text, wanted) = match what {
        What::Url(text) => (text, Wanted::url(text)),
        What::Tag(text) => (text, Wanted::tag(text)),
        What::Group(text) => {
            let group = text.split_once('/').ok_or(Unfit::Host);
            (text, group.and_then(|(host, group)| Wanted::group(host, group)))
        }
        What::Prefix(text) => (text, Wanted::prefix(text)),
        What::Host(text) => (text, Wanted::host(text)),
        What::All(true) => return Ok(Wanted::All),
        What::All(false) => return Err("all is true or not there".to_owned()),
    };
    wanted.map_err(|unfit| format!("{:?}: {unfit}", shortened(text)))
}

/// What of a text is repeated in an error.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

fn report(node: &Node, new: &NewPurge, made: &[Made]) -> Purged {
    let applied = made.iter().filter_map(|made| node.store.purge_applied(made.key, made.dot));
    let purges = new.purges.iter().zip(made).map(|(what, made)| OnePurge { of: what.clone(), seq: made.dot.seq.0 });
    Purged {
        by: made_by(node, made.first().copied()),
        at: applied.map(|applied| applied.at.0).max().unwrap_or_default(),
        soft: new.soft,
        purges: purges.collect(),
        receipts: Vec::new(),
        missing: Vec::new(),
    }
}
