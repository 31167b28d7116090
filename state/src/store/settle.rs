//! Forgetting what a floor covers, some of it at a time: a floor holds from the moment that it is known, so what it covers is only in the way. A shard is settled
//! by whoever looks at all of it, or needs room, or sweeps it; so nodes with one floor agree on what there is beside it, and no single statement waits until
//! millions are looked at.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Store;
use super::entries::Entries;
use super::facts::Facts;
use super::shards::SHARDS;
use crate::fact::{Fact, Stated};
use crate::key::Key128;

/// Facts that are looked at, when a floor has risen, before others may go on.
const SETTLED: usize = 1 << 15;

/// Shards in which something may be covered.
pub(super) struct Settling {
    /// All floors that ever rose: one for a space at most.
    floors: Mutex<Vec<Key128>>,
    due: Box<[AtomicBool]>,
    left: AtomicUsize,
}

impl Settling {
    pub(super) fn new() -> Settling {
        let due = (0..SHARDS).map(|_| AtomicBool::new(false)).collect();
        Settling { floors: Mutex::default(), due, left: AtomicUsize::new(0) }
    }

    /// A floor has risen.
    fn rise(&self, floor: Key128) {
        let mut floors = self.floors();
        if !floors.contains(&floor) {
            floors.push(floor);
        }
        let newly = self.due.iter().filter(|due| !due.swap(true, Ordering::AcqRel)).count();
        self.left.fetch_add(newly, Ordering::AcqRel);
    }

    /// Whether floors may cover something in a shard that nobody has begun to settle since they rose.
    fn take(&self, shard: u8) -> bool {
        if self.left.load(Ordering::Acquire) == 0 {
            return false;
        }
        let due = self.due.get(usize::from(shard)).is_some_and(|due| due.swap(false, Ordering::AcqRel));
        self.left.fetch_sub(usize::from(due), Ordering::AcqRel);
        due
    }

    fn next(&self) -> Option<u8> {
        let at = self.due.iter().position(|due| due.load(Ordering::Acquire))?;
        u8::try_from(at).ok()
    }

    fn floors(&self) -> MutexGuard<'_, Vec<Key128>> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Stated, E: Entries<F>> Facts<F, E> {
    /// Forgets what a floor covers that has risen: at once where that is little, else some of it.
    pub(super) fn risen(&self, floor: Key128) {
        self.settling.rise(floor);
        let mut looked = 0;
        while looked < SETTLED
            && let Some(shard) = self.settling.next()
        {
            looked += self.settle(shard);
        }
    }

    /// All floors.
    fn floors(&self) -> Vec<F> {
        let keys = self.settling.floors().clone();
        keys.into_iter().filter_map(|key| self.get(key)).collect()
    }

    /// Forgets what floors cover until there are free places, of so many; says whether there are.
    pub(super) fn settle_until(&self, places: usize) -> bool {
        while self.len() >= places {
            match self.settling.next() {
                Some(shard) => drop(self.settle(shard)),
                None => return false,
            }
        }
        true
    }

    /// Forgets what floors cover in one shard; says at how many facts it has looked.
    pub(super) fn settle(&self, shard: u8) -> usize {
        if !self.settling.take(shard) {
            return 0;
        }
        let floors = self.floors();
        let mut looked = 0;
        self.entries().retain(shard, |entry| {
            looked += 1;
            let fact = &entry.fact;
            let is_covered = |floor: &F| floor.space() == fact.space() && fact.is_under(floor);
            fact.is_floor() || !floors.iter().any(is_covered)
        });
        looked
    }
}

impl Store {
    /// The floors of all rooms.
    pub(crate) fn floors(&self) -> Vec<Fact> {
        let registers = self.registers.floors().into_iter().map(Fact::Register);
        let maxima = self.maxima.floors().into_iter().map(Fact::Maximum);
        let marks = self.marks.floors().into_iter().map(Fact::Mark);
        registers
            .chain(maxima)
            .chain(marks)
            .chain(self.revocations.floors().into_iter().map(Fact::Revocation))
            .collect()
    }
}
