//! Whether the cache is asked about a request at all.
//!
//! `no-cache`, `max-age` and `Pragma` in requests are not obeyed: they would let any client send every request to the origin
//! (RFC 9111 section 5.2.1 makes them advice). `no-store` is, because it is about keeping, not about freshness.

use http::HeaderName;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};

use super::directives;
use crate::head::Head;

/// Fields by which frameworks let a request have another method than it came with. No document defines them.
const OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// How a request uses the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Look up; store what may be stored.
    Shared,
    /// Look up; store only what RFC 9111 section 3.5 lets others have.
    Authorized,
}

/// Why a request goes past the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// Neither GET nor HEAD.
    Method,
    /// The request has a body, which is no part of the key: two bodies would share one answer.
    Body,
    /// It asks to switch protocols.
    Upgrade,
    /// `Cache-Control: no-store` (RFC 9111 section 5.2.1.5).
    NoStore,
    /// It names another method in a field: some servers answer as if it came with that one.
    Override,
    /// A rule says so.
    Rule,
    /// A policy says so.
    Policy,
}

impl Bypass {
    /// A stable name, for logs, metrics and `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Bypass::Method => "method",
            Bypass::Body => "body",
            Bypass::Upgrade => "upgrade",
            Bypass::NoStore => "no-store",
            Bypass::Override => "override",
            Bypass::Rule => "rule",
            Bypass::Policy => "policy",
        }
    }
}

/// Whether a request may be answered from the cache, and its answer stored.
///
/// # Errors
/// [`Bypass`] says why it goes past the cache.
pub fn request_admits(head: &Head<'_>) -> Result<Lookup, Bypass> {
    // RFC 9110 section 9.2.3: of the cacheable methods, POST is left out.
    if !matches!(head.method, "GET" | "HEAD") {
        return Err(Bypass::Method);
    }
    let empty = head.headers.get_all(CONTENT_LENGTH).iter().all(|length| length.as_bytes() == b"0");
    if !empty || head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Bypass::Body);
    }
    if head.headers.contains_key(UPGRADE) {
        return Err(Bypass::Upgrade);
    }
    if OVERRIDES.iter().any(|name| head.headers.contains_key(name)) {
        return Err(Bypass::Override);
    }
    if directives::request_no_store(head.headers) {
        return Err(Bypass::NoStore);
    }
    if head.headers.contains_key(AUTHORIZATION) { Ok(Lookup::Authorized) } else { Ok(Lookup::Shared) }
}
