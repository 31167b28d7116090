//! `/v1/counters/NAME`: what a counter counted, by key and POP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use selvedge_state::{Key, TableId};

use super::asking::Asking;
use super::report::{Counted, Counter, Row};
use super::server::{answer, aside};
use super::unknown::unknown;
use crate::node::Node;

/// Keys listed for one counter.
const TOP: usize = 10;

/// One counter: the key made of the `key` parameters, in the config's order, or the busiest keys.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Asking(parts): Asking<Vec<(String, String)>>,
) -> Response {
    let key: Vec<String> = parts.into_iter().filter(|(name, _)| name == "key").map(|(_, value)| value).collect();
    answer(aside(move || report(&node, &name, &key)).await, StatusCode::NOT_FOUND)
}

fn report(node: &Node, name: &str, key: &[String]) -> Result<Counter, String> {
    let plan = node.plan.load();
    let counters = &plan.config.counters;
    let found = counters.iter().enumerate().find(|(_, facts)| facts.name == name);
    let (at, facts) =
        found.ok_or_else(|| unknown("counter", name, counters.iter().map(|facts| facts.name.as_str())))?;
    let (table, key) = plan.filters.counter(at, key, &node.store)?;
    let keys = match key {
        Some(key) => vec![key],
        None => node.store.top(table, TOP, node.clock.now()).into_iter().map(|(key, _)| key).collect(),
    };
    let window_ms = u64::try_from(facts.window.as_millis()).unwrap_or(u64::MAX);
    Ok(Counter {
        name: facts.name.clone(),
        place: facts.place.to_string(),
        window_ms,
        keys: node.store.keys(table),
        top: keys.into_iter().map(|key| counted(node, (table, key), window_ms)).collect(),
    })
}

fn counted(node: &Node, (table, key): (TableId, Key), window_ms: u64) -> Counted {
    let now = node.clock.now();
    let row = |(actor, incarnation, count): (selvedge_state::Actor, selvedge_state::Incarnation, u64)| Row {
        pop: node.pops.name(actor.pop),
        incarnation: incarnation.0,
        count,
        silent: false,
    };
    Counted {
        hash: key.to_string(),
        count: node.store.count(table, key, window_ms, now),
        rows: node.store.counts(table, key, now).into_iter().map(row).collect(),
    }
}
