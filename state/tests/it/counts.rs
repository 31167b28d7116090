//! What counters say, against a map of everything that ever happened.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selvedge_state::{Rung, Time};

use crate::support::{START, actor, spec, store};

/// Counts by instant.
#[derive(Default)]
struct Oracle(BTreeMap<u64, u64>);

impl Oracle {
    /// The windowed sum as the documentation has it: whole slots, and of the oldest its part inside the window.
    fn count(&self, width: u64, window: u64, now: Time) -> u64 {
        let from = now.0 - window;
        let floor = (now.0 / width).saturating_sub(7);
        let mut sum = 0;
        for slot in floor.max(from / width)..=now.0 / width {
            let n: u64 = self.0.range(slot * width..(slot + 1) * width).map(|(_, n)| n).sum();
            let inside = width - from.saturating_sub(slot * width).min(width);
            sum += n * inside / width;
        }
        sum
    }

    fn live(&self, width: u64, now: Time) -> u64 {
        self.0.range((now.0 / width).saturating_sub(7) * width..).map(|(_, n)| n).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_a_plain_map(
        steps in prop::collection::vec((prop_oneof![4 => 0..40_u64, 2 => 0..3_000_u64, 1 => 0..200_000_u64], 1..9_u32), 1..120),
        windows in prop::collection::vec(1..90_000_u64, 1..6),
    ) {
        let store = store();
        let (fine, coarse) = (Rung::Ms100, Rung::S10);
        let table = store.table(&spec("offences", fine, coarse)).unwrap();
        let key = store.key(&[b"192.0.2.1"]);
        let (mut oracle, mut now) = (Oracle::default(), START);
        for (gap, n) in steps {
            now = now.plus(gap);
            store.add(table, key, n, now);
            *oracle.0.entry(now.0).or_default() += u64::from(n);
            // Read later too, and without anything having happened meanwhile.
            for at in [now, now.plus(gap), now.plus(77_777)] {
                for window in &windows {
                    let width = if *window <= 8 * fine.millis() { fine } else { coarse };
                    let said = store.count(table, key, *window, at);
                    prop_assert_eq!(said, oracle.count(width.millis(), *window, at), "window {} at {}", window, at);
                }
                let live = oracle.live(coarse.millis(), at);
                let said: u64 = store.counts(table, key, at).iter().map(|(_, _, n)| n).sum();
                prop_assert_eq!(said, live);
                prop_assert_eq!(store.top(table, 3, at), if live == 0 { vec![] } else { vec![(key, live)] });
            }
            store.sweep(now);
        }
    }
}

#[test]
fn counts_saturate() {
    let store = store();
    let table = store.table(&spec("huge", Rung::S1, Rung::S1)).unwrap();
    let key = store.key(&[b"k"]);
    store.add(table, key, u32::MAX, START);
    store.add(table, key, u32::MAX, START);
    assert_eq!(store.count(table, key, 1_000, START), u64::from(u32::MAX));
}

#[test]
fn what_expired_is_not_read_and_is_swept() {
    let store = store();
    let table = store.table(&spec("short", Rung::Ms100, Rung::Ms100)).unwrap();
    let key = store.key(&[b"k"]);
    store.add(table, key, 3, START);
    let last = START.plus(799);
    assert_eq!(store.counts(table, key, last).len(), 1);
    let over = START.plus(800);
    assert_eq!(store.counts(table, key, over), []);
    assert_eq!((store.count(table, key, 100_000, over), store.keys(table)), (0, 1));
    // One round.
    for _ in 0..16 {
        store.sweep(over);
    }
    assert_eq!(store.keys(table), 0);
}

#[test]
fn the_busiest_keys_come_first_and_ties_by_key() {
    let store = store();
    let table = store.table(&spec("top", Rung::S1, Rung::S1)).unwrap();
    let mut keys: Vec<_> = (0..10_u8).map(|n| store.key(&[&[n]])).collect();
    keys.sort();
    for key in &keys {
        store.add(table, *key, 5, START);
    }
    store.add(table, keys[7], 1, START);
    assert_eq!(store.top(table, 3, START), [(keys[7], 6), (keys[0], 5), (keys[1], 5)]);
    let (author, incarnation, count) = store.counts(table, keys[7], START)[0];
    assert_eq!((author, incarnation.0, count), (actor(1), 1, 6));
}

#[test]
fn keys_are_framed_by_their_lengths() {
    let store = store();
    assert_ne!(store.key(&[b"ab", b"c"]), store.key(&[b"a", b"bc"]));
    assert_ne!(store.key(&[b"ab"]), store.key(&[b"ab", b""]));
    assert_eq!(store.key(&[b"ab", b"c"]), store.key(&[b"ab", b"c"]));
}
