//! Which peer named which key of a table first. A full table makes room for a key that a peer names by one that another peer
//! named, if that has more of them, else by one of its own: max-min fairness (D. Bertsekas and R. Gallager, *Data Networks*, 6.5.2).
//! So each peer keeps as many keys as it named or an equal part of what peers have, whatever the others name.
//!
//! A sample of the table cannot tell who has most. It is taken at one end of a shard, where those that are spared pile up until
//! there is nobody else; and a peer that makes its keys up can choose ones that are never in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::identity::Actor;
use crate::key::Key64;

/// No lock of a table is taken while this one is held.
#[derive(Default)]
pub(super) struct Named(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    by: BTreeMap<Actor, BTreeSet<Key64>>,
    /// How many each has, so that the greatest is found at once however many there are.
    counts: BTreeSet<(usize, Actor)>,
}

impl Named {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key was made because a peer named it.
    pub(super) fn insert(&self, by: Actor, key: Key64) {
        self.keys().change(by, |keys| keys.insert(key));
    }

    /// A key is forgotten, or is not this peer's alone any more.
    pub(super) fn remove(&self, by: Actor, key: Key64) {
        self.keys().change(by, |keys| keys.remove(&key));
    }

    /// Whose keys make room for one that `by` names, and so many of them, from `near` on and round. `None` where nobody has more than
    /// it, and it has none.
    pub(super) fn give_way(&self, by: Actor, near: Key64, sample: usize) -> Option<(Actor, Vec<Key64>)> {
        let keys = self.keys();
        let (most, greatest) = *keys.counts.last()?;
        let own = keys.by.get(&by).map_or(0, BTreeSet::len);
        let whose = if most > own { greatest } else { by };
        let of = keys.by.get(&whose)?;
        Some((whose, of.range(near..).chain(of.range(..near)).take(sample).copied().collect()))
    }
}

impl Keys {
    fn change(&mut self, by: Actor, change: impl FnOnce(&mut BTreeSet<Key64>) -> bool) {
        let keys = self.by.entry(by).or_default();
        let before = keys.len();
        let changed = change(keys);
        let after = keys.len();
        if after == 0 {
            self.by.remove(&by);
        }
        if changed {
            self.counts.remove(&(before, by));
            self.counts.extend(Some((after, by)).filter(|_| after > 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PopId;

    fn actor(pop: u16) -> Actor {
        Actor { pop: PopId(pop), node: 0 }
    }

    fn named(of: &[(u16, u64)]) -> Named {
        let named = Named::default();
        for (pop, keys) in of {
            (0..*keys).for_each(|key| named.insert(actor(*pop), Key64(key << 8 | u64::from(*pop))));
        }
        named
    }

    #[test]
    fn who_has_most_gives_way() {
        let named = named(&[(2, 3), (3, 2), (4, 1)]);
        let whose = |by: u16| named.give_way(actor(by), Key64(0), 9).map(|(actor, keys)| (actor.pop.0, keys.len()));
        assert_eq!([2, 3, 4, 5].map(whose), [Some((2, 3)); 4]);
        named.remove(actor(2), Key64(2));
        named.remove(actor(2), Key64(2));
        // Of two that have as many each makes room for itself, and for those with fewer the later one does.
        assert_eq!([2, 3, 4, 5].map(whose), [Some((2, 2)), Some((3, 2)), Some((3, 2)), Some((3, 2))]);
    }

    #[test]
    fn nothing_is_left_of_those_that_have_none() {
        let named = named(&[(2, 2)]);
        named.remove(actor(3), Key64(7));
        (0..2).for_each(|key| named.remove(actor(2), Key64(key << 8 | 2)));
        assert_eq!(named.give_way(actor(2), Key64(0), 9), None);
        let keys = named.keys();
        assert_eq!((keys.by.len(), keys.counts.len()), (0, 0));
    }

    #[test]
    fn the_sample_goes_round() {
        let named = named(&[(2, 4)]);
        let nth = |near: u64| {
            let (_, keys) = named.give_way(actor(2), Key64(near << 8), 3).unwrap();
            keys.into_iter().map(|key| key.0 >> 8).collect::<Vec<_>>()
        };
        assert_eq!((nth(0), nth(2), nth(9)), (vec![0, 1, 2], vec![2, 3, 0], vec![0, 1, 2]));
    }
}
