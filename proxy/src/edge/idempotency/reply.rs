//! A response as it is given: one that is kept, or one that is too long for that and comes as it comes.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use selvedge_filters::idempotency::is_kept;
use tokio::sync::mpsc;

use crate::keep::Kept;

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    header: ResponseHeader,
    rest: Rest,
}

/// Its body.
#[derive(Debug)]
pub(super) struct Rest {
    /// What is here of it.
    first: Bytes,
    /// What comes behind that.
    more: Option<mpsc::Receiver<HttpTask>>,
    /// Held as long as that comes.
    _body: Option<mpsc::Sender<HttpTask>>,
}

impl Reply {
    /// One that is kept.
    ///
    /// # Errors
    /// When its status is none, which it was.
    pub(super) fn of(kept: Kept) -> Result<Reply> {
        let Kept { status, fields, body } = kept;
        let mut header = header(status, &fields)?;
        if !is_bodiless(header.status) {
            header.insert_header(CONTENT_LENGTH, body.len())?;
        }
        Ok(Reply { header, rest: Rest { first: body, more: None, _body: None } })
    }

    /// One of which more comes.
    pub(super) fn coming(
        header: ResponseHeader,
        first: Bytes,
        more: mpsc::Receiver<HttpTask>,
        body: Option<mpsc::Sender<HttpTask>>,
    ) -> Reply {
        Reply { header, rest: Rest { first, more: Some(more), _body: body } }
    }

    pub(super) fn into_parts(self) -> (ResponseHeader, Rest) {
        (self.header, self.rest)
    }
}

/// What is kept of a response's fields.
pub(super) fn kept_fields(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| is_kept(name)) {
        kept.append(name.clone(), value.clone());
    }
    kept
}

/// A header with these fields.
pub(super) fn header(status: u16, fields: &HeaderMap) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(status, Some(fields.len() + 8))?;
    for (name, value) in fields {
        header.append_header(name.clone(), value.clone())?;
    }
    Ok(header)
}

/// Statuses without a body (RFC 9110 section 6.4.1).
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What a response's body turned out to be.
pub(super) enum Collected {
    Whole(Bytes),
    /// It is longer than what is kept; so much of it is here.
    Longer(Bytes),
    BrokenOff,
}

/// The header of a response; none where none comes.
pub(super) async fn first(tasks: &mut mpsc::Receiver<HttpTask>) -> Option<(ResponseHeader, bool)> {
    loop {
        match tasks.recv().await? {
            HttpTask::Header(header, is_over) if !header.status.is_informational() => return Some((*header, is_over)),
            HttpTask::Failed(_) => return None,
            _ => {}
        }
    }
}

/// Reads a body to its end, or until it is longer than this.
pub(super) async fn collect(tasks: &mut mpsc::Receiver<HttpTask>, max: u64) -> Collected {
    let mut body = BytesMut::new();
    loop {
        let Some(task) = tasks.recv().await else { return Collected::BrokenOff };
        let is_end = task.is_end();
        match task {
            HttpTask::Body(Some(bytes), _) => body.extend_from_slice(&bytes),
            HttpTask::Failed(_) => return Collected::BrokenOff,
            _ => {}
        }
        if body.len() as u64 > max {
            return Collected::Longer(body.freeze());
        }
        if is_end {
            return Collected::Whole(body.freeze());
        }
    }
}

/// Sends a response.
///
/// # Errors
/// When the client cannot be written to, or what comes breaks off.
pub(super) async fn write(session: &mut Session, header: ResponseHeader, rest: Rest) -> Result<()> {
    let bodiless = is_bodiless(header.status);
    session.write_response_header(Box::new(header), bodiless).await?;
    if bodiless {
        return Ok(());
    }
    let Rest { first, more, _body } = rest;
    let Some(mut more) = more else { return session.write_response_body(Some(first), true).await };
    if !first.is_empty() {
        session.write_response_body(Some(first), false).await?;
    }
    loop {
        let Some(task) = more.recv().await else {
            return Error::e_explain(ErrorType::InternalError, "a response ended before its end");
        };
        let is_end = task.is_end();
        match task {
            HttpTask::Body(Some(bytes), _) if !bytes.is_empty() => {
                session.write_response_body(Some(bytes), false).await?;
            }
            HttpTask::Failed(error) => return Err(error),
            _ => {}
        }
        if is_end {
            return session.write_response_body(None, true).await;
        }
    }
}
