//! The byte cap. Whatever holds cached bytes holds a [`Charge`] for them, and gives it back when the last holder lets go:
//! a slow reader of an evicted object keeps its bytes counted, because it keeps them in memory.
//!
//! What a body is charged for before it comes is *promised*: counted, and not in memory yet. What nobody was charged for and what is
//! only promised is room for spare pieces.

use std::sync::atomic::{AtomicU64, Ordering};

use super::piece::{Piece, Spares};

/// What a process takes beside what it counts and does not grow with it, bytes: its code, buffers of connections, and what the allocator
/// holds free for each thread. `selvedge-bench cache --only resident` measures it.
const BESIDE: u64 = 32 << 20;

/// How many bytes may be counted where the process is to hold about `memory` in all.
pub(crate) fn countable(memory: u64) -> u64 {
    memory - BESIDE.min(memory / 8)
}

/// Bytes in use, never above the capacity.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    /// How many of those are only promised.
    promised: AtomicU64,
    capacity: u64,
    spares: Spares,
}

impl Budget {
    pub(crate) fn new(capacity: u64) -> Budget {
        Budget { used: AtomicU64::new(0), promised: AtomicU64::new(0), capacity, spares: Spares::default() }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts `bytes` in, if they fit.
    pub(crate) fn take(&'static self, bytes: u64) -> Option<Charge> {
        self.count(bytes)?;
        self.spares.trim(self.spare_room());
        Some(Charge { budget: self, bytes, promised: 0 })
    }

    /// Counts `bytes` in that will be held by and by (see [`Charge::hold`]), if they fit.
    pub(crate) fn promise(&'static self, bytes: u64) -> Option<Charge> {
        self.count(bytes)?;
        self.promised.fetch_add(bytes, Ordering::AcqRel);
        Some(Charge { budget: self, bytes, promised: bytes })
    }

    fn count(&self, bytes: u64) -> Option<()> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.capacity);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok().map(|_| ())
    }

    /// An empty piece, for whoever is charged for one.
    pub(super) fn piece(&'static self) -> Piece {
        Piece::new(self.spares.take(), self)
    }

    /// What a piece had for memory.
    pub(super) fn give_back(&self, memory: Vec<u8>) {
        self.spares.keep(memory, self.spare_room());
    }

    #[cfg(test)]
    pub(super) fn spares(&self) -> &Spares {
        &self.spares
    }

    /// Bytes that may be held although nothing is in them.
    fn spare_room(&self) -> u64 {
        self.capacity.saturating_sub(self.used()).saturating_add(self.promised.load(Ordering::Acquire))
    }
}

/// Bytes counted in; counted out when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: &'static Budget,
    bytes: u64,
    /// How many of them are only promised.
    promised: u64,
}

impl Charge {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whose bytes they are.
    pub(crate) fn budget(&self) -> &'static Budget {
        self.budget
    }

    /// Takes another charge of the same budget in.
    pub(crate) fn merge(&mut self, mut other: Charge) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.promised += std::mem::take(&mut other.promised);
    }

    /// Takes all of it out.
    pub(crate) fn split_off(&mut self) -> Charge {
        let (bytes, promised) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.promised));
        Charge { budget: self.budget, bytes, promised }
    }

    /// So many of them are held now; the rest is promised.
    pub(crate) fn hold(&mut self, held: u64) {
        let promised = self.bytes.saturating_sub(held);
        if promised > self.promised {
            self.budget.promised.fetch_add(promised - self.promised, Ordering::AcqRel);
        } else {
            self.budget.promised.fetch_sub(self.promised - promised, Ordering::AcqRel);
            self.budget.spares.trim(self.budget.spare_room());
        }
        self.promised = promised;
    }

    /// Gives back what is above `bytes`; what is only promised goes first.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        let promised = self.promised.min(surplus);
        self.bytes -= surplus;
        self.promised -= promised;
        self.budget.promised.fetch_sub(promised, Ordering::AcqRel);
        self.budget.used.fetch_sub(surplus, Ordering::AcqRel);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_drops_give_back() {
        let budget: &'static Budget = Box::leak(Box::new(Budget::new(100)));
        let mut first = budget.take(60).expect("fits");
        assert!(budget.take(41).is_none());
        assert!(budget.take(u64::MAX).is_none(), "no overflow");
        first.merge(budget.take(40).expect("fits exactly"));
        assert_eq!((budget.used(), first.bytes()), (100, 100));
        first.shrink_to(30);
        assert_eq!(budget.used(), 30);
        first.shrink_to(50);
        assert_eq!(budget.used(), 30, "shrinking never grows");
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_a_process_takes_beside_is_left_out_up_to_a_bound() {
        const MIB: u64 = 1 << 20;
        assert_eq!(countable(16 * MIB), 14 * MIB);
        assert_eq!(countable(256 * MIB), 224 * MIB);
        assert_eq!(countable(1024 * MIB), 992 * MIB);
    }

    #[test]
    fn what_is_promised_is_counted_and_is_room_for_spares_until_it_is_held() {
        let budget: &'static Budget = Box::leak(Box::new(Budget::new(100)));
        let held = budget.take(30).expect("fits");
        let mut charge = budget.promise(60).expect("fits");
        assert_eq!((budget.used(), budget.spare_room()), (90, 70));
        assert!(budget.promise(11).is_none());
        charge.hold(20);
        assert_eq!((budget.used(), budget.spare_room()), (90, 50));
        charge.hold(10);
        assert_eq!(budget.spare_room(), 60, "some were let go");
        charge.merge(budget.promise(5).expect("fits"));
        charge.shrink_to(50);
        assert_eq!((budget.used(), charge.bytes(), budget.spare_room()), (80, 50, 60));
        charge.shrink_to(10);
        assert_eq!((budget.used(), budget.spare_room()), (40, 60), "nothing is promised any more");
        drop((held, charge));
        assert_eq!((budget.used(), budget.spare_room()), (0, 100));
    }
}
