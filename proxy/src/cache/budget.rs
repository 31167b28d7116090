//! The byte cap. Whatever holds cached bytes holds a [`Charge`] for them, and gives it back when the last holder lets go:
//! a slow reader of an evicted object keeps its bytes counted, because it keeps them in memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in use, never above the capacity.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    capacity: u64,
}

impl Budget {
    pub(crate) fn new(capacity: u64) -> Budget {
        Budget { used: AtomicU64::new(0), capacity }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts `bytes` in, if they fit.
    pub(crate) fn take(&'static self, bytes: u64) -> Option<Charge> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.capacity);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        Some(Charge { budget: self, bytes })
    }
}

/// Bytes counted in; counted out when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: &'static Budget,
    bytes: u64,
}

impl Charge {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes another charge of the same budget in.
    pub(crate) fn merge(&mut self, mut other: Charge) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Takes all of it out.
    pub(crate) fn split_off(&mut self) -> Charge {
        Charge { budget: self.budget, bytes: std::mem::take(&mut self.bytes) }
    }

    /// Gives back what is above `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
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
}
