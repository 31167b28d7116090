//! A response that is stored beside Pingora's own way: one to a request that the cache is not asked about.

use std::time::SystemTime;

use bytes::Bytes;
use pingora::cache::{CacheKey, RespCacheable};
use pingora::http::ResponseHeader;
use selvedge_filters::cache::KeyParts;

use super::miss::Miss;
use super::parts::Cache;
use super::policy::Exchange;

/// A response on its way into the cache. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Deposit(Miss);

impl Deposit {
    /// Takes the next part of the body. `None`: this was the end, or there is no room for it. For `response_body_filter`.
    pub fn add(mut self, part: Option<&Bytes>, is_end: bool) -> Option<Deposit> {
        if let Some(part) = part {
            self.0.add(part).ok()?;
        }
        if !is_end {
            return Some(self);
        }
        // What did not come whole is not stored.
        let _ = self.0.end();
        None
    }
}

impl Cache {
    /// Begins to store a response that is fresh, for these places. `None` when it may not or cannot be. For `response_filter`.
    pub fn deposit(
        &'static self,
        key: &CacheKey,
        (exchange, places): (&Exchange, &[KeyParts<'_>]),
        response: &ResponseHeader,
        now: SystemTime,
    ) -> Option<Deposit> {
        match self.stamped(self.response_cacheable(exchange, response), exchange, places) {
            RespCacheable::Cacheable(meta) if meta.is_fresh(now) => self.storage.write(key, &meta).map(Deposit),
            RespCacheable::Cacheable(_) | RespCacheable::Uncacheable(_) => None,
        }
    }
}
