//! How long a rule says that a response lives in this cache.
//!
//! It stands in for `Cache-Control`, `Expires` and `Age`, for responses that may be stored (RFC 9111 section 3) and whose status
//! is cacheable by default: what is `private`, `no-store`, `no-cache`, sets a cookie or answers an authorised request stays
//! unstored, and so does a failure that says nothing of its lifetime.

use std::time::Duration;

use selvedge_conf::CacheAction;

/// A rule's word on freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Fresh for so long from its arrival on.
    pub ttl: Duration,
    /// Then served stale for so long while one request fetches it anew (RFC 5861 section 3); as the response says when absent.
    pub stale_while_revalidate: Option<Duration>,
    /// How long it may stand in for an error (RFC 5861 section 4); as the response says when absent.
    pub stale_if_error: Option<Duration>,
}

impl Lifetime {
    /// The lifetime that a rule sets; `None` when it says that the cache is passed by.
    pub fn of(action: CacheAction) -> Option<Lifetime> {
        match action {
            CacheAction::Pass => None,
            CacheAction::Ttl { ttl, stale_while_revalidate, stale_if_error } => {
                Some(Lifetime { ttl, stale_while_revalidate, stale_if_error })
            }
        }
    }
}
