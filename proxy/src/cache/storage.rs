//! The tiers behind Pingora's `Storage`: stored objects and fills in progress in memory, under one byte cap, and the disk if there is one.
//!
//! What is stored in memory is written to the disk behind the requests' backs; what is too large for memory goes there as it comes. What is
//! found on the disk and fits one chunk comes back to memory, the rest is read from there.
//!
//! Bytes are counted in before they are held (see `budget`), so the cap is never passed: when room is needed, objects go
//! until there is enough, and when nothing is left to go, the response is not admitted and streams past the cache.
//!
//! A fill is *listed* from its header on: lookups find it and read along. A purge or a newer fill of the same key takes it
//! off the list, and only a fill that is still listed when it ends becomes an object. So what takes an object out also covers what
//! is on its way, and an older answer never replaces a newer one.
//!
//! Purges by name do not look for what they are about (see `purged`): fills and objects carry a stamp, and are looked at by it.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use pingora::cache::eviction::CacheEntryKey;
use pingora::cache::key::CacheHashKey;
use pingora::cache::storage::{MissHandler, PurgeOutcome, PurgeTarget};
use pingora::cache::trace::SpanHandle;
use pingora::cache::{CacheKey, CacheMeta, HitHandler, PurgeType, Storage};
use pingora::{Error, ErrorType, Result};
use selvedge_filters::cache::Reuse;
use selvedge_filters::purge::Standing;
use selvedge_state::Store;

use super::budget::{Budget, Charge};
use super::disk::{Disk, DiskFile};
use super::fill::{Ended, Fill, FillId, Follow, GivenUp};
use super::growing::{Fate, Growing, Largest, RESERVE};
use super::hit::Hit;
use super::miss::Miss;
use super::object::{Header, OBJECT_OVERHEAD, Object, Times};
use super::pieces;
use super::shelf::Shelf;
use super::stamp::{Stamp, Stamped};
use super::stats::{Counters, Stats};

/// How many locks the fills in progress have; keys are hashes, so they spread evenly.
const SHARDS: usize = 32;

/// The hash of a cache key and its variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryKey(pub(crate) u128);

impl EntryKey {
    pub(crate) fn of(key: &impl CacheHashKey) -> EntryKey {
        EntryKey(u128::from_be_bytes(key.combined_bin()))
    }

    /// What all variants share.
    pub(crate) fn primary(key: &impl CacheHashKey) -> EntryKey {
        EntryKey(u128::from_be_bytes(key.primary_bin()))
    }
}

/// Fills in progress. Each is charged for, so the cap bounds them.
#[derive(Debug, Default)]
pub(super) struct Fills {
    all: HashMap<FillId, Arc<Fill>>,
    /// The fill that answers lookups of a key.
    listed: HashMap<EntryKey, FillId>,
}

impl Fills {
    fn listed(&self, key: EntryKey) -> Option<Arc<Fill>> {
        self.listed.get(&key).and_then(|id| self.all.get(id)).cloned()
    }

    /// Whether the fill was listed until now.
    fn unlist(&mut self, fill: &Fill) -> bool {
        let listed = self.listed.get(&fill.key) == Some(&fill.id);
        if listed {
            self.listed.remove(&fill.key);
        }
        listed
    }
}

/// Responses in memory, under a hard cap in bytes. Made once at boot and leaked: Pingora wants `&'static`.
#[derive(Debug)]
pub struct Tiers {
    budget: Budget,
    object_max: usize,
    disk: Option<Disk>,
    /// Where purges are remembered.
    pub(super) store: Arc<Store>,
    pub(super) shelf: Shelf<Object>,
    fills: Box<[Mutex<Fills>]>,
    next_fill: AtomicU64,
    pub(super) counters: Counters,
}

impl Tiers {
    /// A storage of `capacity` bytes of memory in all, for bodies of at most `object_max` bytes there, and the disk.
    pub fn new(capacity: u64, object_max: usize, disk: Option<Disk>, store: Arc<Store>) -> Tiers {
        Tiers {
            budget: Budget::new(capacity),
            object_max,
            disk,
            store,
            shelf: Shelf::new(),
            fills: (0..SHARDS).map(|_| Mutex::default()).collect(),
            next_fill: AtomicU64::new(0),
            counters: Counters::default(),
        }
    }

    /// The largest body that is stored, in bytes.
    pub fn object_max(&self) -> usize {
        self.largest().of_all()
    }

    fn largest(&self) -> Largest {
        Largest { memory: self.object_max, disk: self.disk_on().map_or(0, Disk::object_max) }
    }

    /// The disk, if there is one, whether it takes anything or not.
    pub(crate) fn disk(&'static self) -> Option<&'static Disk> {
        self.disk.as_ref()
    }

    fn disk_on(&self) -> Option<&Disk> {
        self.disk.as_ref().filter(|disk| disk.is_on())
    }

    /// Counters and gauges now. Takes the locks one after the other.
    pub fn stats(&self) -> Stats {
        let objects = self.shelf.objects() as u64;
        let fills = self.fills.iter().map(|fills| lock(fills).all.len() as u64).sum();
        Stats {
            bytes: self.budget.used(),
            capacity: self.budget.capacity(),
            objects,
            fills,
            stored: self.counters.stored.get(),
            evicted: self.counters.evicted.get(),
            aborted: self.counters.aborted.get(),
            outgrown: self.counters.outgrown.get(),
            refused: self.counters.refused.get(),
            purged: self.counters.purged.get(),
            purged_softly: self.counters.purged_softly.get(),
            disk: self.disk.as_ref().map(Disk::stats),
        }
    }

    /// Whether a body of `declared` bytes could be stored if everything stored made way. What is being filled or read
    /// does not.
    pub fn admits(&self, declared: usize) -> bool {
        let fits = pieces::cost(declared).saturating_add(OBJECT_OVERHEAD) <= self.budget.capacity();
        declared <= self.object_max && fits || self.disk_on().is_some_and(|disk| disk.admits(declared))
    }

    /// Adds to a fill; takes it off the list once it cannot be stored any more.
    pub(crate) fn append(&'static self, fill: &Fill, data: &[u8]) -> Result<Fate, GivenUp> {
        let largest = self.largest().at_most(fill.times.terms.object_max);
        let result = fill.append(data, largest, |bytes| self.promised(bytes));
        if result.is_err() {
            self.counters.aborted.add();
        }
        if !matches!(result, Ok(Fate::Memory | Fate::Disk)) {
            self.unlist(fill);
        }
        result
    }

    /// It answers no lookups any more, and is not stored.
    pub(crate) fn unlist(&self, fill: &Fill) {
        self.fills(fill.key).unlist(fill);
    }

    /// Ends a fill: stores it if it is still listed and was not purged. The lock is held until then, or a purge could slip in between.
    pub(crate) fn finish(&self, fill: &Fill, file: Option<DiskFile>) -> Result<(), GivenUp> {
        let result = fill.finish();
        let mut fills = self.fills(fill.key);
        fills.all.remove(&fill.id);
        let is_listed = fills.unlist(fill) && !fill.stamped.is_gone(&self.store);
        let ended = result.inspect_err(|_| self.counters.aborted.add())?;
        let replaced = if is_listed { self.put(fill, ended, file) } else { None };
        drop(fills);
        drop(replaced);
        Ok(())
    }

    /// Stores what a fill came to, in the one tier or the other. What it takes the place of is dropped when no lock is held.
    fn put(&self, fill: &Fill, ended: Ended, file: Option<DiskFile>) -> Option<Object> {
        match (ended, self.disk_on()) {
            (Ended::Memory(object), disk) => {
                self.counters.stored.add();
                if let Some(disk) = disk {
                    // It must not come back if this one is gone before it is written.
                    disk.take_out(fill.key);
                    disk.offer(fill.key, object.clone());
                }
                self.shelf.put(fill.key, object)
            }
            (Ended::Disk, Some(disk)) => {
                let file = file?;
                self.counters.stored.add();
                let older = self.shelf.remove(fill.key);
                disk.publish(file, fill.key, fill.stamped.fill(), fill.times.terms.reuse);
                older
            }
            (Ended::Disk, None) | (Ended::Passed, _) => None,
        }
    }

    /// Ends a fill whose writer is gone.
    pub(crate) fn abandon(&self, fill: &Fill) {
        if fill.abandon() {
            self.counters.aborted.add();
        }
        let mut fills = self.fills(fill.key);
        fills.unlist(fill);
        fills.all.remove(&fill.id);
    }

    /// Whether anything is stored under a key, or on its way there, whatever became of it.
    pub(crate) fn has(&self, key: EntryKey) -> bool {
        let of_disk = || self.disk.as_ref().is_some_and(|disk| disk.reuse(key).is_some());
        self.fills(key).listed(key).is_some() || self.shelf.peek(key).is_some() || of_disk()
    }

    /// When what is found under a key is an answer.
    pub(crate) fn reuse(&self, key: EntryKey) -> Reuse {
        let filling = self.fills(key).listed(key).map(|fill| fill.times.terms);
        let reuse = filling.or_else(|| self.shelf.peek(key).map(|object| object.times.terms)).map(|terms| terms.reuse);
        let of_disk = || self.disk.as_ref().and_then(|disk| disk.reuse(key));
        reuse.or_else(of_disk).unwrap_or(Reuse::WhileFresh)
    }

    /// Takes out what is stored under a key, and has what is on its way to it not be stored. Says whether there was anything.
    pub(crate) fn take_out(&self, key: EntryKey) -> bool {
        let (listed, removed, on_disk) = {
            let mut fills = self.fills(key);
            let on_disk = self.disk.as_ref().is_some_and(|disk| disk.take_out(key));
            (fills.listed.remove(&key), self.shelf.remove(key), on_disk)
        };
        listed.is_some() || removed.is_some() || on_disk
    }

    /// How many fills in progress are meant.
    pub(crate) fn filling(&self, is_meant: impl Fn(&Fill) -> bool) -> usize {
        self.fills.iter().map(|fills| lock(fills).all.values().filter(|fill| is_meant(fill)).count()).sum()
    }

    /// Counts a fill that changed its fate.
    pub(crate) fn count_outgrown(&self) {
        self.counters.outgrown.add();
    }

    /// Charges bytes, evicting objects until they fit. `None`: nothing is left to evict.
    pub(super) fn room(&'static self, bytes: u64) -> Option<Charge> {
        self.make_room(bytes, Budget::take)
    }

    /// The same for a body that is to come.
    fn promised(&'static self, bytes: u64) -> Option<Charge> {
        self.make_room(bytes, Budget::promise)
    }

    fn make_room(&'static self, bytes: u64, take: impl Fn(&'static Budget, u64) -> Option<Charge>) -> Option<Charge> {
        if bytes > self.budget.capacity() {
            return None;
        }
        loop {
            if let Some(charge) = take(&self.budget, bytes) {
                return Some(charge);
            }
            self.shelf.evict()?;
            self.counters.evicted.add();
        }
    }

    pub(super) fn fills(&self, key: EntryKey) -> MutexGuard<'_, Fills> {
        let index = (key.0 % SHARDS as u128) as usize;
        // SHARDS tables were made, so the index is always one of them.
        #[allow(clippy::indexing_slicing)]
        lock(&self.fills[index])
    }

    /// Begins to write a response under a key, if it is admitted, for nobody to read before it is whole.
    pub(crate) fn write(&'static self, key: &CacheKey, meta: &CacheMeta) -> Option<Miss> {
        self.admit(key, meta, Follow::Nobody).ok()
    }

    fn admit(&'static self, key: &CacheKey, meta: &CacheMeta, follow: Follow) -> Result<Miss, Refused> {
        let begun = self.begin(key, meta, follow);
        if begun.is_err() {
            self.counters.refused.add();
        }
        begun.map(|fill| Miss::new(self, fill))
    }

    fn begin(&'static self, key: &CacheKey, meta: &CacheMeta, follow: Follow) -> Result<Arc<Fill>, Refused> {
        let header = meta.response_header();
        let declared = declared_length(meta);
        let largest = if follow == Follow::Nobody { Largest { disk: 0, ..self.largest() } } else { self.largest() };
        let fate = largest.fate(declared.unwrap_or(0));
        let body = match fate {
            Fate::Memory => pieces::cost(declared.unwrap_or(0)),
            Fate::Disk => RESERVE,
            Fate::PassThrough => return Err(Refused::TooLarge),
        };
        let stamp = Stamp::of(meta);
        let head = self.room(Header::cost(header) + stamp.cost() + OBJECT_OVERHEAD).ok_or(Refused::NoRoom)?;
        let growing = Growing::new(self.promised(body).ok_or(Refused::NoRoom)?, fate);
        let id = FillId(self.next_fill.fetch_add(1, Ordering::Relaxed));
        let header = Header::new(header, head).map_err(|_| Refused::Header)?;
        let head = (header, Stamped::new(stamp));
        let fill = Arc::new(Fill::new(id, EntryKey::of(key), Times::of(meta), head, declared, growing, follow));
        let mut fills = self.fills(fill.key);
        fills.all.insert(id, Arc::clone(&fill));
        if fills.listed(fill.key).is_none_or(|listed| listed.stamped.gives_way_to(&fill.stamped)) {
            fills.listed.insert(fill.key, id);
        }
        drop(fills);
        Ok(fill)
    }
}

/// Why a response is not admitted. It streams past the cache then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("the response is larger than the largest object")]
    TooLarge,
    #[error("no room can be made in the cache")]
    NoRoom,
    #[error("the response's header cannot be stored")]
    Header,
}

/// The length of the body to come, if the response says it. A 204 has none, whatever it says (RFC 9110 section 15.3.5).
fn declared_length(meta: &CacheMeta) -> Option<usize> {
    if meta.response_header().status == StatusCode::NO_CONTENT {
        return None;
    }
    meta.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn read_along(fill: &Arc<Fill>) -> Option<(CacheMeta, HitHandler)> {
    let reader = fill.reader()?;
    Some((fill.times.meta(fill.header.get().clone()), Hit::fill(reader)))
}

fn lock(fills: &Mutex<Fills>) -> MutexGuard<'_, Fills> {
    fills.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn error(cause: impl std::error::Error) -> Box<Error> {
    Error::explain(ErrorType::InternalError, format!("cache: {cause}"))
}

#[async_trait]
impl Storage for Tiers {
    async fn lookup(&'static self, key: &CacheKey, _trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let key = EntryKey::of(key);
        // A fill in progress is newer than what is stored. One that just ended badly has no reader to offer, and one that was purged,
        // however softly, has none for those who come now.
        let fill = self.fills(key).listed(key).filter(|fill| fill.stamped.standing(&self.store) == Standing::Valid);
        if let Some(found) = fill.and_then(|fill| read_along(&fill)) {
            return Ok(Some(found));
        }
        if let Some(object) = self.usable(key) {
            return Ok(Some((object.meta(), Hit::object(object))));
        }
        let Some(disk) = self.disk() else { return Ok(None) };
        let Some(found) = disk.find(key).await else { return Ok(None) };
        Ok(self.bring_back(key, found).await)
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &CacheKey,
        tag: Option<&[u8]>,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let id = tag.and_then(|tag| tag.try_into().ok()).map(|tag| FillId(u64::from_be_bytes(tag)));
        let fill = id.and_then(|id| self.fills(EntryKey::of(key)).all.get(&id).cloned());
        // Pingora panics on `None`. The writer that asks is alive and has written nothing, so there is a reader.
        let found = fill.and_then(|fill| read_along(&fill)).ok_or_else(|| error(GivenUp::Abandoned))?;
        Ok(Some(found))
    }

    /// An error here makes Pingora stream the response past the cache: the client notices nothing.
    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let miss = self.admit(key, meta, Follow::Anybody).map_err(error)?;
        Ok(Box::new(miss))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        _type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        if is_identified(target) {
            return Ok(PurgeOutcome::NotFound);
        }
        let found = self.take_out(EntryKey::of(target.key()));
        Ok(if found { PurgeOutcome::Purged(None) } else { PurgeOutcome::NotFound })
    }

    async fn expire(&'static self, target: PurgeTarget<'_>, _trace: &SpanHandle) -> Result<PurgeOutcome> {
        if is_identified(target) {
            return Ok(PurgeOutcome::NotFound);
        }
        let now = SystemTime::now();
        let expired = self.shelf.change(EntryKey::of(target.key()), |object| {
            let mut object = object.clone();
            object.times.expire_at(now);
            Some(object)
        });
        if let Some(disk) = &self.disk {
            disk.take_out(EntryKey::of(target.key()));
        }
        Ok(if expired.is_some() { PurgeOutcome::Expired } else { PurgeOutcome::NotFound })
    }

    /// A 304 renews the header and the instants (RFC 9111 section 4.3.4). `false`: the object is gone or purged, or its new header
    /// finds no room; the response is served all the same.
    async fn update_meta(&'static self, key: &CacheKey, meta: &CacheMeta, _trace: &SpanHandle) -> Result<bool> {
        let header = meta.response_header();
        let stamp = Stamp::of(meta);
        let Some(charge) = self.room(Header::cost(header) + stamp.cost() + OBJECT_OVERHEAD) else {
            return Ok(false);
        };
        let (key, times) = (EntryKey::of(key), Times::of(meta));
        let in_memory = self.renew(key, times, Header::new(header, charge)?, stamp.clone());
        let Some(disk) = self.disk() else { return Ok(in_memory) };
        let on_disk = disk.renew(key, (times, header.clone(), stamp)).await;
        Ok(in_memory || on_disk)
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// This storage gives its entries no identity beside their key, so a target that has one is not here.
fn is_identified(target: PurgeTarget<'_>) -> bool {
    matches!(target, PurgeTarget::Exact(CacheEntryKey::Identified { .. }))
}
