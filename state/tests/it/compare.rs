//! The standing repair: silence while nodes know the same, and what only some heard reaches all.

use selvedge_state::{Rung, TableSpec, Time};

use crate::sim::{Network, World};
use crate::support::spec;

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 40) };

/// Types of frames, by their first byte.
const DELTA: u8 = 2;
const RANGE: u8 = 4;
const DIGEST: u8 = 5;

fn limit() -> TableSpec {
    spec("t", Rung::S1, Rung::M10)
}

fn fill(world: &World, node: usize, keys: std::ops::Range<u16>) {
    let of = &world.nodes[node];
    for key in keys {
        of.store.add(of.tables[0], world.key(key), u32::from(key) + 1, world.now);
    }
}

fn later(world: &World, ms: u64) -> Time {
    world.now.plus(ms)
}

/// How many of these keys two nodes count differently.
fn differ(world: &World, nodes: (usize, usize), keys: std::ops::Range<u16>) -> usize {
    let [one, other] = [nodes.0, nodes.1].map(|node| &world.nodes[node]);
    let counts = |node: &crate::sim::Node, key: u16| node.store.counts(node.tables[0], world.key(key), world.now);
    keys.filter(|key| counts(one, *key) != counts(other, *key)).count()
}

/// Node 0 says something that node 1 alone hears, and dies.
fn secret(world: &mut World, keys: std::ops::Range<u16>) {
    world.cut(0, 2);
    fill(world, 0, keys);
    world.run(later(world, 100));
    world.crash(0);
    world.cut(0, 2);
}

#[test]
fn nodes_that_know_the_same_only_ask() {
    let mut world = World::new(3, 3, &[limit()], NET);
    for node in 0..3 {
        fill(&world, node, 0..400);
        let of = &world.nodes[node];
        let subject = format!("10.0.0.{node}");
        of.store.ban(&subject, later(&world, 3_600_000), 1, "test", world.now).unwrap();
        of.store.list_set(of.list, &subject, true, later(&world, 3_600_000), world.now).unwrap();
        (0..200_u32).for_each(|n| of.store.observe(of.uniques, world.key(1), &n.to_le_bytes(), world.now));
    }
    world.run(later(&world, 5_000));
    world.sent.clear();
    // Past the ends of slots of every width, and past the end of the sketches.
    let seconds = 1_300;
    world.run(later(&world, seconds * 1_000));
    let sent = |kind: u8| world.sent.get(&kind).copied().unwrap_or_default();
    assert_eq!((sent(DELTA), sent(RANGE)), ((0, 0), (0, 0)), "no payload");
    let (digests, bytes) = sent(DIGEST);
    assert!((2 * seconds..=4 * seconds).contains(&digests), "{digests} digests");
    // Each node asks one of its two peers a second.
    let per_peer = bytes as f64 / seconds as f64 / 3.0 / 2.0;
    assert!(per_peer <= 100.0, "{per_peer} bytes a second and peer");
}

#[test]
fn what_one_heard_of_a_node_that_is_gone_reaches_the_others() {
    let mut world = World::new(5, 3, &[limit()], NET);
    world.run(later(&world, 500));
    secret(&mut world, 0..2_000);
    assert_eq!(differ(&world, (1, 2), 0..2_000), 2_000);
    world.run(later(&world, 6_000));
    assert_eq!(differ(&world, (1, 2), 0..2_000), 0);
}

#[test]
fn of_many_keys_only_the_ranges_that_differ_are_said() {
    let mut world = World::new(7, 3, &[limit()], NET);
    world.run(later(&world, 500));
    // So many that a question is about a sixteenth of them.
    fill(&world, 1, 0..9_000);
    world.run(later(&world, 5_000));
    secret(&mut world, 9_000..9_003);
    // The new life of node 0 is told everything; that is another matter.
    world.run(later(&world, 3_000));
    world.sent.clear();
    world.run(later(&world, 60_000));
    assert_eq!(differ(&world, (1, 2), 8_990..9_003), 0);
    let (frames, bytes) = world.sent.get(&RANGE).copied().unwrap_or_default();
    // Three keys, each among some thirty-five neighbours in a 256th of all; said by both sides, and by some twice.
    assert!(frames <= 40 && bytes < 60_000, "{frames} frames, {bytes} bytes");
}

#[test]
fn while_counts_change_only_what_is_settled_is_compared() {
    let mut world = World::new(9, 2, &[limit()], NET);
    fill(&world, 0, 0..3_000);
    world.run(later(&world, 5_000));
    world.sent.clear();
    for step in 0..600_u16 {
        fill(&world, usize::from(step % 2), step * 5..step * 5 + 5);
        world.run(later(&world, 50));
    }
    let sent = |kind: u8| world.sent.get(&kind).copied().unwrap_or_default();
    assert_eq!(sent(RANGE), (0, 0), "nothing is said twice");
    assert!(sent(DELTA).0 > 500 && sent(DIGEST).0 >= 40, "{:?}", world.sent);
}

#[test]
fn nodes_that_count_in_other_tables_still_heal() {
    let mut world = World::new(11, 3, &[limit()], NET);
    world.run(later(&world, 500));
    world.nodes[2].store.table(&spec("only here", Rung::S1, Rung::M1)).unwrap();
    secret(&mut world, 0..300);
    world.run(later(&world, 20_000));
    assert_eq!(differ(&world, (1, 2), 0..300), 0);
}
