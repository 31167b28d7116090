//! A table that one peer floods with new keys: what others counted in it stays, and there is room for what they count anew.

use std::collections::BTreeSet;

use super::bounds::{NOW, Node, node};
use super::given::{author, only};
use crate::bucket::{Bucket, Charge};
use crate::counter::Row;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::Key64;
use crate::store::{Coverage, Told};
use crate::time::Time;

/// Where a shard holds more keys than are looked at to find one to forget.
const CAP: usize = 20_000;

fn row(at: Time) -> Row {
    Row { head: at.0 / 1_000, fine: [1, 0, 0, 0, 0, 0, 0, 0], coarse: [1, 0, 0, 0, 0, 0, 0, 0] }
}

/// The nth key of a peer: spread evenly, and never that of another.
pub(super) fn key(pop: u16, nth: u64) -> Key64 {
    Key64((nth << 8 | u64::from(pop)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Node {
    /// Whether there was room for it.
    fn hears_of(&self, pop: u16, key: Key64, now: Time) -> bool {
        self.hears(author(pop, 1), key, now)
    }

    fn hears(&self, author: Author, key: Key64, now: Time) -> bool {
        !self.store.offer_row((self.table, key), (author, &mut row(now)), Told::Changed, now).full
    }

    fn holds(&self, pop: u16, key: Key64, now: Time) -> bool {
        self.store.counts(self.table, only(key.0), now).iter().any(|(actor, ..)| actor.pop == PopId(pop))
    }

    /// How many of the first `n` keys of a peer it holds.
    fn held(&self, pop: u16, n: u64) -> usize {
        (0..n).filter(|nth| self.holds(pop, key(pop, *nth), NOW)).count()
    }
}

#[test]
fn ten_times_the_cap_of_one_peer_changes_nothing_of_the_others() {
    let node = node(1, CAP, 50);
    let bucket = Bucket::new(0.001, 50.0);
    let heavy = node.store.key(&[b"heavy"]);
    let own: Vec<_> = (0..500_u32).map(|n| node.store.key(&[&n.to_le_bytes()])).collect();
    own.iter().for_each(|key| node.store.add(node.table, *key, 1, NOW));
    for nth in 0..3_000 {
        assert!(node.hears_of(2, key(2, nth), NOW) && node.hears_of(3, key(3, nth), NOW));
    }
    let (mut late, mut admitted) = (0, 0);
    for nth in 0..10 * CAP as u64 {
        node.hears_of(4, key(4, nth), NOW);
        if nth % 1_000 == 999 {
            assert!(node.hears_of(2, key(2, 3_000 + late), NOW), "the late key {late}");
            late += 1;
            let charge = node.store.charge(node.table, heavy, &bucket, 1, NOW);
            admitted += u64::from(matches!(charge, Charge::Admitted { .. }));
        }
    }
    assert_eq!((node.held(2, 3_000 + late), node.held(3, 3_000)), (3_200, 3_000));
    assert!(own.iter().all(|key| node.store.count(node.table, *key, 3_600_000, NOW.plus(999)) == 1));
    assert_eq!(admitted, 50, "a limit holds as if there were no flood");
    assert_eq!((node.store.keys(node.table), node.store.coverage(node.table, NOW)), (CAP, Coverage::Partial));
    assert_eq!(node.held(4, 10 * CAP as u64), CAP - 3_200 - 3_000 - 500 - 1);
}

pub(super) fn node_of(pop: u16, node: u32) -> Author {
    Author { actor: Actor { pop: PopId(pop), node }, incarnation: Incarnation(1) }
}

#[test]
fn a_pop_has_one_part_however_many_nodes_it_says_it_is() {
    let node = node(1, CAP / 10, 50);
    for nth in 0..600 {
        assert!(node.hears_of(2, key(2, nth), NOW) && node.hears_of(3, key(3, nth), NOW));
    }
    for nth in 0..CAP as u64 {
        node.hears(node_of(4, nth as u32 % 100), key(4, nth), NOW);
    }
    (600..650).for_each(|nth| assert!(node.hears_of(2, key(2, nth), NOW), "the late key {nth}"));
    assert_eq!((node.held(2, 650), node.held(3, 600), node.held(4, CAP as u64)), (650, 600, 750));
}

/// The part of a POP is its nodes' in the same way: one that floods leaves the others theirs.
#[test]
fn a_node_that_floods_pushes_out_none_of_its_siblings_keys() {
    let node = node(1, CAP / 10, 50);
    (0..1_000).for_each(|nth| assert!(node.hears_of(2, key(2, nth), NOW)));
    (0..300).for_each(|nth| assert!(node.hears(node_of(4, 7), key(4, nth), NOW)));
    (300..CAP as u64).for_each(|nth| assert!(node.hears(node_of(4, 8), key(4, nth), NOW)));
    assert_eq!((node.held(2, 1_000), node.held(4, 300), node.held(4, CAP as u64)), (1_000, 300, 1_000));
}

/// The liar makes its keys up: all in one shard, or in each shard behind what others count there.
#[test]
fn names_that_are_made_up_gain_nothing() {
    let in_one = |nth: u64| Key64(7 << 56 | key(3, nth).0 >> 8);
    let behind = |nth: u64| Key64((nth << 56) | ((u64::MAX >> 8) - (nth >> 8)));
    for made_up in [&in_one as &dyn Fn(u64) -> Key64, &behind] {
        let node = node(1, CAP, 50);
        for nth in 0..9_000 {
            assert!(node.hears_of(2, key(2, nth), NOW));
        }
        for nth in 0..3 * CAP as u64 {
            node.hears_of(3, made_up(nth), NOW);
        }
        for nth in 9_000..10_000 {
            assert!(node.hears_of(2, key(2, nth), NOW), "{nth}");
        }
        assert_eq!((node.held(2, 10_000), node.store.keys(node.table)), (10_000, CAP));
    }
}

/// Whatever the others name and in whatever order: each has as many keys as it named, or an equal part of the room.
#[test]
fn each_peer_has_its_part() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (cap, peers) = (rng.usize(8..400), rng.u16(1..6));
        let node = node(1, cap, 50);
        let weights: Vec<u32> = (0..peers).map(|_| 1 << rng.u32(0..8)).collect();
        let mut named = vec![0_u64; peers.into()];
        for _ in 0..10 * cap {
            let mut ticket = rng.u32(0..weights.iter().sum());
            let peer =
                weights.iter().position(|weight| ticket.checked_sub(*weight).map(|rest| ticket = rest).is_none());
            let (peer, pop) = (peer.unwrap(), 2 + peer.unwrap() as u16);
            node.hears_of(pop, key(pop, named[peer]), NOW);
            named[peer] += 1;
        }
        for (named, pop) in named.into_iter().zip(2..) {
            let least = (cap / usize::from(peers)).min(named as usize);
            assert!(node.held(pop, named) >= least, "seed {seed}: POP {pop} named {named} of a cap of {cap}");
        }
        assert!(node.store.keys(node.table) <= cap);
    }
}

/// One peer and no other: of its keys that were looked at the one that was quiet longest makes room.
#[test]
fn a_peer_alone_makes_room_for_itself() {
    let node = node(1, 32, 50);
    (0..32).for_each(|nth| assert!(node.hears_of(2, key(2, nth), NOW)));
    let later = NOW.plus(1_000);
    (0..31).for_each(|nth| assert!(node.hears_of(2, key(2, nth), later)));
    assert!(node.hears_of(2, key(2, 32), later));
    let held: BTreeSet<u64> = (0..33).filter(|nth| node.holds(2, key(2, *nth), later)).collect();
    assert_eq!(held, (0..31).chain([32]).collect());
}

/// A key that several count belongs to none of them: no peer's new key pushes it out before it is over.
#[test]
fn a_key_that_several_count_stays_until_it_is_over() {
    let node = node(1, 100, 50);
    for nth in 0..100 {
        assert!(node.hears_of(3, key(3, nth), NOW) && node.hears_of(2, key(3, nth), NOW));
    }
    assert!((0..200).all(|nth| !node.hears_of(4, key(4, nth), NOW)));
    assert_eq!(node.held(3, 100), 100);
    let over = NOW.plus(9 * 3_600_000);
    assert!((0..200).all(|nth| node.hears_of(4, key(4, nth), over)));
    assert_eq!(node.store.keys(node.table), 100);
}

/// What is swept is counted as nobody's any more.
#[test]
fn keys_that_are_over_are_held_against_nobody() {
    let node = node(1, 100, 50);
    (0..90).for_each(|nth| assert!(node.hears_of(2, key(2, nth), NOW)));
    let later = NOW.plus(9 * 3_600_000);
    (0..16).for_each(|_| node.store.sweep(later));
    assert_eq!(node.store.keys(node.table), 0);
    (0..60).for_each(|nth| assert!(node.hears_of(3, key(3, nth), later)));
    (0..60).for_each(|nth| assert!(node.hears_of(2, key(2, nth), later)));
    let held = |pop: u16| (0..60).filter(|nth| node.holds(pop, key(pop, *nth), later)).count();
    assert_eq!((held(2), held(3)), (50, 50));
}
