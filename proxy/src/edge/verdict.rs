//! What follows from a decision: where the request goes, or what the edge answers, and who hears of it.

use std::sync::Arc;

use http::StatusCode;
use pingora::proxy::Session;
use selvedge_conf::{Deny, Over};
use selvedge_filters::{Changes, Decision, Quota, SiteId, Verdict};
use selvedge_state::Time;

use super::affinity;
use super::answer::Answer;
use super::context::Context;
use super::{challenge, steer};
use crate::observe::LimitOutcome;
use crate::plan::Plan;

/// Carries a decision out. `Some` is the edge's own answer.
pub(super) fn follow(decision: Decision, now: Time, session: &mut Session, context: &mut Context) -> Option<Answer> {
    let Decision { verdict, quotas, would_refuse, uncounted, mut changes, tags, fired, monitored, undone, .. } =
        decision;
    let plan = Arc::clone(&context.plan);
    context.quotas = quotas;
    context.policy = decision.policy;
    context.affinity = decision.affinity;
    would_refuse.iter().for_each(|limit| plan.meters.limit(*limit, LimitOutcome::WouldRefuse));
    context.would_refuse = would_refuse;
    if let Some(limit) = uncounted {
        plan.meters.limit(limit, LimitOutcome::Uncounted);
    }
    if let Some(limit) = decision.tagged_by {
        plan.meters.limit(limit, LimitOutcome::Tagged);
    }
    plan.meters.rules(&fired, &monitored, &undone);
    context.said.monitored = monitored;
    context.said.tags = tags;
    context.said.logged = std::mem::take(&mut changes.logged);
    context.said.changes = std::mem::take(&mut changes.response);
    match verdict {
        Verdict::Pass(site) => go_on(&plan, site, &changes, session, context),
        Verdict::Challenged { rule, bits, .. } => {
            context.said.answered = Some(rule);
            Some(challenge::pose(bits, session.req_header(), context, now))
        }
        refused => Some(refuse(&plan, refused, context)),
    }
}

/// Sends a request on its way to cache and origin.
fn go_on(plan: &Plan, site: SiteId, changes: &Changes, session: &mut Session, context: &mut Context) -> Option<Answer> {
    let own = plan.config.sites.get(site.0).map(|site| site.origin);
    context.rerouted = changes.origin.is_some_and(|chosen| Some(chosen) != own);
    let origin = changes.origin.or(own);
    context.origin = origin.and_then(|origin| plan.origins.get(origin)).cloned();
    context.cache = changes.cache;
    // A client was found, or nothing would have been decided; and filters give paths and queries that a URI holds.
    let Some(client) = context.client else { return Some(Answer::Internal) };
    match steer::request(session.req_header_mut(), &context.target, client, changes) {
        Ok(original) => {
            context.original = original;
            if let Some(tickets) = origin.and_then(|origin| plan.shelf.tickets(origin)) {
                // Rules see what the client sent.
                let request = (session.req_header_mut(), &mut context.original);
                context.ticketed = Some(affinity::take(tickets, request, client));
            }
            None
        }
        Err(_) => Some(Answer::Internal),
    }
}

fn refuse(plan: &Plan, verdict: Verdict, context: &mut Context) -> Answer {
    let name = |id| plan.filters.limit(id).map_or(String::new(), |limit| limit.facts().name.clone());
    // Statuses come from the config, which holds only those there are.
    let status = |status| StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    match verdict {
        Verdict::NoSite => Answer::NoSite,
        Verdict::Banned { remaining, origin, .. } => Answer::Banned { origin, remaining },
        Verdict::Denied { rule, status: denied, .. } => {
            context.said.answered = Some(rule);
            Answer::Denied { status: status(denied) }
        }
        Verdict::Redirected { rule, status: redirected, location, .. } => {
            context.said.answered = Some(rule);
            Answer::Redirected { status: status(redirected), location }
        }
        Verdict::Limited { quota, .. } => {
            plan.meters.limit(quota.limit, LimitOutcome::Refused);
            limited(plan, quota)
        }
        Verdict::Unkeyed { limit, .. } => {
            plan.meters.limit(limit, LimitOutcome::Refused);
            Answer::Unkeyed { limit: name(limit) }
        }
        Verdict::Partitioned { limit, .. } => {
            plan.meters.limit(limit, LimitOutcome::Refused);
            Answer::Partitioned { limit: name(limit) }
        }
        Verdict::FormTooLong { .. } => Answer::FormTooLarge,
        // They were seen to before.
        Verdict::Pass(_) | Verdict::Challenged { .. } | Verdict::FormUnread { .. } => Answer::Internal,
    }
}

/// What the edge answers where a limit has no room.
fn limited(plan: &Plan, quota: Quota) -> Answer {
    let facts = plan.filters.limit(quota.limit).map(selvedge_filters::limit::Limit::facts);
    let deny = match facts.map(|facts| &facts.over) {
        Some(Over::Deny(deny)) => deny.clone(),
        Some(Over::Delay(_) | Over::Tag(_)) | None => Deny::default(),
    };
    Answer::Limited { limit: facts.map(|facts| facts.name.clone()).unwrap_or_default(), retry_after: quota.reset, deny }
}
