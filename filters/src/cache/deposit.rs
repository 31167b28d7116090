//! Responses to POST that answer later GETs (RFC 9110 section 9.3.3).

use http::header::{AUTHORIZATION, CONTENT_LOCATION, COOKIE, UPGRADE, VARY};
use http::{HeaderMap, StatusCode};

use super::directives;
use super::freshness::Asked;
use super::invalidation::{Place, resolved};
use super::key::KeyParts;
use crate::head::Head;

/// Why the response to a request that the cache does not answer is not stored as the answer to GETs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDeposit {
    /// Not a POST, or not answered with 200.
    Method,
    /// Its `Content-Location` is not its target: what it brings is not what a GET of the target would.
    Elsewhere,
    /// It asked as somebody (`Authorization`, `Cookie`), with `no-store`, or to switch protocols.
    Request,
    /// It varies: a POST's fields are not those of a GET.
    Varies,
}

/// On what terms the response to a POST is stored as the answer to later GETs of its target, where it says that it is that. It needs
/// a lifetime of its own, so none is guessed, and none is taken from a rule.
///
/// # Errors
/// [`NoDeposit`] says why it is not stored.
pub fn deposit(
    head: &Head<'_>,
    target: &KeyParts<'_>,
    status: StatusCode,
    response: &HeaderMap,
) -> Result<Asked, NoDeposit> {
    if head.method != "POST" || status != StatusCode::OK {
        return Err(NoDeposit::Method);
    }
    let named = response.get(CONTENT_LOCATION).and_then(|value| resolved(target, value.to_str().ok()?));
    let itself = Place { path: target.path.to_owned(), query: target.query.map(str::to_owned) };
    if named != Some(itself) {
        return Err(NoDeposit::Elsewhere);
    }
    let is_personal = [AUTHORIZATION, COOKIE, UPGRADE].iter().any(|name| head.headers.contains_key(name));
    if is_personal || directives::request_no_store(head.headers) {
        return Err(NoDeposit::Request);
    }
    if response.contains_key(VARY) {
        return Err(NoDeposit::Varies);
    }
    Ok(Asked::default())
}
