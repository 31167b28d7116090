//! Registers, numbers and marks: at one node against plain maps, in full rooms, and between nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use selvedge_state::{
    FACT_MEMORY, Incarnation, MaxError, Most, RegisterError, Snapshot, SnapshotHead, Store, StoreBounds, VALUE_MAX,
    Void,
};

use crate::support::{START, actor, is_purged, store, store_bounded};
use selvedge_sim::{Network, World};

const HOUR: u64 = 3_600_000;

fn small(registers_max: usize, maxima_max: usize, marks_max: usize) -> Arc<Store> {
    store_bounded(2, StoreBounds { registers_max, maxima_max, marks_max, ..StoreBounds::default() })
}

fn value(text: &str) -> Option<Arc<[u8]>> {
    Some(Arc::from(text.as_bytes()))
}

#[test]
fn a_register_holds_until_its_end_or_its_removal() {
    let store = store();
    let (space, other) = (store.registers("sessions").unwrap(), store.registers("flags").unwrap());
    let until = START.plus(1_000);
    store.register_set(space, b"k", b"one", until, START).unwrap();
    assert_eq!([999, 1_000].map(|at| store.register_get(space, b"k", START.plus(at))), [value("one"), None]);
    assert_eq!(store.register_get(other, b"k", START), None);
    store.register_set(space, b"k", b"two", until, START).unwrap();
    assert_eq!(store.register_get(space, b"k", START), value("two"));
    store.register_remove(space, b"k", until, START).unwrap();
    assert_eq!(store.register_get(space, b"k", START), None);
    assert_eq!(store.register_set(space, b"k", &[0; VALUE_MAX + 1], until, START), Err(RegisterError::TooLong(1025)));
    // Said so often at once that its stamp would run away from the clock.
    let said = (0..600).map(|n: u32| store.register_set(space, b"k", &n.to_le_bytes(), until, START));
    assert_eq!(
        said.filter(|said| *said == Err(RegisterError::Ahead)).count(),
        600 - 498,
        "498 places are left in 500 ms"
    );
}

#[test]
fn all_registers_of_a_space_are_listed_by_value_with_their_authors() {
    let store = store();
    let (space, other) = (store.registers("sessions").unwrap(), store.registers("flags").unwrap());
    assert_eq!(store.register_entries(space, START), []);
    let until = START.plus(HOUR);
    for (key, text) in [("a", "two"), ("b", "one"), ("c", "gone")] {
        store.register_set(space, key.as_bytes(), text.as_bytes(), until, START).unwrap();
    }
    store.register_set(other, b"a", b"of another space", until, START).unwrap();
    store.register_remove(space, b"c", until, START).unwrap();
    let listed = store.register_entries(space, START);
    let texts: Vec<_> = listed.iter().map(|entry| std::str::from_utf8(&entry.value).unwrap()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert!(listed.iter().all(|entry| (entry.until, entry.made_at, entry.made_by) == (until, START, actor(1))));
    assert_eq!(store.register_entry(space, b"b", START), listed.first().cloned());
    assert_eq!(store.register_entries(space, until), [], "all have ended");
}

#[test]
fn a_key_is_another_one_in_each_generation_and_comes_back() {
    let store = store();
    let key = store.lasting_key(&[b"192.0.2.1"]);
    let next = store.in_generation(key, 1);
    assert_eq!((store.in_generation(key, 0), store.in_generation(next, 1)), (key, key));
    assert!(key != next && next != store.in_generation(key, 2));
}

#[test]
fn a_full_space_refuses_values_and_never_a_removal() {
    let store = small(16, 1, 1);
    let space = store.registers("sessions").unwrap();
    let set = |n: u32, at: u64| store.register_set(space, &n.to_le_bytes(), b"v", START.plus(HOUR), START.plus(at));
    (0..8).for_each(|n| set(n, u64::from(n)).unwrap());
    assert_eq!(set(8, 8), Err(RegisterError::SpaceFull { space: "sessions".into(), max: 8 }));
    let other = store.registers("flags").unwrap();
    store.register_set(other, b"f", b"on", START.plus(HOUR), START).unwrap();
    // Removals of what is not known here, many more than fit.
    let removed = |n: u32| store.register_remove(space, &n.to_le_bytes(), START.plus(HOUR), START.plus(u64::from(n)));
    (100..200).for_each(|n| removed(n).unwrap());
    let floor = store.registers_floor(space).unwrap();
    assert!(floor >= START.plus(100) && floor < START.plus(199), "{floor}");
    // What was stated before it is void; what is stated now is not.
    assert!((0..8_u32).all(|n| store.register_get(space, &n.to_le_bytes(), START.plus(200)).is_none()));
    assert_eq!(store.register_get(other, b"f", START.plus(200)), value("on"), "of another space");
    // New values wait until the removals are over.
    assert_eq!(set(8, 200), Err(RegisterError::SpaceFull { space: "sessions".into(), max: 8 }));
    let later = HOUR + FACT_MEMORY + 200;
    (0..16).for_each(|_| store.sweep(START.plus(later)));
    assert_eq!(set(8, later), Ok(()));
    assert_eq!(store.registers_floor(space), None);
}

#[test]
fn values_of_all_spaces_take_three_quarters_and_ended_ones_give_way() {
    let store = small(8, 1, 1);
    let spaces: Vec<_> = ["a", "b"].into_iter().map(|uid| store.registers(uid).unwrap()).collect();
    let set = |n: u32, lasts: u64, at: u64| {
        store.register_set(spaces[n as usize % 2], &n.to_le_bytes(), b"v", START.plus(at + lasts), START.plus(at))
    };
    (0..6).for_each(|n| set(n, if n == 3 { 10 } else { HOUR }, 0).unwrap());
    assert_eq!(set(6, HOUR, 9), Err(RegisterError::Full { max: 6 }));
    assert_eq!(set(6, HOUR, 10), Ok(()));
    assert_eq!(store.register_get(spaces[1], &1_u32.to_le_bytes(), START.plus(11)), value("v"));
}

#[test]
fn a_number_only_grows_and_is_plausible() {
    let store = store();
    let space = store.maxima("revoked_at", Most::Ahead(500), START).unwrap();
    let raise = |value: u64| store.max_raise(space, b"u", value, START.plus(HOUR), START);
    raise(START.0).unwrap();
    raise(START.0 - 5).unwrap();
    assert_eq!((store.max_get(space, b"u", START), store.max_get(space, b"v", START)), (START.0, 0));
    raise(START.0 + 500).unwrap();
    let most = START.0 + 500;
    assert_eq!(raise(u64::MAX), Err(MaxError::Implausible { value: u64::MAX, most }));
    let end = START.plus(HOUR + FACT_MEMORY);
    assert_eq!([end.minus(1), end].map(|at| store.max_get(space, b"u", at)), [most, 0]);
    assert_eq!([end.minus(1), end].map(|at| store.max_entry(space, b"u", at)), [Some((most, end)), None]);
    let numbers = store.maxima("numbers", Most::Value(7), START).unwrap();
    assert_eq!(store.max_raise(numbers, b"u", 8, START, START), Err(MaxError::Implausible { value: 8, most: 7 }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// However few fit, no number reads lower than it was raised to, and while all fit each reads as it was.
    #[test]
    fn a_full_space_of_numbers_says_too_much_never_too_little(
        raised in prop::collection::vec((0..40_u8, 0..1_000_u64), 1..200), max in 1..50_usize,
    ) {
        let store = small(1, max, 1);
        let space = store.maxima("n", Most::Value(u64::MAX), START).unwrap();
        let mut oracle = BTreeMap::new();
        for (key, value) in raised {
            store.max_raise(space, &[key], value, START.plus(HOUR), START).unwrap();
            let known = oracle.entry(key).or_insert(0);
            *known = value.max(*known);
            for (key, value) in &oracle {
                let read = store.max_get(space, &[*key], START);
                prop_assert!(read >= *value && (oracle.len() > max || read == *value), "{key}: {read} for {value}");
            }
        }
    }

    /// However few fit, what was filled before a purge is void; while all fit nothing else is.
    #[test]
    fn a_full_room_of_marks_purges_too_much_never_too_little(
        steps in prop::collection::vec((any::<bool>(), 0..40_u8), 1..200), max in 1..50_usize,
    ) {
        let store = small(1, 1, max);
        let (mut fills, mut keys) = (Vec::new(), std::collections::BTreeSet::new());
        for (is_fill, key) in steps {
            if is_fill {
                fills.push((key, store.fill(), false));
            } else {
                let name = store.purge_key(&[b"tag", &[key]]);
                let dot = store.purge(name, START.plus(HOUR), START).unwrap();
                prop_assert!(store.purge_applied(name, dot).is_some());
                keys.insert(key);
                fills.iter_mut().filter(|(of, ..)| *of == key).for_each(|(.., purged)| *purged = true);
            }
            for (key, fill, purged) in &fills {
                let read = is_purged(&store, store.purge_key(&[b"tag", &[*key]]), *fill);
                prop_assert!(read || !purged);
                let names: Vec<_> = store.purge_key(&[b"tag", &[*key]]).each().collect();
                let first = store.first_purge(&names, *fill);
                prop_assert_eq!(first.is_some(), read);
                prop_assert!(first.is_none_or(|first| first.number > fill.number()));
                prop_assert!(keys.len() > max || read == *purged);
            }
        }
    }

    /// One node says what was said last of each register.
    #[test]
    fn registers_are_those_of_a_plain_map(steps in prop::collection::vec((0..4_u8, any::<Option<u8>>(), 0..9_u64), 1..80)) {
        let store = store();
        let space = store.registers("s").unwrap();
        let (mut oracle, mut now) = (BTreeMap::new(), START);
        for (key, said, gap) in steps {
            now = now.plus(gap);
            match said {
                Some(byte) => store.register_set(space, &[key], &[byte], START.plus(HOUR), now).unwrap(),
                None => store.register_remove(space, &[key], START.plus(HOUR), now).unwrap(),
            }
            oracle.insert(key, said);
            for (key, said) in &oracle {
                let read = store.register_get(space, &[*key], now).map(|value| value[0]);
                prop_assert_eq!(read, *said);
            }
        }
    }
}

/// What all nodes say of a few registers, numbers and marks.
fn said(world: &World) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let of = |store: &Store| {
        let space = store.registers("sessions").unwrap();
        let numbers = store.maxima("revoked_at", Most::Ahead(500), world.now).unwrap();
        let values: Vec<_> = (0..20_u8).map(|key| store.register_get(space, &[key], world.now)).collect();
        let raised: Vec<_> = (0..20_u8).map(|key| store.max_get(numbers, &[key], world.now)).collect();
        (values, raised, store.registers_floor(space))
    };
    world.nodes.iter().map(|node| of(&node.store)).collect()
}

#[test]
fn nodes_agree_after_losses_cuts_and_a_crash() {
    for seed in crate::support::seeds(&[1, 2, 3]) {
        let mut world = World::new(seed, 3, &[], Network { lost: 10, doubled: 10, delay: (5, 80) });
        world.run(world.now.plus(1_000));
        let (mut fills, mut dots) = (Vec::new(), Vec::new());
        for step in 0..200_u32 {
            let (node, key) = (world.rng.usize(..3), [world.rng.u8(..20)]);
            let (now, until) = (world.now, world.now.plus(HOUR));
            let store = Arc::clone(&world.nodes[node].store);
            let space = store.registers("sessions").unwrap();
            let numbers = store.maxima("revoked_at", Most::Ahead(500), now).unwrap();
            match world.rng.u8(..4) {
                0 => store.register_set(space, &key, &step.to_le_bytes(), until, now).unwrap(),
                1 => store.register_remove(space, &key, until, now).unwrap(),
                2 => store.max_raise(numbers, &key, now.0, until, now).unwrap(),
                _ => {
                    let name = store.purge_key(&[&key]);
                    fills.extend(
                        world.nodes.iter().enumerate().map(|(at, node)| (at, node.life, name, node.store.fill())),
                    );
                    dots.push((name, store.purge(name, until, now).unwrap()));
                }
            }
            let later = world.now.plus(world.rng.u64(..60));
            world.run(later);
            match step {
                // One hears the others through the third alone.
                60 => world.cut(0, 1),
                120 => world.heal(),
                150 => {
                    // What it said last has left it by then.
                    world.run(world.now.plus(1_000));
                    world.crash(2);
                }
                _ => {}
            }
        }
        world.network = Network { lost: 0, doubled: 0, delay: (5, 80) };
        world.run(world.now.plus(60_000));
        let all = said(&world);
        assert_eq!(all[0], all[1], "seed {seed}");
        assert_eq!(all[0], all[2], "seed {seed}");
        for (name, dot) in dots {
            let applied = |node: &selvedge_sim::Node| node.store.purge_applied(name, dot).is_some();
            assert!(world.nodes.iter().all(applied), "seed {seed}: {dot:?}");
        }
        for (node, life, name, fill) in fills {
            let node = &world.nodes[node];
            assert!(node.life != life || is_purged(&node.store, name, fill), "seed {seed}");
        }
    }
}

#[test]
fn a_purge_is_applied_everywhere_after_one_trip_whatever_its_order() {
    let mut world = World::new(1, 3, &[], Network { lost: 0, doubled: 0, delay: (40, 40) });
    world.set_ahead(1, 400);
    world.run(world.now.plus(1_000));
    let key = world.nodes[0].store.purge_key(&[b"tag", b"x"]);
    world.nodes[1].store.purge(key, world.now.plus(HOUR), world.now.plus(400)).unwrap();
    world.run(world.now.plus(42));
    // A fill that begins now, and an earlier-stamped purge that arrives after it.
    let fills: Vec<_> = world.nodes.iter().map(|node| node.store.fill()).collect();
    let purged = |world: &World| {
        world.nodes.iter().zip(&fills).map(|(node, fill)| is_purged(&node.store, key, *fill)).collect::<Vec<_>>()
    };
    assert_eq!(purged(&world), [false; 3]);
    let dot = world.nodes[0].store.purge(key, world.now.plus(HOUR), world.now).unwrap();
    world.run(world.now.plus(42));
    assert_eq!(purged(&world), [true; 3]);
    assert!(world.nodes.iter().all(|node| node.store.purge_applied(key, dot).is_some()));
}

#[test]
fn facts_of_an_author_are_void_from_a_life_on_and_all_outlive_a_restart() {
    let store = store();
    let (space, now) = (store.registers("s").unwrap(), START);
    let numbers = store.maxima("n", Most::Value(9), now).unwrap();
    store.register_set(space, b"k", b"v", now.plus(HOUR), now).unwrap();
    store.max_raise(numbers, b"k", 7, now.plus(HOUR), now).unwrap();
    let key = store.purge_key(&[b"k"]);
    let dot = store.purge(key, now.plus(HOUR), now).unwrap();
    let head = SnapshotHead {
        cluster: "test".to_owned(),
        secret_id: 7,
        actor: actor(1),
        incarnation: Incarnation(1),
        at: now,
    };
    let frames: Vec<_> = Snapshot::new(&store, head).collect();
    let again = crate::support::store();
    let fill = again.fill();
    for frame in &frames {
        let _ = again.restore(frame, now);
    }
    let (space, numbers) = (again.registers("s").unwrap(), again.maxima("n", Most::Value(9), now).unwrap());
    let read =
        || (again.register_get(space, b"k", now), again.max_get(numbers, b"k", now), is_purged(&again, key, fill));
    assert_eq!(read(), (value("v"), 7, true));
    assert!(again.purge_applied(key, dot).is_some());
    let void = |pop, from| Void { actor: actor(pop), from: Incarnation(from), to: Incarnation(u64::MAX) };
    again.set_voids(&[void(1, 2), void(2, 0)]);
    assert_eq!(read(), (value("v"), 7, true));
    again.set_voids(&[void(1, 1)]);
    assert_eq!(read(), (None, 0, false));
}
