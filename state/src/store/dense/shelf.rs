//! The revocations of one shard: rows in the order of their places, cut into bins by the first bits of those. Places are spread evenly, so where a
//! key lies in its bin is guessed from the next bits and found a few rows away (interpolation search: Perl, Itai and Avni, "Interpolation
//! search, a log log n search", 1978). So there is no index: a row costs what it holds.

use std::collections::BTreeMap;

use super::row::{NAME_BITS, Row, Scramble};
use crate::key::Key128;
use crate::revocation::Revoked;
use crate::store::entries::Entry;
use crate::store::packed::Authors;

/// Bins are cut in two when there are more rows than this for each.
const ROWS_PER_BIN: usize = 96;

/// A bin makes room for this part of its rows at a time: twice as much would be half empty.
const MORE: usize = 16;

/// The fewest rows that a bin makes room for.
const MORE_LEAST: usize = 2;

/// A bin that is filled to less than this part gives memory back when something of it was dropped.
const SPARE: usize = 4;

/// One shard.
pub(super) struct Shelf {
    shard: u8,
    scramble: Scramble,
    /// A power of two of them, once there is a row.
    bins: Vec<Vec<Row>>,
    rows: usize,
    /// No row is forgotten before this hour.
    soonest: u64,
    /// What is not packed.
    pub(super) others: BTreeMap<Key128, Entry<Revoked>>,
}

/// Where a row is, or would be.
struct Place {
    bin: usize,
    at: usize,
    found: bool,
}

impl Shelf {
    pub(super) fn new(shard: u8, scramble: Scramble) -> Shelf {
        Shelf { shard, scramble, bins: Vec::new(), rows: 0, soonest: u64::MAX, others: BTreeMap::new() }
    }

    fn find(&self, key: Key128) -> Option<Place> {
        let place = self.scramble.place(key);
        let rest = NAME_BITS - self.bins.len().trailing_zeros();
        let bin = (place >> rest) as usize;
        let rows = self.bins.get(bin)?;
        // The next 32 bits, or what there is of them, as a part of the bin.
        let part = (place << (NAME_BITS - rest) >> (NAME_BITS - 32)) as u32;
        let mut at = ((u64::from(part) * rows.len() as u64) >> 32) as usize;
        while at > 0 && rows.get(at - 1).is_some_and(|row| row.place() >= place) {
            at -= 1;
        }
        while rows.get(at).is_some_and(|row| row.place() < place) {
            at += 1;
        }
        // Names of several kinds may lie in one place.
        let mut of_place = at;
        while let Some(row) = rows.get(of_place).filter(|row| row.place() == place) {
            if row.code() == key.0 as u8 {
                return Some(Place { bin, at: of_place, found: true });
            }
            of_place += 1;
        }
        Some(Place { bin, at, found: false })
    }

    /// The row of a key.
    pub(super) fn row(&self, key: Key128) -> Option<&Row> {
        let Place { bin, at, found } = self.find(key)?;
        self.bins.get(bin)?.get(at).filter(|_| found)
    }

    pub(super) fn get(&self, key: Key128, authors: &Authors) -> Option<Entry<Revoked>> {
        match self.row(key) {
            Some(row) => self.unpacked(row, authors),
            None => self.others.get(&key).cloned(),
        }
    }

    /// Puts an entry where one of its key is, or where none is.
    pub(super) fn put(&mut self, key: Key128, entry: Entry<Revoked>, authors: &Authors) {
        let row = Row::new(&entry.fact, entry.dirty, (authors, self.scramble));
        let Some(row) = row.filter(|row| row.key(self.shard, self.scramble) == key) else {
            self.take_row(key);
            self.others.insert(key, entry);
            return;
        };
        self.others.remove(&key);
        self.soonest = self.soonest.min(row.forgotten());
        if self.rows >= self.bins.len() * ROWS_PER_BIN {
            self.cut();
        }
        let Some(Place { bin, at, found }) = self.find(key) else { return };
        let Some(rows) = self.bins.get_mut(bin) else { return };
        match rows.get_mut(at).filter(|_| found) {
            Some(known) => *known = row,
            None => {
                if rows.len() == rows.capacity() {
                    rows.reserve_exact((rows.len() / MORE).max(MORE_LEAST));
                }
                rows.insert(at.min(rows.len()), row);
                self.rows += 1;
            }
        }
    }

    /// Makes twice as many bins. All rows of a bin's first half come before those of the second.
    fn cut(&mut self) {
        if self.bins.is_empty() {
            self.bins.push(Vec::new());
            return;
        }
        let bins = std::mem::take(&mut self.bins);
        let shift = NAME_BITS - bins.len().trailing_zeros() - 1;
        for bin in &bins {
            let half = bin.partition_point(|row| row.place() >> shift & 1 == 0);
            let (first, second) = bin.split_at_checked(half).unwrap_or_default();
            self.bins.extend([first.to_vec(), second.to_vec()]);
        }
    }

    fn take_row(&mut self, key: Key128) -> bool {
        let Some(Place { bin, at, found: true }) = self.find(key) else { return false };
        let Some(rows) = self.bins.get_mut(bin) else { return false };
        rows.remove(at);
        give_back(rows);
        self.rows -= 1;
        true
    }

    /// Takes a key out; false if it was not there.
    pub(super) fn take(&mut self, key: Key128) -> bool {
        self.take_row(key) || self.others.remove(&key).is_some()
    }

    /// All keys, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key128> {
        self.bins.iter().flatten().map(|row| row.key(self.shard, self.scramble)).chain(self.others.keys().copied())
    }

    /// Visits all entries, in no order.
    pub(super) fn each(&self, authors: &Authors, mut visit: impl FnMut(Key128, &Entry<Revoked>)) {
        for row in self.bins.iter().flatten() {
            if let Some(entry) = self.unpacked(row, authors) {
                visit(row.key(self.shard, self.scramble), &entry);
            }
        }
        self.others.iter().for_each(|(key, entry)| visit(*key, entry));
    }

    /// Changes all entries and keeps what passes. What does not fit its row any more stays as it was.
    pub(super) fn retain(&mut self, authors: &Authors, mut keep: impl FnMut(&mut Entry<Revoked>) -> bool) {
        let mut bins = std::mem::take(&mut self.bins);
        for bin in &mut bins {
            bin.retain_mut(|row| {
                let Some(mut entry) = self.unpacked(row, authors) else { return true };
                let kept = keep(&mut entry);
                if let Some(now) = Row::new(&entry.fact, entry.dirty, (authors, self.scramble)) {
                    *row = now;
                }
                kept
            });
            give_back(bin);
        }
        self.rows = bins.iter().map(Vec::len).sum();
        self.bins = bins;
        self.others.retain(|_, entry| keep(entry));
    }

    fn unpacked(&self, row: &Row, authors: &Authors) -> Option<Entry<Revoked>> {
        let (fact, dirty) = row.fact(self.shard, (authors, self.scramble))?;
        Some(Entry { fact, dirty, space: None })
    }

    /// Drops the rows that are forgotten by this hour; `dropped` is told of each.
    pub(super) fn sweep(&mut self, hour: u64, mut dropped: impl FnMut(u8)) {
        if self.soonest > hour {
            return;
        }
        let mut soonest = u64::MAX;
        for bin in &mut self.bins {
            bin.retain(|row| {
                let keep = row.forgotten() > hour;
                if keep {
                    soonest = soonest.min(row.forgotten());
                } else {
                    dropped(row.code());
                }
                keep
            });
            give_back(bin);
        }
        self.rows = self.bins.iter().map(Vec::len).sum();
        self.soonest = soonest;
    }
}

fn give_back(bin: &mut Vec<Row>) {
    if bin.len() < bin.capacity() / SPARE {
        bin.shrink_to_fit();
    }
}
