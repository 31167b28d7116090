//! Large responses in slices, where a cache policy says so. What a client asks for is put together from slices, each of which is a request of its
//! own inside of the edge: looked up, waited for, fetched, stored and purged like any other. The client's request was decided and counted by then, so a
//! slice is nobody's request, as a background revalidation is.
//!
//! Slices are put together only where a validator says that they are of one response (RFC 9110 section 15.3.7.3). Where there is none, or the origin
//! has no ranges, its responses are asked for whole.

mod part;

use std::ops::Range;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::conditional_filter::{not_modified_filter, to_304};
use pingora::proxy::{RangeType, Session};
use pingora::{Error, ErrorType, Result};
use selvedge_conf::CacheAction;
use selvedge_filters::Head;
use selvedge_filters::cache::{Slice, are_of_one, request_admits};

use self::part::Part;
pub(super) use self::part::{of_child, take, tell};
use super::context::Context;
use super::{Edge, caching, session as sessions};
use crate::cache;

/// Whether a request was answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    Here,
    /// It goes on as one for the whole.
    No,
}

/// What a response is put together from.
struct Whole {
    /// The first slice that was asked for, and its header as it came.
    first: (Slice, ResponseHeader),
    size: u64,
    len: u64,
}

/// The size of the slices that a request is answered by; `None` where it is not.
fn size(session: &Session, context: &Context) -> Option<u64> {
    // What the edge asks itself is a slice or nothing; what another POP asks for it puts together itself.
    if session.subrequest_ctx.is_some() || context.child.is_some() {
        return None;
    }
    let size = context.policy()?.slice()?;
    let request = session.req_header();
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let passes = context.cache == Some(CacheAction::Pass);
    let head = context.head(request).map(|head| Head { headers: &request.headers, ..head })?;
    (is_read && !passes && request_admits(&head).is_ok()).then_some(size)
}

/// Answers a request by slices, where its policy says so and its origin has them.
///
/// # Errors
/// When the client cannot be written to, or the response breaks off.
pub(super) async fn serve(edge: &Edge, session: &mut Session, context: &mut Context) -> Result<Served> {
    let Some(size) = size(session, context) else { return Ok(Served::No) };
    let range = session.req_header().headers.get(RANGE).filter(|_| session.req_header().method == Method::GET);
    let slice = Slice::first_of(range, size);
    let mut part = Part::open(session, context, slice)?;
    let first = part.header().await?;
    let len = slice.whole_of(&first.headers).filter(|_| first.status == StatusCode::PARTIAL_CONTENT);
    let has_none = matches!(first.status, StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE);
    let is_nameless = len.is_some() && !are_of_one(&first.headers, &first.headers);
    // What is asked for whole has its own tries.
    if is_nameless || len.is_none() && has_none && slice.is_first() {
        return Ok(Served::No);
    }
    let cache_status = part.told().and_then(|told| {
        // What is known of the first one stands for all of them.
        (context.outcome, context.tries, context.origin_address) = (told.outcome, told.tries, told.origin_address);
        told.status.clone()
    });
    let from = caching::from(context);
    let Some(len) = len else {
        return pass_on(edge, session, context, part, (first, cache_status)).await;
    };
    let whole = Whole { first: (slice, first), size, len };
    let (mut header, wanted) = head(session, &whole)?;
    edge.complete(session, context, &mut header, cache_status, from)?;
    sessions::outlives(&edge.node, context).await;
    let is_over = wanted.is_empty() || session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(header), is_over).await?;
    if !is_over {
        body(edge, session, context, part, &whole, wanted).await?;
    }
    Ok(Served::Here)
}

/// The header of the response that the client gets, and which part of the whole comes behind it.
fn head(session: &Session, whole: &Whole) -> Result<(ResponseHeader, Range<u64>)> {
    let request = session.req_header();
    let mut header = whole.first.1.clone();
    header.set_status(StatusCode::OK)?;
    header.remove_header(&CONTENT_RANGE);
    header.remove_header(&TRANSFER_ENCODING);
    header.insert_header(CONTENT_LENGTH, whole.len)?;
    header.insert_header(ACCEPT_RANGES, "bytes")?;
    if not_modified_filter(request, &header) {
        to_304(&mut header);
        return Ok((header, 0..0));
    }
    let mut part = header.clone();
    Ok(match cache::range_type(request, &mut part) {
        RangeType::Single(range) => (part, range.start as u64..range.end as u64),
        RangeType::Invalid => (part, 0..0),
        // Several parts at once may be answered with the whole (RFC 9110 section 14.2).
        RangeType::None | RangeType::Multi(_) => (header, 0..whole.len),
    })
}

/// Sends a part of the whole, slice by slice.
async fn body(
    edge: &Edge,
    session: &mut Session,
    context: &Context,
    mut part: Part,
    whole: &Whole,
    wanted: Range<u64>,
) -> Result<()> {
    let (Range { start: mut at, end }, mut slice) = (wanted, whole.first.0);
    loop {
        let needed = Slice::at(at, whole.size);
        if needed != slice {
            part = Part::open(session, context, needed)?;
            slice = needed;
            let header = part.header().await?;
            if header.status != StatusCode::PARTIAL_CONTENT {
                return Error::e_explain(ErrorType::InternalError, "a slice cannot be had");
            }
            let (first, told) = &whole.first;
            if slice.whole_of(&header.headers) != Some(whole.len) || !are_of_one(&told.headers, &header.headers) {
                // One of them is of before, and nobody knows which.
                caching::forget(edge.node.cache, session, context, [*first, slice]);
                return Error::e_explain(ErrorType::InternalError, "a response changed between two of its slices");
            }
        }
        let mut come = slice.start();
        while let Some(bytes) = part.next().await? {
            let piece = cut(&bytes, come, at..end);
            come += bytes.len() as u64;
            at += piece.len() as u64;
            if !piece.is_empty() {
                session.write_response_body(Some(piece), at >= end).await?;
            }
            if at >= end {
                return Ok(());
            }
        }
        if at < slice.end() {
            return Error::e_explain(ErrorType::InternalError, "a slice is shorter than it said");
        }
    }
}

/// What of these bytes, of which the first one is at `come`, is wanted.
fn cut(bytes: &Bytes, come: u64, wanted: Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at.saturating_sub(come)).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(place(wanted.start)..place(wanted.end).max(place(wanted.start)))
}

/// Sends what came in the place of a slice: an error, a redirect, or all of a response whose origin has no ranges.
async fn pass_on(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    mut part: Part,
    (mut header, cache_status): (ResponseHeader, Option<String>),
) -> Result<Served> {
    let from = caching::from(context);
    edge.complete(session, context, &mut header, cache_status, from)?;
    sessions::outlives(&edge.node, context).await;
    let is_head = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(header), is_head).await?;
    if is_head {
        return Ok(Served::Here);
    }
    while let Some(bytes) = part.next().await? {
        session.write_response_body(Some(bytes), false).await?;
    }
    session.write_response_body(None, true).await?;
    Ok(Served::Here)
}
