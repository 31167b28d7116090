//! `/v1/limits`: what limits count, by key and POP, and what they may admit beyond.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use selvedge_conf::{Class, Measure, Mode, Scope};
use selvedge_filters::limit::{Limit as Filter, Whose};
use selvedge_state::{Coverage, Time};

use super::asking::Asking;
use super::overrides;
use super::report::{Bound, Key, Limit, Overshot, Row};
use super::server::{answer, aside, told};
use super::unknown::unknown;
use crate::node::Node;
use crate::plan::Plan;

/// One batch of changes waits at most this long before it is sent (ms); see the replica's batching.
const BATCH_MS: u64 = 25;

/// Keys listed for one limit, if nothing else is asked for.
const TOP: usize = 10;

/// Keys listed for one limit at most.
const TOP_MAX: usize = 1000;

/// Which keys of a limit.
enum Which {
    One(Whose),
    /// So many that were counted most.
    Top(usize),
}

/// All limits; with the busiest keys of each.
pub(super) async fn ls(State(node): State<Arc<Node>>) -> Response {
    told(node, |node| {
        let lag = charge_lag_ms(node);
        let plan = node.plan.load();
        Ok(plan.filters.limits().iter().map(|limit| report(node, limit, Which::Top(TOP), lag)).collect::<Vec<_>>())
    })
    .await
}

/// One limit: the key made of the `key` parameters, in the config's order, or the busiest keys, `top` of them.
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Asking(parts): Asking<Vec<(String, String)>>,
) -> Response {
    let top = parts.iter().find(|(name, _)| name == "top").and_then(|(_, value)| value.parse().ok());
    let key: Vec<String> = parts.into_iter().filter(|(name, _)| name == "key").map(|(_, value)| value).collect();
    answer(aside(move || named(&node, &name, &key, top)).await, StatusCode::NOT_FOUND)
}

fn named(node: &Node, name: &str, key: &[String], top: Option<usize>) -> Result<Limit, String> {
    let plan = node.plan.load();
    let limit = find(&plan, name)?;
    let which = match key {
        [] => Which::Top(top.unwrap_or(TOP).min(TOP_MAX)),
        values => Which::One(limit.whose(values, &node.store, node.clock.now())?),
    };
    Ok(report(node, limit, which, charge_lag_ms(node)))
}

/// The limit of a name.
pub(super) fn find<'p>(plan: &'p Plan, name: &str) -> Result<&'p Filter, String> {
    let names = || plan.filters.limits().iter().map(|limit| limit.facts().name.as_str());
    plan.filters.limit_named(name).ok_or_else(|| unknown("limit", name, names()))
}

fn report(node: &Node, limit: &Filter, which: Which, lag_ms: u64) -> Limit {
    let now = node.clock.now();
    let facts = limit.facts();
    let keys = match which {
        Which::One(key) => vec![key],
        Which::Top(n) => limit.top(n, &node.store, now),
    };
    let scope = match facts.scope {
        Scope::Global => "global",
        Scope::Pop => "pop",
    };
    let mode = match facts.mode {
        Mode::Enforce => "enforce",
        Mode::Monitor => "monitor",
    };
    Limit {
        name: facts.name.clone(),
        measure: facts.measure.text(),
        scope: scope.to_owned(),
        class: match facts.measure {
            // Its rights are in one hand each.
            Measure::Quota(_) => Class::Strict.text(),
            Measure::Rates(_) | Measure::InFlight(_) => facts.class.text(),
        },
        mode: mode.to_owned(),
        place: facts.place.to_string(),
        keys: limit.keys(&node.store),
        partial: node.coverage(limit) == Coverage::Partial,
        bound: limit.bound().map(|known| bound(&known, lag_ms)),
        overshot: node.overshot(limit).map(|overshot| Overshot { by: overshot.by, at: overshot.at.0 }),
        overrides: overrides::of(node, limit),
        resets: overrides::resets_of(node, limit),
        top: keys.into_iter().map(|key| counted(node, limit, key, now)).collect(),
    }
}

fn bound(bound: &selvedge_filters::limit::Bound, lag_ms: u64) -> Bound {
    let (slots, formula) = match bound.overdraft {
        Some(_) => (0.0, "admitted(s,t] <= burst + rate (t-s) + overdraft"),
        None => (
            bound.beyond(0.0, Duration::from_millis(lag_ms)),
            "admitted(s,t] <= burst + rate (t-s) + slots + arrival rate x lag",
        ),
    };
    Bound {
        rate_per_s: bound.rate_per_s,
        burst: bound.burst,
        slot_ms: u64::try_from(bound.slot.as_millis()).unwrap_or(u64::MAX),
        lag_ms,
        slots,
        overdraft: bound.overdraft,
        formula: formula.to_owned(),
    }
}

fn counted(node: &Node, limit: &Filter, key: Whose, now: Time) -> Key {
    let row = |(actor, incarnation, count): (selvedge_state::Actor, selvedge_state::Incarnation, u64)| Row {
        pop: node.pops.name(actor.pop),
        incarnation: incarnation.0,
        count,
        silent: limit.misses((actor, incarnation), &node.store),
    };
    let rows: Vec<Row> = limit.counted(&key, &node.store, now).into_iter().map(row).collect();
    Key {
        hash: key.key.to_string(),
        refused: limit.refuses(&key, &node.store, now),
        count: rows.iter().filter(|row| !row.silent).map(|row| row.count).sum(),
        rows,
        level: limit.level(&key, &node.store, now),
        key: (!key.values.is_empty()).then_some(key.values),
    }
}

/// How late a charge made here may be known at another POP, ms: the worst round trip seen lately bounds the way there
/// whichever direction is slow, and a batch waits before it leaves.
fn charge_lag_ms(node: &Node) -> u64 {
    let Some(links) = node.links.get() else { return 0 };
    let peers = links.status().state.peers;
    peers.iter().filter_map(|peer| peer.rtt_ms).max().map_or(0, |rtt| rtt + BATCH_MS)
}
