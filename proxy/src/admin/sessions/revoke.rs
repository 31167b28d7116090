//! `POST /v1/sessions/revoke`: what is not valid any more, here and at every POP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::Response;
use selvedge_conf::{Config, Named, Realm};
use selvedge_filters::revocation;
use selvedge_state::{SESSION_LONGEST, Session, SessionKey, Store, Time};

use super::super::receipts;
use super::super::receipts::WAIT_MAX;
use super::super::receipts::revoked::Made;
use super::super::report::{NewRevocation, Purger, Revoked, Whose};
use super::super::server::{answer, aside, failure};
use super::super::unknown::unknown;
use crate::node::Node;
use crate::observe::{Revoker, SessionChange, log};

/// The most that one question revokes.
pub(in crate::admin) const REVOKED_MAX: usize = 1_000;

/// The longest name of a user, a tenant or a token, bytes.
const NAME_MAX: usize = 1_024;

/// Who revokes, for the log.
const OPERATOR: &str = "operator";

/// One thing to revoke, which can be.
enum Order<'o> {
    Session(SessionKey),
    Named(Named, &'o Realm, &'o str),
}

/// Revokes, and waits for receipts if it shall.
pub(in crate::admin) async fn revoke(
    State(node): State<Arc<Node>>,
    new: Result<Json<NewRevocation>, JsonRejection>,
) -> Response {
    let new = match new {
        Ok(Json(new)) => new,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    let (wait, here) = (Duration::from_millis(new.wait_ms), Arc::clone(&node));
    let (mut revoked, made) = match aside(move || make(&here, new)).await {
        Ok(made) => made,
        Err(error) => return failure(StatusCode::UNPROCESSABLE_ENTITY, error),
    };
    if !wait.is_zero() {
        (revoked.receipts, revoked.missing) = receipts::revoked::collect(&node, &made, wait).await;
    }
    answer(Ok(revoked), StatusCode::UNPROCESSABLE_ENTITY)
}

/// Revokes all of it, or nothing.
fn make(node: &Node, new: NewRevocation) -> Result<(Revoked, Vec<Made>), String> {
    if new.wait_ms > u64::try_from(WAIT_MAX.as_millis()).unwrap_or(u64::MAX) {
        return Err(format!("wait_ms is {} at most", WAIT_MAX.as_millis()));
    }
    if !(1..=REVOKED_MAX).contains(&new.revoke.len()) {
        return Err(format!("revoke: 1 to {REVOKED_MAX} at once, not {}", new.revoke.len()));
    }
    let (plan, now) = (node.plan.load(), node.clock.now());
    let order = |(nth, whose)| {
        let order = order(&plan.config, whose, new.realm.as_deref());
        order.map_err(|error| format!("revoke[{nth}]: {error}"))
    };
    let orders: Vec<Order<'_>> = new.revoke.iter().enumerate().map(order).collect::<Result<_, _>>()?;
    let realm = orders.iter().find_map(|order| match order {
        Order::Session(_) => None,
        Order::Named(_, realm, _) => Some(realm.name.clone()),
    });
    let made = orders.iter().map(|order| carry_out(node, order, now)).collect::<Result<Vec<_>, _>>()?;
    log::revoked(&new.revoke, realm.as_deref(), OPERATOR);
    let by = Purger { pop: node.pops.name(node.me.pop), node: node.me.node, incarnation: node.incarnation.0 };
    let revoked = Revoked { by, at: now.0, revoked: new.revoke, realm, receipts: Vec::new(), missing: Vec::new() };
    Ok((revoked, made))
}

fn order<'o>(config: &'o Config, whose: &'o Whose, realm: Option<&str>) -> Result<Order<'o>, String> {
    let (what, name) = match whose {
        Whose::Session(id) => {
            super::has_sessions(config)?;
            return super::key(id).map(Order::Session);
        }
        Whose::User(name) => (Named::User, name),
        Whose::Tenant(name) => (Named::Tenant, name),
        Whose::Token(name) => (Named::Token, name),
    };
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(format!("the name of a {} has 1 to {NAME_MAX} bytes", what.as_str()));
    }
    let realm = find(&config.realms, realm)?;
    match realm.has(what) {
        true => Ok(Order::Named(what, realm, name)),
        false => Err(format!("no section of the realm {:?} says what a {} is", realm.name, what.as_str())),
    }
}

/// The realm of a name; the only one where none is named.
fn find<'r>(realms: &'r [Realm], name: Option<&str>) -> Result<&'r Realm, String> {
    let names = || realms.iter().map(|realm| realm.name.as_str());
    match (realms, name) {
        ([], _) => Err("the config of this node has no [session] and no [jwt], and so no realm".to_owned()),
        (realms, Some(name)) => {
            realms.iter().find(|realm| realm.name == name).ok_or_else(|| unknown("realm", name, names()))
        }
        ([only], None) => Ok(only),
        (_, None) => Err(format!("which realm? There are: {}", names().collect::<Vec<_>>().join(", "))),
    }
}

fn carry_out(node: &Node, order: &Order<'_>, now: Time) -> Result<Made, String> {
    match *order {
        Order::Session(key) => {
            // One of which nothing is known here may be held elsewhere, or by its client alone.
            let ends = node.store.session(key, now, Session::ends).unwrap_or(now.plus(SESSION_LONGEST));
            let name = Store::session_revocation(key);
            node.store.revoke(name, now, ends, now).map_err(|error| error.to_string())?;
            node.metrics.session_changed(SessionChange::Revoked);
            Ok((name, now))
        }
        Order::Named(what, realm, name) => {
            let before = revocation::revoke(&node.store, (what, realm, name), None, now);
            node.metrics.revoked(what, Revoker::Operator);
            Ok((revocation::key(&node.store, what, &realm.name, name), before))
        }
    }
}
