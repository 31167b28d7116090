//! Small things that threads share without a lock: how many entries there are, the greatest rate, the newest generation.

use std::sync::atomic::Ordering;

use crate::sync::{AtomicU16, AtomicU64, AtomicUsize};

/// Places of a bounded map. One is taken before an entry is made, so there are never more entries than places, but
/// for those that [`exceed`](Room::exceed).
pub(crate) struct Room {
    taken: AtomicUsize,
    max: usize,
}

impl Room {
    pub(crate) fn new(max: usize) -> Room {
        Room { taken: AtomicUsize::new(0), max }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes a place; false if there is none.
    pub(crate) fn reserve(&self) -> bool {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes a place whether or not there is one, for the few entries that must not be refused.
    pub(crate) fn exceed(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives `n` places back that were taken.
    pub(crate) fn release(&self, n: usize) {
        self.taken.fetch_sub(n, Ordering::Relaxed);
    }
}

/// The greatest rate that was seen, as its bits: positive numbers and their bits are in the same order. 0 before.
pub(crate) struct Rate(AtomicU64);

impl Rate {
    pub(crate) fn new() -> Rate {
        Rate(AtomicU64::new(0))
    }

    /// Written only when it grows, so that charging threads share the cache line.
    pub(crate) fn remember(&self, rate: f64) {
        if self.0.load(Ordering::Relaxed) < rate.to_bits() {
            self.0.fetch_max(rate.to_bits(), Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> Option<f64> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != 0).then(|| f64::from_bits(bits))
    }
}

/// Under which counters that are made count. It is above those of all that were forgotten, so that one that comes back is
/// another author to peers, who add it instead of taking the greater count. Read and raised under the lock of the key's place.
pub(crate) struct Generations(AtomicU16);

impl Generations {
    pub(crate) fn new() -> Generations {
        Generations(AtomicU16::new(0))
    }

    pub(crate) fn newest(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }

    /// One of this generation is forgotten.
    pub(crate) fn end(&self, generation: u16) {
        self.0.fetch_max(generation.saturating_add(1), Ordering::Relaxed);
    }
}
