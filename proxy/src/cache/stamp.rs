//! What a response carries on its way into the cache, and what becomes of it there: when it was asked for, by which keys it may be purged
//! (`selvedge_filters::purge::Stamp`), and whose it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pingora::cache::{CacheMeta, NoCacheReason, RespCacheable};
use selvedge_filters::cache::KeyParts;
use selvedge_filters::purge::{self, Renewal, Standing, names, tags};
use selvedge_state::{Fill, Key128, Store, Time};

use super::parts::Cache;
use super::policy::Exchange;
use super::storage::EntryKey;

/// The bytes of one key.
const KEY: u64 = size_of::<Key128>() as u64;

/// Travels in the meta data that Pingora hands to the storage. What has none was asked for before all purges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stamp {
    purged_by: purge::Stamp,
    owner: Owner,
}

/// Whose a response is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owner {
    /// What all variants of it are stored under; unknown to none but tests.
    pub(crate) primary: Option<EntryKey>,
    /// The name of the policy that had it stored.
    pub(crate) policy: Option<Arc<str>>,
}

/// The stamp of what is stored, or on its way to that.
#[derive(Debug)]
pub(crate) struct Stamped {
    judged: purge::Stamped,
    owner: Owner,
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
        let purged_by = purge::Stamp::new(store, fill, &names(places, &tags));
        let policy = policy.map(|policy| Arc::clone(policy.name()));
        Ok(Stamp { purged_by, owner: Owner { primary: exchange.primary(), policy } })
    }

    /// One that was written down.
    pub(super) fn restored(purged_by: purge::Stamp, owner: Owner) -> Stamp {
        Stamp { purged_by, owner }
    }

    /// When the response was asked for, and by which keys it is purged.
    pub(super) fn purged_by(&self) -> &purge::Stamp {
        &self.purged_by
    }

    /// Whose the response is.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// When the response was asked for.
    pub(super) fn fill(&self) -> Fill {
        self.purged_by.fill()
    }

    /// The one that a 304 to a request with this stamp leaves of what it validates.
    pub(super) fn validating(self, known: &Stamped) -> Stamp {
        Stamp { purged_by: self.purged_by.validating(known.judged.stamp()), ..self }
    }

    /// The one that a response carries.
    pub(crate) fn of(meta: &CacheMeta) -> Stamp {
        meta.extensions().get::<Stamp>().cloned().unwrap_or_default()
    }

    /// What it costs to hold.
    pub(crate) fn cost(&self) -> u64 {
        size_of::<Stamped>() as u64 + self.purged_by.keys().len() as u64 * KEY
    }
}

impl Stamped {
    pub(crate) fn new(Stamp { purged_by, owner }: Stamp) -> Arc<Stamped> {
        Stamped::judged(purge::Stamped::new(purged_by), owner)
    }

    /// The stamp of something at which somebody has looked already.
    pub(crate) fn judged(judged: purge::Stamped, owner: Owner) -> Arc<Stamped> {
        Arc::new(Stamped { judged, owner })
    }

    /// What all variants of it are stored under.
    pub(crate) fn primary(&self) -> Option<EntryKey> {
        self.owner.primary
    }

    /// The policy that had it stored.
    pub(crate) fn policy(&self) -> Option<&str> {
        self.owner.policy.as_deref()
    }

    /// When it was asked for.
    pub(crate) fn fill(&self) -> Fill {
        self.judged.fill()
    }

    /// When its body was asked for.
    pub(crate) fn body(&self) -> Fill {
        self.judged.stamp().body()
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { purged_by: self.judged.stamp().clone(), owner: self.owner.clone() }
    }

    /// What purges made of it. While no purge comes to be known, one comparison.
    pub(crate) fn standing(&self, store: &Store) -> Standing {
        self.judged.standing(store)
    }

    /// Whether a hard purge came to be known since it was asked for.
    pub(crate) fn is_gone(&self, store: &Store) -> bool {
        self.judged.is_gone(store)
    }

    /// Whether another response of its key takes its place.
    pub(crate) fn gives_way_to(&self, other: &Stamped) -> bool {
        self.judged.gives_way_to(&other.judged)
    }

    /// What a 304 to a request that carries this stamp makes of it.
    pub(super) fn renewal(&self, by: &Stamped, store: &Store) -> Renewal {
        self.judged.renewal(&by.judged, store)
    }

    /// Nothing up to there needs to be looked at again.
    pub(crate) fn found_clean(&self, up_to: Fill) {
        self.judged.found_clean(up_to.number());
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
        meta.extensions_mut().insert(Stamp::restored(purge::Stamp::default().filled_at(fill), Owner::default()));
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
