//! The session of a request: met before anything is decided, changed by what rules and the origin say, and told to the client at the end.
//!
//! What is decided about it is decided in `selvedge_filters::session`; here are the header fields that it comes in by and goes out by. The cookie
//! is put on a response after the cache, so that none is ever stored, and what an origin says of a session goes no further.

use std::time::Duration;

use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use selvedge_conf::Named;
use selvedge_filters::session::{Obeyed, Orders, Over, Shape, Standing, Visitor, is_told, said, told};
use selvedge_filters::{Changes, HeaderChange};
use tokio::time::timeout;

use super::context::Context;
use super::{roaming, set_cookie};
use crate::node::Node;
use crate::observe::{Revoker, SessionChange};
use crate::plan::Plan;

/// How long a response waits for the disk.
const DURABLE_WITHIN: Duration = Duration::from_millis(250);

/// What a request knows of its session.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) visitor: Visitor,
    /// Why something that was said of it was not done.
    pub(super) error: Option<String>,
}

/// Takes off a request what origins are told by the edge alone, also where no site has sessions.
pub(super) fn drop_claims(request: &mut RequestHeader) {
    let claims: Vec<_> = request.headers.keys().filter(|name| is_told(name)).cloned().collect();
    claims.iter().for_each(|claim| drop(request.remove_header(claim)));
}

/// The sessions of a request's site, and the name of that.
fn of<'p>(plan: &'p Plan, context: &Context) -> Option<(&'p Shape, &'p str)> {
    plan.filters.session(context.site?)
}

/// Finds out which session a request brings, and waits for what its client wrote elsewhere, if its config says so.
pub(super) async fn meet(node: &Node, session: &Session, context: &mut Context) {
    let plan = std::sync::Arc::clone(&context.plan);
    let Some((shape, site)) = of(&plan, context) else { return };
    let headers = &session.req_header().headers;
    let mut visitor = Visitor::meet(shape, headers, site, &node.store, node.clock.now());
    roaming::catch_up(node, shape, &mut visitor).await;
    node.metrics.session_met(visitor.standing());
    context.session = Some(Met { visitor, error: None });
}

/// Carries out what rules say of a session before the origin is asked, and has the origin told of it.
pub(super) fn before_origin(node: &Node, context: &mut Context, changes: &mut Changes) {
    let plan = std::sync::Arc::clone(&context.plan);
    obey(node, context, &changes.session);
    let Some(((shape, _), met)) = of(&plan, context).zip(context.session.as_ref()) else { return };
    changes
        .request
        .extend(told(shape, met.visitor.record()).into_iter().map(|(name, value)| HeaderChange::Set(name, value)));
}

/// Carries out what is ordered.
pub(super) fn obey(node: &Node, context: &mut Context, orders: &Orders) {
    if orders.is_empty() {
        return;
    }
    orders.named.iter().for_each(|what| node.metrics.revoked(*what, Revoker::Rule));
    carry_out(node, context, orders);
    // A rotation revokes the session of before.
    if orders.rotate || orders.revoke.is_some() || !orders.named.is_empty() {
        context.revoked = Some(node.store.revocations_made());
    }
}

fn carry_out(node: &Node, context: &mut Context, orders: &Orders) {
    let plan = std::sync::Arc::clone(&context.plan);
    let Some((shape, _)) = of(&plan, context) else { return };
    let Some(met) = &mut context.session else { return };
    let mut id = [0; 16];
    let obeyed = match getrandom::fill(&mut id) {
        Ok(()) => {
            met.visitor.obey(shape, orders, id, (&node.store, node.clock.now())).map_err(|error| error.to_string())
        }
        // Without randomness nothing has a name that nobody guesses.
        Err(error) => Err(error.to_string()),
    };
    match obeyed {
        Ok(obeyed) => count(node, obeyed),
        Err(error) => {
            node.metrics.session_changed(SessionChange::Failed);
            met.error = Some(error);
        }
    }
}

fn count(node: &Node, obeyed: Obeyed) {
    let Obeyed { started, rotated, revoked } = obeyed;
    match revoked {
        None => {}
        Some(Over::Session) => node.metrics.session_changed(SessionChange::Revoked),
        Some(Over::User) => node.metrics.revoked(Named::User, Revoker::Origin),
        Some(Over::Tenant) => node.metrics.revoked(Named::Tenant, Revoker::Origin),
    }
    let changes = [(started, SessionChange::Started), (rotated, SessionChange::Rotated)];
    let done = changes.into_iter().filter(|(is, _)| *is);
    done.for_each(|(_, change)| node.metrics.session_changed(change));
}

/// Takes what an origin says of a session off its response, and does it. What another POP fetches through this one is said to that one, which
/// knows the client. For `upstream_response_filter`, so before the cache.
pub(super) fn heard(node: &Node, response: &mut ResponseHeader, context: &mut Context) {
    if !response.headers.keys().any(is_told) {
        return;
    }
    context.says_of_session = true;
    if context.child.is_some() {
        return;
    }
    let plan = std::sync::Arc::clone(&context.plan);
    let orders = of(&plan, context).map(|(shape, _)| said(shape, &response.headers));
    let names: Vec<_> = response.headers.keys().filter(|name| is_told(name)).cloned().collect();
    names.iter().for_each(|name| drop(response.remove_header(name)));
    match orders {
        Some(Ok(orders)) => obey(node, context, &orders),
        Some(Err(why)) => {
            node.metrics.session_changed(SessionChange::Refused);
            if let Some(met) = &mut context.session {
                met.error = Some(why.to_string());
            }
        }
        None => node.metrics.session_changed(SessionChange::Refused),
    }
}

/// Has the client told what it has to know. A cache on the way may keep the response, but not this.
///
/// # Errors
/// When a value is no valid header value, which these are.
pub(super) fn tell(node: &Node, context: &mut Context, response: &mut ResponseHeader) -> pingora::Result<()> {
    let plan = std::sync::Arc::clone(&context.plan);
    let Some((shape, site)) = of(&plan, context) else { return Ok(()) };
    let Some(met) = &mut context.session else { return Ok(()) };
    let cookie = met.visitor.cookie(shape, site, &node.store, node.clock.now());
    cookie.map_or(Ok(()), |cookie| set_cookie::set(response, cookie))
}

/// Waits until what a request revoked outlives a crash, where anything does: what a client was told is not to be taken back. Where the disk does not
/// take it in time the response goes on all the same, and the log of revocations says what is wrong.
pub(super) async fn outlives(node: &Node, context: &mut Context) {
    let (Some(made), Some(log)) = (context.revoked.take(), node.revocation_log()) else { return };
    let _ = timeout(DURABLE_WITHIN, log.until_durable(made)).await;
}

impl Met {
    /// What its cookie came to, for the log.
    pub(super) fn standing(&self) -> Standing {
        self.visitor.standing()
    }

    /// Its keyed hash, for the log.
    pub(super) fn hashed(&self) -> Option<String> {
        self.visitor.hashed()
    }
}
