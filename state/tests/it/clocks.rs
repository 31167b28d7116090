//! Clocks that differ: who is wrong, what passes between them, and what comes of it when they go together again.

use selvedge_state::{Clocks, Event, Rung, Standing, TableSpec};

use crate::sim::{Network, World};
use crate::support::{seeds, spec};

const QUICK: Network = Network { lost: 0, doubled: 0, delay: (3, 20) };

/// A window that nothing of a test leaves.
const WINDOW: u64 = 60_000;

fn table() -> [TableSpec; 1] {
    [spec("limit", Rung::S1, Rung::M1)]
}

/// A cluster in which these nodes' clocks are ahead, ms.
fn world(seed: u64, nodes: u16, ahead: &[(usize, u64)]) -> World {
    let mut world = World::new(seed, nodes, &table(), QUICK);
    for (node, ms) in ahead {
        world.set_ahead(*node, *ms);
    }
    world
}

fn pass(world: &mut World, ms: u64) {
    let until = world.now.plus(ms);
    world.run(until);
}

fn count(world: &World, node: usize, key: u16) -> u64 {
    let at = &world.nodes[node];
    at.store.count(at.tables[0], world.key(key), WINDOW, world.clock(node))
}

fn counts(world: &World, key: u16) -> Vec<u64> {
    (0..world.nodes.len()).map(|node| count(world, node, key)).collect()
}

fn add(world: &mut World, node: usize, key: u16, n: u32) {
    let (key, now) = (world.key(key), world.clock(node));
    let at = &world.nodes[node];
    at.store.add(at.tables[0], key, n, now);
}

fn standings(world: &World) -> Vec<(Standing, u16)> {
    let peers = |node: usize| world.nodes[node].store.peers(world.clock(node));
    (0..world.nodes.len()).map(|node| (peers(node).standing, peers(node).heard)).collect()
}

/// Node time of one node makes up for so much of its lead, a millisecond in two seconds: slower than is shown here.
fn slew(world: &mut World, node: usize, ms: u64) {
    for _ in 0..ms {
        pass(world, 4);
        world.nodes[node].ahead -= 1;
        dial(world);
    }
}

/// The shell dials again whom it lost.
fn dial(world: &mut World) {
    for a in 0..world.nodes.len() {
        for b in a + 1..world.nodes.len() {
            if !world.is_linked(a, b) {
                world.link(a, b);
            }
        }
    }
}

fn told(world: &World, node: usize) -> Vec<String> {
    world.nodes[node].events.iter().map(ToString::to_string).collect()
}

#[test]
fn an_offset_is_measured_within_half_a_round_trip() {
    for seed in seeds(&[1, 2]) {
        let mut world = world(seed, 2, &[(1, 300)]);
        pass(&mut world, 5_000);
        for (node, ahead) in [(0, 300_i64), (1, -300)] {
            let status = world.nodes[node].replica.status(world.clock(node));
            let measured = status.peers[0].ahead_ms.expect("an offset");
            assert!(measured.abs_diff(ahead) <= 11, "{measured} instead of {ahead}");
            assert_eq!((status.peers[0].clocks, status.ahead_ms), (Clocks::Agree, 0));
        }
        assert_eq!(standings(&world), [(Standing::Settled, 2); 2]);
    }
}

#[test]
fn one_wrong_clock_of_five_counts_for_itself_alone_until_it_has_made_up_for_it() {
    for seed in seeds(&[3, 4]) {
        let mut world = world(seed, 5, &[(4, 900)]);
        pass(&mut world, 3_000);
        let right = [(Standing::Settled, 4); 4];
        assert_eq!(standings(&world), [&right[..], &[(Standing::Clock, 1)]].concat());
        let wrong = |event: &Event| matches!(event, Event::ClockWrong { ahead_ms: -920..=-880 });
        assert!(world.nodes[4].events.iter().any(wrong), "{:?}", told(&world, 4));
        let differ = |event: &&Event| matches!(event, Event::ClocksDiffer { ahead_ms: 880..=920, .. });
        assert_eq!(world.nodes[0].events.iter().filter(differ).count(), 1, "{:?}", told(&world, 0));
        assert!(world.nodes[4].replica.status(world.clock(4)).ahead_ms < -880);

        // Cells stay where they are counted, facts go on.
        (0..5).for_each(|node| add(&mut world, node, 1, 10));
        let (wrong, now) = (&world.nodes[4], world.clock(4));
        wrong.store.ban("192.0.2.9/32", now.plus(60_000), 0, "x", now).unwrap();
        pass(&mut world, 2_000);
        assert_eq!(counts(&world, 1), [40, 40, 40, 40, 10]);
        assert!(world.nodes[0].store.banned("192.0.2.9/32", world.now).is_some());

        slew(&mut world, 4, 480);
        assert_eq!(standings(&world)[4], (Standing::Clock, 1), "back within the bound, but not well within");
        slew(&mut world, 4, 60);
        // The quickest of the last 16 round trips may have been measured some seconds ago.
        for _ in 0..200 {
            pass(&mut world, 50);
            dial(&mut world);
        }
        pass(&mut world, 2_000);
        assert_eq!(standings(&world), [(Standing::Settled, 5); 5], "{:?}", told(&world, 4));
        assert!(told(&world, 4).contains(&"this node's clock goes with that of most nodes again".to_owned()));
        // What it counted meanwhile is told now: it never stepped, so it lies where it should.
        assert_eq!(counts(&world, 1), [50; 5]);
    }
}

#[test]
fn a_clock_that_was_mended_is_taken_up_by_a_new_life() {
    for seed in seeds(&[5]) {
        let mut world = world(seed, 5, &[(4, 3_600_000)]);
        // An hour: no hello is answered within an hour of the sender's, so links are made anew.
        for _ in 0..3 {
            pass(&mut world, 1_000);
            dial(&mut world);
        }
        pass(&mut world, 3_000);
        assert_eq!(standings(&world)[4], (Standing::Clock, 1), "{:?}", told(&world, 4));
        add(&mut world, 4, 1, 10);
        pass(&mut world, 1_000);
        assert_eq!(counts(&world, 1), [0, 0, 0, 0, 10]);
        world.nodes[4].ahead = 0;
        world.crash(4);
        let crashed = world.now;
        add(&mut world, 4, 1, 3);
        pass(&mut world, 4_000);
        assert_eq!(standings(&world), [(Standing::Settled, 5); 5]);
        assert_eq!(counts(&world, 1), [3; 5], "what the wrong clock counted is told to nobody");
        assert_eq!(world.author(4).1.0 >> 16, crashed.0, "it has one life more");
    }
}

#[test]
fn of_two_nobody_knows_which_is_wrong_and_each_goes_by_its_share() {
    for seed in seeds(&[6]) {
        let mut world = world(seed, 2, &[(1, 2_000)]);
        pass(&mut world, 3_000);
        assert_eq!(standings(&world), [(Standing::Settled, 1); 2]);
        (0..2).for_each(|node| add(&mut world, node, 1, 10));
        pass(&mut world, 2_000);
        assert_eq!(counts(&world, 1), [10, 10]);
        for node in 0..2 {
            assert_eq!(world.nodes[node].replica.status(world.clock(node)).peers[0].clocks, Clocks::Differ);
            assert!(
                !told(&world, node).iter().any(|event| event.contains("this node's clock")),
                "{:?}",
                told(&world, node)
            );
        }
    }
}

#[test]
fn two_that_are_wrong_together_exchange_nothing_either() {
    for seed in seeds(&[7]) {
        let mut world = world(seed, 5, &[(3, 2_000), (4, 2_000)]);
        pass(&mut world, 4_000);
        let right = [(Standing::Settled, 3); 3];
        assert_eq!(standings(&world), [&right[..], &[(Standing::Clock, 1); 2]].concat());
        (0..5).for_each(|node| add(&mut world, node, 1, 10));
        pass(&mut world, 2_000);
        assert_eq!(counts(&world, 1), [30, 30, 30, 10, 10]);
    }
}

/// Ways that take longer one way than the other are no reason to doubt a clock.
#[test]
fn no_right_clock_is_called_wrong_however_slow_the_network() {
    for seed in seeds(&[8, 9, 10]) {
        let slow = Network { lost: 10, doubled: 5, delay: (5, 1_500) };
        let mut world = World::new(seed, 3, &table(), slow);
        for _ in 0..40 {
            pass(&mut world, 500);
            (0..3).for_each(|node| add(&mut world, node, 1, 1));
            dial(&mut world);
        }
        for node in 0..3 {
            assert!(!told(&world, node).iter().any(|event| event.contains("clock")), "{:?}", told(&world, node));
        }
    }
}

/// The first thing that a link brings after the hellos is what clock the cells to come were counted by.
#[test]
fn nothing_of_a_wrong_clock_slips_through_a_new_link() {
    for seed in seeds(&[11]) {
        let mut world = world(seed, 3, &[(2, 3_000)]);
        // In order, as connections are.
        world.network.delay = (10, 10);
        // Counted before anything was measured, so the first repair would bring it.
        add(&mut world, 2, 1, 10);
        pass(&mut world, 4_000);
        assert_eq!(counts(&world, 1), [0, 0, 10]);
    }
}
