//! Tries at an origin: the choice of a server, what a failure means for it, and whether there is another try.
//!
//! A request is tried twice at most. A connection that was never made is always worth another server; what broke off later
//! only if the method may be repeated (RFC 9110 section 9.2.2), no answer has begun, and the body could be kept.

use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use super::affinity;
use super::context::Context;
use super::idempotency;
use super::parent::{self, Ended};
use crate::node::Node;

/// Times an origin is asked for one request: the first try and one retry.
pub(crate) const TRIES: usize = 2;

/// The peer for the next try.
///
/// # Errors
/// 502 when the origin has no server whose name ever resolved.
pub(super) fn choose(node: &Node, session: &Session, context: &mut Context) -> pingora::Result<Box<HttpPeer>> {
    if let Some(home) = idempotency::choose(node, context) {
        return home;
    }
    if let Some(peer) = parent::choose(node, session, context) {
        return Ok(peer);
    }
    let (origin, keeps) = (context.origin.as_ref(), affinity::keeps(context));
    let choice = origin.and_then(|origin| origin.choose(keeps, context.server, node.clock.now()));
    let Some(mut choice) = choice else {
        return Error::e_explain(ErrorType::HTTPStatus(502), "no server of the origin has an address");
    };
    context.server = Some(choice.server);
    context.origin_address = Some(choice.address);
    context.tries = context.tries.saturating_add(1);
    idempotency::apart(node, context, &mut choice.peer);
    Ok(choice.peer)
}

/// A connection could not be made.
pub(super) fn not_connected(node: &Node, context: &mut Context, mut error: Box<Error>) -> Box<Error> {
    if parent::failed(node, context, Ended::Failed) {
        error.set_retry(true);
        return error;
    }
    failed(node, context, "connect");
    error.set_retry(usize::from(context.tries) < TRIES && !idempotency::is_to_home(context));
    error
}

/// A connection broke off, or timed out, with the request on it.
pub(super) fn broken(
    node: &Node,
    session: &Session,
    context: &mut Context,
    mut error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    let ours = matches!(error.esource(), pingora::ErrorSource::Upstream);
    let repeatable = session.req_header().method.is_idempotent() && !session.as_downstream().retry_buffer_truncated();
    // Pingora's coder takes one header for a request, and panics at the next one, also where the first has not gone to the client yet.
    let begun = super::has_begun(session) || !session.upstream_compression.is_header_phase();
    if ours && parent::failed(node, context, Ended::by(&error, reused)) {
        error.set_retry(repeatable && !begun);
        return error;
    }
    // A kept connection that the server closed meanwhile says nothing about the server.
    if ours && !reused {
        failed(node, context, kind(&error));
    }
    // A run is none twice, whatever its method.
    let repeatable = repeatable && !idempotency::broken(context, reused);
    error.set_retry(ours && repeatable && !begun && usize::from(context.tries) < TRIES);
    error
}

/// A server answered.
pub(super) fn answered(context: &Context) {
    if context.way.parent().is_some() {
        return;
    }
    if let (Some(origin), Some(server)) = (&context.origin, context.server) {
        origin.succeeded(server);
    }
}

fn failed(node: &Node, context: &Context, kind: &'static str) {
    if let (Some(origin), Some(server)) = (&context.origin, context.server) {
        node.metrics.origin_failed(origin.name(), kind);
        if origin.failed(server, node.clock.now()) {
            node.metrics.origin_failed(origin.name(), "ejected");
        }
    }
}

fn kind(error: &Error) -> &'static str {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => "timeout",
        ErrorType::InvalidHTTPHeader => "invalid",
        _ => "broken",
    }
}
