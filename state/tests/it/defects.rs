//! What a known distributed limiter got wrong, each as a test that this one passes.

use std::time::Duration;

use selvedge_state::{Bucket, Charge, Event, Incarnation, Rung, TableSpec};

use crate::sim::{Network, World};
use crate::support::{START, actor, spec, spec_for, store};

const NET: Network = Network { lost: 0, doubled: 0, delay: (40, 40) };

fn world(nodes: u16, specs: &[TableSpec]) -> World {
    let mut world = World::new(5, nodes, specs, NET);
    world.run(world.now.plus(500));
    world
}

fn total(world: &World, node: usize, key: u16) -> u64 {
    let of = &world.nodes[node];
    of.store.counts(of.tables[0], world.key(key), world.now).iter().map(|(_, _, n)| n).sum()
}

/// 1: a burst of updates overran a channel, which tore the session down and led to a full resync.
#[test]
fn a_burst_of_updates_costs_a_few_frames() {
    let mut world = world(2, &[spec("t", Rung::S1, Rung::M1)]);
    let before = world.nodes[0].replica.status(world.now).peers[0].frames_out;
    let start = world.now;
    for _ in 0..1_000 {
        for key in 0..20 {
            let of = &world.nodes[0];
            of.store.add(of.tables[0], world.key(key), 1, world.now);
        }
        world.run(world.now.plus(1));
    }
    world.run(world.now.plus(200));
    let status = &world.nodes[0].replica.status(world.now).peers[0];
    // A tick each 20 to 25 ms, and heartbeats and standing repair.
    let frames = status.frames_out - before;
    assert!(frames <= world.now.since(start) / 20 + 5, "{frames} frames");
    assert_eq!((status.behind, total(&world, 1, 3)), (0, 1_000));
}

/// 2: an update of a counter that the receiver did not know was a panic.
#[test]
fn an_unknown_table_is_dropped_and_heals() {
    let mut world = world(2, &[]);
    let spec = spec("new", Rung::S1, Rung::M10);
    let (at_0, key) = (world.nodes[0].store.table(&spec).unwrap(), world.key(1));
    world.nodes[0].store.add(at_0, key, 5, world.now);
    world.run(world.now.plus(1_000));
    let unknown = |event: &Event| matches!(event, Event::UnknownTable { .. });
    assert_eq!(world.nodes[1].events.iter().filter(|event| unknown(event)).count(), 1);
    assert!(world.nodes[1].replica.status(world.now).peers[0].dropped > 0);
    // The config arrives; nothing else is counted.
    let at_1 = world.nodes[1].store.table(&spec).unwrap();
    world.run(world.now.plus(2_500));
    assert_eq!(world.nodes[1].store.counts(at_1, key, world.now), [(actor(1), Incarnation(1), 5)]);
}

/// 3: a new window kept the other nodes' counts of the last one.
#[test]
fn counts_of_others_end_with_their_window() {
    let mut world = world(2, &[spec("t", Rung::Ms100, Rung::S1)]);
    let (table, key) = (world.nodes[0].tables[0], world.key(1));
    world.nodes[1].store.add(world.nodes[1].tables[0], key, 10, world.now);
    world.run(world.now.plus(200));
    assert_eq!(world.nodes[0].store.count(table, key, 1_000, world.now), 10);
    world.run(world.now.plus(2_000));
    world.nodes[0].store.add(table, key, 1, world.now);
    assert_eq!(world.nodes[0].store.count(table, key, 1_000, world.now), 1);
    // And smaller counts of the new window are heard.
    world.nodes[1].store.add(world.nodes[1].tables[0], key, 2, world.now);
    world.run(world.now.plus(100));
    assert_eq!(world.nodes[0].store.count(table, key, 1_000, world.now), 3);
}

/// 4: windows began with a node's first hit and shrank with each exchange.
#[test]
fn windows_are_the_same_everywhere_and_do_not_shrink() {
    let mut world = world(3, &[spec("t", Rung::S1, Rung::S10)]);
    for node in [0, 1, 2, 0, 1, 2] {
        let (of, key) = (&world.nodes[node], world.key(1));
        of.store.add(of.tables[0], key, 1, world.now);
        world.run(world.now.plus(1_700));
    }
    for wait in [0, 5_000, 30_000, 60_000] {
        let at = world.now.plus(wait);
        let counts = |node: usize| {
            let of = &world.nodes[node];
            of.store.count(of.tables[0], world.key(1), 70_000, at)
        };
        assert_eq!((counts(0), counts(1)), (counts(2), counts(2)), "{wait}");
        assert_eq!(counts(0) == 6, wait < 60_000, "{wait}: {}", counts(0));
    }
}

/// 5: expiry in whole seconds; limits of a second hardly replicated at all.
#[test]
fn windows_below_a_second_replicate() {
    let mut world = world(2, &[spec("t", Rung::Ms10, Rung::Ms100)]);
    let key = world.key(1);
    let bucket = Bucket::new(0.01, 3.0);
    for _ in 0..3 {
        assert!(matches!(
            world.nodes[0].store.charge(world.nodes[0].tables[0], key, &bucket, 1, world.now),
            Charge::Admitted { .. }
        ));
    }
    world.run(world.now.plus(41));
    let of = &world.nodes[1];
    assert!(matches!(of.store.charge(of.tables[0], key, &bucket, 1, world.now), Charge::Refused { .. }));
}

/// 6: expired keys stayed for ever.
#[test]
fn expired_keys_give_their_memory_back() {
    let store = store();
    let table = store.table(&spec("t", Rung::Ms100, Rung::Ms100)).unwrap();
    for key in 0..10_000_u32 {
        store.add(table, store.key(&[&key.to_le_bytes()]), 1, START);
    }
    assert_eq!(store.keys(table), 10_000);
    (0..16).for_each(|_| store.sweep(START.plus(800)));
    assert_eq!(store.keys(table), 0);
}

/// 7: check and increment were two steps, so that concurrent requests all passed.
#[test]
fn concurrent_charges_do_not_pass_together() {
    let store = store();
    let bucket = Bucket::new(0.000_001, 1_000.0);
    let table = store.table(&spec_for(&bucket, Duration::from_secs(60))).unwrap();
    let key = store.key(&[b"k"]);
    let admitted = |_| {
        let store = &store;
        move || {
            (0..1_000)
                .filter(|_| matches!(store.charge(table, key, &bucket, 1, START), Charge::Admitted { .. }))
                .count()
        }
    };
    let sum: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(admitted).map(|charges| scope.spawn(charges)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(sum, 1_000);
}

/// 8: every update carried the ids and counts of all actors.
#[test]
fn an_update_costs_the_same_in_any_cluster() {
    let cost = |nodes: u16| {
        let mut world = world(nodes, &[spec("t", Rung::M1, Rung::M1)]);
        // Every node has counted every key before.
        for node in 0..usize::from(nodes) {
            let of = &world.nodes[node];
            (0..1_000).for_each(|key| of.store.add(of.tables[0], world.key(key), 1, world.now));
        }
        world.run(world.now.plus(700));
        let before = world.nodes[0].replica.status(world.now).peers[0].bytes_out;
        let of = &world.nodes[0];
        (0..1_000).for_each(|key| of.store.add(of.tables[0], world.key(key), 1, world.now));
        world.run(world.now.plus(1));
        world.nodes[0].replica.status(world.now).peers[0].bytes_out - before
    };
    let (few, many) = (cost(2), cost(8));
    println!("{} bytes a changed counter", few as f64 / 1_000.0);
    assert!(few < 14_000 && many < 14_000, "{few} {many}");
}

/// 9: a resync sent own rows only, so a node that restarted did not get its old counts back; and 7 of the second list: what it
/// counted under its old name was masked by what the others still held.
#[test]
fn a_restarted_node_gets_its_old_counts_back_and_adds_to_them() {
    let mut world = world(3, &[spec("t", Rung::S1, Rung::M10)]);
    let key = world.key(1);
    world.nodes[0].store.add(world.nodes[0].tables[0], key, 100, world.now);
    world.run(world.now.plus(100));
    world.crash(0);
    world.nodes[0].store.add(world.nodes[0].tables[0], key, 5, world.now);
    world.run(world.now.plus(500));
    let (_, restarted) = world.author(0);
    for node in &world.nodes {
        let counts = node.store.counts(node.tables[0], key, world.now);
        assert_eq!(counts, [(actor(1), Incarnation(1), 100), (actor(1), restarted, 5)]);
    }
}

/// 3 of the second list: two peers that told a node its own counts at the same time made it add the difference twice.
#[test]
fn nobody_tells_a_node_its_own_counts() {
    let mut world = world(4, &[spec("t", Rung::S1, Rung::M10)]);
    let key = world.key(1);
    for _ in 0..50 {
        world.nodes[0].store.add(world.nodes[0].tables[0], key, 1, world.now);
        for other in 1..4 {
            world.unlink(0, other);
            world.link(0, other);
        }
        world.run(world.now.plus(30));
    }
    world.run(world.now.plus(5_000));
    assert!((0..4).all(|node| total(&world, node, 1) == 50));
    assert!(
        world.nodes.iter().all(|node| !node.events.iter().any(|event| matches!(event, Event::ForeignAuthor { .. })))
    );
}
