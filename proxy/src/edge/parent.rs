//! A child's side of a shield: which requests go to the parent POP and how they are dressed for it, what its answers are, and what becomes
//! of a request that it does not answer.
//!
//! Only what is to be stored goes that way: a miss, or what is stale and validated. Whatever comes that is not the origin's answer, the same
//! request goes to the origin itself, and the parent is left alone for a while if it did not answer twice in a row.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pingora::cache::CachePhase;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use selvedge_filters::cache::Scheme;

use super::context::{Context, Way};
use super::forwarded::{self, Trust};
use super::idempotency;
use super::origin::{Choice, Keeps};
use super::outbound::pass_on;
use crate::node::Node;
use crate::shield::{Freshness, HAVE, ORDER, Order, PURGES, Parent, read_have};

/// Fields between POPs, which no client and no origin has a say in.
const FIELDS: [&str; 6] = [ORDER, PURGES, HAVE, idempotency::FENCE, idempotency::RUN, idempotency::STATUS];

/// Takes off a request what only POPs say.
pub(super) fn drop_order(request: &mut RequestHeader) {
    for field in FIELDS {
        request.remove_header(field);
    }
}

/// The parent that a request goes to next; none where it goes to the origin.
pub(super) fn choose(node: &Node, session: &Session, context: &mut Context) -> Option<Box<HttpPeer>> {
    if matches!(context.way, Way::Fallback) {
        return None;
    }
    let before = std::mem::replace(&mut context.way, Way::Origin);
    let origin = context.origin.as_ref()?;
    let parent = context.plan.parents.of(origin.name()).filter(|_| context.child.is_none())?;
    if !matches!(session.cache.phase(), CachePhase::Miss | CachePhase::Stale) {
        return None;
    }
    let now = node.clock.now();
    let is_there = node.store.hears_pop(parent.pop()) && parent.way().is_up(now);
    let choice = parent.way().choose(Keeps::Nothing, None, now).filter(|_| is_there);
    let Some(Choice { address, mut peer, .. }) = choice else {
        // Counted once, also when the origin is asked twice.
        if context.tries == 0 {
            node.metrics.filled(origin.name(), "origin");
        }
        return None;
    };
    // What the parent waits for is the origin.
    let timeouts = origin.timeouts();
    (peer.options.read_timeout, peer.options.write_timeout) = (Some(timeouts.read), Some(timeouts.write));
    let parent = Arc::clone(parent);
    context.origin_address = Some(address);
    context.way = if matches!(before, Way::Again(_)) { Way::Again(parent) } else { Way::Parent(parent) };
    Some(peer)
}

/// Dresses a request for its parent: as an origin would get it, but for what the parent says to that one. The purges that
/// it carries are taken after the stamp of the fill, so they are all that the stamp stands for.
///
/// # Errors
/// When a value is no valid header value, which these are.
pub(super) fn dress(
    node: &Node,
    parent: &Parent,
    request: &mut RequestHeader,
    context: &Context,
) -> pingora::Result<()> {
    let (Some(client), Some(peer), Some(origin)) = (context.client, context.peer, &context.origin) else {
        return Error::e_explain(ErrorType::InternalError, "a request of nobody for a parent");
    };
    if context.original.is_none() {
        forwarded::drop_claims(request, client);
    }
    let target = &context.target;
    let order = Order::new(origin.name(), context.id.number());
    let order = Order {
        rerouted: context.rerouted,
        is_tls: target.scheme == Scheme::Https,
        authority: target.authority.clone(),
        path: target.path.clone(),
        query: target.query.clone(),
        client: client.address,
        is_forwarded: client.via == Trust::Proxy,
        peer,
        policy: context.policy().map(|policy| policy.name().to_string()),
        freshness: context.cache.and_then(Freshness::of),
        ..order
    };
    let purges = node.store.carry(parent.known(), node.clock.now());
    request.insert_header("host", target.authority.as_str())?;
    request.insert_header(ORDER, order.encode())?;
    request.insert_header(PURGES, STANDARD.encode(purges.bytes))?;
    pass_on(request, &context.plan.config.pop.name)
}

/// Whether what came from a parent is an answer: only it says which it is. For `adjust_upstream_modules`, before anything is made of it: a
/// request whose response has begun to be coded cannot be sent again.
///
/// # Errors
/// When a parent has no answer of the origin: the request may go to that one.
pub(super) fn answers(response: &ResponseHeader, context: &Context) -> pingora::Result<()> {
    let is_from_parent = context.way.parent().is_some() && !response.status.is_informational();
    if is_from_parent && read_have(&response.headers).is_none() {
        let why = format!("the POP that shields it answered {} and not for the origin", response.status.as_u16());
        return Err(Error::explain(ErrorType::HTTPStatus(502), why).into_up());
    }
    Ok(())
}

/// Takes note of what a parent says beside an answer, which goes no further; nor does it from an origin that says the same. For
/// `upstream_response_filter`.
pub(super) fn heard(node: &Node, response: &mut ResponseHeader, context: &Context) {
    let said = read_have(&response.headers);
    [ORDER, PURGES, HAVE].iter().for_each(|field| drop(response.remove_header(*field)));
    idempotency::heard(response, context);
    let (Some(parent), Some(said)) = (context.way.parent(), said) else { return };
    parent.has(said);
    parent.way().succeeded(0);
    if let Some(origin) = &context.origin {
        node.metrics.filled(origin.name(), "shield");
    }
}

/// How a request to a parent ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// A kept connection was closed, which says nothing of the parent.
    Kept,
    /// The parent was not reached, gave no answer, or none in time.
    Failed,
}

impl Ended {
    /// By an error on a connection that was a kept one or not.
    pub(super) fn by(error: &Error, reused: bool) -> Ended {
        match error.etype() {
            ErrorType::HTTPStatus(_) | ErrorType::ReadTimedout | ErrorType::WriteTimedout => Ended::Failed,
            _ if reused => Ended::Kept,
            _ => Ended::Failed,
        }
    }
}

/// A request that went to a parent, if it did, has no answer: it goes there once more, or to the origin. True if there was a parent.
pub(super) fn failed(node: &Node, context: &mut Context, ended: Ended) -> bool {
    if let (Way::Parent(parent), Ended::Kept) = (&context.way, ended) {
        context.way = Way::Again(Arc::clone(parent));
        return true;
    }
    let Some(parent) = context.way.parent() else { return false };
    if ended == Ended::Failed {
        parent.way().failed(0, node.clock.now());
    }
    if let Some(origin) = &context.origin {
        node.metrics.filled(origin.name(), "fallback");
    }
    context.way = Way::Fallback;
    true
}
