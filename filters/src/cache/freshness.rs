//! Whether a response is stored, for how long it is fresh, and for how long it may be served after that.
//!
//! The steps follow RFC 9111: may it be stored at all (section 3), how long it lives (section 4.2.1), how old it is already
//! (section 4.2.3), what may be served stale (section 4.2.4 and RFC 5861).

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use selvedge_conf::CacheTimes;

use super::date::date;
use super::directives::{self, Directives, Seconds};
use super::grounds::Grounds;
use super::heuristic::guessed;
use super::lifetime::Lifetime;
use super::stale::{Granted, Windows};
use super::targeted;
use super::vary::{Vary, vary};

/// A response as the decision sees it, with the instants of its exchange.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The final status.
    pub status: StatusCode,
    /// All fields of the response (for a 304: of the stored response after the update).
    pub headers: &'a HeaderMap,
    /// What is known of its request.
    pub asked: Asked,
    /// When the request was sent.
    pub request_time: SystemTime,
    /// When the response came.
    pub response_time: SystemTime,
}

/// What the decision about a response must know of its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether it carried `Authorization`.
    pub authorized: bool,
    /// Whether it carried `Cookie`.
    pub cookie: bool,
    /// Whether a lifetime may be guessed where the response names none.
    pub heuristic: bool,
    /// What a rule says of the response's lifetime.
    pub ruled: Option<Lifetime>,
    /// What a policy says of it, where no rule does.
    pub times: CacheTimes,
}

/// How long a response lives in this cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Fresh for this long from the response time on; zero when only `stale_while_revalidate` or a validation makes it usable.
    pub fresh_for: Duration,
    /// How old it was at the response time; the `Age` field counts from here.
    pub age: Duration,
    /// After that, served stale for this long while one request revalidates it.
    pub stale_while_revalidate: Duration,
    /// After `fresh_for`, served stale for this long when the origin fails.
    pub stale_if_error: Duration,
    /// After `fresh_for`, served stale for this long when no answer can be had from the origin.
    pub stale_if_unreachable: Duration,
    /// On what terms it is used.
    pub reuse: Reuse,
    /// Why it is fresh for so long.
    pub grounds: Grounds,
}

/// When a stored response is an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reuse {
    /// While it is fresh, and in its windows after that.
    #[default]
    WhileFresh,
    /// Each time the origin has validated it (`no-cache`). Requests for it do not wait for one another.
    Validated,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// 1xx, 206 and 304 are not whole answers; with `must-understand`, a status this cache does not know.
    Status,
    /// A status that says what is wrong with the client's own header, or its connection: the next client's may be right. And those that
    /// RFC 6585 lets no cache store.
    Request,
    /// `Cache-Control` cannot be read to its end.
    Malformed,
    /// `no-store`.
    NoStore,
    /// `private`: this cache is shared.
    Private,
    /// `no-cache`: valid only after validation, and nothing to validate it by, or an answer to a request with a cookie.
    NoCache,
    /// The request was authorised and the response does not say that others may have it.
    Authorization,
    /// It sets a cookie.
    SetCookie,
    /// `Vary: *`: no other request matches.
    VaryAny,
    /// `Vary` names more fields than [`VARY_FIELDS_MAX`](super::VARY_FIELDS_MAX).
    VaryTooWide,
    /// No explicit lifetime, and none to guess.
    NoLifetime,
    /// Stale on arrival, or of a lifetime that cannot be read.
    Stale,
    /// A 304 that speaks of another response than the stored one.
    Validator,
}

impl NotStored {
    /// A stable name, for logs, metrics and `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            NotStored::Status => "status",
            NotStored::Request => "request",
            NotStored::Malformed => "malformed",
            NotStored::NoStore => "no-store",
            NotStored::Private => "private",
            NotStored::NoCache => "no-cache",
            NotStored::Authorization => "authorization",
            NotStored::SetCookie => "set-cookie",
            NotStored::VaryAny => "vary-any",
            NotStored::VaryTooWide => "vary-too-wide",
            NotStored::NoLifetime => "no-lifetime",
            NotStored::Stale => "stale",
            NotStored::Validator => "validator",
        }
    }
}

/// Decides whether a response to GET is stored, and for how long.
///
/// # Errors
/// [`NotStored`] says why it is not.
pub fn freshness(answer: &Answer<'_>) -> Result<Stored, NotStored> {
    // RFC 9213 section 2.1: a valid targeted field replaces Cache-Control and Expires.
    let targeted = targeted::cdn_cache_control(answer.headers);
    let directives = match targeted {
        Some(directives) => directives,
        None => directives::cache_control(answer.headers).map_err(|_| NotStored::Malformed)?,
    };
    storable(answer, &directives)?;
    let age = initial_age(answer);
    if directives.no_cache {
        return validated(answer, age);
    }
    let Asked { ruled, times, .. } = answer.asked;
    let windows = |ruled| Windows::of(&directives, Granted::of(ruled, times));
    if let Some(ruled) = ruled.filter(|_| is_cacheable_by_default(answer.status)) {
        // What a rule says stands for all that the response says of its lifetime, its age included.
        return worth_storing((ruled.ttl, Grounds::Rule), age, windows(Some(ruled)));
    }
    if let Some(ttl) = times.ttl.filter(|_| is_positive(answer.status)) {
        return worth_storing((ttl, Grounds::Ttl), age, windows(None));
    }
    let expires = if targeted.is_some() { None } else { expires(answer.headers, answer.response_time) };
    let (lifetime, grounds) = match lifetime(&directives, expires) {
        Err(NotStored::NoLifetime) => match unsaid(answer) {
            Some(granted) => return worth_storing(granted, age, windows(None)),
            None => (guessed(answer, &directives).ok_or(NotStored::NoLifetime)?, Grounds::Guessed),
        },
        said if targeted.is_some() => (said?.0, Grounds::Targeted),
        said => said?,
    };
    let (lifetime, grounds) = match times.ttl_max.filter(|most| *most < lifetime) {
        Some(most) => (most, Grounds::TtlMax),
        None => (lifetime, grounds),
    };
    // The windows open when freshness ends, which for an old response was before it arrived.
    let windows = windows(None).overdue(age.saturating_sub(lifetime));
    worth_storing((lifetime.saturating_sub(age), grounds), age, windows)
}

/// What a policy says of a response that names no lifetime itself. As with a guess, what an origin answers to a cookie may be meant for its
/// owner.
fn unsaid(answer: &Answer<'_>) -> Option<(Duration, Grounds)> {
    let times = Some(answer.asked.times).filter(|_| !answer.asked.cookie)?;
    if is_positive(answer.status) {
        return times.ttl_default.map(|ttl| (ttl, Grounds::TtlDefault));
    }
    times.negative_ttl.filter(|_| is_negative(answer.status)).map(|ttl| (ttl, Grounds::NegativeTtl))
}

fn worth_storing(
    (fresh_for, grounds): (Duration, Grounds),
    age: Duration,
    windows: Windows,
) -> Result<Stored, NotStored> {
    if fresh_for.is_zero() && windows.while_revalidating.is_zero() {
        return Err(NotStored::Stale);
    }
    Ok(Stored {
        fresh_for,
        age,
        stale_while_revalidate: windows.while_revalidating,
        stale_if_error: windows.if_error,
        stale_if_unreachable: windows.if_unreachable,
        reuse: Reuse::WhileFresh,
        grounds,
    })
}

/// `no-cache` (RFC 9111 section 5.2.2.4): stored where the origin can be asked whether it still holds, and never used without that.
/// What it answered to a request with a cookie is left alone: many write `no-cache` and mean `private`.
fn validated(answer: &Answer<'_>, age: Duration) -> Result<Stored, NotStored> {
    let has_validator = answer.headers.contains_key(ETAG) || answer.headers.contains_key(LAST_MODIFIED);
    if !has_validator || answer.asked.cookie {
        return Err(NotStored::NoCache);
    }
    let never = Duration::ZERO;
    Ok(Stored {
        fresh_for: never,
        age,
        stale_while_revalidate: never,
        stale_if_error: never,
        stale_if_unreachable: never,
        reuse: Reuse::Validated,
        grounds: Grounds::NoCache,
    })
}

/// Whether RFC 9111 section 3 lets a response of this status be stored that says nothing of its lifetime itself: the statuses
/// of RFC 9110 section 15.1. A failure that says nothing is never made to last by a rule.
pub(crate) fn is_cacheable_by_default(status: StatusCode) -> bool {
    is_positive(status) || is_negative(status)
}

/// Those of them that say what there is, or where.
fn is_positive(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

/// Those that say that there is nothing, whoever asks.
fn is_negative(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 405 | 410 | 414 | 501)
}

/// The statuses that answer what stands in the client's own header, or how it sent that, and nothing that is part of the key. Whatever
/// the origin says of their lifetime, which many servers write onto every response, one client must not choose them for all. Of 428, 429, 431 and
/// 511 RFC 6585 says that they must not be stored.
fn is_of_the_request(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 406 | 408 | 412 | 413 | 416 | 417 | 428 | 429 | 431 | 511)
}

/// RFC 9111 section 3, as a shared cache.
fn storable(answer: &Answer<'_>, directives: &Directives) -> Result<(), NotStored> {
    // Section 3.3: parts of answers are not combined here. Section 3: 304 updates what is stored, it is not stored.
    let whole = !answer.status.is_informational()
        && !matches!(answer.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED);
    if !whole || (directives.must_understand && !understood(answer.status)) {
        return Err(NotStored::Status);
    }
    if is_of_the_request(answer.status) {
        return Err(NotStored::Request);
    }
    // Section 5.2.2.3: `no-store` beside `must-understand` is for caches that do not know the status; this one does.
    if directives.no_store && !directives.must_understand {
        return Err(NotStored::NoStore);
    }
    if directives.private {
        return Err(NotStored::Private);
    }
    // Section 3.5: these three, and no others, let others have it.
    let for_all = directives.public || directives.must_revalidate || directives.s_maxage != Seconds::Absent;
    if answer.asked.authorized && !for_all {
        return Err(NotStored::Authorization);
    }
    // Section 7.3 lets a cache store it; handing one client's cookie to all is worse than a miss.
    if answer.headers.contains_key(SET_COOKIE) {
        return Err(NotStored::SetCookie);
    }
    match vary(answer.headers) {
        Vary::Fields(_) => Ok(()),
        Vary::Any => Err(NotStored::VaryAny),
        Vary::TooWide => Err(NotStored::VaryTooWide),
    }
}

/// The statuses whose caching requirements this cache implements (RFC 9110 section 15.1, `must-understand`).
fn understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 302 | 303 | 307 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// RFC 9111 section 4.2.1: `s-maxage`, then `max-age`, then `Expires`. A value that cannot be read makes the response stale.
fn lifetime(directives: &Directives, expires: Option<Duration>) -> Result<(Duration, Grounds), NotStored> {
    match (directives.s_maxage, directives.max_age, expires) {
        (Seconds::Valid(seconds), _, _) => Ok((Duration::from_secs(seconds), Grounds::SMaxage)),
        (Seconds::Absent, Seconds::Valid(seconds), _) => Ok((Duration::from_secs(seconds), Grounds::MaxAge)),
        (Seconds::Invalid, _, _) | (Seconds::Absent, Seconds::Invalid, _) => Err(NotStored::Stale),
        (Seconds::Absent, Seconds::Absent, Some(lifetime)) => Ok((lifetime, Grounds::Expires)),
        (Seconds::Absent, Seconds::Absent, None) => Err(NotStored::NoLifetime),
    }
}

/// `Expires` minus `Date` (RFC 9111 section 5.3). What is not a date is in the past, and so are two dates that differ.
/// Without a `Date`, the time of receipt stands in (RFC 9110 section 6.6.1).
fn expires(headers: &HeaderMap, response_time: SystemTime) -> Option<Duration> {
    let mut lines = headers.get_all(EXPIRES).iter();
    let first = lines.next()?;
    if lines.any(|line| line != first) {
        return Some(Duration::ZERO);
    }
    let Some(expires) = date(first) else {
        return Some(Duration::ZERO);
    };
    let from = headers.get(DATE).and_then(date).unwrap_or(response_time);
    Some(expires.duration_since(from).unwrap_or_default())
}

/// `corrected_age_value` of RFC 9111 section 4.2.3: what the caches before us say, and the time the exchange took. The
/// origin's clock takes no part, so a skewed one neither shortens nor stretches a lifetime.
fn initial_age(answer: &Answer<'_>) -> Duration {
    let delay = answer.response_time.duration_since(answer.request_time).unwrap_or_default();
    // Section 5.1: of a list the first member counts, and what is not a number is ignored.
    let said = answer.headers.get(AGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let first = said.split(',').next().unwrap_or("").trim();
    Duration::from_secs(directives::delta_seconds(first).or_zero()) + delay
}
