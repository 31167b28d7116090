//! The last moment before the origin is asked, and what becomes of a request that waited in vain.
//!
//! When a request has waited too long for another's answer, Pingora turns its cache off and sends it on. A slow origin would
//! get them all. Here such a request gets what is stored, fresh or as stale as `stale-if-error` allows (RFC 5861 section 4:
//! the gateway would answer 503), or as a response may be that no answer can be had for (RFC 9111 section 4.2.4), and else 503.

use std::time::{Duration, SystemTime};

use pingora::cache::storage::HitHandler;
use pingora::cache::{CacheMeta, CachePhase, HitStatus, NoCacheReason};
use pingora::proxy::Session;
use pingora::{Error, ErrorType};
use selvedge_filters::cache::Variation;

use super::parts::Cache;
use super::policy;

/// What a request that is not answered from the cache does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Goes to the origin.
    Origin,
    /// Is answered with what is stored, by way of [`stand_in`].
    StandIn,
    /// Is refused: it waited, nothing came, nothing may stand in. `retry_after` is when the origin is asked next.
    Refused {
        /// For `Retry-After`.
        retry_after: Duration,
    },
}

/// The error that makes Pingora answer with the stale response it holds. For `upstream_peer`, after [`Next::StandIn`].
pub fn stand_in() -> Box<Error> {
    Error::explain(ErrorType::HTTPStatus(503), "waited too long for another request's answer").into_up()
}

impl Cache {
    /// Decides where a request goes that the cache did not answer. For `proxy_upstream_filter`, also when caching is off.
    /// `variation`: what tells variants of its response apart.
    pub async fn before_origin(
        &'static self,
        session: &mut Session,
        variation: Variation<'_>,
        now: SystemTime,
    ) -> Next {
        match session.cache.phase() {
            CachePhase::Miss | CachePhase::Stale => {
                Cache::unlimited(session);
                Next::Origin
            }
            CachePhase::Disabled(NoCacheReason::CacheLockTimeout | NoCacheReason::CacheLockRetryLimit) => {
                if self.hold_stored(session, variation, now).await {
                    Next::StandIn
                } else {
                    Next::Refused { retry_after: self.collapse.age().max(Duration::from_secs(1)) }
                }
            }
            CachePhase::Disabled(_)
            | CachePhase::Uninit
            | CachePhase::Bypass
            | CachePhase::CacheKey
            | CachePhase::Hit
            | CachePhase::StaleUpdating
            | CachePhase::Expired
            | CachePhase::Revalidated
            | CachePhase::RevalidatedNoCache(_) => Next::Origin,
        }
    }

    /// A request that was sent past the lookup will fill the cache after all, or one that missed does. For `cache_miss`, in
    /// place of its default.
    pub fn miss(session: &mut Session) {
        session.cache.cache_miss();
        Cache::unlimited(session);
    }

    /// Looks up once more, without a lock, and holds what is found as a stale response that may be served on error.
    async fn hold_stored(&'static self, session: &mut Session, variation: Variation<'_>, now: SystemTime) -> bool {
        let Some(mut key) = session.cache.maybe_cache_key().cloned() else {
            return false;
        };
        // The primary comes first: it says what varies, and which variants are older than it.
        key.remove_variance_key();
        session.cache.enable(self.storage, None, None, None, None);
        session.cache.set_cache_key(key);
        if let Some((mut meta, handler)) = look_up(session, variation).await {
            if meta.is_fresh(now) {
                // Stored while this request gave up. A second of grace makes Pingora take it for servable.
                let (until, revalidate) = (meta.fresh_until(), meta.stale_while_revalidate_sec());
                let error = meta.stale_if_error_sec().max(1);
                meta.update_freshness(until, revalidate, error);
            }
            if meta.serve_stale_if_error(now) {
                session.cache.cache_found(meta, handler, HitStatus::Expired);
                return true;
            }
        }
        session.cache.disable(NoCacheReason::CacheLockTimeout);
        false
    }
}

/// The variant of this request, by way of the primary. A storage error counts as nothing found.
async fn look_up(session: &mut Session, of: Variation<'_>) -> Option<(CacheMeta, HitHandler)> {
    let (meta, handler) = session.cache.cache_lookup().await.ok().flatten()?;
    let Some(variance) = policy::vary(of, &meta, session.req_header()) else {
        return Some((meta, handler));
    };
    if session.cache.cache_vary_lookup(variance, &meta) {
        return Some((meta, handler));
    }
    let found = session.cache.cache_lookup().await.ok().flatten();
    found.filter(|(meta, _)| meta.variance() == Some(variance))
}
