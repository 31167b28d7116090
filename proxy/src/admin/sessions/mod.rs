//! `/v1/sessions`: the sessions that a node holds, one of them at every POP, and how they are revoked.

mod held;
mod revoke;
mod shown;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use selvedge_conf::{Config, Named, Session};
use selvedge_filters::revocation;
use selvedge_state::{RevokedBy, SessionKey, Store, Time};

pub(super) use self::revoke::{REVOKED_MAX, revoke};
use super::asking::Asking;
use super::server::{answer, aside, failure};
use crate::node::Node;

/// Sessions that are held here, a page of them.
pub(super) async fn ls(State(node): State<Arc<Node>>, Asking(parts): Asking<Vec<(String, String)>>) -> Response {
    match held::Question::read(parts) {
        Ok(question) => {
            let page =
                aside(move || has_sessions(&node.plan.load().config).map(|()| held::page(&node, &question))).await;
            answer(page, StatusCode::UNPROCESSABLE_ENTITY)
        }
        Err(error) => failure(StatusCode::BAD_REQUEST, error),
    }
}

/// One session, here and elsewhere, for the admin socket.
pub(super) async fn anywhere(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Response {
    match has_sessions(&node.plan.load().config).and_then(|()| key(&id)) {
        Ok(key) => axum::Json(shown::everywhere(&node, key).await).into_response(),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, error),
    }
}

/// What is known here of one session, for other POPs.
pub(super) async fn here(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Response {
    answer(key(&id).map(|key| shown::local(&node, key)), StatusCode::UNPROCESSABLE_ENTITY)
}

/// The session of an id as logs show it.
fn key(id: &str) -> Result<SessionKey, String> {
    SessionKey::parse(id).ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        format!("{shown:?} is no id of a session: that is 32 hex digits, as `session` in the access log and Selvedge-Session-Id have it")
    })
}

fn has_sessions(config: &Config) -> Result<(), String> {
    match config.sessions.as_slice() {
        [] => Err("the config of this node has no [session]".to_owned()),
        _ => Ok(()),
    }
}

/// What is known of a session that may be revoked.
struct Shown<'s> {
    started: Time,
    attributes: &'s [(String, String)],
}

/// By what a session is revoked, in a word: its id, all that were started as early, or whose it is. Of one of which nothing is known only its id can be.
fn revoked(node: &Node, config: &Config, key: SessionKey, shown: Option<Shown<'_>>) -> Option<String> {
    let started = shown.as_ref().map_or(Time(u64::MAX), |shown| shown.started);
    let by = match node.store.revoked(Store::session_revocation(key), started) {
        Some(RevokedBy::Name) => "id",
        Some(RevokedBy::Floor) => "floor",
        None => {
            let shown = shown?;
            let mut kinds = config.sessions.iter().filter(|kind| fits(kind, shown.attributes));
            kinds.find_map(|kind| owner_revoked(node, kind, &shown))?
        }
    };
    Some(by.to_owned())
}

/// Whether a session may be of a kind: which one it is of it does not say.
fn fits(kind: &Session, attributes: &[(String, String)]) -> bool {
    attributes.iter().all(|(name, _)| kind.attributes.iter().any(|(known, _)| known == name))
}

/// Whether the user or the tenant of a session of this kind was revoked after it was started.
fn owner_revoked(node: &Node, kind: &Session, shown: &Shown<'_>) -> Option<&'static str> {
    let is_revoked = |(what, place): (Named, Option<usize>)| {
        let (attribute, _) = kind.attributes.get(place?)?;
        let (_, name) = shown.attributes.iter().find(|(held, _)| held == attribute)?;
        let by = revocation::revoked(&node.store, (what, &kind.realm, name), shown.started)?;
        Some(if by == RevokedBy::Name { what.as_str() } else { "floor" })
    };
    [(Named::User, kind.user), (Named::Tenant, kind.tenant)].into_iter().find_map(is_revoked)
}
