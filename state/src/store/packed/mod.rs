//! Marks as they lie in memory: those of one dot, which nearly all are, packed in rows one behind the other with a table of their places beside; the
//! others, and the floor, in a map. A map of entries as they are would take five times as much.

mod row;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;

use self::row::Packed;
pub(super) use self::row::{Authors, cut, whole};
use super::entries::{Entries, Entry};
use super::room::Room;
use super::shards::SHARDS;
use crate::key::{Key128, Sharded, Spread};
use crate::marks::Marked;

/// Rows are made room for by this part of those that there are: twice as much each time would be half empty.
const MORE: usize = 8;

/// A shelf that is filled to less than this part gives memory back when something of it was dropped.
const SPARE: usize = 8;

/// All marks of a store.
pub(super) struct PackedMarks {
    shelves: Box<[RwLock<Shelf>]>,
    authors: Authors,
    room: Room,
}

/// The marks of one shard.
#[derive(Default)]
struct Shelf {
    rows: Vec<Packed>,
    /// The place of each row, by its key.
    places: HashTable<u32>,
    /// What is not packed.
    others: BTreeMap<Key128, Entry<Marked>>,
}

/// Keys are keyed hashes, so a part of one spreads as well as all of it.
fn spread(key: Key128) -> u64 {
    key.0 as u64
}

impl Shelf {
    fn place(&self, key: Key128) -> Option<usize> {
        let is_its = |place: &u32| self.rows.get(*place as usize).is_some_and(|row| row.key() == key);
        self.places.find(spread(key), is_its).map(|place| *place as usize)
    }

    /// What is known under a key.
    fn get(&self, key: Key128, authors: &Authors) -> Option<Entry<Marked>> {
        match self.place(key).and_then(|place| self.rows.get(place)) {
            Some(row) => unpacked(row, authors),
            None => self.others.get(&key).cloned(),
        }
    }

    /// Puts an entry where one of its key is, or where none is.
    fn put(&mut self, key: Key128, entry: Entry<Marked>, authors: &Authors) {
        let packed = Packed::new(&entry.fact, entry.dirty, authors).filter(|packed| packed.key() == key);
        let place = self.place(key);
        match (packed, place.and_then(|place| self.rows.get_mut(place))) {
            (Some(packed), Some(row)) => *row = packed,
            (Some(packed), None) => {
                self.others.remove(&key);
                self.push(packed);
            }
            (None, known) => {
                if known.is_some() {
                    self.take(key);
                }
                self.others.insert(key, entry);
            }
        }
    }

    fn push(&mut self, row: Packed) {
        // Rooms are bounded far below that.
        let Ok(place) = u32::try_from(self.rows.len()) else { return };
        if self.rows.len() == self.rows.capacity() {
            self.rows.reserve_exact((self.rows.len() / MORE).max(MORE));
        }
        self.rows.push(row);
        let rows = &self.rows;
        let hash = |place: &u32| rows.get(*place as usize).map_or(0, |row| spread(row.key()));
        self.places.insert_unique(spread(row.key()), place, hash);
    }

    /// Takes a key out; false if it was not there.
    fn take(&mut self, key: Key128) -> bool {
        let Some(place) = self.place(key) else { return self.others.remove(&key).is_some() };
        let is_at = |at: usize| move |known: &u32| *known as usize == at;
        if let Ok(known) = self.places.find_entry(spread(key), is_at(place)) {
            known.remove();
        }
        self.rows.swap_remove(place);
        // The last one lies there now.
        let last = self.rows.len();
        let moved = self.rows.get(place).map(|row| spread(row.key()));
        if let (Some(hash), Ok(to)) = (moved, u32::try_from(place))
            && let Some(known) = self.places.find_mut(hash, is_at(last))
        {
            *known = to;
        }
        true
    }

    fn keys(&self) -> impl Iterator<Item = Key128> {
        self.rows.iter().map(Packed::key).chain(self.others.keys().copied())
    }

    fn give_back(&mut self) {
        if self.rows.len() < self.rows.capacity() / SPARE {
            self.rows.shrink_to_fit();
            let rows = &self.rows;
            self.places.shrink_to_fit(|place| rows.get(*place as usize).map_or(0, |row| spread(row.key())));
        }
    }
}

fn unpacked(row: &Packed, authors: &Authors) -> Option<Entry<Marked>> {
    row.mark(authors).map(|(fact, dirty)| Entry { fact, dirty, space: None })
}

impl PackedMarks {
    fn shelf(&self, shard: u8) -> Option<RwLockReadGuard<'_, Shelf>> {
        let shelf = self.shelves.get(usize::from(shard))?;
        Some(shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn shelf_mut(&self, shard: u8) -> Option<RwLockWriteGuard<'_, Shelf>> {
        let shelf = self.shelves.get(usize::from(shard))?;
        Some(shelf.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes an entry, made by `make` if there is none and a place is `taken`.
    fn change_or_make<R>(
        &self,
        key: Key128,
        taken: impl FnOnce() -> bool,
        make: impl FnOnce() -> Entry<Marked>,
        change: impl FnOnce(&mut Entry<Marked>) -> R,
    ) -> Option<R> {
        let mut shelf = self.shelf_mut(key.shard())?;
        let mut entry = match shelf.get(key, &self.authors) {
            Some(known) => known,
            None if taken() => make(),
            None => return None,
        };
        let said = change(&mut entry);
        shelf.put(key, entry, &self.authors);
        Some(said)
    }
}

impl Entries<Marked> for PackedMarks {
    fn with_room(max: usize, _: Spread) -> PackedMarks {
        let shelves = (0..SHARDS).map(|_| RwLock::default()).collect();
        PackedMarks { shelves, authors: Authors::default(), room: Room::new(max) }
    }

    fn len(&self) -> usize {
        self.room.taken()
    }

    fn max(&self) -> usize {
        self.room.max()
    }

    fn read<R>(&self, key: Key128, read: impl FnOnce(&Entry<Marked>) -> R) -> Option<R> {
        let entry = self.shelf(key.shard())?.get(key, &self.authors)?;
        Some(read(&entry))
    }

    fn change<R>(&self, key: Key128, change: impl FnOnce(&mut Entry<Marked>) -> R) -> Option<R> {
        let mut shelf = self.shelf_mut(key.shard())?;
        let mut entry = shelf.get(key, &self.authors)?;
        let said = change(&mut entry);
        shelf.put(key, entry, &self.authors);
        Some(said)
    }

    fn change_or<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<Marked>,
        change: impl FnOnce(&mut Entry<Marked>) -> R,
    ) -> Option<R> {
        self.change_or_make(key, || self.room.reserve(), make, change)
    }

    fn change_always<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<Marked>,
        change: impl FnOnce(&mut Entry<Marked>) -> R,
    ) -> Option<R> {
        let taken = || {
            self.room.exceed();
            true
        };
        self.change_or_make(key, taken, make, change)
    }

    fn retain(&self, shard: u8, mut keep: impl FnMut(&mut Entry<Marked>) -> bool) {
        let Some(mut shelf) = self.shelf_mut(shard).filter(|_| self.len() > 0) else { return };
        let mut dropped = 0;
        for key in shelf.keys().collect::<Vec<_>>() {
            let Some(mut entry) = shelf.get(key, &self.authors) else { continue };
            if keep(&mut entry) {
                shelf.put(key, entry, &self.authors);
            } else {
                dropped += usize::from(shelf.take(key));
            }
        }
        if dropped > 0 {
            self.room.release(dropped);
            shelf.give_back();
        }
    }

    fn least<R: Ord>(&self, near: u8, sample: usize, rank: impl Fn(&Entry<Marked>) -> Option<R>) -> Option<Key128> {
        let mut seen = 0;
        let mut least: Option<(R, Key128)> = None;
        for shard in (near..=u8::MAX).chain(0..near) {
            let Some(shelf) = self.shelf(shard) else { continue };
            for key in shelf.keys().take(sample.saturating_sub(seen)) {
                seen += 1;
                let ranked = shelf.get(key, &self.authors).and_then(|entry| rank(&entry));
                least = match (least, ranked.map(|rank| (rank, key))) {
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

    fn forget(&self, key: Key128, goes: impl FnOnce(&Entry<Marked>) -> bool) {
        let Some(mut shelf) = self.shelf_mut(key.shard()) else { return };
        if shelf.get(key, &self.authors).is_some_and(|entry| goes(&entry)) {
            self.room.release(usize::from(shelf.take(key)));
        }
    }

    fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        let Some(shelf) = self.shelf(shard).filter(|_| self.len() > 0) else { return Vec::new() };
        let mut keys: Vec<Key128> = shelf.keys().filter(|key| Some(*key) > after).collect();
        keys.sort_unstable();
        keys
    }

    fn each_in(&self, shard: u8, mut visit: impl FnMut(Key128, &Entry<Marked>)) {
        let Some(shelf) = self.shelf(shard).filter(|_| self.len() > 0) else { return };
        for row in &shelf.rows {
            if let Some(entry) = unpacked(row, &self.authors) {
                visit(row.key(), &entry);
            }
        }
        shelf.others.iter().for_each(|(key, entry)| visit(*key, entry));
    }
}

#[cfg(test)]
mod tests;
