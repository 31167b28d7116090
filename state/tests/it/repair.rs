//! What a link owes when it comes up, when it is quiet, and when frames were lost.

use selvedge_state::Rung;

use crate::sim::{Network, World};
use crate::support::spec;

const NET: Network = Network { lost: 0, doubled: 0, delay: (20, 20) };

fn add(world: &World, node: usize, key: u16, n: u32) {
    let of = &world.nodes[node];
    of.store.add(of.tables[0], world.key(key), n, world.now);
}

/// More than the standing repair brings in that time, counts and bans.
#[test]
fn a_new_link_brings_everything_within_a_second() {
    let mut world = World::new(1, 2, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.unlink(0, 1);
    for key in 0..9_000 {
        add(&world, 0, key, u32::from(key) + 1);
    }
    for n in 0..900_u32 {
        let subject = format!("10.0.{}.{}/32", n / 256, n % 256);
        world.nodes[0].store.ban(&subject, world.now.plus(60_000), 0, "probes", world.now).unwrap();
    }
    world.run(world.now.plus(3_000));
    world.link(0, 1);
    world.run(world.now.plus(900));
    let (near, far) = (&world.nodes[0], &world.nodes[1]);
    assert_eq!(far.store.keys(far.tables[0]), 9_000);
    assert_eq!(far.store.bans(world.now).len(), 900);
    for key in (0..9_000).map(|key| world.key(key)) {
        let said = far.store.counts(far.tables[0], key, world.now);
        assert_eq!(said, near.store.counts(near.tables[0], key, world.now));
    }
}

/// Frames are lost all the while: a repair goes back to the first one that is missing.
#[test]
fn a_new_link_brings_everything_over_a_lossy_path() {
    let mut world = World::new(2, 2, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.unlink(0, 1);
    for key in 0..9_000 {
        add(&world, 0, key, 1);
    }
    world.run(world.now.plus(100));
    world.network = Network { lost: 25, doubled: 10, delay: (10, 60) };
    world.link(0, 1);
    world.run(world.now.plus(5_000));
    assert_eq!(world.nodes[1].store.keys(world.nodes[1].tables[0]), 9_000);
}

#[test]
fn a_link_that_was_made_anew_is_up_to_date_and_then_quiet() {
    let mut world = World::new(3, 2, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.run(world.now.plus(500));
    for key in 0..100 {
        add(&world, 0, key, 1);
        world.run(world.now.plus(10));
    }
    world.unlink(0, 1);
    world.link(0, 1);
    world.run(world.now.plus(500));
    add(&world, 0, 1, 1);
    world.run(world.now.plus(100));
    let before = world.nodes[0].replica.status(world.now).peers[0].clone();
    assert_eq!(before.behind, 0);
    world.run(world.now.plus(10_000));
    let after = world.nodes[0].replica.status(world.now).peers[0].clone();
    // Two heartbeats a second, a frame of standing repair, its peer's, and their acknowledgements.
    let frames = after.frames_out - before.frames_out;
    assert!((20..=55).contains(&frames), "{frames} frames in ten quiet seconds");
    // The echo counts from the frame that carried it, so a round trip is that of the path.
    assert_eq!(after.rtt_ms, Some(40));
    assert!(after.lag_ms.is_some_and(|lag| lag <= 520), "{:?}", after.lag_ms);
}

/// What changed in a frame that was lost is in the next one too, not only in the one that is sent again.
#[test]
fn a_change_carries_what_is_not_acknowledged() {
    let mut world = World::new(4, 2, &[spec("t", Rung::Ms10, Rung::S10)], NET);
    world.run(world.now.plus(500));
    let start = world.now;
    world.cut(0, 1);
    add(&world, 0, 1, 5);
    world.run(start.plus(40));
    add(&world, 0, 1, 1);
    world.run(start.plus(41));
    world.heal();
    world.run(start.plus(50));
    add(&world, 0, 1, 1);
    world.run(start.plus(71));
    let far = &world.nodes[1];
    assert_eq!(far.store.count(far.tables[0], world.key(1), 80, world.now), 7);
}

/// Keys that change at every tick while frames are lost: what was lost is made up by what follows, before any repair comes by.
#[test]
fn losses_under_steady_change_are_made_up() {
    for seed in 0..8 {
        let mut world = World::new(seed, 2, &[spec("t", Rung::Ms10, Rung::S10)], NET);
        world.run(world.now.plus(500));
        world.network = Network { lost: 30, doubled: 10, delay: (10, 60) };
        for step in 0..60_u32 {
            let of = &world.nodes[0];
            for key in 0..300 {
                if step % 5 == u32::from(key) % 5 || key < 100 {
                    of.store.observe(of.uniques, world.key(key), &step.to_le_bytes(), world.now);
                    add(&world, 0, key, 1);
                }
            }
            world.run(world.now.plus(12));
        }
        world.network = NET;
        let loose_ends = world.now.plus(2_000);
        while world.nodes[0].replica.status(world.now).peers[0].behind > 0 && world.now < loose_ends {
            world.run(world.now.plus(5));
        }
        let (near, far) = (&world.nodes[0], &world.nodes[1]);
        for key in (0..300).map(|key| world.key(key)) {
            let seen = |node: &crate::sim::Node| node.store.distinct(node.uniques, key, 8_000, world.now);
            assert_eq!(seen(far), seen(near), "seed {seed}");
            let counted = |node: &crate::sim::Node| node.store.counts(node.tables[0], key, world.now);
            assert_eq!(counted(far), counted(near), "seed {seed}");
        }
    }
}

/// Two that cannot hear each other, and a third that hears both.
#[test]
fn a_third_heals_two_that_cannot_hear_each_other() {
    let mut world = World::new(5, 3, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.run(world.now.plus(500));
    world.unlink(0, 1);
    add(&world, 0, 1, 3);
    world.run(world.now.plus(5_000));
    let far = &world.nodes[1];
    assert_eq!(far.store.count(far.tables[0], world.key(1), 3_600_000, world.now), 3);
    assert_eq!((far.store.peers(world.now).heard, world.nodes[2].store.peers(world.now).heard), (2, 3));
}

/// Frames of repair.
const RANGE: u8 = 4;

/// Bytes of repair that something causes in two seconds.
fn repaired(world: &mut World, change: impl FnOnce(&mut World)) -> u64 {
    world.sent.clear();
    change(world);
    world.run(world.now.plus(2_000));
    world.sent.get(&RANGE).map_or(0, |(_, bytes)| *bytes)
}

/// Each of many tells its own, two of them all.
#[test]
fn a_newcomer_hears_everything_from_two_and_not_from_each() {
    const NODES: u16 = 10;
    let mut world = World::new(5, NODES, &[spec("t", Rung::S1, Rung::H1)], NET);
    for node in 0..NODES {
        (0..200).for_each(|key| add(&world, node.into(), node * 200 + key, 1));
    }
    world.run(world.now.plus(3_000));
    // What this one's first life counted is told by others alone.
    world.crash(9);
    world.run(world.now.plus(20_000));
    let both_tell_all = repaired(&mut world, |world| {
        world.unlink(1, 2);
        world.link(1, 2);
    });
    world.run(world.now.plus(20_000));
    let newcomer = repaired(&mut world, |world| world.crash(0));
    assert!(
        newcomer >= both_tell_all && newcomer < 2 * both_tell_all,
        "{newcomer} bytes, all is {}",
        both_tell_all / 2
    );
    for key in (0..NODES * 200).map(|key| world.key(key)) {
        let counted: Vec<_> = [0, 1]
            .map(|node: usize| {
                let of = &world.nodes[node];
                of.store.counts(of.tables[0], key, world.now)
            })
            .to_vec();
        assert!(!counted[0].is_empty() && counted[0] == counted[1], "{counted:?}");
    }
}
