//! What clients are told of limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11, sections 2 and 3), and the older
//! `X-RateLimit-*`, which no document defines.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use selvedge_conf::Limit;
use selvedge_filters::{Allowed, Counted, Quota};

use super::answer::seconds;

/// The greatest integer of a structured field (RFC 9651 section 3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// Limits that one response tells of: a field has a bound.
const LIMITS_MAX: usize = 8;

/// The fields of a response: names, and values. The tightest limit comes first.
pub(crate) fn told<'a>(quotas: impl Iterator<Item = (&'a Limit, Quota)> + Clone) -> Vec<(&'static str, String)> {
    let (mut policy, mut left) = (String::new(), String::new());
    for (limit, quota) in quotas.clone().filter(|(limit, _)| limit.headers.draft).take(LIMITS_MAX) {
        let comma = if policy.is_empty() { "" } else { ", " };
        let partition = partition(limit, &quota);
        // Writing to a string cannot fail.
        let _ = write!(policy, "{comma}\"{}\"{}{partition}", limit.name, parameters(&quota.allowed));
        let _ = write!(
            left,
            "{comma}\"{}\";r={}{}{partition}",
            limit.name,
            quota.remaining.min(INTEGER_MAX),
            reset(&quota)
        );
    }
    let mut fields = Vec::new();
    if !policy.is_empty() {
        fields.extend([("ratelimit-policy", policy), ("ratelimit", left)]);
    }
    if let Some((_, quota)) = quotas.clone().find(|(limit, _)| limit.headers.legacy) {
        fields.push(("x-ratelimit-limit", within(&quota.allowed).0.to_string()));
        fields.push(("x-ratelimit-remaining", quota.remaining.to_string()));
        fields.extend(quota.reset.map(|reset| ("x-ratelimit-reset", seconds(reset).to_string())));
    }
    fields
}

/// So much in so many whole seconds: what is allowed in less than a second, or in a broken number of them, is told for the next whole one.
fn within(allowed: &Allowed) -> (u64, Option<u64>) {
    let Some(within) = allowed.within.filter(|within| !within.is_zero()) else { return (allowed.amount, None) };
    let whole = Duration::from_secs(seconds(within));
    let amount = u128::from(allowed.amount) * whole.as_millis() / within.as_millis().max(1);
    (u64::try_from(amount).unwrap_or(u64::MAX).min(INTEGER_MAX), Some(whole.as_secs()))
}

fn parameters(allowed: &Allowed) -> String {
    let (amount, window) = within(allowed);
    let window = window.map_or(String::new(), |window| format!(";w={window}"));
    let unit = match allowed.counted {
        Counted::Requests => "",
        Counted::Bytes => ";qu=\"content-bytes\"",
        Counted::InFlight => ";qu=\"concurrent-requests\"",
    };
    format!(";q={amount}{window}{unit}")
}

fn reset(quota: &Quota) -> String {
    quota.reset.map_or(String::new(), |reset| format!(";t={}", seconds(reset)))
}

/// Whose it is, where it is not everybody's.
fn partition(limit: &Limit, quota: &Quota) -> String {
    if limit.key.is_empty() { String::new() } else { format!(";pk=:{}:", STANDARD.encode(quota.key)) }
}
