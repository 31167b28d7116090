//! `Max-Forwards`: how many may still pass on a TRACE or an OPTIONS (RFC 9110 section 7.6.2). Of other methods it says nothing.

use http::header::MAX_FORWARDS;
use http::{Method, StatusCode};
use pingora::http::RequestHeader;

use super::answer::Answer;

/// How many may pass it on; none where nobody says.
fn left(request: &RequestHeader) -> Option<u64> {
    if request.method != Method::OPTIONS && request.method != Method::TRACE {
        return None;
    }
    request.headers.get(MAX_FORWARDS)?.to_str().ok()?.parse().ok()
}

/// The answer to a request that nobody may pass on: it was meant for whoever has it then. Requests are not reflected, since what stands in
/// them may be a secret that the one who asks cannot see.
pub(super) fn ended(request: &RequestHeader) -> Option<Answer> {
    let status = if request.method == Method::TRACE { StatusCode::NOT_IMPLEMENTED } else { StatusCode::NO_CONTENT };
    (left(request)? == 0).then_some(Answer::LastHop { status })
}

/// One less may pass it on behind here.
///
/// # Errors
/// When a number is no header value, which it is.
pub(super) fn count_down(request: &mut RequestHeader) -> pingora::Result<()> {
    match left(request) {
        Some(left) => request.insert_header(MAX_FORWARDS, left.saturating_sub(1)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_methods_it_is_counted_down_and_at_nought_answered() {
        for (method, field, status, behind) in [
            ("OPTIONS", "0", Some(204), "0"),
            ("TRACE", "0", Some(501), "0"),
            ("OPTIONS", "1", None, "0"),
            ("TRACE", "18446744073709551615", None, "18446744073709551614"),
            ("OPTIONS", "18446744073709551616", None, "18446744073709551616"),
            ("OPTIONS", "-1", None, "-1"),
            ("GET", "0", None, "0"),
        ] {
            let mut request = RequestHeader::build(method, b"/", None).unwrap();
            assert!(ended(&request).is_none());
            request.insert_header(MAX_FORWARDS, field).unwrap();
            assert_eq!(ended(&request).map(|answer| answer.status().as_u16()), status, "{method} {field}");
            count_down(&mut request).unwrap();
            assert_eq!(request.headers[MAX_FORWARDS], behind, "{method} {field}");
        }
    }
}
