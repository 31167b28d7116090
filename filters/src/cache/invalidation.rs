//! Which stored responses a request puts out of date (RFC 9111 section 4.4): those of the URI that it changed.
//!
//! The URIs that `Location` and `Content-Location` name are of the same origin or not looked at: the section forbids it, since any
//! origin could empty another's part of the cache.

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, StatusCode};

use super::authority::authority;
use super::key::KeyParts;
use crate::path;

/// Methods that change nothing: RFC 9110 section 9.2.1, WebDAV's (RFC 4918, 3253 and 5323). An unknown one may change anything.
const SAFE: [&str; 7] = ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"];

/// A resource of the target's own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path in normal form.
    pub path: String,
    /// What follows `?`.
    pub query: Option<String>,
}

/// Whether a request has changed something at its origin, as its final response tells (RFC 9111 section 4.4): its method is not known to be safe, and
/// nothing went wrong.
pub(crate) fn is_change(method: &str, status: StatusCode) -> bool {
    !SAFE.contains(&method) && (status.is_success() || status.is_redirection())
}

/// What must not be answered from the cache any more, once the final response to a request is here: the target first, each once;
/// nothing after a safe method or an error. `target` is named as the client named it, its path in normal form.
pub fn invalidated(method: &str, status: StatusCode, target: &KeyParts<'_>, response: &HeaderMap) -> Vec<Place> {
    if !is_change(method, status) {
        return Vec::new();
    }
    let mut places = vec![Place { path: target.path.to_owned(), query: target.query.map(str::to_owned) }];
    for name in [LOCATION, CONTENT_LOCATION] {
        let named = response.get(name).and_then(|value| resolved(target, value.to_str().ok()?));
        if let Some(place) = named.filter(|place| !places.contains(place)) {
            places.push(place);
        }
    }
    places
}

/// A URI reference against the target (RFC 3986 section 5.2); `None` when it leads to another origin, or nowhere.
pub(crate) fn resolved(target: &KeyParts<'_>, reference: &str) -> Option<Place> {
    let reference = reference.split('#').next().unwrap_or(reference);
    let hierarchy = match scheme(reference) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(target.scheme.as_str()) => {
            rest.strip_prefix("//").map(Some)?
        }
        Some(_) => return None,
        None => reference.strip_prefix("//"),
    };
    let (path, query) = match hierarchy {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (named, rest) = rest.split_at_checked(end)?;
            if authority(named, Some(target.scheme)).as_deref() != Some(target.authority) {
                return None;
            }
            let (path, query) = cut(rest);
            (if path.is_empty() { "/".to_owned() } else { path.to_owned() }, query)
        }
        None => {
            let (path, query) = cut(reference);
            match path {
                "" => (target.path.to_owned(), query.or(target.query)),
                path if path.starts_with('/') => (path.to_owned(), query),
                path => (format!("{}/{path}", target.path.rsplit_once('/')?.0), query),
            }
        }
    };
    Some(Place { path: path::normal(&path).ok()?.into_owned(), query: query.map(str::to_owned) })
}

fn cut(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// A scheme before the first `/` or `?`, and what follows its colon (RFC 3986 section 3.1).
fn scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}
