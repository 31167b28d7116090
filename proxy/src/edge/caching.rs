//! The cache's part of a request: turned on, named, and told about in the response.

use std::time::SystemTime;

use http::header::COOKIE;
use pingora::cache::{CacheKey, NoCacheReason, RespCacheable};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use selvedge_conf::CacheAction;
use selvedge_filters::cache::{
    Asked, Bypass, Forward, KeyParts, Lifetime, Lookup, Outcome, Slice, cache_status, hop_by_hop, invalidated,
    request_admits,
};
use selvedge_filters::{From, Head};

use super::context::Context;
use super::outbound::pseudonym;
use super::purging;
use super::target::Target;
use crate::cache::{self, Cache, Exchange, Next};

/// Asks the cache about a request, unless the request forbids it.
pub(super) fn turn_on(cache: &'static Cache, session: &mut Session, context: &mut Context, now: SystemTime) {
    if context.cache == Some(CacheAction::Pass) {
        context.bypass = Some(Bypass::Rule);
        return;
    }
    if context.policy().is_some_and(|policy| policy.passes()) {
        context.bypass = Some(Bypass::Policy);
        return;
    }
    let request = session.req_header();
    // What rules changed counts here: it is what the origin would see.
    let Some(head) = context.head(request).map(|head| Head { headers: &request.headers, ..head }) else { return };
    match request_admits(&head) {
        Ok(lookup) => {
            let ruled = context.cache.and_then(Lifetime::of);
            let asked = Asked {
                authorized: lookup == Lookup::Authorized,
                cookie: head.headers.contains_key(COOKIE),
                heuristic: context.plan.config.storage.heuristic_freshness,
                ruled,
                times: context.policy().map(|policy| policy.times()).unwrap_or_default(),
            };
            context.exchange = Some(Exchange::new(asked, now).under(context.policy()).of_slice(context.slice));
            cache.enable(session, asked);
        }
        Err(bypass) => {
            context.bypass = Some(bypass);
            context.exchange = Some(Exchange::new(Asked::default(), now).under(context.policy()));
        }
    }
}

/// What a request's response is stored under.
pub(super) fn key(session: &Session, context: &Context) -> CacheKey {
    let parts = stored_as(session, context);
    match (context.policy(), context.slice) {
        (Some(policy), Some(slice)) => cache::cache_key_of_slice(slice, policy.key(), &parts),
        (Some(policy), None) => cache::cache_key_under(policy.key(), &parts),
        (None, _) => cache::cache_key(&parts),
    }
}

/// Takes slices of a request's response out of the cache.
pub(super) fn forget(cache: &'static Cache, session: &Session, context: &Context, slices: [Slice; 2]) {
    let Some(policy) = context.policy() else { return };
    let parts = stored_as(session, context);
    slices.iter().for_each(|slice| cache.invalidate(&cache::cache_key_of_slice(*slice, policy.key(), &parts)));
}

/// What names its response, whatever a policy's key makes of that.
fn stored_as<'a>(session: &'a Session, context: &'a Context) -> KeyParts<'a> {
    let uri = &session.req_header().uri;
    let Target { authority, scheme, .. } = &context.target;
    let origin = context.origin.as_ref().filter(|_| context.rerouted).map(|origin| origin.name());
    KeyParts { scheme: *scheme, authority, path: uri.path(), query: uri.query(), origin }
}

/// Begins to store a response that answers other requests than its own (RFC 9110 section 9.3.3). For `response_filter`.
pub(super) fn deposit(
    cache: &'static Cache,
    session: &Session,
    context: &mut Context,
    response: &ResponseHeader,
    now: SystemTime,
) {
    // What a POST brings is for GETs of its URL, of which a policy's key knows more than one.
    let is_keyed = context.policy().is_some_and(|policy| !policy.key().is_plain());
    if context.bypass != Some(Bypass::Method) || is_keyed || context.says_of_session {
        return;
    }
    let request = session.req_header();
    let Some(head) = context.head(request).map(|head| Head { headers: &request.headers, ..head }) else { return };
    if selvedge_filters::cache::deposit(&head, &target(context), response.status, &response.headers).is_err() {
        return;
    }
    let key = key(session, context);
    if let Some(exchange) = &mut context.exchange {
        exchange.keyed(&key);
    }
    let Some(exchange) = &context.exchange else { return };
    context.deposit =
        purging::at_places(session, context, |places| cache.deposit(&key, (exchange, places), response, now));
}

/// What was asked for, as the client named it.
fn target(context: &Context) -> KeyParts<'_> {
    let Target { authority, scheme, path, query, .. } = &context.target;
    KeyParts { scheme: *scheme, authority, path, query: query.as_deref(), origin: None }
}

/// Takes out of the cache what a request changed at its origin, as its response tells (RFC 9111 section 4.4). For
/// `response_filter`, so that it is done before the client hears.
pub(super) fn invalidate(cache: &'static Cache, session: &Session, context: &Context, response: &ResponseHeader) {
    let target = target(context);
    let places = invalidated(session.req_header().method.as_str(), response.status, &target, &response.headers);
    if places.is_empty() {
        return;
    }
    let keys = context.plan.filters.cache_keys();
    let take_out =
        |parts: &KeyParts<'_>| keys.iter().for_each(|key| cache.invalidate(&cache::cache_key_under(key, parts)));
    // Where rules have it go is where they have the GET go whose answer is stored.
    take_out(&stored_as(session, context));
    let other = context.origin.as_ref().map(|origin| origin.name());
    for place in &places {
        for origin in [None, other] {
            let parts = KeyParts { path: &place.path, query: place.query.as_deref(), origin, ..target };
            take_out(&parts);
        }
    }
}

/// Pingora closes the client's connection behind an answer that stands in for an error of its own, so the answer must not say that
/// it stays open. An error that the origin answered with is none.
pub(super) fn keep_no_promise(session: &mut Session, context: &Context, error: Option<&Error>) {
    let Some(error) = error else { return };
    if context.next == Next::StandIn || !matches!(error.etype(), ErrorType::HTTPStatus(_)) {
        session.set_keepalive(None);
    }
}

/// Whether a response is stored. One that changes a session is not, or others whom it is served would stay as they are.
pub(super) fn storable(
    cache: &'static Cache,
    session: &Session,
    context: &Context,
    response: &ResponseHeader,
) -> RespCacheable {
    if context.says_of_session {
        return RespCacheable::Uncacheable(NoCacheReason::Custom("session"));
    }
    match &context.exchange {
        Some(exchange) => purging::at_places(session, context, |places| {
            cache.stamped(cache.response_cacheable(exchange, response), exchange, places)
        }),
        // Not asked when the cache was never turned on.
        None => RespCacheable::Uncacheable(NoCacheReason::InternalError),
    }
}

/// Puts the response's age right, takes off what was meant for one hop only, and says what the cache did.
///
/// # Errors
/// When a value is no valid header value.
pub(super) fn on_response(
    session: &Session,
    response: &mut ResponseHeader,
    context: &mut Context,
    now: SystemTime,
) -> Result<Option<String>> {
    if context.child.is_none() {
        purging::untag(response, context);
    }
    if let Some(age) = cache::age(session, now) {
        response.insert_header("age", age)?;
    }
    if response.status != http::StatusCode::SWITCHING_PROTOCOLS {
        for name in hop_by_hop(&response.headers) {
            // Pingora frames the body by this one.
            if name != http::header::TRANSFER_ENCODING {
                response.remove_header(&name);
            }
        }
    }
    let (outcome, detail) = match (cache::outcome(session, now), context.bypass) {
        (Some(outcome), _) => outcome,
        (None, Some(Bypass::Method)) => (forwarded(Forward::Method), None),
        (None, Some(bypass)) => (forwarded(Forward::Bypass), Some(bypass.as_str())),
        (None, None) => return Ok(None),
    };
    context.outcome = Some(outcome);
    Ok(Some(cache_status(&pseudonym(&context.plan.config.pop.name), outcome, detail)))
}

fn forwarded(why: Forward) -> Outcome {
    Outcome::Forwarded { why, status: None, stored: false, ttl: None }
}

/// What the cache did, in a word, for logs and metrics.
pub(super) fn name(context: &Context) -> Option<&'static str> {
    Some(match context.outcome? {
        Outcome::Hit { .. } => "hit",
        Outcome::Collapsed { .. } => "collapsed",
        Outcome::Forwarded { why: Forward::Stale, .. } => "revalidated",
        Outcome::Forwarded { why: Forward::UriMiss | Forward::VaryMiss, .. } => "miss",
        Outcome::Forwarded { why: Forward::Bypass | Forward::Method, .. } => "bypass",
    })
}

/// Who made a response that the edge did not make itself.
pub(super) fn from(context: &Context) -> From {
    match context.outcome {
        Some(Outcome::Hit { .. } | Outcome::Collapsed { .. }) => From::Cache,
        // Validated just now, and still the stored one.
        Some(Outcome::Forwarded { status: Some(304), stored: true, .. }) => From::Cache,
        Some(Outcome::Forwarded { .. }) | None => From::Origin,
    }
}
