//! The form of a request, read for decisions that ask for its fields.
//!
//! Pingora keeps 64 KiB of a body for a second try and gives them to the origin from there, so that much is read, however the body
//! is framed. A body that says how long it is, and is longer, is left alone; one that turns out to be longer cannot go on.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use selvedge_filters as filters;

use super::declared;

/// The longest form that is read, bytes: what Pingora's buffer for a second try holds.
pub(super) const FORM_MAX: usize = 64 * 1024;

/// The form that a request brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// It brings none, or nobody will ask.
    None,
    /// Nobody asked so far.
    Unread,
    /// The whole of it.
    Read(Bytes),
    /// It is longer than [`FORM_MAX`].
    TooLong {
        /// Whether that was only seen by reading it.
        begun: bool,
    },
}

impl Form {
    /// As decisions see it.
    pub(super) fn known(&self) -> filters::Form<'_> {
        match self {
            Form::None => filters::Form::None,
            Form::Unread => filters::Form::Unread,
            Form::Read(body) => filters::Form::Read(body),
            Form::TooLong { .. } => filters::Form::TooLong,
        }
    }

    /// Whether its reading began.
    pub(super) fn is_begun(&self) -> bool {
        matches!(self, Form::Read(_) | Form::TooLong { begun: true })
    }
}

/// The form that a request claims to bring (WHATWG URL Standard, section 5), before it is read. Any of several media types
/// counts: an origin may take any.
pub(super) fn claimed(request: &RequestHeader) -> Form {
    // Cut wherever some origin may cut: whatever stands around it, it says that it is a form.
    let cut = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b';' | b',');
    let words = request.headers.get_all(CONTENT_TYPE).iter().flat_map(|line| line.as_bytes().split(cut));
    if !words.into_iter().any(|word| word.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")) {
        return Form::None;
    }
    match declared(request) {
        Some(length) if length > FORM_MAX as u64 => Form::TooLong { begun: false },
        _ => Form::Unread,
    }
}

/// Reads the body of a request to its end, or until it is too long; none when it does not come in time. Pingora keeps it for the
/// origin.
///
/// # Errors
/// When the client's connection fails.
pub(super) async fn read(session: &mut Session, within: Duration) -> pingora::Result<Option<Form>> {
    session.enable_retry_buffering();
    let_send(session).await?;
    let whole = async {
        let mut length = 0;
        while let Some(part) =
            session.as_downstream_mut().read_request_body().await.map_err(|error| error.into_down())?
        {
            length += part.len();
            if length > FORM_MAX {
                return Ok(Form::TooLong { begun: true });
            }
        }
        Ok(Form::Read(session.get_retry_buffer().unwrap_or_default()))
    };
    match tokio::time::timeout(within, whole).await {
        Ok(read) => read.map(Some),
        Err(_) => Ok(None),
    }
}

/// A client that waits for leave (RFC 9110 section 10.1.1) gets it: else it would choose whether its body is seen. HTTP/1.0
/// knows no such answer, and over HTTP/2 Pingora has none; there the client sends when it has waited long enough.
///
/// # Errors
/// When the client cannot be written to.
pub(super) async fn let_send(session: &mut Session) -> pingora::Result<()> {
    let request = session.req_header();
    if request.version == http::Version::HTTP_11 && request.headers.contains_key("expect") {
        session.write_continue_response().await.map_err(|error| error.into_down())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&'static str, &str)]) -> Form {
        let mut request = RequestHeader::build("POST", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        claimed(&request)
    }

    #[test]
    fn whatever_may_be_taken_for_a_form_is_one() {
        let media = ("content-type", "application/x-www-form-urlencoded");
        let length = |length| ("content-length", length);
        assert_eq!(form(&[media, length("65536")]), Form::Unread);
        assert_eq!(form(&[media, length("65537")]), Form::TooLong { begun: false });
        assert_eq!(form(&[media]), Form::Unread, "over HTTP/2 a length may be missing");
        assert_eq!(form(&[media, ("transfer-encoding", "chunked")]), Form::Unread);
        let spelt = "Application/X-WWW-Form-Urlencoded ; charset=UTF-8";
        assert_eq!(form(&[("content-type", spelt), length("10")]), Form::Unread);
        assert_eq!(form(&[("content-type", "text/plain"), media, length("10")]), Form::Unread);
        assert_eq!(form(&[("content-type", &format!("text/plain, {spelt}")), length("10")]), Form::Unread);
        assert_eq!(form(&[("content-type", &format!("{spelt} x")), length("10")]), Form::Unread);
        let mut odd = RequestHeader::build("POST", b"/", None).unwrap();
        let line = b"\xff, application/x-www-form-urlencoded; a=\xff";
        odd.append_header("content-type", http::HeaderValue::from_bytes(line).unwrap()).unwrap();
        assert_eq!(claimed(&odd), Form::Unread, "bytes that are no text hide nothing");
        assert_eq!(form(&[("content-type", "application/json"), length("10")]), Form::None);
        assert_eq!(form(&[length("10")]), Form::None);
    }
}
