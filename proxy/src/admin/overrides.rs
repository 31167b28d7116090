//! `/v1/limits/NAME/overrides` and `/v1/limits/NAME/resets`: what operators say of one key of a limit, at every POP at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use selvedge_conf::Rate;
use selvedge_filters::limit::{Limit, Told, Whose};

use super::limits::find;
use super::report::{NewOverride, OneKey, Override, Reset};
use super::server::{answer, aside, failure};
use crate::node::Node;
use crate::plan::Plan;

/// Says what holds for a key for some time.
pub(super) async fn set(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    new: Result<Json<NewOverride>, JsonRejection>,
) -> Response {
    say(node, name, new, |node, limit, new| {
        let told = told(&new)?;
        if new.for_ms == 0 {
            return Err("what is said of a key must hold for some time".to_owned());
        }
        let now = node.clock.now();
        let whose = limit.whose(&new.key, &node.store, now)?;
        let until = now.plus(new.for_ms);
        limit.heeds(told, &node.store, now)?;
        limit.overrides().set(&whose, told, until, &node.store, now).map_err(|error| error.to_string())?;
        let held = of(node, limit).into_iter().find(|held| held.hash == whose.key.to_string());
        held.ok_or_else(|| "it was said, and something else since".to_owned())
    })
    .await
}

/// Takes back what was said of a key.
pub(super) async fn clear(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    key: Result<Json<OneKey>, JsonRejection>,
) -> Response {
    say(node, name, key, |node, limit, OneKey { key }| {
        let now = node.clock.now();
        let whose = limit.whose(&key, &node.store, now)?;
        let held = of(node, limit).into_iter().find(|held| held.hash == whose.key.to_string());
        let cleared = limit.overrides().clear(whose.key, &node.store, now).map_err(|error| error.to_string())?;
        let nothing = || format!("nothing is said of {} in limit {:?}", shown(&whose), limit.facts().name);
        held.filter(|_| cleared.is_some()).ok_or_else(nothing)
    })
    .await
}

/// Lets a key start afresh.
pub(super) async fn reset(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    key: Result<Json<OneKey>, JsonRejection>,
) -> Response {
    say(node, name, key, |node, limit, OneKey { key }| {
        let now = node.clock.now();
        let whose = limit.whose(&key, &node.store, now)?;
        limit.resets().reset(&whose, &node.store, now)?;
        let reset = resets_of(node, limit).into_iter().find(|reset| reset.hash == whose.key.to_string());
        reset.ok_or_else(|| "it is reset, but cannot be listed".to_owned())
    })
    .await
}

/// What was said of a limit's keys and holds now.
pub(super) fn of(node: &Node, limit: &Limit) -> Vec<Override> {
    let held = limit.overrides().all(&node.store, node.clock.now());
    let report = |held: selvedge_filters::limit::Override| {
        let (rate, burst, in_flight) = match held.told {
            Told::Rate { count, per, burst } => (Some(Rate { count, per }.text()), Some(burst), None),
            Told::InFlight(most) => (None, None, Some(most)),
            Told::Unlimited => (None, None, None),
        };
        Override {
            limit: limit.facts().name.clone(),
            hash: held.whose.key.to_string(),
            key: values(held.whose),
            rate,
            burst,
            in_flight,
            until: held.until.0,
            made_at: held.made_at.0,
            made_by: node.pops.name(held.made_by.pop),
        }
    };
    held.into_iter().map(report).collect()
}

/// What was said of the keys of all limits.
pub(crate) fn all(node: &Node, plan: &Plan) -> Vec<Override> {
    plan.filters.limits().iter().flat_map(|limit| of(node, limit)).collect()
}

/// Which of a limit's keys were reset.
pub(super) fn resets_of(node: &Node, limit: &Limit) -> Vec<Reset> {
    let resets = limit.resets().all(&node.store, node.clock.now());
    let report = |reset: selvedge_filters::limit::Reset| Reset {
        limit: limit.facts().name.clone(),
        hash: reset.whose.key.to_string(),
        counted_as: reset.generation.of(reset.whose.key, &node.store).to_string(),
        key: values(reset.whose),
        made_at: reset.made_at.0,
    };
    resets.into_iter().map(report).collect()
}

fn values(whose: Whose) -> Option<Vec<String>> {
    (!whose.values.is_empty()).then_some(whose.values)
}

fn shown(whose: &Whose) -> String {
    if whose.values.is_empty() { format!("#{}", whose.key) } else { whose.values.join(" ") }
}

fn told(new: &NewOverride) -> Result<Told, String> {
    let rate = match (&new.rate, new.in_flight) {
        (None, None) => return Ok(Told::Unlimited),
        (None, Some(most)) => return Ok(Told::InFlight(most)),
        (Some(rate), None) => rate,
        (Some(_), Some(_)) => return Err("a limit has a rate or a number in flight".to_owned()),
    };
    let rate = selvedge_conf::rate(rate)?;
    let burst = new.burst.unwrap_or((rate.count / 10).max(1));
    Told::rate(rate.count, rate.per, burst).ok_or_else(|| "a burst is at least 1".to_owned())
}

/// Does what is asked of a limit, aside.
async fn say<Q: Send + 'static, A: serde::Serialize + Send + 'static>(
    node: Arc<Node>,
    name: String,
    asked: Result<Json<Q>, JsonRejection>,
    act: impl FnOnce(&Node, &Limit, Q) -> Result<A, String> + Send + 'static,
) -> Response {
    let plan = node.plan.load_full();
    if let Err(error) = find(&plan, &name) {
        return failure(StatusCode::NOT_FOUND, error);
    }
    let asked = match asked {
        Ok(Json(asked)) => asked,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let said = aside(move || act(&node, find(&plan, &name)?, asked)).await;
    answer(said, StatusCode::UNPROCESSABLE_ENTITY)
}
