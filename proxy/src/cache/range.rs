//! Ranges of stored responses, with a guard in front of Pingora's reading of them.
//!
//! Pingora 0.9.1 underflows on a suffix of zero bytes and on a suffix of an empty body, takes a start that is too large for
//! a suffix, and matches weak validators in `If-Range`. RFC 9110 section 14.2 lets a server ignore `Range`, so a range
//! field that has any of these is ignored, and the client gets the whole response.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, IF_RANGE, RANGE};
use http::{HeaderValue, Method};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{RangeType, range_header_filter};

/// The most ranges in one request. More are answered with the whole response (RFC 9110 section 17.15).
pub const RANGES_MAX: usize = 16;

/// Digits of a position that surely fits.
const DIGITS_MAX: usize = 18;

/// What part of a response the request is for; changes the response's header to match.
pub fn range_type(request: &RequestHeader, response: &mut ResponseHeader) -> RangeType {
    if !is_answerable(request, response) {
        return RangeType::None;
    }
    // Pingora's bound is exclusive.
    let range = range_header_filter(request, response, Some(RANGES_MAX + 1));
    if matches!(range, RangeType::Single(_) | RangeType::Multi(_)) {
        OF_THE_CONTENT.iter().for_each(|field| drop(response.remove_header(*field)));
    }
    range
}

/// Fields about the bytes that are sent, which a part does not have (RFC 9530 section 2; RFC 1864).
const OF_THE_CONTENT: [&str; 2] = ["content-digest", "content-md5"];

fn is_answerable(request: &RequestHeader, response: &ResponseHeader) -> bool {
    let Some(range) = request.headers.get(RANGE) else {
        // Nothing to ask for; Pingora announces that ranges may be.
        return true;
    };
    // RFC 9110 section 14.2: with any method but GET, Range must be ignored.
    if request.method != Method::GET {
        return false;
    }
    if response.headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0") {
        return false;
    }
    // RFC 9110 section 13.1.5: If-Range needs a strong validator, which a date is not for one coding of several (section 8.8.2.2).
    let is_coded = response.headers.contains_key(CONTENT_ENCODING);
    let is_strong = |validator: &HeaderValue| {
        let validator = validator.as_bytes().trim_ascii();
        !validator.starts_with(b"W/") && (validator.starts_with(b"\"") || !is_coded)
    };
    if !request.headers.get(IF_RANGE).is_none_or(is_strong) {
        return false;
    }
    let Some((_, ranges)) = range.to_str().ok().and_then(|range| range.split_once('=')) else {
        return false;
    };
    ranges.split(',').map(str::trim).all(|part| {
        let Some((start, end)) = part.split_once('-') else {
            return true;
        };
        let zero_suffix = start.trim().is_empty() && !end.is_empty() && end.bytes().all(|byte| byte == b'0');
        !zero_suffix && start.len() <= DIGITS_MAX && end.len() <= DIGITS_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, fields: &[(&'static str, &str)], length: usize) -> (String, u16, String) {
        let mut request = RequestHeader::build(method, b"/", None).expect("a request");
        for (name, value) in fields {
            request.insert_header(*name, *value).expect("a field");
        }
        let mut response = ResponseHeader::build(200, None).expect("a response");
        response.insert_header("content-length", length).expect("a field");
        response.insert_header("etag", "W/\"a\"").expect("a field");
        let kind = match range_type(&request, &mut response) {
            RangeType::None => String::from("none"),
            RangeType::Single(range) => format!("{}..{}", range.start, range.end),
            RangeType::Multi(_) => String::from("multi"),
            RangeType::Invalid => String::from("invalid"),
        };
        let field = response.headers.get("content-range").and_then(|value| value.to_str().ok()).unwrap_or("");
        (kind, response.status.as_u16(), field.to_owned())
    }

    #[test]
    fn ranges_are_answered_or_ignored_and_never_wrong() {
        let table = [
            ("bytes=0-4", 10, ("0..5", 206, "bytes 0-4/10")),
            ("bytes=-3", 10, ("7..10", 206, "bytes 7-9/10")),
            ("bytes=8-", 10, ("8..10", 206, "bytes 8-9/10")),
            ("bytes=10-", 10, ("invalid", 416, "bytes */10")),
            ("bytes=-0", 10, ("none", 200, "")),
            ("bytes=-00", 10, ("none", 200, "")),
            ("bytes=0-1, -0", 10, ("none", 200, "")),
            ("bytes= - 0", 10, ("none", 200, "")),
            ("bytes=-5", 0, ("none", 200, "")),
            ("bytes=0-", 0, ("none", 200, "")),
            ("bytes=99999999999999999999999-5", 10, ("none", 200, "")),
            ("lines=0-4", 10, ("none", 200, "")),
            ("bytes", 10, ("none", 200, "")),
        ];
        for (range, length, expected) in table {
            let (kind, status, field) = ask(Method::GET, &[("range", range)], length);
            assert_eq!((kind.as_str(), status, field.as_str()), expected, "{range} of {length}");
        }
    }

    #[test]
    fn only_get_and_strong_validators_have_ranges() {
        assert_eq!(ask(Method::HEAD, &[("range", "bytes=0-4")], 10).0, "none");
        assert_eq!(ask(Method::GET, &[("range", "bytes=0-4"), ("if-range", "W/\"a\"")], 10).0, "none");
    }

    #[test]
    fn a_date_is_no_strong_validator_of_one_coding() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let ask = |coding: Option<&str>| {
            let mut request = RequestHeader::build(Method::GET, b"/", None).expect("a request");
            request.insert_header("range", "bytes=0-4").expect("a field");
            request.insert_header("if-range", date).expect("a field");
            let mut response = ResponseHeader::build(200, None).expect("a response");
            let fields =
                [("content-length", "10"), ("last-modified", date), ("content-digest", "x"), ("repr-digest", "y")];
            for (name, value) in fields.into_iter().chain(coding.map(|coding| ("content-encoding", coding))) {
                response.insert_header(name, value).expect("a field");
            }
            let is_part = matches!(range_type(&request, &mut response), RangeType::Single(_));
            (is_part, response.headers.contains_key("content-digest"), response.headers.contains_key("repr-digest"))
        };
        assert_eq!(ask(None), (true, false, true), "what is of the content is not of a part");
        assert_eq!(ask(Some("gzip")), (false, true, true));
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let ranges = |count: usize| {
            let parts: Vec<_> = (0..count).map(|n| format!("{}-{}", 2 * n, 2 * n)).collect();
            format!("bytes={}", parts.join(","))
        };
        assert_eq!(ask(Method::GET, &[("range", &ranges(RANGES_MAX))], 1000).0, "multi");
        assert_eq!(ask(Method::GET, &[("range", &ranges(RANGES_MAX + 1))], 1000).0, "none");
    }
}
