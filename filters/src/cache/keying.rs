//! What a policy's key adds to a stored response's name or leaves out of it.
//!
//! The parameters of the query that count stand in the name; request fields and cookies tell variants apart, as if `Vary` named
//! them, so that whatever is about a URL is about all of them. Policies whose keys differ share nothing.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;
use selvedge_conf::{Keying, ParamName, QueryKey};

use super::vary::{Varying, normalised};

/// The part of a query that counts; `None` when nothing of it does. What cannot be read, or may be read in two ways, counts: leaving out
/// too little costs a hit, leaving out too much is a wrong answer.
pub fn counted<'q>(query: Option<&'q str>, keying: &Keying) -> Option<Cow<'q, str>> {
    let query = query?;
    if query.is_empty() || (keying.query == QueryKey::Whole && !keying.sort) {
        return Some(Cow::Borrowed(query));
    }
    let mut counted: Vec<&str> = query.split('&').filter(|parameter| counts(parameter, &keying.query)).collect();
    if keying.sort {
        // Stable: parameters of one name keep their order, which origins may read.
        counted.sort_by_key(|parameter| parameter.split('=').next());
    }
    if counted.is_empty() { None } else { Some(Cow::Owned(counted.join("&"))) }
}

fn counts(parameter: &str, query: &QueryKey) -> bool {
    // Some servers take `;` as another `&`: what stands behind it may be any parameter.
    if parameter.contains(';') {
        return true;
    }
    let Some(name) = decoded(parameter.split('=').next().unwrap_or("")) else { return true };
    match query {
        QueryKey::Whole => true,
        QueryKey::Only(names) => {
            // Some servers read `ID`, `id[]` and `id[0]` as `id`.
            let whole = name.split('[').next().unwrap_or("").to_ascii_lowercase();
            names.iter().any(|one| match one {
                ParamName::Is(one) => one.to_ascii_lowercase() == whole,
                ParamName::Starts(start) => whole.starts_with(&start.to_ascii_lowercase()),
            })
        }
        QueryKey::Without(names) => !names.iter().any(|one| match one {
            ParamName::Is(one) => *one == name,
            ParamName::Starts(start) => name.starts_with(start.as_str()),
        }),
    }
}

/// A name without its encoding (`application/x-www-form-urlencoded`); `None` when that cannot be taken off.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What of a request's fields and cookies tells its variant from the others.
pub(super) fn varying<'r>(keying: &'r Keying, request: &'r HeaderMap) -> impl Iterator<Item = Varying> + 'r {
    let headers = keying.headers.iter().filter_map(|name| {
        let field = name.parse().ok()?;
        Some(Varying { value: normalised(&field, request, None), name: name.clone() })
    });
    // No field has such a name.
    let cookies =
        keying.cookies.iter().map(|name| Varying { name: format!("cookie:{name}"), value: cookie(name, request) });
    headers.chain(cookies)
}

/// All values of a cookie, in the order that they come in; byte for byte, because what looks alike may be somebody else.
fn cookie(name: &str, request: &HeaderMap) -> Vec<u8> {
    let lines = request.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut value = b"-".to_vec();
    for pair in lines.map(<[u8]>::trim_ascii) {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (found, rest) = pair.split_at(end);
        if found.trim_ascii() == name.as_bytes() {
            value.push(b';');
            value.extend_from_slice(rest);
        }
    }
    value
}

/// What tells a key from others, each part with its length in front; `None` for that of no policy.
pub(super) fn spelled(keying: &Keying) -> Option<Box<[u8]>> {
    if *keying == Keying::default() {
        return None;
    }
    let (kind, names): (u8, &[ParamName]) = match &keying.query {
        QueryKey::Whole => (0, &[]),
        QueryKey::Only(names) => (1, names),
        QueryKey::Without(names) => (2, names),
    };
    let mut spelled = vec![kind, u8::from(keying.sort)];
    let mut push = |text: &str, ends: u8| {
        spelled.extend_from_slice(&(text.len() as u64).to_be_bytes());
        spelled.push(ends);
        spelled.extend_from_slice(text.as_bytes());
    };
    for name in names {
        match name {
            ParamName::Is(name) => push(name, 0),
            ParamName::Starts(start) => push(start, 1),
        }
    }
    keying.headers.iter().for_each(|name| push(name, 2));
    keying.cookies.iter().for_each(|name| push(name, 3));
    Some(spelled.into())
}
