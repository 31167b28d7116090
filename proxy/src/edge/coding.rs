//! Compression's part of a request: the one coding that is asked for and stored, and whether what comes is coded here.
//!
//! The origin is asked for no other coding than the one that the client gets, so that what is stored under it is one thing: coded by the
//! origin, or here on the way into the cache. A hit is sent as it is stored.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, VARY};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::compression::Algorithm;
use pingora::proxy::Session;
use selvedge_conf::Encoding;
use selvedge_filters::cache::{NotCoded, Variation, Vary, is_coded, preferred, vary};

use super::context::Context;
use super::idempotency;
use crate::plan::Plan;

/// How hard the coders work: what costs a few times the work of copying, not the most that can be had. The scales are their own.
fn level(encoding: Encoding) -> (Algorithm, u32) {
    match encoding {
        Encoding::Zstd => (Algorithm::Zstd, 3),
        Encoding::Brotli => (Algorithm::Brotli, 4),
        Encoding::Gzip => (Algorithm::Gzip, 6),
    }
}

/// What tells variants of a request's response apart.
pub(super) fn variation(context: &Context) -> Variation<'_> {
    Variation { policy: context.policy().map(|policy| &**policy), offered: offered(&context.plan) }
}

/// What responses are coded in, if they are.
pub(crate) fn offered(plan: &Plan) -> Option<&[Encoding]> {
    plan.config.compression.as_ref().map(|compression| compression.encodings.as_slice())
}

/// Asks the origin for the coding that the client gets, and makes ready to code what it sends. For `upstream_request_filter`.
pub(super) fn ask(session: &mut Session, request: &mut RequestHeader, context: &Context) {
    if context.slice.is_some() {
        // What is coded has other positions.
        request.remove_header("accept-encoding");
        return;
    }
    if idempotency::is_one(context) {
        // What is kept is what the origin said.
        return;
    }
    let Some(offered) = offered(&context.plan) else { return };
    let Some(encoding) = preferred(&session.req_header().headers, offered) else {
        request.remove_header("accept-encoding");
        return;
    };
    // A name of a coding is a value.
    let _ = request.insert_header("accept-encoding", encoding.as_str());
    // A second try comes before any response.
    if session.upstream_compression.is_header_phase() {
        let (algorithm, level) = level(encoding);
        session.upstream_compression.adjust_algorithm_level(algorithm, level);
    }
}

/// Has a response tell that it is coded for some clients and not for others, also where the origin codes and does not say so. For
/// `upstream_response_filter`.
pub(super) fn tell(session: &Session, response: &mut ResponseHeader, context: &Context) {
    let Some(rules) = &context.plan.config.compression else { return };
    if session.upstream_compression.get_info().is_some() {
        OF_THE_BYTES.iter().for_each(|field| drop(response.remove_header(*field)));
    }
    if !matches!(is_coded(response.status, &response.headers, rules), Ok(()) | Err(NotCoded::Coded)) {
        return;
    }
    let names = |field: &http::HeaderName| match vary(&response.headers) {
        Vary::Fields(fields) => fields.contains(field),
        Vary::Any | Vary::TooWide => true,
    };
    if !names(&ACCEPT_ENCODING) {
        // A name and a value that are none of the client's.
        let _ = response.append_header(VARY, "accept-encoding");
    }
}

/// Fields about bytes that are others once they are coded (RFC 9530; RFC 3230; RFC 1864).
const OF_THE_BYTES: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// An empty last meta-block (RFC 7932 section 9.2: `ISLAST` and `ISLASTEMPTY`), in a byte of its own.
const BROTLI_END: u8 = 0b11;

/// Ends what Pingora 0.9.1 leaves open: its coder of brotli flushes at the end and does not finish, so that decoders take the whole for a
/// part. A flush ends with a byte, so what ends the stream can be written behind it. For `upstream_response_body_filter`.
pub(super) fn end(session: &Session, body: &mut Option<Bytes>) {
    let coder = session.upstream_compression.get_info().map(|(name, ..)| name);
    if coder == Some("brotli") {
        let coded = body.take().unwrap_or_default();
        *body = Some([&*coded, &[BROTLI_END]].concat().into());
    }
}

/// Has a response pass as it is, unless it is to be coded. For `adjust_upstream_modules`.
pub(super) fn decide(session: &mut Session, response: &ResponseHeader, context: &Context) {
    let Some(rules) = &context.plan.config.compression else { return };
    let passes = is_coded(response.status, &response.headers, rules).is_err();
    let compression = &mut session.upstream_compression;
    if passes && !response.status.is_informational() && compression.is_header_phase() {
        compression.adjust_level(0);
    }
}
