//! What is answered that has to do with challenges.

use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;
use selvedge_filters::challenge::{Outcome, Refused};
use serde::Serialize;

use super::page::Page;
use crate::edge::request_id::RequestId;

/// One of the answers.
#[derive(Debug, Clone)]
pub(in crate::edge) enum Said {
    /// [`Said::POSED`]: a client solves this first, on a page or by itself.
    Posed {
        /// What is to be solved.
        puzzle: Puzzle,
        /// Where a browser does.
        page: Option<Page>,
    },
    /// 204: it is solved, and this field sets the pass.
    Solved {
        /// `Set-Cookie`.
        cookie: String,
    },
    /// 403: what was sent leads to no pass.
    Failed(Refused),
    /// 204: the client asks whether it has a pass, and has.
    HasPass,
    /// 403: it has none.
    NoPass,
    /// 405: another method.
    NotAllowed,
}

/// A puzzle, as programs are told it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::edge) struct Puzzle {
    /// Its text.
    pub(in crate::edge) puzzle: String,
    /// With how many zero bits the SHA-256 of the text and of a number behind it (four bytes, the high one first) begins.
    pub(in crate::edge) difficulty: u8,
    /// Where the solution is sent to.
    pub(in crate::edge) path: &'static str,
}

impl Said {
    /// What a puzzle is sent with. The request may be repeated with a pass, which is what this status says of other credentials (RFC 9110
    /// section 15.5.4); at 429 and 503 programs would come back without one.
    pub(in crate::edge) const POSED: StatusCode = StatusCode::FORBIDDEN;

    pub(in crate::edge) fn status(&self) -> StatusCode {
        match self {
            Said::Posed { .. } => Said::POSED,
            Said::Failed(_) | Said::NoPass => StatusCode::FORBIDDEN,
            Said::Solved { .. } | Said::HasPass => StatusCode::NO_CONTENT,
            Said::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// One word for logs and metrics.
    pub(in crate::edge) fn name(&self) -> &'static str {
        match self {
            Said::Posed { .. } => "challenged",
            Said::Solved { .. } => "challenge-solved",
            Said::Failed(_) => "challenge-failed",
            Said::HasPass => "challenge-pass",
            Said::NoPass => "challenge-no-pass",
            Said::NotAllowed => "challenge-method",
        }
    }

    /// What rules of the response phase know of it.
    pub(in crate::edge) fn outcome(&self) -> Option<Outcome> {
        match self {
            Said::Posed { .. } => Some(Outcome::Posed),
            Said::Solved { .. } => Some(Outcome::Solved),
            Said::Failed(_) => Some(Outcome::Failed),
            Said::HasPass | Said::NoPass | Said::NotAllowed => None,
        }
    }

    /// Why there is no pass, where something was sent for it.
    pub(in crate::edge) fn refused(&self) -> Option<Refused> {
        match self {
            Said::Failed(refused) => Some(*refused),
            _ => None,
        }
    }

    pub(in crate::edge) fn detail(&self) -> &'static str {
        match self {
            Said::Posed { .. } => {
                "A challenge has to be solved first: with the pass that this gives the request may be repeated."
            }
            Said::Solved { .. } => "The challenge is solved.",
            Said::Failed(Refused::Expired) => "This solution comes too late.",
            Said::Failed(Refused::Network) => "This challenge was for a client of another network.",
            Said::Failed(Refused::Host) => "This challenge was for another host.",
            Said::Failed(_) => "This is no solution of a challenge.",
            Said::HasPass => "This client has a pass.",
            Said::NoPass => "This client has no pass.",
            Said::NotAllowed => "Solutions are sent here by POST, and GET asks for a pass.",
        }
    }

    /// What is to be solved, for who gets no page.
    pub(in crate::edge) fn puzzle(&self) -> Option<&Puzzle> {
        match self {
            Said::Posed { puzzle, .. } => Some(puzzle),
            _ => None,
        }
    }

    /// The header and the body, where they are no problem document.
    ///
    /// # Errors
    /// When a value is no valid header value, which these are.
    pub(in crate::edge) fn render(&self, id: RequestId) -> pingora::Result<Option<(ResponseHeader, Bytes)>> {
        match self {
            Said::Posed { puzzle, page: Some(page) } => page.render(puzzle, id).map(Some),
            Said::Solved { cookie } => no_content(Some(cookie)).map(Some),
            Said::HasPass => no_content(None).map(Some),
            Said::Posed { page: None, .. } | Said::Failed(_) | Said::NoPass | Said::NotAllowed => Ok(None),
        }
    }
}

/// What has no body has no length either (RFC 9110 section 8.6).
fn no_content(cookie: Option<&String>) -> pingora::Result<(ResponseHeader, Bytes)> {
    let mut header = ResponseHeader::build(StatusCode::NO_CONTENT, Some(4))?;
    header.insert_header("cache-control", "no-store")?;
    if let Some(cookie) = cookie {
        header.insert_header("set-cookie", cookie.as_str())?;
    }
    Ok((header, Bytes::new()))
}
