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
use super::origin::Choice;
use super::outbound::pass_on;
use crate::node::Node;
use crate::shield::{Freshness, HAVE, ORDER, Order, PURGES, Parent, read_have};

/// Fields between POPs, which no client and no origin has a say in.
const FIELDS: [&str; 2] = [ORDER, PURGES];

/// Takes off a request what only POPs say.
pub(super) fn drop_order(request: &mut RequestHeader) {
    for field in FIELDS {
        request.remove_header(field);
    }
}

/// The parent that a request goes to next; none where it goes to the origin.
pub(super) fn choose(node: &Node, session: &Session, context: &mut Context) -> Option<Box<HttpPeer>> {
    let origin = context.origin.as_ref()?;
    let parent = context.plan.parents.of(origin.name()).filter(|_| context.child.is_none())?;
    let is_stored = matches!(session.cache.phase(), CachePhase::Miss | CachePhase::Stale);
    if !is_stored || matches!(context.way, Way::Fallback) {
        return None;
    }
    let now = node.clock.now();
    let is_there = node.store.hears_pop(parent.pop()) && parent.way().is_up(now);
    let choice = parent.way().choose(None, now).filter(|_| is_there);
    let Some(Choice { address, mut peer, .. }) = choice else {
        node.metrics.filled(origin.name(), "origin");
        return None;
    };
    // What the parent waits for is the origin.
    let timeouts = origin.timeouts();
    (peer.options.read_timeout, peer.options.write_timeout) = (Some(timeouts.read), Some(timeouts.write));
    let parent = Arc::clone(parent);
    context.origin_address = Some(address);
    context.way = Way::Parent(parent);
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

/// Looks at what came. From a parent an answer is one if it says so; from an origin nothing that only parents say is let through.
///
/// # Errors
/// When a parent has no answer of the origin: the request may go to that one.
pub(super) fn heard(node: &Node, response: &mut ResponseHeader, context: &Context) -> pingora::Result<()> {
    let said = read_have(&response.headers);
    response.remove_header(HAVE);
    let Way::Parent(parent) = &context.way else { return Ok(()) };
    if response.status.is_informational() {
        return Ok(());
    }
    let Some(said) = said else {
        let why = format!("the POP that shields it answered {} and not for the origin", response.status.as_u16());
        return Err(Error::explain(ErrorType::HTTPStatus(502), why).into_up());
    };
    parent.has(said);
    parent.way().succeeded(0);
    if let Some(origin) = &context.origin {
        node.metrics.filled(origin.name(), "shield");
    }
    Ok(())
}

/// A request to a parent failed. True if it goes to the origin instead: from here on it does. `is_new`: the connection was not a kept one,
/// whose end would say nothing about the parent.
pub(super) fn failed(node: &Node, context: &mut Context, is_new: bool) -> bool {
    let Way::Parent(parent) = &context.way else { return false };
    if is_new {
        parent.way().failed(0, node.clock.now());
    }
    if let Some(origin) = &context.origin {
        node.metrics.filled(origin.name(), "fallback");
    }
    context.way = Way::Fallback;
    true
}
