//! Tables near their cap: who has a counter, what the others get, and what peers are told of them.

use selvedge_state::{Bucket, Charge, Coverage, Rung, Time};

use crate::sim::{Network, World};
use crate::support::{START, seeds, spec, store_of};

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 10) };

/// A flood of keys against one limit: its table stays at its cap, a heavy client is held to its limit throughout, and one that
/// stays under it is not refused, whether it came before the flood or after.
#[test]
fn a_flood_of_keys() {
    let (cap, minutes) = (1_000, 60_000);
    let bucket = Bucket::new(0.08, 80.0);
    for seed in seeds(&[1, 2]) {
        println!("seed {seed}: replay with SELVEDGE_SEED={seed}");
        let store = store_of(1, 1, 1, cap, 1);
        let table = store.table(&spec("t", Rung::Ms100, Rung::S1)).unwrap();
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut heavy, mut light) = ([0_u32; 2], [0_u32; 2]);
        let admits = |key: &[u8], now: Time| {
            matches!(store.charge(table, store.key(&[key]), &bucket, 1, now), Charge::Admitted { .. })
        };
        for step in 0..minutes {
            let now = START.plus(step);
            let _ = admits(&rng.u64(..).to_le_bytes(), now);
            // The second of each comes when the table is full.
            for (at, came) in [(0, 0), (1, minutes / 2)] {
                if step >= came && step % 5 == 0 {
                    heavy[at] += u32::from(admits(&[b'h', at as u8], now));
                }
                if step >= came && step % 50 == 0 {
                    light[at] += 1;
                    assert!(admits(&[b'l', at as u8], now), "a light one at {step}");
                }
            }
            assert!(store.keys(table) <= cap);
            if step % 50 == 0 {
                store.sweep(now);
            }
        }
        for (heavy, came) in heavy.into_iter().zip([0, minutes / 2]) {
            let bound = bucket.burst + bucket.rate_per_ms * (minutes - came + 100) as f64;
            // The sketch says too little by a 64th of the burst at most, once.
            assert!(f64::from(heavy) <= bound + bucket.burst / 64.0 + 1.0, "{heavy}, bound {bound}");
            assert!(f64::from(heavy) >= bucket.rate_per_ms * (minutes - came) as f64, "{heavy}");
        }
        assert_eq!(light, [1_200, 600]);
    }
}

#[test]
fn a_table_is_partial_while_it_left_something_out() {
    let store = store_of(1, 1, 1, 16, 1);
    let table = store.table(&spec("t", Rung::Ms100, Rung::S1)).unwrap();
    let bucket = Bucket::new(0.01, 80.0);
    let charge = |n: u8| store.charge(table, store.key(&[&[n]]), &bucket, 1, START);
    assert!((0..14).all(|n| charge(n) == Charge::Admitted { remaining: 79, wait_ms: 0 }));
    assert_eq!((store.keys(table), store.coverage(table, START)), (14, Coverage::Whole));
    // From seven eighths on a new key has no counter, until it owes an eighth of the burst.
    let said: Vec<Charge> = (0..9).map(|_| charge(99)).collect();
    assert_eq!(said, (71..80).rev().map(|remaining| Charge::Admitted { remaining, wait_ms: 0 }).collect::<Vec<_>>());
    assert_eq!((store.keys(table), store.coverage(table, START)), (14, Coverage::Partial));
    assert_eq!(store.level(table, store.key(&[&[99]]), &bucket, START), 9.0);
    assert_eq!(
        store.peek(table, store.key(&[&[99]]), &bucket, 2, START),
        Charge::Admitted { remaining: 69, wait_ms: 0 }
    );
    assert_eq!(charge(99), Charge::Admitted { remaining: 70, wait_ms: 0 });
    assert_eq!(store.keys(table), 15);
    let over = START.plus(8_000 + 1);
    assert_eq!(store.coverage(table, over), Coverage::Whole);
}

/// A key that was forgotten comes back at once: it gets no fresh budget.
#[test]
fn a_key_that_comes_back_owes_what_it_owed() {
    let store = store_of(1, 1, 1, 8, 1);
    let table = store.table(&spec("t", Rung::Ms100, Rung::M1)).unwrap();
    let bucket = Bucket::new(0.001, 4.0);
    let admits =
        |n: u8, now: Time| matches!(store.charge(table, store.key(&[&[n]]), &bucket, 1, now), Charge::Admitted { .. });
    assert_eq!((0..9).filter(|_| admits(0, START)).count(), 4);
    let later = START.plus(300);
    assert!((1..30).all(|n| admits(n, later)));
    assert_eq!(store.count(table, store.key(&[&[0]]), 10_000, later), 0, "it was forgotten");
    assert!(!admits(0, later));
    // It owes until that has drained, to the next whole token.
    assert!(admits(0, later.plus(1_100)) && !admits(0, later.plus(1_100)));
}

/// Two full nodes hold different keys, and do not send them to and fro.
#[test]
fn full_nodes_leave_each_other_in_peace() {
    let mut world = World::new(7, 2, &[spec("t", Rung::S1, Rung::M10)], NET);
    world.run(world.now.plus(500));
    for key in 0..16_000_u16 {
        let of = &world.nodes[usize::from(key % 2)];
        of.store.add(of.tables[0], world.key(key), 1, world.now);
        if key % 1_000 == 0 {
            world.run(world.now.plus(30));
        }
    }
    world.run(world.now.plus(5_000));
    assert!(world.nodes.iter().all(|node| node.store.keys(node.tables[0]) == 10_000));
    world.sent.clear();
    world.run(world.now.plus(20_000));
    let state: u64 = [2, 4].iter().filter_map(|kind| world.sent.get(kind)).map(|(_, bytes)| bytes).sum();
    assert_eq!(state, 0, "{:?}", world.sent);
    // They go on comparing all else.
    assert!(world.sent.contains_key(&5), "{:?}", world.sent);
}
