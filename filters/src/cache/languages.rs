//! `Accept-Language` as what it means: languages, each with a weight (RFC 9110 section 12.5.4).

use std::cmp::Reverse;
use std::fmt::Write;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The languages a request accepts in one spelling: lower case, without white space, the heaviest first and those of one weight in
/// order; the section gives the order in which they are written no meaning. `None` when a member cannot be read.
pub(crate) fn languages(request: &HeaderMap) -> Option<String> {
    let mut ranges = Vec::new();
    for line in request.get_all(ACCEPT_LANGUAGE) {
        for member in line.to_str().ok()?.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let (range, weight) = match member.split_once(';') {
                Some((range, weight)) => (range.trim_end(), thousandths(weight.trim_start())?),
                None => (member, 1000),
            };
            if range.is_empty() || !range.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-*".contains(&byte)) {
                return None;
            }
            ranges.push((Reverse(weight), range.to_ascii_lowercase()));
        }
    }
    ranges.sort_unstable();
    ranges.dedup();
    let mut text = String::new();
    for (Reverse(weight), range) in ranges {
        // Writing to a String cannot fail.
        let _ = write!(text, "{range};{weight},");
    }
    Some(text)
}

/// A weight (RFC 9110 section 12.4.2): `q=`, then 0 to 1 with at most three digits after the point.
pub(super) fn thousandths(weight: &str) -> Option<u16> {
    let value = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}
