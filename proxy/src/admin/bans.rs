//! `/v1/bans`: clients that are refused everywhere, and the operators' say in it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::Response;
use selvedge_filters::{PENALTY_PREFIX, RULE_PREFIX, client_net};
use selvedge_state::{BAN_MEMORY, Time};

use super::asking::Asking;
use super::report::{Ban, BanHistory, BanStep, NewBan, Unban};
use super::server::{answer, failure, told};
use crate::node::Node;
use crate::plan::Plan;

/// Bans in force, by subject.
pub(super) async fn ls(State(node): State<Arc<Node>>) -> Response {
    told(node, |node| {
        let bans = node.store.bans(node.clock.now());
        Ok(bans.into_iter().map(|ban| report(node, ban)).collect::<Vec<_>>())
    })
    .await
}

/// The bans of each subject that are remembered, or of the one of the `subject` parameter.
pub(super) async fn history(State(node): State<Arc<Node>>, Asking(asked): Asking<Vec<(String, String)>>) -> Response {
    let asked = asked.into_iter().find(|(name, _)| name == "subject").map(|(_, text)| text);
    let wanted = match asked.map(|text| subject(&text)).transpose() {
        Ok(wanted) => wanted,
        Err(error) => return failure(StatusCode::UNPROCESSABLE_ENTITY, error),
    };
    told(node, move |node| {
        let (plan, now) = (node.plan.load(), node.clock.now());
        let histories = match wanted {
            Some(subject) => vec![node.store.ban_steps(&subject, now)],
            None => node.store.all_ban_steps(now),
        };
        Ok(histories.into_iter().filter_map(|steps| of_steps(node, &plan, steps, now)).collect::<Vec<_>>())
    })
    .await
}

/// Bans a client network everywhere.
pub(super) async fn add(State(node): State<Arc<Node>>, new: Result<Json<NewBan>, JsonRejection>) -> Response {
    match new {
        Ok(Json(new)) => answer(ban(&node, &new), StatusCode::UNPROCESSABLE_ENTITY),
        Err(rejection) => failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    }
}

/// Lifts a ban everywhere.
pub(super) async fn remove(State(node): State<Arc<Node>>, old: Result<Json<Unban>, JsonRejection>) -> Response {
    match old {
        Ok(Json(old)) => answer(unban(&node, &old), StatusCode::NOT_FOUND),
        Err(rejection) => failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    }
}

fn ban(node: &Node, new: &NewBan) -> Result<Ban, String> {
    let subject = subject(&new.subject)?;
    for (prefix, whose) in [(PENALTY_PREFIX, "penalties"), (RULE_PREFIX, "bans by rules")] {
        if new.reason.starts_with(prefix) {
            return Err(format!("a reason may not start with {prefix:?}: those of {whose} do"));
        }
    }
    if new.for_ms == 0 {
        return Err("a ban lasts at least 1 ms".to_owned());
    }
    let now = node.clock.now();
    let until = Time(now.0.saturating_add(new.for_ms));
    let ban = node.store.ban(&subject, until, 0, &new.reason, now).map_err(|error| error.to_string())?;
    Ok(report(node, ban))
}

fn unban(node: &Node, old: &Unban) -> Result<Ban, String> {
    let subject = subject(&old.subject)?;
    let lifted = node.store.unban(&subject, node.clock.now());
    lifted.map(|ban| report(node, ban)).ok_or_else(|| format!("{subject} is not banned"))
}

fn report(node: &Node, ban: selvedge_state::Ban) -> Ban {
    Ban {
        subject: ban.subject.to_string(),
        until: ban.until.0,
        level: ban.level,
        reason: ban.reason.to_string(),
        made_at: ban.made_at.0,
        made_by: node.pops.name(ban.made_by.pop),
        applied_at: ban.applied_at.0,
    }
}

/// The history that these steps are; none where there is no step.
fn of_steps(node: &Node, plan: &Plan, steps: Vec<selvedge_state::BanStep>, now: Time) -> Option<BanHistory> {
    let last = steps.first()?;
    let (ban, lifted) = (&last.ban, last.lifted.map(|(at, _)| at));
    let mut limits = plan.filters.limits().iter().filter(|_| lifted.is_none());
    let limit = limits.find_map(|limit| Some((limit, limit.next_ban(ban)?)));
    let millis = |step: &Duration| u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
    let penalty = limit.and_then(|(limit, _)| limit.facts().penalty.as_ref());
    Some(BanHistory {
        in_force: lifted.is_none() && now < ban.until,
        remembered_until: lifted.unwrap_or(ban.until.plus(BAN_MEMORY)).0,
        steps_ms: penalty.map(|penalty| penalty.ban.iter().map(millis).collect()).unwrap_or_default(),
        next_ms: limit.map(|(_, next)| next),
        steps: steps.into_iter().map(|step| of_step(node, step)).collect(),
    })
}

fn of_step(node: &Node, selvedge_state::BanStep { ban, lifted }: selvedge_state::BanStep) -> BanStep {
    let by = [PENALTY_PREFIX, RULE_PREFIX].into_iter().any(|prefix| ban.reason.starts_with(prefix));
    BanStep {
        by: by.then(|| ban.reason.to_string()),
        lifted_at: lifted.map(|(at, _)| at.0),
        lifted_by: lifted.map(|(_, by)| node.pops.name(by.pop)),
        ban: report(node, ban),
    }
}

/// The subject of a ban: an address as the network it counts as, or just such a network.
fn subject(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(client_net(address).to_string());
    }
    let net: ipnet::IpNet = text.parse().map_err(|_| format!("{text:?} is neither an address nor a network"))?;
    let counted = client_net(net.network());
    if counted.prefix_len() != net.prefix_len() {
        return Err(format!("bans are on networks as clients are counted: {counted}, not {net}"));
    }
    Ok(counted.to_string())
}
