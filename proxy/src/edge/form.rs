//! The form of a request, read before anything is decided, so that conditions may ask for its fields.
//!
//! Only a form that says its length, and fits, is read: Pingora keeps that much of a body for a second try, and gives it to the
//! origin from there. Any other body goes by unread, and its fields are absent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

/// The longest form that is read, bytes: what Pingora's buffer for a second try holds.
pub(super) const FORM_MAX: usize = 64 * 1024;

/// What came of reading a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// The whole of it.
    Read(Bytes),
    /// It stopped coming.
    Late,
}

/// Whether a request brings a form that is read (WHATWG URL Standard, section 5).
pub(super) fn is_readable(request: &RequestHeader) -> bool {
    let media_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = media_type.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && !request.headers.contains_key(TRANSFER_ENCODING)
        && request
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.trim().parse().ok())
            .is_some_and(|length: usize| (1..=FORM_MAX).contains(&length))
}

/// Reads the body of a request to its end, within a time. Pingora keeps it for the origin.
///
/// # Errors
/// When the client's connection fails.
pub(super) async fn read(session: &mut Session, within: Duration) -> pingora::Result<Form> {
    session.enable_retry_buffering();
    // A client that waits for leave (RFC 9110 section 10.1.1) gets it: else it would choose whether its form is seen. HTTP/1.0
    // knows no such answer, and over HTTP/2 Pingora has none; there the client sends when it has waited long enough.
    let request = session.req_header();
    if request.version == http::Version::HTTP_11 && request.headers.contains_key("expect") {
        session.write_continue_response().await.map_err(|error| error.into_down())?;
    }
    let whole = async {
        while session.as_downstream_mut().read_request_body().await.map_err(|error| error.into_down())?.is_some() {}
        Ok(session.get_retry_buffer().unwrap_or_default())
    };
    match tokio::time::timeout(within, whole).await {
        Ok(read) => read.map(Form::Read),
        Err(_) => Ok(Form::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(fields: &[(&'static str, &str)]) -> bool {
        let mut request = RequestHeader::build("POST", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        is_readable(&request)
    }

    #[test]
    fn only_forms_that_fit_are_read() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let length = |length| ("content-length", length);
        assert!(readable(&[form, length("10")]));
        assert!(readable(&[("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8"), length("65536")]));
        assert!(!readable(&[form, length("65537")]));
        assert!(!readable(&[form, length("0")]));
        assert!(!readable(&[form]), "over HTTP/2 a length may be missing");
        assert!(!readable(&[form, length("10"), ("transfer-encoding", "chunked")]));
        assert!(!readable(&[("content-type", "application/json"), length("10")]));
        assert!(!readable(&[length("10")]));
    }
}
