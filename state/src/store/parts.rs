//! Who has how much, and who makes room for whom: of all that have something the one with most, unless the one that needs room has as
//! much: max-min fairness (D. Bertsekas and R. Gallager, *Data Networks*, 6.5.2). What is shared so may be shared out in the same way
//! below.

use std::collections::{BTreeMap, BTreeSet};

/// What can be counted.
pub(super) trait Counted: Default {
    fn count(&self) -> usize;
}

impl<K> Counted for BTreeSet<K> {
    fn count(&self) -> usize {
        self.len()
    }
}

/// Parts by their owners. Who has nothing takes no memory.
pub(super) struct Parts<K, P> {
    of: BTreeMap<K, P>,
    /// How much each has, so that the greatest is found at once however many there are.
    counts: BTreeSet<(usize, K)>,
    total: usize,
}

impl<K, P> Default for Parts<K, P> {
    fn default() -> Parts<K, P> {
        Parts { of: BTreeMap::new(), counts: BTreeSet::new(), total: 0 }
    }
}

impl<K, P> Counted for Parts<K, P> {
    fn count(&self) -> usize {
        self.total
    }
}

impl<K: Ord + Copy, P: Counted> Parts<K, P> {
    pub(super) fn change(&mut self, owner: K, change: impl FnOnce(&mut P)) {
        let part = self.of.entry(owner).or_default();
        let before = part.count();
        change(part);
        let after = part.count();
        if after == 0 {
            self.of.remove(&owner);
        }
        if before != after {
            self.counts.remove(&(before, owner));
            self.counts.extend(Some((after, owner)).filter(|_| after > 0));
            self.total = self.total.saturating_sub(before).saturating_add(after);
        }
    }

    /// How much an owner has.
    pub(super) fn has(&self, owner: K) -> usize {
        self.of.get(&owner).map_or(0, P::count)
    }

    /// Who makes room for `owner`, and what it has. `None` where nobody has anything.
    pub(super) fn give_way(&self, owner: K) -> Option<(K, &P)> {
        let (most, greatest) = *self.counts.last()?;
        let whose = if most > self.has(owner) { greatest } else { owner };
        Some((whose, self.of.get(&whose)?))
    }
}
