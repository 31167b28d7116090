//! Distinct counts at one node, against plain sets, and between nodes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use selvedge_state::{Rung, Store, StoreBounds, TABLES_MAX, TableFull, Time, UniquesId, UniquesSpec};

use crate::sim::{Network, World};
use crate::support::{START, replica, store, store_bounded, uniques_spec};

const NET: Network = Network { lost: 0, doubled: 0, delay: (20, 20) };

fn observe(store: &Store, table: UniquesId, values: std::ops::Range<u32>, now: Time) {
    for value in values {
        store.observe(table, store.key(&[b"k"]), &value.to_le_bytes(), now);
    }
}

#[test]
fn few_values_are_counted() {
    let store = store();
    let (table, key) = (store.uniques(&uniques_spec(Rung::S1)).unwrap(), store.key(&[b"k"]));
    assert_eq!(store.distinct(table, key, 1_000, START), 0);
    for n in 1..=128_u32 {
        // Each of them again and again.
        observe(&store, table, 0..n, START);
        assert_eq!(store.distinct(table, key, 1_000, START), u64::from(n));
    }
    assert_eq!((store.distinct(table, store.key(&[b"other"]), 1_000, START), store.uniques_keys(table)), (0, 1));
}

/// The errors of many estimates are what the standard error of 3.25 % says, at any size, and do not lean to one side.
#[test]
fn many_values_are_estimated() {
    let store = store();
    let table = store.uniques(&uniques_spec(Rung::S1)).unwrap();
    for n in [129_u32, 200, 1_000, 3_000, 20_000] {
        let errors: Vec<f64> = (0..60_u32)
            .map(|round| {
                let key = store.key(&[&n.to_le_bytes(), &round.to_le_bytes()]);
                for value in 0..n {
                    store.observe(table, key, &[round.to_le_bytes(), value.to_le_bytes()].concat(), START);
                }
                store.distinct(table, key, 1_000, START) as f64 / f64::from(n) - 1.0
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let deviation = (errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64).sqrt();
        assert!(mean.abs() < 0.0325 * 0.4, "{n}: the mean error is {mean}");
        assert!(deviation < 0.0325 * 1.3, "{n}: the standard error is {deviation}");
        assert!(errors.iter().all(|error| error.abs() < 0.0325 * 4.0), "{n}: {errors:?}");
    }
}

#[test]
fn a_window_reads_the_slots_that_it_touches() {
    let store = store();
    let (table, key) = (store.uniques(&uniques_spec(Rung::S1)).unwrap(), store.key(&[b"k"]));
    for slot in 0..20_u32 {
        observe(&store, table, slot * 2..slot * 2 + 3, START.plus(u64::from(slot) * 1_000));
    }
    let said = |window: u64, now: u64| store.distinct(table, key, window, START.plus(now));
    // At 19.5 s: slot 19 alone, with 18, and the nine that live; neighbours share a value.
    assert_eq!([0, 500, 501, 1_500, 8_000, 60_000].map(|window| said(window, 19_500)), [3, 3, 5, 5, 19, 19]);
    // A slot dies when it is nine slots ago.
    assert_eq!([20_000, 26_999, 27_999, 28_000].map(|now| said(60_000, now)), [17, 5, 3, 0]);
    assert_eq!(store.uniques_keys(table), 1);
    (0..16).for_each(|_| store.sweep(START.plus(27_999)));
    assert_eq!(store.uniques_keys(table), 1);
    (0..16).for_each(|_| store.sweep(START.plus(28_000)));
    assert_eq!(store.uniques_keys(table), 0);
}

#[test]
fn a_window_is_missed_by_nothing_and_exceeded_by_an_eighth_at_most() {
    for window in [1_000, 600_000, 31 * 86_400_000] {
        let store = store();
        let slot = Rung::eighth_of(std::time::Duration::from_millis(window));
        let (table, key) = (store.uniques(&uniques_spec(slot)).unwrap(), store.key(&[b"k"]));
        for nth in 0..16 {
            let seen = START.plus(window / 16 * nth);
            observe(&store, table, 0..3, seen);
            assert_eq!(store.distinct(table, key, window, seen.plus(window)), 3, "{window}");
        }
        let last = START.plus(window / 16 * 15);
        assert_eq!(store.distinct(table, key, window, last.plus(window + slot.millis())), 0, "{window}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_values_are_those_of_plain_sets(
        steps in prop::collection::vec((prop_oneof![4 => 0..40_u64, 2 => 0..3_000_u64, 1 => 0..20_000_u64], 0..60_u8), 1..120),
        windows in prop::collection::vec(0..12_000_u64, 1..6),
    ) {
        let store = store();
        let (table, key) = (store.uniques(&uniques_spec(Rung::S1)).unwrap(), store.key(&[b"k"]));
        let (mut oracle, mut now) = (BTreeMap::<u64, BTreeSet<u8>>::new(), START);
        for (gap, value) in steps {
            now = now.plus(gap);
            store.observe(table, key, &[value], now);
            oracle.entry(now.0 / 1_000).or_default().insert(value);
            for at in [now, now.plus(gap)] {
                for window in &windows {
                    let newest = at.0 / 1_000;
                    let oldest = ((at.0 - window) / 1_000).max(newest - 8);
                    let seen: BTreeSet<u8> = oracle.range(oldest..=newest).flat_map(|(_, seen)| seen).copied().collect();
                    prop_assert_eq!(store.distinct(table, key, *window, at), seen.len() as u64);
                }
            }
            store.sweep(now);
        }
    }
}

#[test]
fn a_table_is_its_name_shape_slot_and_reach() {
    let store = store();
    let one = uniques_spec(Rung::S1);
    let id = store.uniques(&one).unwrap();
    assert_eq!(store.uniques(&one), Ok(id));
    for other in [
        UniquesSpec { uid: "other".to_owned(), ..one.clone() },
        UniquesSpec { shape: "client.ip".to_owned(), ..one.clone() },
        UniquesSpec { slot: Rung::S10, ..one.clone() },
        UniquesSpec { replicated: false, ..one.clone() },
    ] {
        assert_ne!(store.uniques(&other), Ok(id));
    }
    for n in 5..TABLES_MAX {
        store.uniques(&UniquesSpec { uid: n.to_string(), ..one.clone() }).unwrap();
    }
    assert_eq!(store.uniques(&UniquesSpec { uid: "last".to_owned(), ..one.clone() }), Err(TableFull));
    assert_eq!(store.uniques(&one), Ok(id));
}

#[test]
fn a_full_table_forgets_the_key_touched_longest_ago() {
    let store = store_bounded(1, StoreBounds { uniques_max: 3, ..StoreBounds::default() });
    let table = store.uniques(&uniques_spec(Rung::M1)).unwrap();
    let key = |n: u8| store.key(&[&[n]]);
    for n in 0..3 {
        store.observe(table, key(n), b"a", START.plus(u64::from(n)));
    }
    // Nothing new, but touched.
    store.observe(table, key(0), b"a", START.plus(3));
    store.observe(table, key(9), b"a", START.plus(4));
    let said = [0, 1, 2, 9].map(|n| store.distinct(table, key(n), 1_000, START.plus(4)));
    assert_eq!((said, store.uniques_keys(table)), ([1, 0, 1, 1], 3));
}

#[test]
fn keys_that_wait_to_be_sent_stay() {
    let store = store_bounded(2, StoreBounds { uniques_max: 2, ..StoreBounds::default() });
    let table = store.uniques(&uniques_spec(Rung::M1)).unwrap();
    let key = |n: u8| store.key(&[&[n]]);
    (0..3).for_each(|n| store.observe(table, key(n), b"a", START));
    assert_eq!([0, 1, 2].map(|n| store.distinct(table, key(n), 1_000, START)), [1, 1, 0]);
    // Once they are sent there is room.
    replica(1, 1, 1, 2, &store).handle(selvedge_state::Input::Dirty, START);
    store.observe(table, key(2), b"a", START);
    assert_eq!((store.distinct(table, key(2), 1_000, START), store.uniques_keys(table)), (1, 2));
}

fn said(world: &World, node: usize) -> u64 {
    let of = &world.nodes[node];
    of.store.distinct(of.uniques, world.key(0), 80_000, world.now)
}

fn see(world: &World, node: usize, values: std::ops::Range<u32>) {
    let of = &world.nodes[node];
    for value in values {
        of.store.observe(of.uniques, world.key(0), &value.to_le_bytes(), world.now);
    }
}

#[test]
fn nodes_count_together_and_a_value_once() {
    let mut world = World::new(1, 3, &[], NET);
    world.run(world.now.plus(500));
    see(&world, 0, 0..50);
    see(&world, 1, 25..75);
    world.run(world.now.plus(100));
    assert_eq!([0, 1, 2].map(|node| said(&world, node)), [75, 75, 75]);
    see(&world, 2, 0..3_000);
    world.run(world.now.plus(100));
    let third = said(&world, 2);
    assert!((2_600..3_400).contains(&third), "{third}");
    assert_eq!([0, 1].map(|node| said(&world, node)), [third, third]);
}

/// A key that takes in new values all the time costs a few bytes for each of them, not its sketch at each tick.
#[test]
fn what_rises_is_sent_and_not_the_whole() {
    let mut world = World::new(2, 2, &[], NET);
    // A slot ends while it is measured.
    world.run(world.now.plus(9_600));
    see(&world, 0, 0..2_000);
    let mut fresh = 2_000;
    let mut ticks = |world: &mut World, ticks: u32| {
        let before = world.nodes[0].replica.status(world.now).peers[0].bytes_out;
        for _ in 0..ticks {
            see(world, 0, fresh..fresh + 10);
            fresh += 10;
            world.run(world.now.plus(25));
        }
        world.nodes[0].replica.status(world.now).peers[0].bytes_out - before
    };
    ticks(&mut world, 12);
    let bytes = ticks(&mut world, 12);
    // Twelve frames of about 60 bytes, and some 5 bytes for each rise, said a few times while it is under way. The whole
    // sketch takes 768 bytes each time.
    assert!(bytes < 3_000, "{bytes} bytes");
    world.run(world.now.plus(100));
    assert_eq!(said(&world, 0), said(&world, 1));
}

/// What rose in a frame that was lost is in the next one too.
#[test]
fn a_change_carries_what_is_not_acknowledged() {
    let mut world = World::new(4, 2, &[], NET);
    world.run(world.now.plus(500));
    let start = world.now;
    world.cut(0, 1);
    see(&world, 0, 0..5);
    world.run(start.plus(40));
    see(&world, 0, 5..6);
    world.run(start.plus(41));
    world.heal();
    world.run(start.plus(50));
    see(&world, 0, 6..7);
    world.run(start.plus(71));
    assert_eq!(said(&world, 1), 7);
}

#[test]
fn a_late_joiner_gets_all_that_lives() {
    let mut world = World::new(5, 3, &[], NET);
    world.unlink(0, 2);
    world.unlink(1, 2);
    world.run(world.now.plus(500));
    see(&world, 0, 0..1_000);
    world.run(world.now.plus(30_000));
    see(&world, 1, 1_000..1_020);
    world.run(world.now.plus(500));
    // The first one is gone when the third one comes: the second one knows it all.
    world.crash(0);
    world.unlink(0, 1);
    world.unlink(0, 2);
    world.link(1, 2);
    world.run(world.now.plus(300));
    let third = said(&world, 2);
    assert!(third == said(&world, 1) && (880..1_160).contains(&third), "{third}");
    // And nothing that is over is told again.
    world.run(world.now.plus(90_000));
    assert_eq!([1, 2].map(|node| said(&world, node)), [0, 0]);
}

#[test]
fn a_local_table_goes_nowhere() {
    let mut world = World::new(6, 2, &[], NET);
    world.run(world.now.plus(500));
    let spec = UniquesSpec { replicated: false, ..uniques_spec(Rung::M1) };
    let tables: Vec<_> = world.nodes.iter().map(|node| node.store.uniques(&spec).unwrap()).collect();
    world.nodes[0].store.observe(tables[0], world.key(1), b"a", world.now);
    world.run(world.now.plus(5_000));
    let of = |node: usize| world.nodes[node].store.uniques_keys(tables[node]);
    assert_eq!((of(0), of(1)), (1, 0));
}
