//! `/v1/lists`: what lists hold, and what is said of their elements at run time, at every POP at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use selvedge_conf::List as Facts;
use selvedge_conf::expr::ListKind;
use selvedge_filters::list::element;
use selvedge_state::ListId;

use super::report::{List, ListEntry, NewListEntry};
use super::server::{answer, aside, failure, told};
use super::unknown::unknown;
use crate::node::Node;
use crate::plan::Plan;

type New = Result<Json<NewListEntry>, JsonRejection>;

/// All lists, each with all that was said of it.
pub(super) async fn ls(State(node): State<Arc<Node>>) -> Response {
    told(node, |node| {
        let plan = node.plan.load();
        Ok(plan.config.lists.iter().enumerate().map(|(at, facts)| report(node, &plan, (at, facts))).collect::<Vec<_>>())
    })
    .await
}

/// One list.
pub(super) async fn show(State(node): State<Arc<Node>>, Path(name): Path<String>) -> Response {
    let plan = node.plan.load_full();
    match find(&plan, &name) {
        Ok((at, _)) => {
            told(node, move |node| Ok(plan.config.lists.get(at).map(|facts| report(node, &plan, (at, facts))))).await
        }
        Err(error) => failure(StatusCode::NOT_FOUND, error),
    }
}

/// Puts an element into a list.
pub(super) async fn add(State(node): State<Arc<Node>>, Path(name): Path<String>, new: New) -> Response {
    say(node, name, new, true).await
}

/// Takes an element out of a list.
pub(super) async fn remove(State(node): State<Arc<Node>>, Path(name): Path<String>, new: New) -> Response {
    say(node, name, new, false).await
}

async fn say(node: Arc<Node>, name: String, new: New, present: bool) -> Response {
    let plan = node.plan.load_full();
    let at = match find(&plan, &name) {
        Ok((at, _)) => at,
        Err(error) => return failure(StatusCode::NOT_FOUND, error),
    };
    let new = match new {
        Ok(Json(new)) => new,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let said = aside(move || {
        let facts = plan.config.lists.get(at).ok_or("there is no such list")?;
        state(&node, (id(&plan, at), facts), &new, present)
    });
    answer(said.await, StatusCode::UNPROCESSABLE_ENTITY)
}

fn state(
    node: &Node,
    (id, facts): (Option<ListId>, &Facts),
    new: &NewListEntry,
    present: bool,
) -> Result<ListEntry, String> {
    let element = element(facts.kind, &new.element)?;
    if new.for_ms == 0 {
        return Err("what is said of an element must hold for some time".to_owned());
    }
    let id = id.ok_or("the list has no place in the store")?;
    let now = node.clock.now();
    node.store.list_set(id, &element, present, now.plus(new.for_ms), now).map_err(|error| error.to_string())?;
    let said = node.store.list_entries(id, now).into_iter().find(|entry| *entry.element == *element);
    said.map(|entry| entry_report(node, entry)).ok_or_else(|| "it was said, and something else since".to_owned())
}

fn find<'p>(plan: &'p Plan, name: &str) -> Result<(usize, &'p Facts), String> {
    plan.config
        .lists
        .iter()
        .enumerate()
        .find(|(_, facts)| facts.name == name)
        .ok_or_else(|| unknown("list", name, plan.config.lists.iter().map(|facts| facts.name.as_str())))
}

fn id(plan: &Plan, at: usize) -> Option<ListId> {
    plan.filters.list(at)
}

fn report(node: &Node, plan: &Plan, (at, facts): (usize, &Facts)) -> List {
    let entries = id(plan, at).map(|id| node.store.list_entries(id, node.clock.now())).unwrap_or_default();
    List {
        name: facts.name.clone(),
        kind: kind(facts.kind).to_owned(),
        place: facts.place.to_string(),
        file: facts.file.clone(),
        base: plan.shelf.tables().lists.get(at).map_or(0, |list| list.len()),
        entries: entries.into_iter().map(|entry| entry_report(node, entry)).collect(),
    }
}

fn entry_report(node: &Node, entry: selvedge_state::ListEntry) -> ListEntry {
    ListEntry {
        element: entry.element.to_string(),
        present: entry.present,
        until: entry.until.0,
        made_at: entry.made_at.0,
        made_by: node.pops.name(entry.made_by.pop),
    }
}

fn kind(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Addresses => "addresses",
        ListKind::Strings => "strings",
        ListKind::Needles => "needles",
        ListKind::Patterns => "patterns",
    }
}
