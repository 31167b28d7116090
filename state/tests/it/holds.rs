//! Reservations: room that is held until it is known whether it is counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use selvedge_state::{Bucket, Charge, Input, Rung, Snapshot, SnapshotHead, Store, TableId, Time};

use crate::sim::{Network, World};
use crate::support::{START, actor, replica, seeds, spec, store, store_of};

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 10) };

fn table(store: &Store) -> TableId {
    store.table(&spec("limit", Rung::Ms100, Rung::S1)).unwrap()
}

fn admitted(remaining: u32) -> Charge {
    Charge::Admitted { remaining, wait_ms: 0 }
}

#[test]
fn what_is_held_is_in_the_way_and_not_counted() {
    let store = store();
    let (id, key, bucket) = (table(&store), store.key(&[b"k"]), Bucket::new(0.01, 10.0));
    let counted = || store.count(id, key, 1_000, START);
    assert_eq!(store.reserve(id, key, &bucket, 6, START), admitted(4));
    assert_eq!((counted(), store.level(id, key, &bucket, START)), (0, 6.0));
    assert_eq!(store.peek(id, key, &bucket, 4, START), admitted(0));
    let refused = Charge::Refused { retry_after_ms: 100 };
    for said in [store.peek(id, key, &bucket, 5, START), store.charge(id, key, &bucket, 5, START)] {
        assert_eq!(said, refused);
    }
    assert_eq!(store.reserve(id, key, &bucket, 5, START), refused);
    assert_eq!(store.charge(id, key, &bucket, 1, START), admitted(3));
    store.commit(id, key, 6, START);
    assert_eq!((counted(), store.level(id, key, &bucket, START)), (7, 7.0));
    assert_eq!(store.reserve(id, key, &bucket, 3, START), admitted(0));
    store.release(id, key, 3);
    assert_eq!((counted(), store.level(id, key, &bucket, START)), (7, 7.0));
    // Of a key that has nothing, and of more than is held: nothing goes below 0.
    store.release(id, store.key(&[b"l"]), 3);
    store.reserve(id, key, &bucket, 2, START);
    store.release(id, key, u32::MAX);
    assert_eq!((store.level(id, key, &bucket, START), store.keys(id)), (7.0, 1));
    // What nobody held is counted where somebody says so.
    store.commit(id, key, 9, START);
    assert_eq!((counted(), store.level(id, key, &bucket, START)), (16, 16.0));
    assert_eq!(store.reserve(id, key, &bucket, 11, START), Charge::Refused { retry_after_ms: u64::MAX });
}

#[derive(Debug, Clone)]
enum Step {
    Charge(u8, u32),
    Reserve(u8, u32),
    /// Which of those that are held.
    Commit(usize),
    Release(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_u8, 0..9_u32).prop_map(|(key, cost)| Step::Charge(key, cost)),
        5 => (0..3_u8, 0..9_u32).prop_map(|(key, cost)| Step::Reserve(key, cost)),
        3 => any::<usize>().prop_map(Step::Commit),
        3 => any::<usize>().prop_map(Step::Release),
        3 => prop_oneof![8 => 0..300_u64, 1 => 0..20_000_u64].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a store in which only what was admitted and committed is counted, and a map of what is held.
    #[test]
    fn it_is_a_count_and_a_map(steps in steps(), rate in 0.001..0.1_f64, burst in 4..30_u32, queue in 0..9_u32) {
        let bucket = Bucket { rate_per_ms: rate, burst: burst.into(), queue: queue.into() };
        let (near, oracle) = (store(), store());
        let (id, there) = (table(&near), table(&oracle));
        oracle.drains(there, rate);
        let key = |key: u8| near.key(&[&[key]]);
        let (mut now, mut held, mut open) = (START, BTreeMap::<u8, u32>::new(), Vec::new());
        for step in steps {
            match step {
                Step::Charge(name, cost) | Step::Reserve(name, cost) => {
                    let level = oracle.level(there, key(name), &bucket, now);
                    let after = level + f64::from(held.get(&name).copied().unwrap_or(0)) + f64::from(cost);
                    let wait = ((after - bucket.burst) / rate).ceil().max(0.0) as u64;
                    let is_held = matches!(step, Step::Reserve(..));
                    prop_assert!((near.level(id, key(name), &bucket, now) + f64::from(cost) - after).abs() < 1e-6);
                    let peeked = near.peek(id, key(name), &bucket, cost, now);
                    let said = if is_held {
                        near.reserve(id, key(name), &bucket, cost, now)
                    } else {
                        near.charge(id, key(name), &bucket, cost, now)
                    };
                    prop_assert_eq!(said, peeked);
                    let fits = after <= bucket.burst + bucket.queue + 1e-6;
                    match said {
                        Charge::Admitted { wait_ms, .. } if fits && is_held => {
                            prop_assert!(wait_ms.abs_diff(wait) <= 1, "{wait_ms} for {wait}");
                            *held.entry(name).or_default() += cost;
                            open.push((name, cost));
                        }
                        Charge::Admitted { .. } if fits => oracle.add(there, key(name), cost, now),
                        Charge::Refused { .. } if !fits => {}
                        other => prop_assert!(false, "{:?} of {:?} after {}", other, bucket, after),
                    }
                }
                Step::Commit(which) | Step::Release(which) if !open.is_empty() => {
                    let (name, cost) = open.swap_remove(which % open.len());
                    *held.entry(name).or_default() -= cost;
                    if matches!(step, Step::Commit(_)) {
                        near.commit(id, key(name), cost, now);
                        oracle.add(there, key(name), cost, now);
                    } else {
                        near.release(id, key(name), cost);
                    }
                }
                Step::Commit(_) | Step::Release(_) => {}
                Step::Wait(ms) => {
                    now = now.plus(ms);
                    (0..16).for_each(|_| near.sweep(now));
                }
            }
            for name in 0..3 {
                prop_assert_eq!(near.count(id, key(name), 8_000, now), oracle.count(there, key(name), 8_000, now));
            }
        }
    }
}

/// Nobody ever has more than the burst between them, held or counted; time stands still.
#[test]
fn threads_never_hold_and_count_more_than_the_burst() {
    let store = store();
    let (id, key, bucket) = (table(&store), store.key(&[b"k"]), Bucket::new(0.000_001, 400.0));
    let all = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (store, all) = (&store, &all);
            scope.spawn(move || {
                let (mut rng, mut held) = (fastrand::Rng::with_seed(seed), Vec::new());
                for _ in 0..5_000 {
                    let cost = rng.u32(1..60);
                    let is_held = rng.u8(..200) > 0;
                    let said = match is_held {
                        true => store.reserve(id, key, &bucket, cost, START),
                        false => store.charge(id, key, &bucket, cost, START),
                    };
                    if let Charge::Admitted { .. } = said {
                        assert!(all.fetch_add(cost, Ordering::Relaxed) + cost <= 400);
                        held.extend(is_held.then_some(cost));
                    }
                    // Several at a time.
                    if held.len() > 3 || matches!(said, Charge::Refused { .. }) && !held.is_empty() {
                        let cost = held.swap_remove(rng.usize(..held.len()));
                        if rng.u8(..200) == 0 {
                            store.commit(id, key, cost, START);
                        } else {
                            all.fetch_sub(cost, Ordering::Relaxed);
                            store.release(id, key, cost);
                        }
                    }
                }
                for cost in held {
                    store.commit(id, key, cost, START);
                }
            });
        }
    });
    let counted = store.count(id, key, 1_000, START);
    assert_eq!((counted, store.level(id, key, &bucket, START)), (all.load(Ordering::Relaxed).into(), counted as f64));
    assert!(counted > 300);
}

#[test]
fn a_key_that_holds_something_stays() {
    let store = store_of(1, 1, 1, 2, 1);
    let (id, bucket) = (table(&store), Bucket::new(0.1, 5.0));
    let key = |n: u8| store.key(&[&[n]]);
    let reserve = |n: u8, now: Time| store.reserve(id, key(n), &bucket, 5, now);
    assert_eq!((reserve(1, START), reserve(2, START)), (admitted(0), admitted(0)));
    // It neither makes room nor ends.
    assert_eq!(reserve(3, START), Charge::Full);
    let later = START.plus(3_600_000);
    (0..16).for_each(|_| store.sweep(later));
    assert_eq!((store.keys(id), reserve(3, later)), (2, Charge::Full));
    assert_eq!(store.charge(id, key(1), &bucket, 1, later), Charge::Refused { retry_after_ms: 10 });
    store.release(id, key(1), 5);
    store.commit(id, key(2), 5, later);
    assert_eq!(reserve(3, later), admitted(0));
    assert_eq!(store.count(id, key(2), 1_000, later), 5);
    store.release(id, key(3), 5);
    (0..16).for_each(|_| store.sweep(later.plus(3_600_000)));
    assert_eq!(store.keys(id), 0);
}

/// Where there is no room left for what was only looked at, this node knows of it all the same.
#[test]
fn in_a_crowded_table_it_is_looked_at() {
    let store = store_of(1, 1, 1, 16, 1);
    let (id, bucket) = (table(&store), Bucket::new(0.01, 80.0));
    let key = |n: u8| store.key(&[&[n]]);
    assert!((0..14).all(|n| store.charge(id, key(n), &bucket, 1, START) == admitted(79)));
    for _ in 0..3 {
        assert_eq!(store.reserve(id, key(99), &bucket, 2, START), admitted(78));
    }
    store.release(id, key(99), 2);
    assert_eq!((store.keys(id), store.level(id, key(99), &bucket, START)), (14, 0.0));
    for taken in [2, 4, 6, 8] {
        store.commit(id, key(99), 2, START);
        assert_eq!((store.keys(id), store.level(id, key(99), &bucket, START)), (14, f64::from(taken)));
    }
    // From an eighth of the burst on it has a counter, and holds.
    assert_eq!(store.reserve(id, key(99), &bucket, 2, START), admitted(70));
    assert_eq!((store.keys(id), store.level(id, key(99), &bucket, START)), (15, 10.0));
    assert_eq!(store.reserve(id, key(99), &bucket, 2, START), admitted(68));
    store.commit(id, key(99), 2, START);
    store.commit(id, key(99), 2, START);
    assert_eq!((store.count(id, key(99), 1_000, START), store.level(id, key(99), &bucket, START)), (4, 12.0));
}

#[test]
fn what_finds_no_room_is_owed() {
    let store = store_of(1, 1, 2, 2, 1);
    let (id, bucket) = (table(&store), Bucket::new(0.01, 8.0));
    let key = |n: u8| store.key(&[&[n]]);
    // They wait to be sent, so neither makes room.
    assert!((1..3).all(|n| store.charge(id, key(n), &bucket, 1, START) == admitted(7)));
    store.commit(id, key(3), 5, START);
    assert_eq!((store.keys(id), store.level(id, key(3), &bucket, START)), (2, 5.0));
    replica(1, 1, 1, 2, &store).handle(Input::Dirty, START);
    assert_eq!(store.charge(id, key(3), &bucket, 4, START), Charge::Refused { retry_after_ms: 100 });
}

/// Slots as edits of a burst make them.
#[test]
fn an_edit_frees_nothing_that_is_held() {
    let store = store();
    let (key, bucket) = (store.key(&[b"k"]), Bucket::new(0.000_1, 10.0));
    let [before, after] = [Rung::Ms100, Rung::S1].map(|fine| store.table(&spec("limit", fine, Rung::M1)).unwrap());
    assert_eq!(store.reserve(before, key, &bucket, 3, START), admitted(7));
    assert_eq!(store.reserve(before, key, &bucket, 4, START), admitted(3));
    assert_eq!(store.charge(after, key, &bucket, 1, START), admitted(2));
    let full = Charge::Refused { retry_after_ms: 10_000 };
    assert_eq!((store.peek(after, key, &bucket, 3, START), store.reserve(after, key, &bucket, 3, START)), (full, full));
    // What is counted where it was held fills the bucket here; what is let go makes room.
    store.commit(before, key, 3, START);
    assert_eq!((store.level(after, key, &bucket, START), store.peek(after, key, &bucket, 3, START)), (8.0, full));
    store.release(before, key, 4);
    assert_eq!((store.level(after, key, &bucket, START), store.count(after, key, 1_000, START)), (4.0, 4));
    assert_eq!(store.charge(after, key, &bucket, 6, START), admitted(0));
    assert_eq!(store.charge(after, key, &bucket, 1, START), full);
}

/// Peers and snapshots know what is counted, and of nothing that is held.
#[test]
fn what_is_held_is_known_to_nobody_else() {
    for seed in seeds(&[1]) {
        let mut world = World::new(seed, 2, &[spec("limit", Rung::Ms100, Rung::S10)], NET);
        let (bucket, key) = (Bucket::new(0.000_1, 10.0), world.key(0));
        world.run(world.now.plus(500));
        let (near, far) = (world.nodes[0].store.clone(), world.nodes[1].store.clone());
        let (here, there) = (world.nodes[0].tables[0], world.nodes[1].tables[0]);
        assert_eq!(near.reserve(here, key, &bucket, 6, world.now), admitted(4));
        world.run(world.now.plus(5_000));
        assert_eq!(far.level(there, key, &bucket, world.now), 0.0);
        let saved = |now: Time| {
            let (cluster, secret_id) = ("test".to_owned(), 0);
            let incarnation = selvedge_state::Incarnation(1);
            let head = SnapshotHead { cluster, secret_id, actor: actor(1), incarnation, at: now };
            Snapshot::new(&near, head).count()
        };
        assert_eq!(saved(world.now), 2, "a head and an end");
        near.commit(here, key, 6, world.now);
        world.run(world.now.plus(100));
        assert!(far.level(there, key, &bucket, world.now) > 5.9);
        assert_eq!(saved(world.now), 3);
    }
}
