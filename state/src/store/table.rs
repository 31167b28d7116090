//! A table: the counters of one limit or one kind of offence.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use super::TABLES_MAX;
use super::shards::{GiveWay, Shards};
use crate::bucket::{Bucket, Charge};
use crate::counter::{SlotCounter, Widths};
use crate::key::{Domain, Key64, Secret, Sharded};
use crate::rung::Rung;
use crate::time::Time;

/// What a table is. Its identity is a keyed hash of the name, the shape of its keys and its rungs, the same at every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// A name that stays when the config is edited, such as the limit's.
    pub uid: String,
    /// What its keys are made of: keys of another shape mean something else.
    pub shape: String,
    /// Width of the slots that time arrivals.
    pub fine: Rung,
    /// Width of the slots that remember; raised to a multiple of the fine one.
    pub coarse: Rung,
    /// Whether its counts go to peers.
    pub replicated: bool,
}

impl TableSpec {
    pub(super) fn identity(&self, secret: &Secret) -> u64 {
        let rungs = [self.fine.millis().to_le_bytes(), self.coarse.millis().to_le_bytes()].concat();
        // A table that stays at home must not meet a replicated one of the same name.
        let replicated = [u8::from(self.replicated)];
        secret.hash64(Domain::Table, &[self.uid.as_bytes(), self.shape.as_bytes(), &rungs, &replicated])
    }
}

/// A table of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(u16);

impl TableId {
    pub(super) fn new(number: u16) -> TableId {
        TableId(number)
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }
}

/// The store holds as many tables as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store holds {TABLES_MAX} tables already; restart to drop those that no config uses any more")]
pub struct TableFull;

/// Counters that are looked at to find one to forget.
const SAMPLE: usize = 32;

pub(super) struct Table {
    identity: u64,
    widths: Widths,
    replicated: bool,
    /// The bits of the greatest rate it was charged with; 0 before. While peers are not heard, a limit charges at its share of
    /// the rate; joins must not drain at that when they are heard again. A drain that is too fast only says too little.
    rate: AtomicU64,
    /// Under which counters that are made count. It is above those of all that were forgotten, so that one that comes back is
    /// another author to peers, who add it instead of taking the greater count.
    generation: AtomicU16,
    counters: Shards<Key64, SlotCounter>,
}

impl Table {
    pub(super) fn new(identity: u64, spec: &TableSpec, keys_max: usize) -> Table {
        Table {
            identity,
            widths: Widths::new(spec.fine, spec.coarse),
            replicated: spec.replicated,
            rate: AtomicU64::new(0),
            generation: AtomicU16::new(0),
            counters: Shards::new(keys_max),
        }
    }

    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn widths(&self) -> Widths {
        self.widths
    }

    pub(super) fn is_replicated(&self) -> bool {
        self.replicated
    }

    pub(super) fn counters(&self) -> &Shards<Key64, SlotCounter> {
        &self.counters
    }

    pub(super) fn len(&self) -> usize {
        self.counters.len()
    }

    /// Written only when it grows, so that charging threads share the cache line.
    pub(super) fn remember_rate(&self, rate: f64) {
        // Positive numbers and their bits are in the same order.
        if self.rate.load(Ordering::Relaxed) < rate.to_bits() {
            self.rate.fetch_max(rate.to_bits(), Ordering::Relaxed);
        }
    }

    pub(super) fn rate(&self) -> Option<f64> {
        let bits = self.rate.load(Ordering::Relaxed);
        (bits != 0).then(|| f64::from_bits(bits))
    }

    pub(super) fn read<R>(&self, key: Key64, read: impl FnOnce(&SlotCounter) -> R) -> Option<R> {
        self.counters.read(key, read)
    }

    /// Changes a counter, made at `now` if there is none. `None` when the table is full and nothing can be forgotten.
    pub(super) fn visit<R>(&self, key: Key64, now: Time, visit: impl FnOnce(&mut SlotCounter) -> R) -> Option<R> {
        self.visit_or(key, || self.widths.fine_slot(now), now, visit)
    }

    pub(super) fn visit_or<R>(
        &self,
        key: Key64,
        head: impl FnOnce() -> u64,
        now: Time,
        visit: impl FnOnce(&mut SlotCounter) -> R,
    ) -> Option<R> {
        let rank = |counter: &SlotCounter| self.rank(counter, self.rate(), now);
        let give_way = GiveWay { sample: SAMPLE, rank, last: |_, counter: &SlotCounter| self.forget(counter, now) };
        self.counters.visit(key, || None, || self.make(head()), give_way, visit)
    }

    fn make(&self, head: u64) -> SlotCounter {
        SlotCounter::of_generation(head, self.generation.load(Ordering::Relaxed))
    }

    /// A counter is about to be forgotten, under its own lock: whoever makes it again sees what is written here.
    fn forget(&self, counter: &SlotCounter, now: Time) {
        if counter.is_expired(self.widths, self.rate(), now) {
            return;
        }
        if let Some(generation) = counter.stated_generation() {
            self.generation.fetch_max(generation.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// What a charge would say: the counter is looked at as it would be after it was found or made, and stays as it is.
    pub(super) fn peek(&self, key: Key64, bucket: &Bucket, cost: u32, now: Time) -> Charge {
        let charge = |mut counter: SlotCounter| counter.charge(self.widths, bucket, cost, now);
        if let Some(known) = self.read(key, SlotCounter::clone) {
            return charge(known);
        }
        // The charge would have its rate remembered first.
        let rate = self.rate().map_or(bucket.rate_per_ms, |rate| rate.max(bucket.rate_per_ms));
        let rank = |counter: &SlotCounter| self.rank(counter, Some(rate), now);
        let makes_room = || self.counters.least(key.shard(), SAMPLE, rank).is_some();
        if self.counters.is_full() && !makes_room() {
            return Charge::Full;
        }
        charge(SlotCounter::new(self.widths.fine_slot(now)))
    }

    /// Who makes room for a new key: an expired one first, else the one touched least recently of a sample. What waits to be
    /// sent stays.
    fn rank(&self, counter: &SlotCounter, rate: Option<f64>, now: Time) -> Option<u64> {
        match (counter.is_expired(self.widths, rate, now), counter.dirty) {
            (true, _) => Some(0),
            (false, true) => None,
            (false, false) => Some(counter.head()),
        }
    }

    pub(super) fn top(&self, n: usize, now: Time) -> Vec<(Key64, u64)> {
        let mut sums = Vec::new();
        self.counters.each(|key, counter| sums.push((key, counter.sum(self.widths, now))));
        sums.retain(|(_, sum)| *sum > 0);
        sums.sort_unstable_by_key(|(key, sum)| (std::cmp::Reverse(*sum), *key));
        sums.truncate(n);
        sums
    }
}
