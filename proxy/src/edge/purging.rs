//! Purging's part of a request: what its response is purged by, and what of that clients do not see.

use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use selvedge_filters::cache::{KeyParts, invalidated};
use selvedge_filters::purge::{Reach, Wanted, said_to_purge};

use super::context::Context;
use super::target::Target;
use crate::node::Node;
use crate::observe::log;
use crate::purge::purge;

/// Fields by which an origin speaks to the caches that it has purged, and to nobody behind them.
const TAG_FIELDS: [&str; 2] = ["surrogate-key", "cache-tag"];

/// What a request's response is stored for: the URL that the origin was asked for, and the client's where rules changed it.
pub(super) fn places<'a>(session: &'a Session, context: &'a Context) -> [KeyParts<'a>; 2] {
    let uri = &session.req_header().uri;
    let Target { authority, scheme, path, query, .. } = &context.target;
    let asked = KeyParts { scheme: *scheme, authority, path, query: query.as_deref(), origin: None };
    [KeyParts { path: uri.path(), query: uri.query(), ..asked }, asked]
}

/// Gives the places of a request's response, and the same with what counts of their queries where a policy says that not all does: a purge
/// by either is about it.
pub(super) fn at_places<T>(session: &Session, context: &Context, then: impl FnOnce(&[KeyParts<'_>]) -> T) -> T {
    let [stored, asked] = places(session, context);
    let Some(key) = context.policy().map(|policy| policy.key()).filter(|key| !key.is_plain()) else {
        return then(&[stored, asked]);
    };
    let (of_stored, of_asked) = (key.counted(stored.query), key.counted(asked.query));
    let counted = |parts, query| KeyParts { query, ..parts };
    then(&[stored, asked, counted(stored, of_stored.as_deref()), counted(asked, of_asked.as_deref())])
}

/// Obeys an origin that says which groups a request has changed (RFC 9875 section 3), at all POPs; where responses are stored in slices, also what the
/// request changed itself (RFC 9111 section 4.4). For `response_filter`, so that it holds here before the client hears.
pub(super) fn obey(node: &Node, session: &Session, context: &Context, response: &ResponseHeader) {
    let (method, authority) = (session.req_header().method.as_str(), &context.target.authority);
    let mut wanted = said_to_purge(method, response.status, authority, &response.headers);
    if context.plan.filters.has_slices() {
        // Nobody knows how many there are, so they cannot be taken out one by one.
        let [_, asked] = places(session, context);
        let places = invalidated(method, response.status, &asked, &response.headers).into_iter();
        wanted.extend(places.map(|place| url(KeyParts { path: &place.path, query: place.query.as_deref(), ..asked })));
    }
    if wanted.is_empty() {
        return;
    }
    if let Err((_, error)) = purge(node, &wanted, Reach::Hard, "response") {
        log::purge_failed(&error);
    }
}

/// What is to be purged where a URL is.
pub(super) fn url(KeyParts { scheme, authority, path, query, .. }: KeyParts<'_>) -> Wanted {
    let (authority, path) = (authority.to_owned(), path.to_owned());
    Wanted::Url { scheme, authority, path, query: query.map(str::to_owned) }
}

/// Takes off what is for caches only.
pub(super) fn untag(response: &mut ResponseHeader, context: &Context) {
    for field in TAG_FIELDS {
        response.remove_header(field);
    }
    for field in context.policy().into_iter().flat_map(|policy| policy.tags()) {
        response.remove_header(field);
    }
}
