//! The parts of a cache that Pingora wants to live for ever, made together and leaked once at boot.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use pingora::cache::lock::{CacheKeyLock, LockStatus, Locked, WritePermit};
use pingora::cache::{CacheKey, NoCacheReason, RespCacheable};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use selvedge_filters::cache::{Asked, NotStored, Reuse};
use selvedge_state::Store;

use super::budget::countable;
use super::disk::Disk;
use super::lock::Collapse;
use super::policy::{self, Exchange};
use super::stats::Stats;
use super::storage::{EntryKey, Tiers};
use super::uncacheable::{self, Uncacheable};

/// What an operator may say about the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The memory that a process with this cache may take, in bytes; what is counted is less (see [`budget`](super::budget)).
    pub memory: u64,
    /// The largest body that is stored in memory, in bytes.
    pub object_max: usize,
    /// How long a request waits for the answer to another one's fetch. The origin has two thirds of it before it is asked
    /// a second time.
    pub wait: Duration,
}

/// A cache: storage, collapsing, and the memory of what is not worth a lookup.
#[derive(Debug)]
pub struct Cache {
    pub(crate) storage: &'static Tiers,
    pub(crate) collapse: Collapse,
    uncacheable: Uncacheable,
    /// The same of requests with a cookie, whose answers are kept less often: what they learn is not for the others.
    uncacheable_to_cookies: Uncacheable,
}

impl Cache {
    /// Makes a cache that lives as long as the process, over the store that remembers purges. Once at boot, never per config reload.
    pub fn leak(settings: Settings, disk: Option<Disk>, store: Arc<Store>) -> &'static Cache {
        let storage: &'static Tiers =
            Box::leak(Box::new(Tiers::new(countable(settings.memory), settings.object_max, disk, store)));
        let cache: &'static Cache = Box::leak(Box::new(Cache {
            storage,
            collapse: Collapse::new(settings.wait),
            uncacheable: Uncacheable::new(storage),
            uncacheable_to_cookies: Uncacheable::new(storage),
        }));
        if let Some(disk) = cache.disk() {
            disk.start();
        }
        cache
    }

    /// The disk tier, if there is one.
    pub fn disk(&'static self) -> Option<&'static Disk> {
        self.storage.disk()
    }

    /// What metrics show.
    pub fn stats(&self) -> Stats {
        self.storage.stats()
    }

    /// Turns caching on for a request that [`request_admits`](selvedge_filters::cache::request_admits) let in. For
    /// `request_cache_filter`; once per request.
    pub fn enable(&'static self, session: &mut Session, asked: Asked) {
        let overrides = self.collapse.overrides();
        let uncacheable = if asked.cookie { &self.uncacheable_to_cookies } else { &self.uncacheable };
        session.cache.enable(self.storage, None, Some(uncacheable), Some(self), Some(overrides));
        // Read by Pingora when the predictor sends a request past the lookup; see `unlimited`.
        session.cache.set_max_file_size_bytes(self.storage.object_max());
    }

    /// Decides about a response. For `response_cache_filter`.
    pub fn response_cacheable(&self, exchange: &Exchange, response: &ResponseHeader) -> RespCacheable {
        let meta = match policy::meta(exchange, response) {
            Ok(meta) => meta,
            Err(why) => {
                // What is stored was not validated and is not what there is now.
                if let Some(primary) = exchange.primary().filter(|_| why == NotStored::Validator) {
                    self.storage.take_out(primary);
                }
                return RespCacheable::Uncacheable(uncacheable::reason(why, response.status));
            }
        };
        let declared = response.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let max = exchange.policy().and_then(|policy| policy.object_max());
        let outgrows = |declared: usize| max.is_some_and(|max| declared as u64 > max);
        if declared.is_some_and(|declared| !self.storage.admits(declared) || outgrows(declared)) {
            return RespCacheable::Uncacheable(NoCacheReason::ResponseTooLarge);
        }
        RespCacheable::Cacheable(meta)
    }

    /// Takes out what is stored under a key with all its variants, and what is on its way to it. Whoever reads it goes on.
    pub fn invalidate(&self, key: &CacheKey) {
        // Variants are found by way of the primary, and none is valid that is older than the next primary.
        self.storage.take_out(EntryKey::of(key));
    }

    /// Lifts Pingora's size limit from a request that will fill the cache: past it, Pingora breaks the client's response
    /// off, while the storage only stops storing it.
    pub(crate) fn unlimited(session: &mut Session) {
        session.cache.set_max_file_size_bytes(usize::MAX);
    }
}

impl CacheKeyLock for Cache {
    /// Who finds what each use has to validate asks by itself: those who waited would have to ask all the same, one after the other.
    fn lock(&self, key: &CacheKey, stale_writer: bool) -> Locked {
        if stale_writer && self.storage.reuse(EntryKey::of(key)) == Reuse::Validated {
            return self.collapse.alone();
        }
        self.collapse.lock(key, stale_writer)
    }

    fn release(&self, key: &CacheKey, permit: WritePermit, reason: LockStatus) {
        self.collapse.release(key, permit, reason);
    }
}
