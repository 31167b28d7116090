//! A concurrent map cut by the top 8 bits of its keys. The cuts are the same at every node, and each can be walked alone and
//! in key order, which is what repair needs; inside a cut it is a `dashmap`.

use std::hash::Hash;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::room::Room;
use crate::key::{Sharded, Spread};

/// Shards of a map.
pub(crate) const SHARDS: usize = 256;

/// Locks inside one shard: the fewest that `dashmap` can have.
const LOCKS: usize = 2;

/// A shard that is filled to less than this part is made anew, smaller, when something of it was dropped.
const SPARE: usize = 8;

/// How a full map makes room: of a sample of entries the one with the least rank is forgotten.
pub(super) struct GiveWay<R, G> {
    /// Entries that are looked at.
    pub(super) sample: usize,
    /// Entries without a rank stay.
    pub(super) rank: R,
    /// What is done before an entry is gone, under its lock.
    pub(super) last: G,
}

/// A bounded map.
pub(crate) struct Shards<K, V> {
    maps: Box<[DashMap<K, V, Spread>]>,
    room: Room,
}

impl<K: Sharded + Hash + Ord + Copy, V> Shards<K, V> {
    pub(super) fn new(max: usize, spread: Spread) -> Shards<K, V> {
        let map = || DashMap::with_capacity_and_hasher_and_shard_amount(0, spread, LOCKS);
        Shards { maps: (0..SHARDS).map(|_| map()).collect(), room: Room::new(max) }
    }

    fn map(&self, shard: u8) -> Option<&DashMap<K, V, Spread>> {
        self.maps.get(usize::from(shard))
    }

    pub(super) fn len(&self) -> usize {
        self.room.taken()
    }

    pub(super) fn max(&self) -> usize {
        self.room.max()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.max()
    }

    pub(super) fn read<R>(&self, key: K, read: impl FnOnce(&V) -> R) -> Option<R> {
        self.map(key.shard())?.get(&key).map(|value| read(&value))
    }

    pub(super) fn change<R>(&self, key: K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.map(key.shard())?.get_mut(&key).map(|mut value| change(&mut value))
    }

    /// Changes the value, made by `make` if there is none. `None` when the map is full.
    pub(super) fn change_or<R>(&self, key: K, make: impl FnOnce() -> V, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        if !self.room.reserve() {
            return None;
        }
        match self.map(key.shard())?.entry(key) {
            Entry::Occupied(mut known) => {
                // Another thread made it since the caller looked.
                self.room.release(1);
                Some(change(known.get_mut()))
            }
            Entry::Vacant(vacant) => Some(change(&mut vacant.insert(make()))),
        }
    }

    /// Changes the value, made by `make` if there is none, whether or not the map is full.
    pub(super) fn change_always<R>(
        &self,
        key: K,
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        match self.map(key.shard())?.entry(key) {
            Entry::Occupied(mut known) => Some(change(known.get_mut())),
            Entry::Vacant(vacant) => {
                self.room.exceed();
                Some(change(&mut vacant.insert(make())))
            }
        }
    }

    /// Changes the value. If there is none, what `aside` says under the key's lock stands instead; if that is nothing, a value
    /// is made, and where the map is full one other entry gives way. `None` when that makes no room.
    pub(super) fn visit<R, N: Ord>(
        &self,
        key: K,
        aside: impl FnOnce() -> Option<R>,
        make: impl FnOnce() -> V,
        give_way: GiveWay<impl Fn(&V) -> Option<N>, impl Fn(K, &V)>,
        visit: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        self.visit_or(key, aside, make, || self.make_room(key.shard(), give_way), visit)
    }

    /// The same; where the map is full, `make_room` has an entry [forgotten](Shards::forget).
    pub(super) fn visit_or<R>(
        &self,
        key: K,
        aside: impl FnOnce() -> Option<R>,
        make: impl FnOnce() -> V,
        make_room: impl FnOnce(),
        visit: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        match self.map(key.shard())?.entry(key) {
            Entry::Occupied(mut known) => return Some(visit(known.get_mut())),
            Entry::Vacant(vacant) => {
                if let Some(said) = aside() {
                    return Some(said);
                }
                if self.room.reserve() {
                    return Some(visit(&mut vacant.insert(make())));
                }
            }
        }
        make_room();
        self.change_or(key, make, visit)
    }

    pub(super) fn remove(&self, key: K) {
        let gone = self.map(key.shard()).and_then(|map| map.remove(&key));
        self.room.release(usize::from(gone.is_some()));
    }

    /// Changes what there is in one shard and keeps what passes; gives memory back when most of it is free.
    pub(super) fn retain_mut(&self, shard: u8, mut keep: impl FnMut(K, &mut V) -> bool) {
        let Some(map) = self.map(shard) else { return };
        let mut dropped = 0;
        map.retain(|key, value| {
            let keep = keep(*key, value);
            dropped += usize::from(!keep);
            keep
        });
        self.room.release(dropped);
        if dropped > 0 && map.len() < map.capacity() / SPARE {
            map.shrink_to_fit();
        }
    }

    /// Forgets one entry. Which ones are in the sample is up to the map; nothing that is sent depends on it.
    pub(super) fn make_room<R: Ord>(&self, near: u8, give_way: GiveWay<impl Fn(&V) -> Option<R>, impl Fn(K, &V)>) {
        let GiveWay { sample, rank, last } = give_way;
        let Some(key) = self.least(near, sample, &rank) else { return };
        // It may have been touched since it was looked at.
        self.forget(key, |key, value| rank(value).inspect(|_| last(key, value)).is_some());
    }

    /// Forgets an entry if it `goes`, which is asked under its lock; false if it stays, or is not there.
    pub(super) fn forget(&self, key: K, goes: impl FnOnce(K, &V) -> bool) -> bool {
        let gone = self.map(key.shard()).and_then(|map| map.remove_if(&key, |key, value| goes(*key, value)));
        self.room.release(usize::from(gone.is_some()));
        gone.is_some()
    }

    /// Of a sample of at most `sample` entries, from the shard `near` on, the one with the least rank. Entries without a rank do not count.
    pub(super) fn least<R: Ord>(&self, near: u8, sample: usize, rank: impl Fn(&V) -> Option<R>) -> Option<K> {
        let (before, after) = self.maps.split_at_checked(usize::from(near)).unwrap_or_default();
        let mut seen = 0;
        let mut least: Option<(R, K)> = None;
        for map in after.iter().chain(before) {
            for entry in map.iter().take(sample.saturating_sub(seen)) {
                seen += 1;
                let ranked = rank(entry.value()).map(|rank| (rank, *entry.key()));
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

    /// A shard, if it can hold anything: many maps are empty, and looking into each of their shards would take its locks.
    fn filled(&self, shard: u8) -> Option<&DashMap<K, V, Spread>> {
        self.map(shard).filter(|_| self.len() > 0)
    }

    /// The keys of one shard above `after`, in their order.
    pub(super) fn keys(&self, shard: u8, after: Option<K>) -> Vec<K> {
        let Some(map) = self.filled(shard) else { return Vec::new() };
        let mut keys: Vec<K> = map.iter().map(|entry| *entry.key()).filter(|key| Some(*key) > after).collect();
        keys.sort_unstable();
        keys
    }

    /// Changes all entries, in no order.
    pub(super) fn change_each(&self, mut change: impl FnMut(&mut V)) {
        for map in &self.maps {
            map.iter_mut().for_each(|mut entry| change(entry.value_mut()));
        }
    }

    /// Visits the entries of one shard, in no order.
    pub(super) fn each_in(&self, shard: u8, mut visit: impl FnMut(K, &V)) {
        for entry in self.filled(shard).into_iter().flatten() {
            visit(*entry.key(), entry.value());
        }
    }

    /// Visits all entries, in no order.
    pub(super) fn each(&self, mut visit: impl FnMut(K, &V)) {
        for map in &self.maps {
            for entry in map {
                visit(*entry.key(), entry.value());
            }
        }
    }
}
