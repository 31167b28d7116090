//! The revocations of one shard: rows in the order of their places, cut into bins by the first bits of those. Places are spread evenly, so where a
//! key lies in its bin is guessed from the next bits and found a few rows away (interpolation search: Perl, Itai and Avni, "Interpolation
//! search, a log log n search", 1978). So there is no index: a row costs what it holds.
//!
//! Most keys that are asked for are not here, and of ten million rows hardly any is in a processor's cache. So a bin has a filter beside it (Bloom,
//! "Space/time trade-offs in hash coding with allowable errors", 1970; in one place of memory: Putze, Sanders and Singler, "Cache-, hash- and space-efficient
//! Bloom filters", 2007), by which one look in a hundred goes on to rows in vain.

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

/// Words of the filter of a bin: with the place of its rows two lines of a processor's cache, and 8 bits or more for each row.
const FILTER: usize = 13;

/// The bits of that.
const FILTER_BITS: u64 = 64 * FILTER as u64;

/// Bits that a row sets.
const BITS_PER_ROW: u32 = 4;

/// Rows whose places begin alike.
#[derive(Clone, Default)]
#[repr(align(128))]
struct Bin {
    rows: Vec<Row>,
    filter: [u64; FILTER],
}

/// Where a key lies, as far as its name tells.
#[derive(Clone, Copy)]
struct Spot {
    bin: usize,
    /// The next 32 bits, or what there is of them, as a part of the bin.
    part: u32,
    /// The 32 after those.
    more: u32,
}

impl Spot {
    /// Among so many bins, a power of two.
    fn new(place: u128, bins: usize) -> Spot {
        let cut = bins.trailing_zeros();
        let rest = place << cut;
        let bin = (place >> (NAME_BITS - cut)) as usize;
        Spot { bin, part: (rest >> (NAME_BITS - 32)) as u32, more: (rest >> (NAME_BITS - 64)) as u32 }
    }

    /// The words of the filter and in each the bit that it sets (double hashing: Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).
    fn bits(self) -> impl Iterator<Item = (usize, u64)> {
        let step = self.more | 1;
        (0..BITS_PER_ROW).map(move |nth| {
            let hash = self.part.wrapping_add(step.wrapping_mul(nth)).wrapping_mul(0x9e37_79b1);
            let bit = (u64::from(hash) * FILTER_BITS) >> 32;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }
}

impl Bin {
    /// Of rows in their order.
    fn of(rows: &[Row], bins: usize) -> Bin {
        let mut bin = Bin { rows: rows.to_vec(), filter: [0; FILTER] };
        bin.renew(bins);
        bin
    }

    /// A row lies here.
    fn note(&mut self, spot: Spot) {
        for (word, bit) in spot.bits() {
            self.filter.get_mut(word).into_iter().for_each(|word| *word |= bit);
        }
    }

    /// Whether a row may lie here; if not, none does.
    fn may_hold(&self, spot: Spot) -> bool {
        spot.bits().all(|(word, bit)| self.filter.get(word).is_some_and(|word| word & bit != 0))
    }

    /// After rows are gone.
    fn renew(&mut self, bins: usize) {
        self.filter = [0; FILTER];
        for at in 0..self.rows.len() {
            let spot = self.rows.get(at).map(|row| Spot::new(row.place(), bins));
            spot.into_iter().for_each(|spot| self.note(spot));
        }
    }

    /// Gives back memory that it does not need any more.
    fn give_back(&mut self) {
        if self.rows.len() < self.rows.capacity() / SPARE {
            self.rows.shrink_to_fit();
        }
    }
}

/// One shard.
pub(super) struct Shelf {
    shard: u8,
    scramble: Scramble,
    /// A power of two of them, once there is a row.
    bins: Vec<Bin>,
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
        self.find_at(key, place, Spot::new(place, self.bins.len()))
    }

    fn find_at(&self, key: Key128, place: u128, Spot { bin, part, .. }: Spot) -> Option<Place> {
        let rows = &self.bins.get(bin)?.rows;
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
        let place = self.scramble.place(key);
        let spot = Spot::new(place, self.bins.len());
        let bin = self.bins.get(spot.bin).filter(|bin| bin.may_hold(spot))?;
        let Place { at, found, .. } = self.find_at(key, place, spot)?;
        bin.rows.get(at).filter(|_| found)
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
        let spot = Spot::new(row.place(), self.bins.len());
        let Some(Place { bin, at, found }) = self.find_at(key, row.place(), spot) else { return };
        let Some(bin) = self.bins.get_mut(bin) else { return };
        let rows = &mut bin.rows;
        match rows.get_mut(at).filter(|_| found) {
            Some(known) => *known = row,
            None => {
                if rows.len() == rows.capacity() {
                    rows.reserve_exact((rows.len() / MORE).max(MORE_LEAST));
                }
                rows.insert(at.min(rows.len()), row);
                bin.note(spot);
                self.rows += 1;
            }
        }
    }

    /// Makes twice as many bins. All rows of a bin's first half come before those of the second.
    fn cut(&mut self) {
        if self.bins.is_empty() {
            self.bins.push(Bin::default());
            return;
        }
        let bins = std::mem::take(&mut self.bins);
        let (shift, twice) = (NAME_BITS - bins.len().trailing_zeros() - 1, 2 * bins.len());
        for Bin { rows, .. } in bins {
            let half = rows.partition_point(|row| row.place() >> shift & 1 == 0);
            let (first, second) = rows.split_at_checked(half).unwrap_or_default();
            self.bins.extend([Bin::of(first, twice), Bin::of(second, twice)]);
        }
    }

    fn take_row(&mut self, key: Key128) -> bool {
        let Some(Place { bin, at, found: true }) = self.find(key) else { return false };
        let bins = self.bins.len();
        let Some(bin) = self.bins.get_mut(bin) else { return false };
        bin.rows.remove(at);
        bin.renew(bins);
        bin.give_back();
        self.rows -= 1;
        true
    }

    /// Takes a key out; false if it was not there.
    pub(super) fn take(&mut self, key: Key128) -> bool {
        self.take_row(key) || self.others.remove(&key).is_some()
    }

    /// All keys, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key128> {
        self.bins
            .iter()
            .flat_map(|bin| &bin.rows)
            .map(|row| row.key(self.shard, self.scramble))
            .chain(self.others.keys().copied())
    }

    /// Visits all entries, in no order.
    pub(super) fn each(&self, authors: &Authors, mut visit: impl FnMut(Key128, &Entry<Revoked>)) {
        for row in self.bins.iter().flat_map(|bin| &bin.rows) {
            if let Some(entry) = self.unpacked(row, authors) {
                visit(row.key(self.shard, self.scramble), &entry);
            }
        }
        self.others.iter().for_each(|(key, entry)| visit(*key, entry));
    }

    /// Changes all entries and keeps what passes. What does not fit its row any more stays as it was.
    pub(super) fn retain(&mut self, authors: &Authors, mut keep: impl FnMut(&mut Entry<Revoked>) -> bool) {
        let mut bins = std::mem::take(&mut self.bins);
        let count = bins.len();
        for bin in &mut bins {
            let held = bin.rows.len();
            bin.rows.retain_mut(|row| {
                let Some(mut entry) = self.unpacked(row, authors) else { return true };
                let kept = keep(&mut entry);
                if let Some(now) = Row::new(&entry.fact, entry.dirty, (authors, self.scramble)) {
                    *row = now;
                }
                kept
            });
            if bin.rows.len() < held {
                bin.renew(count);
                bin.give_back();
            }
        }
        self.rows = bins.iter().map(|bin| bin.rows.len()).sum();
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
        let (mut soonest, count) = (u64::MAX, self.bins.len());
        for bin in &mut self.bins {
            let held = bin.rows.len();
            bin.rows.retain(|row| {
                let keep = row.forgotten() > hour;
                if keep {
                    soonest = soonest.min(row.forgotten());
                } else {
                    dropped(row.code());
                }
                keep
            });
            if bin.rows.len() < held {
                bin.renew(count);
                bin.give_back();
            }
        }
        self.rows = self.bins.iter().map(|bin| bin.rows.len()).sum();
        self.soonest = soonest;
    }
}
