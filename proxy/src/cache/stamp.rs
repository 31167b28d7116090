//! What a response carries on its way into the cache: by which keys it may be purged, and when it was asked for.
//!
//! *When* is told by the purges that this node had applied before the request went to the origin, not by a clock: a purge that
//! came to be known here later voids what was asked for before, whenever it was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pingora::cache::{CacheMeta, NoCacheReason, RespCacheable};
use selvedge_filters::cache::KeyParts;
use selvedge_filters::purge::{Reach, names, tags};
use selvedge_state::{Application, Fill, Key128, Store, Time};

use super::parts::Cache;
use super::policy::Exchange;
use super::storage::EntryKey;

/// The bytes of one key.
const KEY: u64 = size_of::<Key128>() as u64;

/// Travels in the meta data that Pingora hands to the storage. What has none was asked for before all purges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stamp {
    fill: Fill,
    /// The hard ones, then as many soft ones.
    keys: Arc<[Key128]>,
    /// What all variants of it are stored under; unknown to none but tests.
    primary: Option<EntryKey>,
    /// The name of the policy that had it stored.
    policy: Option<Arc<str>>,
}

/// The stamp of what is stored, or on its way to that.
#[derive(Debug)]
pub(crate) struct Stamped {
    stamp: Stamp,
    /// The number of the application up to which it was found untouched.
    clean: AtomicU64,
}

/// What purges made of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Valid,
    /// A soft purge came to be known here.
    Stale(Application),
    /// A hard one did.
    Gone,
}

impl Stamp {
    /// The stamp of a response that was asked for at `fill` and is stored for these places.
    ///
    /// # Errors
    /// A stable name of why it cannot be stored: it has tags that it would not be purged by.
    fn new(
        store: &Store,
        (fill, exchange): (Fill, &Exchange),
        places: &[KeyParts<'_>],
        meta: &CacheMeta,
    ) -> Result<Stamp, &'static str> {
        let policy = exchange.policy();
        let tags = tags(meta.headers(), policy.map_or(&[], |policy| policy.tags())).map_err(|_| "tags")?;
        let names = names(places, &tags);
        let keys = |reach| names.iter().flat_map(move |name| name.key(store, reach).each());
        Ok(Stamp {
            fill,
            keys: keys(Reach::Hard).chain(keys(Reach::Soft)).collect(),
            primary: exchange.primary(),
            policy: policy.map(|policy| Arc::clone(policy.name())),
        })
    }

    /// One that was written down. The keys are as [`keys`](Stamp::keys) gives them; `primary` and `policy` are what all variants are stored
    /// under, and the policy that had it stored.
    pub(super) fn restored(
        fill: Fill,
        keys: Arc<[Key128]>,
        primary: Option<EntryKey>,
        policy: Option<Arc<str>>,
    ) -> Stamp {
        Stamp { fill, keys, primary, policy }
    }

    /// The same, as if it had been asked for at another time.
    pub(super) fn filled_at(self, fill: Fill) -> Stamp {
        Stamp { fill, ..self }
    }

    /// What all variants of it are stored under, and the policy that had it stored.
    pub(super) fn of_whom(&self) -> (Option<EntryKey>, Option<&str>) {
        (self.primary, self.policy.as_deref())
    }

    /// When the response was asked for.
    pub(super) fn fill(&self) -> Fill {
        self.fill
    }

    /// What it is purged by: the hard ones, then as many soft ones.
    pub(super) fn keys(&self) -> &[Key128] {
        &self.keys
    }

    /// The one that a response carries.
    pub(crate) fn of(meta: &CacheMeta) -> Stamp {
        meta.extensions().get::<Stamp>().cloned().unwrap_or_default()
    }

    /// What it costs to hold.
    pub(crate) fn cost(&self) -> u64 {
        size_of::<Stamped>() as u64 + self.keys.len() as u64 * KEY
    }
}

impl Stamped {
    pub(crate) fn new(stamp: Stamp) -> Arc<Stamped> {
        let clean = AtomicU64::new(stamp.fill.number());
        Arc::new(Stamped { stamp, clean })
    }

    /// What all variants of it are stored under.
    pub(crate) fn primary(&self) -> Option<EntryKey> {
        self.stamp.primary
    }

    /// The policy that had it stored.
    pub(crate) fn policy(&self) -> Option<&str> {
        self.stamp.policy.as_deref()
    }

    /// When it was asked for.
    pub(crate) fn fill(&self) -> Fill {
        self.stamp.fill
    }

    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// What purges made of it. While no purge comes to be known, one comparison.
    pub(crate) fn standing(&self, store: &Store) -> Standing {
        let up_to = store.fill();
        if self.clean.load(Ordering::Acquire) == up_to.number() {
            return Standing::Valid;
        }
        let Stamp { fill, keys, .. } = &self.stamp;
        let (hard, soft) = keys.split_at(keys.len() / 2);
        if store.first_purge(hard, *fill).is_some() {
            return Standing::Gone;
        }
        match store.first_purge(soft, *fill) {
            Some(applied) => Standing::Stale(applied),
            None => {
                self.found_clean(up_to);
                Standing::Valid
            }
        }
    }

    /// Whether a hard purge came to be known since it was asked for.
    pub(crate) fn is_gone(&self, store: &Store) -> bool {
        self.standing(store) == Standing::Gone
    }

    /// Nothing up to there needs to be looked at again.
    pub(crate) fn found_clean(&self, up_to: Fill) {
        self.found_clean_before(up_to.number());
    }

    /// The same by the number of the last application that was looked at.
    pub(super) fn found_clean_before(&self, number: u64) {
        self.clean.fetch_max(number, Ordering::AcqRel);
    }
}

/// The instant of an application on this machine's clock, and before now: Pingora takes the instant itself as fresh.
pub(crate) fn instant(applied: Time, now: SystemTime) -> SystemTime {
    let ended = now.checked_sub(Duration::from_millis(1)).unwrap_or(SystemTime::UNIX_EPOCH);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(applied.0)).map_or(ended, |at| at.min(ended))
}

impl Cache {
    /// Has a response that may be stored carry what it is purged by: its tags, and the places that it is stored for. For
    /// `response_cache_filter`, behind [`Cache::response_cacheable`].
    pub fn stamped(&self, cacheable: RespCacheable, exchange: &Exchange, places: &[KeyParts<'_>]) -> RespCacheable {
        let RespCacheable::Cacheable(mut meta) = cacheable else { return cacheable };
        // Without a request on its way there is no response.
        let Some(fill) = exchange.fill() else { return RespCacheable::Uncacheable(NoCacheReason::InternalError) };
        match Stamp::new(&self.storage.store, (fill, exchange), places, &meta) {
            Ok(stamp) => {
                meta.extensions_mut().insert(stamp);
                RespCacheable::Cacheable(meta)
            }
            Err(why) => RespCacheable::Uncacheable(NoCacheReason::Custom(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use pingora::cache::trace::Span;
    use pingora::cache::{CacheKey, Storage};
    use pingora::http::ResponseHeader;

    use super::super::laws::empty_store;
    use super::super::storage::Tiers;
    use super::*;

    /// A response that says which one it is, asked for at `fill`.
    fn meta(which: &'static str, fill: Fill) -> CacheMeta {
        let mut header = ResponseHeader::build(200, None).expect("a header");
        header.insert_header("x-which", which).expect("a field");
        let now = SystemTime::now();
        let mut meta = CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, header);
        meta.extensions_mut().insert(Stamp { fill, ..Stamp::default() });
        meta
    }

    async fn found(storage: &'static Tiers, key: &CacheKey) -> String {
        let (meta, _) = storage.lookup(key, &Span::inactive().handle()).await.expect("no error").expect("found");
        meta.headers()["x-which"].to_str().expect("text").to_owned()
    }

    /// Whichever began or ended last: what was asked for after more purges stays.
    #[tokio::test]
    async fn an_older_answer_takes_no_newer_ones_place() {
        let storage: &'static Tiers = Box::leak(Box::new(Tiers::new(1 << 20, 1 << 20, None, empty_store())));
        let store = &storage.store;
        let before = store.fill();
        store.purge(store.purge_key(&[b"another"]), Time(2), Time(1)).expect("room");
        let (after, trace) = (store.fill(), Span::inactive().handle());
        assert!(before < after);
        let (key, other) = (CacheKey::new("a", ""), CacheKey::new("b", ""));
        let begin = async |key: &CacheKey, which, fill| {
            storage.get_miss_handler(key, &meta(which, fill), &trace).await.expect("admitted")
        };
        begin(&key, "newer", after).await.finish().await.expect("finished");
        begin(&key, "older", before).await.finish().await.expect("finished");
        assert_eq!(found(storage, &key).await, "newer");
        let (newer, older) = (begin(&other, "newer", after).await, begin(&other, "older", before).await);
        assert_eq!(found(storage, &other).await, "newer", "read along");
        newer.finish().await.expect("finished");
        older.finish().await.expect("finished");
        assert_eq!(found(storage, &other).await, "newer");
        begin(&key, "same", after).await.finish().await.expect("finished");
        assert_eq!(found(storage, &key).await, "same", "of two that know the same the later one stays");
    }

    /// An instant on this clock, and in the past also where node time is ahead.
    #[test]
    fn a_soft_purge_ends_freshness_before_now() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let at = |at: u64| instant(Time(at), now);
        assert_eq!(now.duration_since(at(1_799_999_990_000)).ok(), Some(Duration::from_secs(10)));
        for ahead in [1_800_000_000_000, 1_800_000_005_000, u64::MAX] {
            assert_eq!(now.duration_since(at(ahead)).ok(), Some(Duration::from_millis(1)));
        }
    }
}
