//! A cookie of the edge's own on a response: behind the cache, so that none is ever stored here.

use http::header::{CACHE_CONTROL, SET_COOKIE};
use pingora::http::ResponseHeader;

/// Sets it. A cache on the way may keep the response, but not this (RFC 9111 section 5.2.2.7).
///
/// # Errors
/// When it is no valid header value.
pub(super) fn set(response: &mut ResponseHeader, cookie: String) -> pingora::Result<()> {
    response.append_header(SET_COOKIE, cookie)?;
    response.append_header(CACHE_CONTROL, "private=\"set-cookie\"")?;
    Ok(())
}
