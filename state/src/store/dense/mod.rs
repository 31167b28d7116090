//! Revocations as they lie in memory, of which there may be ten million: rows of 21 bytes without an index ([`shelf`]); the floors, and what does
//! not fit a row, in a map.
//!
//! Whether something is revoked is asked of each request that has a session, so what there is of each kind is counted, and its floor is beside the count: where
//! nothing of a kind is revoked, that costs two loads.

mod row;
mod shelf;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::row::Scramble;
use self::shelf::Shelf;
use super::entries::{Entries, Entry};
use super::packed::Authors;
use super::room::Room;
use super::shards::SHARDS;
use crate::fact::Stated;
use crate::key::{Key128, Sharded, Spread};
use crate::revocation::{HOUR, Revocable, Revoked};
use crate::time::Time;

/// What is known of one kind.
#[derive(Default)]
struct OfKind {
    entries: AtomicUsize,
    /// What was issued before it is revoked, ms; 0 without a floor.
    floor: AtomicU64,
}

/// All revocations of a store.
pub(super) struct Dense {
    shelves: Box<[RwLock<Shelf>]>,
    authors: Authors,
    room: Room,
    kinds: [OfKind; Revocable::ALL.len()],
}

impl Dense {
    fn kind(&self, what: Revocable) -> Option<&OfKind> {
        self.kinds.get(usize::from(what.code()))
    }

    /// How much of a kind is held.
    pub(super) fn count(&self, what: Revocable) -> usize {
        self.kind(what).map_or(0, |kind| kind.entries.load(Ordering::Relaxed))
    }

    /// Whether nothing of a kind is revoked.
    pub(super) fn is_clear(&self, what: Revocable) -> bool {
        self.count(what) == 0
    }

    /// What of a kind was issued before it is revoked.
    pub(super) fn floor(&self, what: Revocable) -> Time {
        Time(self.kind(what).map_or(0, |kind| kind.floor.load(Ordering::Relaxed)))
    }

    /// What of this name was issued before it is revoked.
    pub(super) fn before(&self, key: Key128) -> Option<Time> {
        let shelf = self.shelf(key.shard())?;
        shelf.row(key).map(|row| row.before()).or_else(|| shelf.others.get(&key).map(|entry| entry.fact.before))
    }

    fn shelf(&self, shard: u8) -> Option<RwLockReadGuard<'_, Shelf>> {
        let shelf = self.shelves.get(usize::from(shard))?;
        Some(shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn shelf_mut(&self, shard: u8) -> Option<RwLockWriteGuard<'_, Shelf>> {
        let shelf = self.shelves.get(usize::from(shard))?;
        Some(shelf.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one that is new, and tells of a floor.
    fn note(&self, fact: &Revoked, is_new: bool) {
        let Some(kind) = self.kind(fact.what) else { return };
        kind.entries.fetch_add(usize::from(is_new), Ordering::Relaxed);
        if fact.is_floor() {
            kind.floor.store(fact.before.0, Ordering::Relaxed);
        }
    }

    /// One is gone.
    fn drop_one(&self, what: Option<Revocable>, is_floor: bool) {
        self.room.release(1);
        let Some(kind) = what.and_then(|what| self.kind(what)) else { return };
        kind.entries.fetch_sub(1, Ordering::Relaxed);
        if is_floor {
            kind.floor.store(0, Ordering::Relaxed);
        }
    }

    /// Changes an entry, made by `make` if there is none and a place is `taken`.
    fn change_or_make<R>(
        &self,
        key: Key128,
        taken: impl FnOnce() -> bool,
        make: impl FnOnce() -> Entry<Revoked>,
        change: impl FnOnce(&mut Entry<Revoked>) -> R,
    ) -> Option<R> {
        let mut shelf = self.shelf_mut(key.shard())?;
        let (mut entry, is_new) = match shelf.get(key, &self.authors) {
            Some(known) => (known, false),
            None if taken() => (make(), true),
            None => return None,
        };
        let said = change(&mut entry);
        self.note(&entry.fact, is_new);
        shelf.put(key, entry, &self.authors);
        Some(said)
    }

    fn take(&self, shelf: &mut Shelf, key: Key128, entry: &Entry<Revoked>) {
        if shelf.take(key) {
            self.drop_one(Some(entry.fact.what), entry.fact.is_floor());
        }
    }
}

impl Entries<Revoked> for Dense {
    fn with_room(max: usize, spread: Spread) -> Dense {
        let scramble = Scramble::new(spread);
        let shelves = (0..=u8::MAX).map(|shard| RwLock::new(Shelf::new(shard, scramble))).collect();
        debug_assert_eq!(SHARDS, usize::from(u8::MAX) + 1, "one for each");
        Dense { shelves, authors: Authors::default(), room: Room::new(max), kinds: Default::default() }
    }

    fn len(&self) -> usize {
        self.room.taken()
    }

    fn max(&self) -> usize {
        self.room.max()
    }

    fn read<R>(&self, key: Key128, read: impl FnOnce(&Entry<Revoked>) -> R) -> Option<R> {
        let entry = self.shelf(key.shard())?.get(key, &self.authors)?;
        Some(read(&entry))
    }

    fn change<R>(&self, key: Key128, change: impl FnOnce(&mut Entry<Revoked>) -> R) -> Option<R> {
        let mut shelf = self.shelf_mut(key.shard())?;
        let mut entry = shelf.get(key, &self.authors)?;
        let said = change(&mut entry);
        self.note(&entry.fact, false);
        shelf.put(key, entry, &self.authors);
        Some(said)
    }

    fn change_or<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<Revoked>,
        change: impl FnOnce(&mut Entry<Revoked>) -> R,
    ) -> Option<R> {
        self.change_or_make(key, || self.room.reserve(), make, change)
    }

    fn change_always<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<Revoked>,
        change: impl FnOnce(&mut Entry<Revoked>) -> R,
    ) -> Option<R> {
        let taken = || {
            self.room.exceed();
            true
        };
        self.change_or_make(key, taken, make, change)
    }

    fn retain(&self, shard: u8, mut keep: impl FnMut(&mut Entry<Revoked>) -> bool) {
        let Some(mut shelf) = self.shelf_mut(shard).filter(|_| self.len() > 0) else { return };
        shelf.retain(&self.authors, |entry| {
            let (what, is_floor) = (entry.fact.what, entry.fact.is_floor());
            let kept = keep(entry);
            if kept {
                self.note(&entry.fact, false);
            } else {
                self.drop_one(Some(what), is_floor);
            }
            kept
        });
    }

    /// Looks at the hours alone: nothing is unpacked.
    fn sweep(&self, shard: u8, now: Time) {
        let Some(mut shelf) = self.shelf_mut(shard).filter(|_| self.len() > 0) else { return };
        shelf.sweep(now.0 / HOUR, |code| self.drop_one(Revocable::of_code(code), false));
        let is_spent = |(_, entry): &(&Key128, &Entry<Revoked>)| entry.fact.is_spent(now);
        let spent = shelf.others.iter().filter(is_spent).map(|(key, entry)| (*key, entry.clone()));
        for (key, entry) in spent.collect::<Vec<_>>() {
            self.take(&mut shelf, key, &entry);
        }
    }

    fn least<R: Ord>(&self, near: u8, sample: usize, rank: impl Fn(&Entry<Revoked>) -> Option<R>) -> Option<Key128> {
        let mut seen = 0;
        let mut least: Option<(R, Key128)> = None;
        for shard in (near..=u8::MAX).chain(0..near) {
            let Some(shelf) = self.shelf(shard) else { continue };
            for key in shelf.keys().take(sample.saturating_sub(seen)) {
                seen += 1;
                let ranked = shelf.get(key, &self.authors).and_then(|entry| rank(&entry)).map(|rank| (rank, key));
                least = match (least, ranked) {
                    (Some(least), Some(ranked)) => Some(least.min(ranked)),
                    (least, ranked) => least.or(ranked),
                };
            }
            if seen >= sample {
                break;
            }
        }
        least.map(|(_, key)| key)
    }

    fn forget(&self, key: Key128, goes: impl FnOnce(&Entry<Revoked>) -> bool) {
        let Some(mut shelf) = self.shelf_mut(key.shard()) else { return };
        if let Some(entry) = shelf.get(key, &self.authors).filter(|entry| goes(entry)) {
            self.take(&mut shelf, key, &entry);
        }
    }

    fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        let Some(shelf) = self.shelf(shard).filter(|_| self.len() > 0) else { return Vec::new() };
        let mut keys: Vec<Key128> = shelf.keys().filter(|key| Some(*key) > after).collect();
        keys.sort_unstable();
        keys
    }

    fn each_in(&self, shard: u8, visit: impl FnMut(Key128, &Entry<Revoked>)) {
        let Some(shelf) = self.shelf(shard).filter(|_| self.len() > 0) else { return };
        shelf.each(&self.authors, visit);
    }
}

#[cfg(test)]
mod tests;
