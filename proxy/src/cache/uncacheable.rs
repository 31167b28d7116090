//! What is not worth a lookup: requests for what could not be stored the last time go to the origin at once, and do not wait for one another.
//!
//! Pingora remembers it for all variants together, and passes the cache by. So it is not remembered what an error or one client's own header came
//! to, which says nothing of the next answer; and nothing is passed by as long as something of that name is stored, which may be the answer, or
//! may have to stand in for one.

use std::fmt;

use http::StatusCode;
use pingora::cache::predictor::{CacheablePredictor, Predictor};
use pingora::cache::{CacheKey, NoCacheReason};
use selvedge_filters::cache::NotStored;

use super::storage::{EntryKey, Tiers};

/// Shards of the table of keys, and keys in each. The least recent go first.
const SHARDS: usize = 16;
const KEYS: usize = 4096;

/// Keys whose last response was not storable.
pub(super) struct Uncacheable {
    known: Predictor<SHARDS>,
    storage: &'static Tiers,
}

impl Uncacheable {
    pub(super) fn new(storage: &'static Tiers) -> Uncacheable {
        Uncacheable { known: Predictor::new(KEYS, Some(says_nothing_of_the_next)), storage }
    }
}

impl CacheablePredictor for Uncacheable {
    fn cacheable_prediction(&self, key: &CacheKey) -> bool {
        self.predicted_uncacheable_reason(key).is_none()
    }

    fn predicted_uncacheable_reason(&self, key: &CacheKey) -> Option<NoCacheReason> {
        self.known.predicted_uncacheable_reason(key).filter(|_| !self.storage.has(EntryKey::primary(key)))
    }

    fn mark_cacheable(&self, key: &CacheKey) -> bool {
        self.known.mark_cacheable(key)
    }

    fn mark_uncacheable(&self, key: &CacheKey, reason: NoCacheReason) -> Option<bool> {
        self.known.mark_uncacheable(key, reason)
    }
}

impl fmt::Debug for Uncacheable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uncacheable")
    }
}

/// An error of the server, whatever else keeps it from being stored.
const ERROR: &str = "error";

/// Why a response of a status is not stored, in a word by which it is remembered or not.
pub(super) fn reason(why: NotStored, status: StatusCode) -> NoCacheReason {
    NoCacheReason::Custom(if status.is_server_error() { ERROR } else { why.as_str() })
}

/// Reasons that are not remembered for a key.
fn says_nothing_of_the_next(reason: &'static str) -> bool {
    [NotStored::Authorization.as_str(), NotStored::Request.as_str(), ERROR].contains(&reason)
}
