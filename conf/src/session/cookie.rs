//! The cookie of a session, and what browsers ask of one by its name.

use std::ops::Range;

use super::raw::RawSession;
use super::{Cookie, SameSite};
use crate::finding::Check;
use crate::raw::Choice;
use crate::value::{Wrong, cookie_name, host_name};

impl Choice for SameSite {
    const WORDS: &'static [(&'static str, SameSite)] =
        &[("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)];
}

/// The cookie of the session of a name. By default its name promises what browsers then hold it to: that no other host and nobody on the way has
/// set it (RFC 6265bis section 4.1.3).
pub(super) fn cookie(
    raw: &RawSession,
    session: Option<&str>,
    head: &Range<usize>,
    check: &mut Check<'_>,
) -> Option<Cookie> {
    let secure = raw.secure.as_ref().is_none_or(|secure| secure.value);
    let domain = check.value_or(raw.domain.as_ref(), None, |text| domain(text).map(Some));
    let same_site = check.word(raw.same_site.as_ref(), SameSite::Lax);
    let name = match &raw.cookie {
        Some(written) => check.value(written, cookie_name),
        None => session.map(|session| format!("{}{session}", prefix(secure, raw.domain.is_some()))),
    };
    let (domain, same_site, name) = (domain?, same_site?, name?);
    let at = raw.cookie.as_ref().map_or_else(|| head.clone(), |cookie| cookie.span());
    // Browsers tell these beginnings in any case.
    let lower = name.to_ascii_lowercase();
    let wrong = if lower.starts_with("__host-") && domain.is_some() {
        Some("a cookie whose name begins with `__Host-` has no `domain`")
    } else if (lower.starts_with("__host-") || lower.starts_with("__secure-")) && !secure {
        Some("browsers take no cookie whose name begins so without `secure`")
    } else {
        None
    };
    if let Some(wrong) = wrong {
        check.note(at, Wrong::new(wrong).advice("leave `cookie` out for the name that fits, or choose another one"));
        return None;
    }
    if let Some(written) = raw.same_site.as_ref().filter(|_| same_site == SameSite::None && !secure) {
        check.note(written.span(), Wrong::new("browsers take no cookie with `same_site = \"none\"` without `secure`"));
        return None;
    }
    Some(Cookie { name, domain, same_site, secure })
}

fn prefix(secure: bool, has_domain: bool) -> &'static str {
    match (secure, has_domain) {
        (false, _) => "",
        (true, false) => "__Host-",
        (true, true) => "__Secure-",
    }
}

fn domain(text: &str) -> Result<String, Wrong> {
    let host = host_name(text)?;
    if host.parse::<std::net::IpAddr>().is_ok() {
        return Err(Wrong::new("an address is no domain").advice("leave `domain` out: the host alone gets the cookie"));
    }
    Ok(host)
}
