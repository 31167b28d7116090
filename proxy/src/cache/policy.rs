//! Between Pingora's types and the decisions in `selvedge_filters::cache`. Nothing is decided here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, ETAG};
use http::{HeaderMap, StatusCode};
use pingora::cache::key::{HashBinary, hash_key};
use pingora::cache::{CacheKey, CacheMeta, CachePhase, HitHandler, NoCacheReason, VarianceBuilder};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use selvedge_filters::cache::{
    Answer, Asked, Forward, KeyParts, KeyShape, NotStored, Outcome, Policy, Slice, Variation, freshness, hop_by_hop,
    of_one_client, renewed, validates, variant, weaker_tag,
};
use selvedge_state::Fill;

use super::hit::Hit;
use super::object::Terms;
use super::storage::EntryKey;
use super::wait::Next;

/// What the response's decision must know of the request and of time. One per request, in its context.
#[derive(Debug, Clone)]
pub struct Exchange {
    asked: Asked,
    request_time: SystemTime,
    response_time: Option<SystemTime>,
    /// The fields of a 304, of which Pingora merges but five into the stored header.
    validation: Option<HeaderMap>,
    /// Whether it speaks of another response than the stored one.
    is_of_another: bool,
    /// Which purges were known here when the request went out.
    fill: Option<Fill>,
    /// The cache policy that is for it.
    policy: Option<Arc<Policy>>,
    /// What all variants of its response are stored under.
    primary: Option<EntryKey>,
    /// The slice that is asked for; whole responses when absent.
    slice: Option<Slice>,
}

impl Exchange {
    /// Begins with what is known of the request.
    pub fn new(asked: Asked, now: SystemTime) -> Exchange {
        Exchange {
            asked,
            request_time: now,
            response_time: None,
            validation: None,
            is_of_another: false,
            fill: None,
            policy: None,
            primary: None,
            slice: None,
        }
    }

    /// The cache policy that is for the request.
    pub fn under(self, policy: Option<&Arc<Policy>>) -> Exchange {
        Exchange { policy: policy.cloned(), ..self }
    }

    /// It is for this slice.
    pub fn of_slice(self, slice: Option<Slice>) -> Exchange {
        Exchange { slice, ..self }
    }

    pub(crate) fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// Its response is stored under this key. For `cache_key_callback`.
    pub fn keyed(&mut self, key: &CacheKey) {
        self.primary = Some(EntryKey::primary(key));
    }

    pub(crate) fn primary(&self) -> Option<EntryKey> {
        self.primary
    }

    /// The request goes to the origin now. For `upstream_request_filter`: each retry starts anew.
    pub fn sent(&mut self, fill: Fill, now: SystemTime) {
        self.request_time = now;
        self.fill = Some(fill);
    }

    /// Which purges were known here when the request went out; `None` before.
    pub(crate) fn fill(&self) -> Option<Fill> {
        self.fill
    }

    /// The origin's header is here; `stored` is what it may validate. One that speaks of another response loses its fields, or
    /// Pingora would merge some of them. For `upstream_response_filter`.
    pub fn received(&mut self, response: &mut ResponseHeader, stored: Option<&CacheMeta>, now: SystemTime) {
        self.response_time = Some(now);
        // Before anybody merges it.
        let stored_tag = stored.and_then(|stored| weaker_tag(stored.headers(), &response.headers));
        if let Some(tag) = stored_tag.filter(|_| response.status == http::StatusCode::NOT_MODIFIED) {
            // A value taken from another header.
            let _ = response.insert_header(ETAG, tag.clone());
        }
        let validates_stored = response.status == http::StatusCode::NOT_MODIFIED && stored.is_some();
        self.validation = validates_stored.then(|| response.headers.clone());
        self.is_of_another =
            validates_stored && stored.is_some_and(|stored| !validates(stored.headers(), &response.headers));
        if self.is_of_another {
            for name in response.headers.keys().cloned().collect::<Vec<_>>() {
                response.remove_header(&name);
            }
        }
    }
}

/// The key of a request; hashed once, here.
pub fn cache_key(parts: &KeyParts<'_>) -> CacheKey {
    named(parts.encode())
}

/// The key of a request under a policy's key.
pub fn cache_key_under(shape: &KeyShape, parts: &KeyParts<'_>) -> CacheKey {
    named(shape.encode(parts))
}

/// The key of a slice of the response to a request, under a policy's key.
pub fn cache_key_of_slice(slice: Slice, shape: &KeyShape, parts: &KeyParts<'_>) -> CacheKey {
    named(slice.named(shape.encode(parts)))
}

fn named(name: Vec<u8>) -> CacheKey {
    let hash = hash_key(&name);
    let mut key = CacheKey::new(name, "");
    key.set_primary_bin_override(hash);
    key
}

/// Which variant of a stored response a request wants; `None` when there is one for all. For `cache_vary_filter`.
pub fn vary(of: Variation<'_>, meta: &CacheMeta, request: &RequestHeader) -> Option<HashBinary> {
    variance(of, meta.headers(), &request.headers)
}

/// The same of a stored header.
pub(crate) fn variance(of: Variation<'_>, stored: &HeaderMap, request: &HeaderMap) -> Option<HashBinary> {
    let mut builder = VarianceBuilder::new();
    for varying in variant(of, stored, request)? {
        builder.add_owned_name_value(varying.name, varying.value);
    }
    builder.finalize()
}

/// What is stored of a response, without the fields of one hop (RFC 9111 section 3.1) and without those that are computed
/// anew for each use: `Age`, and `Date`, which Pingora sets; nor those that speak of one client.
pub(crate) fn meta(exchange: &Exchange, response: &ResponseHeader) -> Result<CacheMeta, NotStored> {
    if exchange.is_of_another {
        return Err(NotStored::Validator);
    }
    let response_time = exchange.response_time.unwrap_or(exchange.request_time);
    let mut header = response.clone();
    if let Some(validation) = &exchange.validation {
        renew(&mut header, validation);
    }
    let status = match exchange.slice {
        // All that was asked for, so as good as whole.
        Some(slice) if header.status == StatusCode::PARTIAL_CONTENT && slice.whole_of(&header.headers).is_some() => {
            StatusCode::OK
        }
        // Whoever has no ranges gives all of it: once is enough.
        Some(slice) if header.status == StatusCode::OK && !slice.is_first() => return Err(NotStored::Status),
        _ => header.status,
    };
    let stored = freshness(&Answer {
        status,
        headers: &header.headers,
        asked: exchange.asked,
        request_time: exchange.request_time,
        response_time,
    })?;
    let personal = of_one_client(&header.headers);
    for name in hop_by_hop(&header.headers).into_iter().chain(personal).chain([AGE, DATE]) {
        header.remove_header(&name);
    }
    // Pingora takes the instant itself as fresh, so a lifetime of zero ended a second ago.
    let fresh_until = match stored.fresh_for {
        Duration::ZERO => response_time.checked_sub(Duration::from_secs(1)),
        fresh_for => response_time.checked_add(fresh_for),
    };
    let seconds = |window: Duration| u32::try_from(window.as_secs()).unwrap_or(u32::MAX);
    let mut meta = CacheMeta::new(
        fresh_until.ok_or(NotStored::Stale)?,
        response_time,
        seconds(stored.stale_while_revalidate),
        seconds(stored.stale_if_error.max(stored.stale_if_unreachable)),
        header,
    );
    let object_max = exchange.policy.as_ref().and_then(|policy| policy.object_max());
    meta.extensions_mut().insert(Terms {
        stale_if_error_s: seconds(stored.stale_if_error),
        reuse: stored.reuse,
        grounds: Some(stored.grounds),
        object_max: object_max.map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
    });
    meta.set_epoch_override(response_time.checked_sub(stored.age).ok_or(NotStored::Stale)?);
    Ok(meta)
}

/// Puts a 304's fields in the place of the stored ones (RFC 9111 section 3.2).
fn renew(header: &mut ResponseHeader, validation: &HeaderMap) {
    for name in renewed(validation) {
        header.remove_header(&name);
        for value in validation.get_all(&name) {
            // A name and a value taken from another header: appending them cannot fail.
            let _ = header.append_header(name.clone(), value.clone());
        }
    }
}

/// Whether a stale response may be served, within the longest of its windows, which Pingora has checked: while another request
/// revalidates it (no error), when the origin fails (RFC 5861 sections 3 and 4), or when no answer can be had from it (RFC 9111
/// section 4.2.4). For `should_serve_stale`.
pub fn may_serve_stale(session: &mut Session, next: Next, error: Option<&Error>, now: SystemTime) -> bool {
    let Some(error) = error.filter(|_| next != Next::StandIn) else { return true };
    *error.esource() == ErrorSource::Upstream && (is_unreachable(error) || is_granted(session, now))
}

/// Whether an error means that no answer came from the origin: not that one did which cannot be used.
fn is_unreachable(error: &Error) -> bool {
    !matches!(error.etype(), ErrorType::HTTPStatus(_) | ErrorType::InvalidHTTPHeader)
}

/// Whether what is held may stand in for an error that the origin answered with.
fn is_granted(session: &mut Session, now: SystemTime) -> bool {
    if session.cache.phase() != CachePhase::Stale {
        return false;
    }
    let terms = Hit::terms(session.cache.hit_handler());
    terms.is_some_and(|terms| covers(session.cache.cache_meta(), terms, now))
}

/// Whether the window for errors that the origin answers with is open.
pub(crate) fn covers(meta: &CacheMeta, terms: Terms, now: SystemTime) -> bool {
    let window = Duration::from_secs(u64::from(terms.stale_if_error_s));
    !window.is_zero() && meta.fresh_until().checked_add(window).is_some_and(|until| now <= until)
}

/// When what was found was asked for, by the purges that were known here. For `cache_hit_filter`.
pub fn filled(hit: &HitHandler) -> Fill {
    Hit::filled(hit)
}

/// The `Age` of the response (RFC 9111 section 5.1), if it comes from, or went into, the cache. For `response_filter`:
/// Pingora sets it on hits only.
pub fn age(session: &Session, now: SystemTime) -> Option<u64> {
    let meta = session.cache.maybe_cache_meta()?;
    now.duration_since(meta.epoch()).ok().map(|age| age.as_secs())
}

/// What the cache did, with a reason in a word, for `Cache-Status`. `None`: caching was never turned on, and whoever
/// decided that knows why. For `response_filter` and `logging`.
pub fn outcome(session: &Session, now: SystemTime) -> Option<(Outcome, Option<&'static str>)> {
    let cache = &session.cache;
    let ttl = cache.maybe_cache_meta().map(|meta| ttl(meta, now));
    let waited = cache.lock_duration().is_some();
    let variant = cache.maybe_cache_key().is_some_and(|key| key.get_variance_key().is_some());
    let bypassed = cache.predicted_uncacheable_reason().map(detail);
    let miss = match variant {
        _ if bypassed.is_some() => Forward::Bypass,
        true => Forward::VaryMiss,
        false => Forward::UriMiss,
    };
    let forwarded = |why, status, stored| Outcome::Forwarded { why, status, stored, ttl: ttl.filter(|_| stored) };
    Some(match cache.phase() {
        CachePhase::Disabled(NoCacheReason::NeverEnabled) | CachePhase::Uninit | CachePhase::CacheKey => return None,
        CachePhase::Disabled(why) => (forwarded(miss, None, false), Some(detail(why))),
        CachePhase::Bypass => (forwarded(Forward::Bypass, None, false), bypassed),
        CachePhase::Hit if waited => (Outcome::Collapsed { why: miss, ttl: ttl.unwrap_or(0) }, None),
        CachePhase::Hit => (Outcome::Hit { ttl: ttl.unwrap_or(0) }, None),
        CachePhase::Stale => (Outcome::Hit { ttl: ttl.unwrap_or(0) }, Some("stale-if-error")),
        CachePhase::StaleUpdating => (Outcome::Hit { ttl: ttl.unwrap_or(0) }, Some("stale-while-revalidate")),
        CachePhase::Miss => (forwarded(miss, None, ttl.is_some()), None),
        CachePhase::Expired => (forwarded(Forward::Stale, None, ttl.is_some()), None),
        CachePhase::Revalidated => (forwarded(Forward::Stale, Some(304), true), None),
        CachePhase::RevalidatedNoCache(why) => (forwarded(Forward::Stale, Some(304), false), Some(detail(why))),
    })
}

/// Why something is not cached, as the other words of `Cache-Status` are written.
fn detail(why: NoCacheReason) -> &'static str {
    match why {
        NoCacheReason::Custom(why) => why,
        NoCacheReason::ResponseTooLarge | NoCacheReason::PredictedResponseTooLarge => "too-large",
        NoCacheReason::CacheLockGiveUp => "not-stored",
        NoCacheReason::CacheLockTimeout | NoCacheReason::CacheLockRetryLimit => "waited",
        NoCacheReason::UpstreamError => "error",
        NoCacheReason::StorageError => "storage",
        other => other.as_str(),
    }
}

/// Seconds of freshness left, rounded towards the past; negative when it is over.
fn ttl(meta: &CacheMeta, now: SystemTime) -> i64 {
    let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    match meta.fresh_until().duration_since(now) {
        Ok(left) => signed(left.as_secs()),
        Err(over) => -signed(over.duration().as_secs()),
    }
}
