//! Nodes that hear each other only through others.

use selvedge_state::Rung;

use crate::sim::{Network, World};
use crate::support::spec;

/// The way from node to node, ms.
const DELAY: u64 = 10;

/// A tick at each node on the way, and the way.
const HOP: u64 = DELAY + 25;

/// Frames of repair and relaying.
const RANGE: u8 = 4;

/// Nodes of which only these pairs have a link; all of them know whom they miss.
fn linked(nodes: u16, pairs: &[(usize, usize)]) -> World {
    let network = Network { lost: 0, doubled: 0, delay: (DELAY, DELAY) };
    let mut world = World::new(1, nodes, &[spec("t", Rung::S1, Rung::H1)], network);
    world.run(world.now.plus(1_000));
    let all = (0..usize::from(nodes)).flat_map(|a| (a + 1..usize::from(nodes)).map(move |b| (a, b)));
    for (a, b) in all.filter(|pair| !pairs.contains(pair)) {
        world.unlink(a, b);
    }
    // Two seconds until a silent peer is missed, and a walk of the store at the most.
    world.run(world.now.plus(4_000));
    world
}

fn add(world: &World, node: usize, key: u16) {
    let of = &world.nodes[node];
    of.store.add(of.tables[0], world.key(key), 1, world.now);
}

fn count(world: &World, node: usize, key: u16) -> u64 {
    let of = &world.nodes[node];
    of.store.count(of.tables[0], world.key(key), 3_600_000, world.now)
}

fn ranges(world: &World) -> u64 {
    world.sent.get(&RANGE).map_or(0, |(frames, _)| *frames)
}

#[test]
fn what_a_counts_reaches_c_through_b() {
    let mut world = linked(3, &[(0, 1), (1, 2)]);
    for n in 1..=20 {
        add(&world, 0, 7);
        world.run(world.now.plus(2 * HOP + 1));
        assert_eq!(count(&world, 2, 7), n);
    }
}

#[test]
fn facts_and_sketches_are_passed_on_too() {
    let mut world = linked(3, &[(0, 1), (1, 2)]);
    let (now, of) = (world.now, &world.nodes[0]);
    of.store.ban("192.0.2.9/32", now.plus(60_000), 0, "test", now).unwrap();
    of.store.list_set(of.list, "198.51.100.0/24", true, now.plus(60_000), now).unwrap();
    of.store.observe(of.uniques, world.key(1), b"somebody", now);
    world.run(now.plus(2 * HOP + 1));
    let far = &world.nodes[2];
    assert!(far.store.banned("192.0.2.9/32", world.now).is_some());
    assert_eq!(far.store.listed(far.list, "198.51.100.0/24", world.now), Some(true));
    assert_eq!(far.store.distinct(far.uniques, world.key(1), 10_000, world.now), 1);
}

#[test]
fn a_chain_passes_it_to_its_end() {
    let mut world = linked(5, &[(0, 1), (1, 2), (2, 3), (3, 4)]);
    add(&world, 0, 7);
    world.run(world.now.plus(4 * HOP + 1));
    assert!((0..5).all(|node| count(&world, node, 7) == 1));
}

#[test]
fn it_does_not_go_round_a_ring() {
    let mut world = linked(6, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)]);
    let before = ranges(&world);
    add(&world, 0, 7);
    world.run(world.now.plus(3 * HOP + 1));
    assert!((0..6).all(|node| count(&world, node, 7) == 1));
    // Each node but the first and its neighbours gets it from one or two sides, and whoever got it first sends it on.
    let frames = ranges(&world) - before;
    assert!((3..=8).contains(&frames), "{frames} frames");
}

#[test]
fn one_of_many_that_could_helps() {
    let pairs: Vec<(usize, usize)> =
        (0..8).flat_map(|a| (a + 1..8).map(move |b| (a, b))).filter(|pair| *pair != (2, 7)).collect();
    let mut world = linked(8, &pairs);
    let before = ranges(&world);
    add(&world, 2, 7);
    world.run(world.now.plus(2 * HOP + 1));
    assert_eq!((count(&world, 7, 7), ranges(&world) - before), (1, 1));
}

#[test]
fn whoever_hears_the_author_helps_before_those_who_do_not() {
    let pairs: Vec<(usize, usize)> = (1..8).flat_map(|a| (a + 1..8).map(move |b| (a, b))).chain([(0, 7)]).collect();
    let mut world = linked(8, &pairs);
    let before = ranges(&world);
    add(&world, 0, 7);
    world.run(world.now.plus(3 * HOP + 1));
    assert!((1..8).all(|node| count(&world, node, 7) == 1));
    assert_eq!(ranges(&world) - before, 6, "one for each that does not hear it");
}

#[test]
fn nobody_relays_to_a_node_that_hears_nobody() {
    let all: Vec<(usize, usize)> = (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).collect();
    let mut world = linked(6, &all);
    (0..5).for_each(|other| world.cut_way(other, 5));
    world.run(world.now.plus(4_000));
    let before = ranges(&world);
    for key in 0..50 {
        add(&world, usize::from(key % 5), key);
        world.run(world.now.plus(20));
    }
    assert_eq!(ranges(&world), before);
    world.heal();
    world.run(world.now.plus(8_000));
    assert!((0..50).all(|key| count(&world, 5, key) == 1));
}

#[test]
fn what_repair_brings_is_not_passed_on_by_all_to_all() {
    let among: Vec<(usize, usize)> = (2..8).flat_map(|a| (a + 1..8).map(move |b| (a, b))).collect();
    let mut world = linked(8, &[among.as_slice(), &[(0, 1)]].concat());
    add(&world, 0, 7);
    world.run(world.now.plus(2 * HOP));
    world.unlink(0, 1);
    world.run(world.now.plus(4_000));
    let before = ranges(&world);
    (2..8).for_each(|other| world.link(1, other));
    world.run(world.now.plus(1_000));
    assert!((1..8).all(|node| count(&world, node, 7) == 1));
    assert_eq!(ranges(&world) - before, 6, "what 1 tells each of those that it met");
}

#[test]
fn nothing_is_relayed_while_all_hear_each_other() {
    let all: Vec<(usize, usize)> = (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b))).collect();
    let mut world = linked(4, &all);
    let before = ranges(&world);
    for key in 0..100 {
        add(&world, usize::from(key % 4), key);
        world.run(world.now.plus(10));
    }
    world.run(world.now.plus(3 * HOP));
    assert!((0..4).all(|node| (0..100).all(|key| count(&world, node, key) == 1)));
    assert_eq!(ranges(&world), before);
}
