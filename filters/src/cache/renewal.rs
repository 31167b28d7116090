//! What a 304 changes in the stored response that it validates (RFC 9111 sections 3.2 and 4.3.4): every field it brings, but for
//! those below.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::hop::hop_by_hop;
use super::personal::of_one_client;

/// Fields that stay as they are stored. Section 3.2 excepts the length, and what the stored bytes are read by: a 304 has no bytes, so
/// it cannot say how they are coded or which part they are. `Vary` named the requests that the stored response is found by. A cookie
/// is for the client that asked, and what is stored is for all.
const KEPT: [HeaderName; 6] =
    [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, VARY, SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// Whether a 304 speaks of the stored response: one with another `ETag` speaks of another, and must not update this one (RFC 9111
/// section 4.3.4), or the old bytes would be taken for the new ones from then on. Servers that call their tags weak at times and
/// strong at others are believed (RFC 9110 section 8.8.3.2).
pub fn validates(stored: &HeaderMap, validation: &HeaderMap) -> bool {
    let opaque = |tag: &HeaderValue| {
        let tag = tag.as_bytes();
        tag.strip_prefix(b"W/").unwrap_or(tag).to_vec()
    };
    match (stored.get(ETAG), validation.get(ETAG)) {
        (Some(stored), Some(validation)) => opaque(stored) == opaque(validation),
        (None, _) | (_, None) => true,
    }
}

/// The tag that stays in the place of a 304's: a stored one that is weak where that one is strong. The bytes may have been coded on the way, and a
/// strong one names bytes (RFC 9110 section 8.8.1).
pub fn weaker_tag<'a>(stored: &'a HeaderMap, validation: &HeaderMap) -> Option<&'a HeaderValue> {
    let is_weak = |tag: &HeaderValue| tag.as_bytes().starts_with(b"W/");
    let stored = stored.get(ETAG).filter(|tag| is_weak(tag))?;
    validation.get(ETAG).is_some_and(|tag| !is_weak(tag)).then_some(stored)
}

/// The fields of a 304 that replace those of the stored response, all lines of a name together; sorted, each once.
pub fn renewed(validation: &HeaderMap) -> Vec<HeaderName> {
    let (hop, personal) = (hop_by_hop(validation), of_one_client(validation));
    let mut names: Vec<HeaderName> = validation
        .keys()
        .filter(|name| !KEPT.contains(name) && !hop.contains(name) && !personal.contains(name))
        .cloned()
        .collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names
}
