//! What counters say, against a map of everything that ever happened.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use selvedge_state::{Rung, Time};

use crate::support::{START, actor, spec, store};

const DAY: u64 = 86_400_000;

/// Counts by instant.
#[derive(Default)]
struct Oracle(BTreeMap<u64, u64>);

impl Oracle {
    fn between(&self, from: u64, to: u64) -> u64 {
        self.0.range(from..to.max(from)).map(|(_, n)| n).sum()
    }

    /// What a look may differ by: the stretch that its start lies in, and so cannot be told from.
    fn stretch(fine: u64, coarse: u64, from: u64, now: u64) -> (u64, u64) {
        let edge = (now / fine - 7) * fine;
        let start = |width: u64| from / width * width;
        if from >= edge {
            (start(fine), (start(fine) + fine).min(now + 1))
        } else {
            (start(coarse), (start(coarse) + coarse).min(edge))
        }
    }

    /// The windowed sum as the documentation has it: all after that stretch, and of the stretch its part inside the window.
    fn count(&self, (fine, coarse): (u64, u64), window: u64, now: Time) -> u64 {
        let from = (now.0 - window).max((now.0 / coarse - 7) * coarse);
        let (start, end) = Oracle::stretch(fine, coarse, from, now.0);
        self.between(start, end) * (end - from) / (end - start) + self.between(end, now.0 + 1)
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
        (fine, coarse) in prop_oneof![
            Just((Rung::Ms100, Rung::S10)),
            Just((Rung::Ms(37), Rung::Ms(37 * 8))),
            (1_000..90_000_u64).prop_map(|window| Rung::for_looks(Duration::from_millis(window))),
        ],
    ) {
        let store = store();
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
                    let said = store.count(table, key, *window, at);
                    let right = oracle.count((fine.millis(), coarse.millis()), *window, at);
                    prop_assert_eq!(said, right, "window {} at {}", window, at);
                }
                let live = oracle.live(coarse.millis(), at);
                let said: u64 = store.counts(table, key, at).iter().map(|(_, _, n)| n).sum();
                prop_assert_eq!(said, live);
                prop_assert_eq!(store.top(table, 3, at), if live == 0 { vec![] } else { vec![(key, live)] });
            }
            store.sweep(now);
        }
    }

    /// The bound that the documentation states: a look differs from the truth by at most what was counted in one slot, 1/56 of the
    /// longest window for looks up to an eighth of it and 1/7 for longer ones.
    #[test]
    fn a_look_errs_by_one_slot_at_most(
        longest in 1_000..31 * DAY,
        moments in prop::collection::vec(0.0..2.0_f64, 1..200),
        looks in prop::collection::vec(0.001..1.0_f64, 1..20),
    ) {
        let store = store();
        let (fine, coarse) = Rung::for_looks(Duration::from_millis(longest));
        let table = store.table(&spec("looked at", fine, coarse)).unwrap();
        let (key, mut oracle, now) = (store.key(&[b"k"]), Oracle::default(), START.plus(2 * longest));
        let mut times: Vec<u64> = moments.iter().map(|at| START.0 + (at * longest as f64) as u64).collect();
        times.sort_unstable();
        for at in times {
            store.add(table, key, 10, Time(at));
            *oracle.0.entry(at).or_default() += 10;
        }
        for look in looks.iter().map(|look| (look * longest as f64) as u64).chain([longest]) {
            let slot = if look <= longest / 8 { fine.millis() } else { coarse.millis() };
            let (said, from) = (store.count(table, key, look, now), now.0 - look);
            prop_assert!(said >= oracle.between(from + slot, now.0 + 1), "{} of {}", look, longest);
            prop_assert!(said <= oracle.between(from.saturating_sub(slot), now.0 + 1), "{} of {}", look, longest);
        }
    }
}

#[test]
fn a_window_of_31_days_is_read_whole() {
    for days in [1, 8, 31] {
        let (store, window) = (store(), days * DAY);
        let (fine, coarse) = Rung::for_looks(Duration::from_millis(window));
        let table = store.table(&spec("long", fine, coarse)).unwrap();
        let key = store.key(&[b"k"]);
        for nth in 0..700 {
            store.add(table, key, 1, START.plus(window / 700 * nth));
        }
        let said = store.count(table, key, window, START.plus(window));
        assert!((600..=700).contains(&said), "{said} of 700 in {days} days");
    }
}

#[test]
fn a_burst_is_read_in_full_by_a_short_look() {
    let (fine, coarse) = Rung::for_looks(Duration::from_secs(600));
    for at in (0..600_000).step_by(7_919) {
        let store = store();
        let table = store.table(&spec("short look", fine, coarse)).unwrap();
        let (key, now) = (store.key(&[b"k"]), START.plus(at));
        store.add(table, key, 100, now);
        for look in [11_000, 30_000, 60_000, 300_000, 600_000] {
            assert_eq!(store.count(table, key, look, now.plus(200)), 100, "{look} at {at}");
        }
        assert_eq!(store.count(table, key, 60_000, now.plus(71_000)), 0);
    }
}

#[test]
fn counts_go_beyond_32_bits() {
    let store = store();
    let table = store.table(&spec("huge", Rung::S1, Rung::S1)).unwrap();
    let key = store.key(&[b"k"]);
    store.add(table, key, u32::MAX, START);
    store.add(table, key, u32::MAX, START);
    assert_eq!(store.count(table, key, 1_000, START), 2 * u64::from(u32::MAX));
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
