//! Which peer named which key of a table first, be it of counters, of ledgers or of distinct counts. A full table makes room for a key
//! that a peer names by one that another POP named, if that has more of them, else by one of its own ([`Parts`]). So each POP keeps as
//! many keys as it named or an equal part of what peers have, whatever the others name. A POP's nodes share its part among them in the
//! same way: who a POP is its certificate says, how many nodes it has it may make up.
//!
//! A sample of the table cannot tell who has most. It is taken at one end of a shard, where those that are spared pile up until
//! there is nobody else; and a peer that makes its keys up can choose ones that are never in it.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::parts::Parts;
use super::shards::{GiveWay, Shards};
use crate::identity::{Actor, Nameable, PopId};
use crate::key::{Key64, Sharded};

/// Keys that are looked at to find one to forget.
pub(super) const SAMPLE: usize = 32;

/// Samples of what peers named that are looked at for one new key. What is found to be spared is in none of the next ones.
const LOOKS: usize = 32;

type Keys<K> = Parts<PopId, Parts<u32, BTreeSet<K>>>;

/// No lock of a table is taken while this one is held.
pub(super) struct Named<K = Key64>(Mutex<Keys<K>>);

impl<K> Default for Named<K> {
    fn default() -> Named<K> {
        Named(Mutex::default())
    }
}

impl<K: Sharded + Hash + Ord + Copy> Named<K> {
    fn keys(&self) -> MutexGuard<'_, Keys<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is made because a peer names a key.
    pub(super) fn note<V: Nameable>(&self, by: Actor, key: K, mut made: V) -> V {
        made.set_named_by(by);
        self.insert(by, key);
        made
    }

    /// What is held of a key is about to be forgotten, under its lock.
    pub(super) fn forget(&self, key: K, by: Option<Actor>) {
        by.into_iter().for_each(|by| self.remove(by, key));
    }

    /// How many keys are a POP's.
    pub(super) fn of(&self, pop: PopId) -> usize {
        self.keys().has(pop)
    }

    /// Has a key of a full map forgotten for one that a peer names: of those that are known from one POP alone, and that POP named most,
    /// the one with the least rank of a sample; where there is none, one that is over. What has no rank stays.
    pub(super) fn make_room<V: Nameable, R: Ord>(
        &self,
        map: &Shards<K, V>,
        (by, near): (Actor, K),
        GiveWay { sample, rank, last }: GiveWay<impl Fn(&V) -> Option<R>, impl Fn(K, &V)>,
        is_over: impl Fn(&V) -> bool,
    ) {
        for _ in 0..LOOKS {
            let Some((whose, keys)) = self.give_way(by, near, sample) else { break };
            let rank = |held: &V| rank(held).filter(|_| held.is_only_of(whose.pop));
            let mut ranked = Vec::new();
            for key in keys {
                match map.read(key, rank).flatten() {
                    Some(rank) => ranked.push((rank, key)),
                    // Others speak of it, too: it is nobody's.
                    None => self.remove(whose, key),
                }
            }
            let goes = |key, held: &V| rank(held).inspect(|_| last(key, held)).is_some();
            if ranked.into_iter().min().is_some_and(|(_, key)| map.forget(key, goes)) {
                return;
            }
        }
        let rank = |held: &V| rank(held).filter(|_| is_over(held));
        map.make_room(near.shard(), GiveWay { sample, rank, last });
    }

    /// A key was made because a peer named it.
    pub(super) fn insert(&self, by: Actor, key: K) {
        self.change(by, |keys| {
            keys.insert(key);
        });
    }

    /// A key is forgotten, or is not of this peer's POP alone any more.
    fn remove(&self, by: Actor, key: K) {
        self.change(by, |keys| {
            keys.remove(&key);
        });
    }

    fn change(&self, by: Actor, change: impl FnOnce(&mut BTreeSet<K>)) {
        self.keys().change(by.pop, |nodes| nodes.change(by.node, change));
    }

    /// Whose keys make room for one that `by` names, and so many of them, from `near` on and round. `None` where nobody has any.
    fn give_way(&self, by: Actor, near: K, sample: usize) -> Option<(Actor, Vec<K>)> {
        let keys = self.keys();
        let (pop, nodes) = keys.give_way(by.pop)?;
        // In another POP that is one of those that have most, too.
        let (node, of) = nodes.give_way(by.node)?;
        Some((Actor { pop, node }, of.range(near..).chain(of.range(..near)).take(sample).copied().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Counted;
    use super::*;

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
        assert_eq!(named.keys().count(), 0);
    }

    /// However many nodes a POP says that it has: it is the POP with most that makes room, and of its nodes the one with most.
    #[test]
    fn nodes_share_the_part_of_their_pop() {
        let named = named(&[(2, 3)]);
        for (node, keys) in [(1, 2), (2, 1), (3, 1)] {
            (0..keys).for_each(|key| named.insert(Actor { pop: PopId(3), node }, Key64(key << 8 | u64::from(node))));
        }
        let whose = |pop: u16, node: u32| {
            let (whose, _) = named.give_way(Actor { pop: PopId(pop), node }, Key64(0), 9).unwrap();
            (whose.pop.0, whose.node)
        };
        assert_eq!([whose(2, 0), whose(4, 2), whose(3, 1), whose(3, 3), whose(3, 9)], [(3, 1); 5]);
        named.remove(Actor { pop: PopId(3), node: 1 }, Key64(1));
        assert_eq!([whose(2, 0), whose(3, 1), whose(3, 2), whose(3, 9)], [(2, 0), (3, 1), (3, 2), (3, 3)]);
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
