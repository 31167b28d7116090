//! How far a limit was overshot: what nodes that had not heard each other admitted beyond its burst, as soon as they hear it.

use selvedge_state::{Bucket, Charge, Rung, Time};

use crate::sim::{Network, World};
use crate::support::spec;

/// 100 ms each way.
const SLOW: Network = Network { lost: 0, doubled: 0, delay: (100, 100) };
const BUCKET: Bucket = Bucket::new(0.001, 10.0);

fn world() -> World {
    let mut world = World::new(1, 3, &[spec("t", Rung::S1, Rung::M1)], SLOW);
    world.run(world.now.plus(1_000));
    for node in &world.nodes {
        node.store.drains(node.tables[0], BUCKET.rate_per_ms);
        node.store.watch(node.tables[0], BUCKET.burst);
    }
    world
}

/// How many of twenty charges of a key a node admits.
fn charge(world: &World, at: usize, key: u16) -> usize {
    let node = &world.nodes[at];
    let admits = || node.store.charge(node.tables[0], world.key(key), &BUCKET, 1, world.now);
    (0..20).filter(|_| matches!(admits(), Charge::Admitted { .. })).count()
}

fn overshot(world: &World, at: usize) -> Option<(f64, Time)> {
    let node = &world.nodes[at];
    node.store.overshot(node.tables[0]).map(|overshot| (overshot.by, overshot.at))
}

#[test]
fn what_was_admitted_beyond_the_burst_is_told_by_each_node_that_hears_of_it() {
    let mut world = world();
    assert_eq!(charge(&world, 0, 1), 10);
    world.run(world.now.plus(500));
    assert!((0..3).all(|at| overshot(&world, at).is_none()), "what one node admits is within the burst");
    // Three that have not heard each other admit the burst three times.
    let began = world.now;
    assert_eq!((0..3).map(|at| charge(&world, at, 2)).sum::<usize>(), 30);
    world.run(world.now.plus(500));
    for at in 0..3 {
        let (by, seen) = overshot(&world, at).unwrap();
        // What drained meanwhile is no part of it.
        assert!((19.0..=20.0).contains(&by), "{by}");
        assert!(seen >= began.plus(100) && seen <= world.now, "{seen}");
    }
    // Less is nothing new, nor is the same that is heard once more.
    let greatest = overshot(&world, 0);
    assert_eq!((0..2).map(|at| charge(&world, at, 3)).sum::<usize>(), 20);
    world.run(world.now.plus(5_000));
    assert_eq!(overshot(&world, 0), greatest);
    // Another burst is another limit.
    let node = &world.nodes[0];
    node.store.watch(node.tables[0], BUCKET.burst);
    assert_eq!(overshot(&world, 0), greatest);
    node.store.watch(node.tables[0], 5.0);
    assert_eq!(overshot(&world, 0), None);
}

#[test]
fn nothing_is_told_of_tables_that_nobody_watches() {
    let mut world = World::new(1, 2, &[spec("t", Rung::S1, Rung::M1)], SLOW);
    world.run(world.now.plus(1_000));
    assert_eq!((0..2).map(|at| charge(&world, at, 1)).sum::<usize>(), 20);
    world.run(world.now.plus(500));
    assert_eq!(overshot(&world, 0), None);
}
