//! Elements of lists at one node, against a plain map, and between nodes.

use proptest::prelude::*;
use selvedge_state::{
    ELEMENT_MAX, LIST_LONGEST, LIST_MEMORY, ListEntry, ListError, Store, StoreBounds, TABLES_MAX, TableFull, Time,
};

use crate::sim::{Network, World};
use crate::support::{START, actor, store, store_bounded};

const NET: Network = Network { lost: 0, doubled: 0, delay: (40, 40) };
const ELEMENT: &str = "192.0.2.9/32";

#[test]
fn what_is_said_holds_until_its_end() {
    let store = store();
    let list = store.list("blocked").unwrap();
    assert_eq!((store.has_listed(list), store.listed(list, ELEMENT, START)), (false, None));
    store.list_set(list, ELEMENT, true, START.plus(1_000), START).unwrap();
    assert!(store.has_listed(list));
    assert_eq!([999, 1_000].map(|at| store.listed(list, ELEMENT, START.plus(at))), [Some(true), None]);
    assert_eq!(store.listed(list, "192.0.2.8/32", START), None);
    store.list_set(list, ELEMENT, false, START.plus(500), START.plus(1)).unwrap();
    // Taken out until 500; what was said before does not come back.
    assert_eq!([1, 499, 500].map(|at| store.listed(list, ELEMENT, START.plus(at))), [Some(false), Some(false), None]);
    // Its memory is what it beat, and more.
    let sweep = |at: Time| (0..16).for_each(|_| store.sweep(at));
    sweep(START.plus(999 + LIST_MEMORY));
    assert!(store.has_listed(list));
    sweep(START.plus(1_000 + LIST_MEMORY));
    assert!(!store.has_listed(list));
}

#[test]
fn lists_of_other_names_are_other_lists() {
    let store = store();
    let (one, other) = (store.list("one").unwrap(), store.list("other").unwrap());
    assert_eq!((store.list("one"), one == other), (Ok(one), false));
    store.list_set(one, "a", true, START.plus(9), START).unwrap();
    assert_eq!((store.listed(one, "a", START), store.listed(other, "a", START)), (Some(true), None));
    assert_eq!((store.has_listed(one), store.has_listed(other)), (true, false));
    for n in 2..TABLES_MAX {
        store.list(&n.to_string()).unwrap();
    }
    assert_eq!(store.list("last"), Err(TableFull));
}

#[test]
fn entries_are_told_by_element() {
    let store = store();
    let (list, other) = (store.list("blocked").unwrap(), store.list("other").unwrap());
    for (element, present) in [("c", true), ("a", false), ("b", true)] {
        store.list_set(list, element, present, START.plus(9), START).unwrap();
    }
    store.list_set(list, "d", true, START.plus(3), START).unwrap();
    store.list_set(other, "e", true, START.plus(9), START).unwrap();
    let entry = |element: &str, present: bool| ListEntry {
        element: element.into(),
        present,
        until: START.plus(9),
        made_at: START,
        made_by: actor(1),
    };
    assert_eq!(store.list_entries(list, START.plus(3)), [entry("a", false), entry("b", true), entry("c", true)]);
}

#[test]
fn texts_and_times_are_bounded() {
    let store = store();
    let list = store.list("blocked").unwrap();
    let long = "x".repeat(ELEMENT_MAX + 1);
    let set = |element: &str| store.list_set(list, element, true, Time(u64::MAX), START);
    assert_eq!((set(""), set(&long)), (Err(ListError::NoElement), Err(ListError::TooLong(ELEMENT_MAX + 1))));
    assert!(!store.has_listed(list));
    set(&long[1..]).unwrap();
    assert_eq!(store.list_entries(list, START)[0].until, START.plus(LIST_LONGEST));
}

#[test]
fn a_full_table_forgets_what_ended_with_all_it_beat() {
    let store = store_bounded(1, StoreBounds { lists_max: 3, ..StoreBounds::default() });
    let (list, other) = (store.list("blocked").unwrap(), store.list("other").unwrap());
    let set = |list, element: &str, lasts: u64, at: u64| {
        store.list_set(list, element, true, START.plus(at + lasts), START.plus(at))
    };
    for (list, element, lasts) in [(list, "a", 100), (list, "b", 9_000), (other, "c", 9_000)] {
        set(list, element, lasts, 0).unwrap();
    }
    // What was said of `c` is taken back, but others may still say it.
    set(other, "c", 0, 1).unwrap();
    assert_eq!(set(other, "d", 9_000, 99), Err(ListError::Full { max: 3 }));
    // An element that is known needs no room.
    assert_eq!(set(list, "b", 20_000, 99), Ok(()));
    assert_eq!(set(other, "d", 9_000, 100), Ok(()));
    assert_eq!(set(list, "e", 9_000, 101), Err(ListError::Full { max: 3 }));
    assert_eq!(set(list, "e", 100, 9_000), Ok(()));
    let known = |list| -> Vec<String> {
        store.list_entries(list, START.plus(9_001)).iter().map(|entry| entry.element.to_string()).collect()
    };
    assert_eq!((known(list), known(other)), (vec!["b".to_owned(), "e".to_owned()], vec!["d".to_owned()]));
}

#[test]
fn one_list_leaves_half_of_the_room_to_the_others() {
    let store = store_bounded(1, StoreBounds { lists_max: 6, ..StoreBounds::default() });
    let (one, other) = (store.list("one").unwrap(), store.list("other").unwrap());
    let set = |list, n: u64, lasts: u64| store.list_set(list, &n.to_string(), true, START.plus(lasts), START.plus(n));
    (0..3).for_each(|n| set(one, n, 100).unwrap());
    let full = ListError::ListFull { list: "one".into(), max: 3 };
    assert!(full.to_string().contains("\"one\""));
    assert_eq!(set(one, 3, 9_000), Err(full));
    (0..3).for_each(|n| set(other, n, 9_000).unwrap());
    // What ended of its own makes room, what ended of others does not.
    assert_eq!((set(one, 101, 9_000), set(other, 102, 9_000).is_err()), (Ok(()), true));
    assert_eq!((store.list_entries(one, START).len(), store.list_entries(other, START).len()), (3, 3));
}

fn settle(store: &Store, now: Time) {
    (0..16).for_each(|_| store.sweep(now));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_node_says_what_was_said_last(
        steps in prop::collection::vec((0..4_usize, any::<bool>(), 0..400_u64, 0..2_000_u64), 1..60),
    ) {
        let store = store();
        let list = store.list("blocked").unwrap();
        let (mut oracle, mut now) = ([(false, START); 4], START);
        let name = |element: usize| format!("10.0.0.{element}/32");
        for (element, present, gap, lasts) in steps {
            now = now.plus(gap);
            store.list_set(list, &name(element), present, now.plus(lasts), now).unwrap();
            oracle[element] = (present, now.plus(lasts));
            for at in [now, now.plus(gap), now.plus(1_000)] {
                for (element, (present, until)) in oracle.iter().enumerate() {
                    prop_assert_eq!(store.listed(list, &name(element), at), (at < *until).then_some(*present));
                }
            }
            settle(&store, now);
        }
    }
}

fn say(world: &World, node: usize, present: bool, lasts: u64) {
    let (of, now) = (&world.nodes[node], world.clock(node));
    of.store.list_set(of.list, ELEMENT, present, now.plus(lasts), now).unwrap();
}

fn said(world: &World) -> Vec<Option<bool>> {
    world.nodes.iter().map(|node| node.store.listed(node.list, ELEMENT, world.now)).collect()
}

#[test]
fn a_statement_is_known_everywhere_after_one_trip() {
    let mut world = World::new(1, 4, &[], NET);
    world.run(world.now.plus(1_000));
    say(&world, 2, true, 60_000);
    world.run(world.now.plus(39));
    assert_eq!(said(&world), [None, None, Some(true), None]);
    world.run(world.now.plus(2));
    assert_eq!(said(&world), [Some(true); 4]);
    let entry = world.nodes[0].store.list_entries(world.nodes[0].list, world.now).remove(0);
    assert_eq!(entry.made_by, actor(3));
    // Anybody may say otherwise, and anybody may say it again.
    say(&world, 0, false, 60_000);
    world.run(world.now.plus(42));
    assert_eq!(said(&world), [Some(false); 4]);
    say(&world, 3, true, 60_000);
    world.run(world.now.plus(42));
    assert_eq!(said(&world), [Some(true); 4]);
}

/// A node whose clock is behind has the last word all the same, about what it knows.
#[test]
fn the_last_word_is_not_the_fastest_clocks() {
    let mut world = World::new(2, 3, &[], NET);
    world.set_ahead(0, 400);
    world.run(world.now.plus(1_000));
    say(&world, 0, true, 60_000);
    world.run(world.now.plus(100));
    say(&world, 1, false, 60_000);
    world.run(world.now.plus(100));
    assert_eq!(said(&world), [Some(false); 3]);
}

/// A node that slept through a removal comes back with the element: it learns, it does not teach.
#[test]
fn a_sleeper_does_not_bring_an_element_back() {
    let mut world = World::new(3, 3, &[], NET);
    world.run(world.now.plus(500));
    say(&world, 0, true, 3_600_000);
    world.run(world.now.plus(500));
    world.cut(0, 2);
    world.cut(1, 2);
    // The removal itself ends long before what it beat.
    say(&world, 1, false, 1_000);
    world.run(world.now.plus(600_000));
    for node in &world.nodes {
        (0..600).for_each(|_| node.store.sweep(world.now));
    }
    assert_eq!(said(&world), [None, None, Some(true)]);
    world.heal();
    world.run(world.now.plus(10_000));
    assert_eq!(said(&world), [None; 3]);
}

/// Two said something at once, and the one that lost lasts longer: who hears of both remembers for as long.
#[test]
fn the_longer_memory_gets_round() {
    let mut world = World::new(4, 3, &[], NET);
    world.run(world.now.plus(500));
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        world.cut(a, b);
    }
    say(&world, 0, true, 2 * LIST_MEMORY);
    world.run(world.now.plus(1));
    say(&world, 1, false, 1_000);
    // The third one hears the last word only, then falls asleep.
    world.heal();
    world.cut(0, 1);
    world.cut(0, 2);
    world.run(world.now.plus(5_000));
    assert_eq!(said(&world), [Some(true), None, None]);
    world.heal();
    world.run(world.now.plus(10_000));
    assert_eq!(said(&world), [None; 3]);
    // Past the memory of the last word, not of what it beat.
    world.now = world.now.plus(LIST_MEMORY + 60_000);
    for node in &world.nodes {
        settle(&node.store, world.now);
        assert!(node.store.has_listed(node.list), "POP {}", node.pop);
    }
}

#[test]
fn what_peers_said_is_there_when_the_config_names_the_list() {
    let mut world = World::new(5, 2, &[], NET);
    world.run(world.now.plus(500));
    let at_0 = world.nodes[0].store.list("later").unwrap();
    world.nodes[0].store.list_set(at_0, ELEMENT, true, world.now.plus(60_000), world.now).unwrap();
    world.run(world.now.plus(100));
    let store = &world.nodes[1].store;
    let at_1 = store.list("later").unwrap();
    assert!(store.has_listed(at_1) && !store.has_listed(world.nodes[1].list));
    assert_eq!(store.listed(at_1, ELEMENT, world.now), Some(true));
}

#[test]
fn a_late_joiner_gets_all_that_is_said() {
    let mut world = World::new(6, 3, &[], NET);
    world.unlink(0, 2);
    world.unlink(1, 2);
    world.run(world.now.plus(500));
    let of = &world.nodes[0];
    for n in 0..600_u32 {
        of.store
            .list_set(
                of.list,
                &format!("10.0.{}.{}/32", n / 256, n % 256),
                n % 3 > 0,
                world.now.plus(60_000),
                world.now,
            )
            .unwrap();
    }
    world.run(world.now.plus(500));
    world.crash(0);
    world.unlink(0, 1);
    world.unlink(0, 2);
    world.link(1, 2);
    world.run(world.now.plus(500));
    let entries = |node: usize| world.nodes[node].store.list_entries(world.nodes[node].list, world.now);
    assert_eq!(entries(2).len(), 600);
    assert_eq!(entries(2), entries(1));
}

#[test]
fn statements_do_not_wait_for_ticks_and_go_once_a_ms_at_most() {
    let mut world = World::new(7, 2, &[], NET);
    world.run(world.now.plus(1_000));
    let before = world.nodes[0].replica.status(world.now).peers[0].frames_out;
    for n in 0..100_u8 {
        let of = &world.nodes[0];
        of.store.list_set(of.list, &format!("192.0.2.{n}/32"), true, world.now.plus(60_000), world.now).unwrap();
        if n % 4 == 3 {
            world.run(world.now.plus(1));
        }
    }
    let frames = world.nodes[0].replica.status(world.now).peers[0].frames_out - before;
    assert!((1..=26).contains(&frames), "{frames} frames");
    world.run(world.now.plus(41));
    let far = &world.nodes[1];
    assert_eq!(far.store.list_entries(far.list, world.now).len(), 100);
}
