//! The accuracy of a global limit over ten nodes, by the shape of the traffic, as a gate: what was reached once is not lost.

use std::time::Duration;

use selvedge_state::{Bucket, Charge, Rung, TableSpec, Time};

use crate::sim::{Network, World};
use crate::support::{spec, spec_for};

const RATE: f64 = 0.01;
const LIMIT: Bucket = Bucket::new(RATE, 60.0);
const WINDOW: u64 = 60_000;

/// What a change waits at most for its frame, and a ms for the simulator's steps.
const BATCH: u64 = 26;

/// A client stays so long at a POP before it hops.
const STAY: u64 = 5_000;

fn steady(delay: u64) -> Network {
    Network { lost: 0, doubled: 0, delay: (delay, delay) }
}

fn limit() -> [TableSpec; 1] {
    [spec_for(&LIMIT, Duration::from_millis(WINDOW))]
}

fn admits(world: &World, node: usize) -> bool {
    let of = &world.nodes[node];
    let charge = of.store.charge(of.tables[0], world.key(0), &LIMIT, 1, world.now);
    matches!(charge, Charge::Admitted { .. })
}

/// All that was admitted, by time.
#[derive(Default)]
struct Admitted(Vec<Time>);

impl Admitted {
    /// The most by which any stretch has more than the rate gives: `max (admitted(s, t] - r (t - s))`, by Lindley's recursion.
    fn above_rate(&self) -> f64 {
        let (mut level, mut most, mut last) = (0.0_f64, 0.0_f64, Time(0));
        for at in &self.0 {
            level = (level - RATE * at.since(last) as f64).max(0.0) + 1.0;
            (most, last) = (most.max(level), *at);
        }
        most
    }

    fn between(&self, from: Time, until: Time) -> f64 {
        self.0.iter().filter(|at| **at >= from && **at < until).count() as f64
    }

    /// The most that any window has, by the limit.
    fn worst_window(&self) -> f64 {
        let most = self.0.iter().map(|from| self.between(*from, from.plus(WINDOW))).fold(0.0, f64::max);
        most / (RATE * WINDOW as f64)
    }
}

#[derive(Debug, Clone, Copy)]
enum Where {
    AnyNode,
    Hopping,
}

/// A shape of traffic, and what is to be seen of it.
struct Shape {
    name: &'static str,
    /// What arrives, by the limit.
    times: f64,
    at: Where,
    /// One way between any two nodes, ms.
    delay: u64,
    /// At most: admitted by the limit over the whole run, and in the worst window.
    long_run: f64,
    worst: f64,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "A", times: 2.0, at: Where::AnyNode, delay: 100, long_run: 1.06, worst: 1.15 },
    Shape { name: "B", times: 20.0, at: Where::AnyNode, delay: 100, long_run: 1.07, worst: 1.17 },
    Shape { name: "B", times: 20.0, at: Where::AnyNode, delay: 500, long_run: 1.07, worst: 1.13 },
    Shape { name: "E", times: 20.0, at: Where::Hopping, delay: 500, long_run: 1.12, worst: 1.30 },
    Shape { name: "D", times: 0.9, at: Where::Hopping, delay: 100, long_run: 0.91, worst: 0.92 },
    Shape { name: "D", times: 0.9, at: Where::Hopping, delay: 500, long_run: 0.91, worst: 0.92 },
];

#[test]
fn a_global_limit_holds_whatever_the_shape_of_its_traffic() {
    const RUN: u64 = 120_000;
    for shape in &SHAPES {
        let mut world = World::new(81, 10, &limit(), steady(shape.delay));
        world.run(world.now.plus(4_000));
        let (from, arrival) = (world.now, RATE * shape.times);
        let (mut admitted, mut refused) = (Admitted::default(), 0);
        for nth in 0.. {
            world.run(from.plus((f64::from(nth) / arrival) as u64));
            let passed = world.now.since(from);
            if passed >= RUN {
                break;
            }
            let node = match shape.at {
                Where::AnyNode => world.rng.usize(..10),
                Where::Hopping => (passed / STAY * 3 % 10) as usize,
            };
            match admits(&world, node) {
                true => admitted.0.push(world.now),
                false => refused += 1,
            }
        }
        let long_run = admitted.0.len() as f64 / (RATE * RUN as f64);
        let (worst, above) = (admitted.worst_window(), admitted.above_rate());
        let slot = Rung::fine_for(RATE, LIMIT.burst).millis() as f64;
        let bound = LIMIT.burst + RATE * slot + arrival * (shape.delay + BATCH) as f64;
        let Shape { name, times, delay, .. } = shape;
        println!(
            "{name}: {times}x, {delay} ms: long run {long_run:.3}, worst window {worst:.3}, above the rate {above:.1} of {bound:.1}"
        );
        assert!(above <= bound, "{name}, {delay} ms: {above} above the rate, bound {bound}");
        assert!(long_run <= shape.long_run && worst <= shape.worst, "{name}, {delay} ms: {long_run}, {worst}");
        assert!(long_run >= 0.99 * times.min(1.0), "{name}, {delay} ms: {long_run} of what was due");
        assert!(*times > 1.0 || refused == 0, "{name}, {delay} ms: {refused} of a client under its limit were refused");
    }
}

/// What peers said before the first charge at a node is timed as well as what they say after it.
#[test]
fn a_node_that_was_never_charged_knows_what_is_owed() {
    let mut world = World::new(85, 2, &limit(), steady(20));
    for node in &world.nodes {
        node.store.drains(node.tables[0], LIMIT.rate_per_ms);
    }
    // Late in a window, so that its begin says little.
    world.run(world.now.plus(WINDOW - world.now.0 % WINDOW + 30_000));
    let (began, mut admitted) = (world.now, Admitted::default());
    while world.now.since(began) < 25_000 {
        let node = usize::from(world.now.since(began) >= 20_000);
        if admits(&world, node) {
            admitted.0.push(world.now);
        }
        world.run(world.now.plus(10));
    }
    let (above, bound) = (admitted.above_rate(), LIMIT.burst + RATE * 1_000.0 + 0.1 * (20 + BATCH) as f64);
    assert!(above <= bound, "{above} above the rate, bound {bound}");
}

/// Two sides that do not hear each other each spend the whole limit. When they hear each other again, each knows what both spent,
/// and less than the rate is admitted until that is made up for.
#[test]
fn what_a_partition_let_through_is_repaid_after_it() {
    let (mut world, into) = (World::new(82, 2, &limit(), steady(20)), 5_000);
    world.run(world.now.plus(WINDOW - world.now.0 % WINDOW + into));
    let (from, mut admitted) = (world.now, Admitted::default());
    let push = |world: &mut World, admitted: &mut Admitted, until: Time| {
        while world.now < until {
            for node in 0..2 {
                if admits(world, node) {
                    admitted.0.push(world.now);
                }
            }
            world.run(world.now.plus(50));
        }
    };
    world.cut(0, 1);
    let healed = from.plus(20_000);
    push(&mut world, &mut admitted, healed);
    let due = |until: Time| LIMIT.burst + RATE * until.since(from) as f64;
    let spent = admitted.between(from, healed);
    assert!(spent >= 1.98 * due(healed), "{spent} by both, {} is due", due(healed));
    world.heal();
    let end = from.plus(3 * WINDOW);
    push(&mut world, &mut admitted, end);
    // Both sides spend twice the burst and the rate; it takes so long that the rate makes up for it.
    let debt = ((spent - due(healed)) / RATE) as u64;
    let repaying = admitted.between(healed, healed.plus(debt));
    let rate = RATE * debt as f64;
    assert!(repaying < 0.3 * rate, "{repaying} while the debt is repaid, the rate is {rate}");
    let all = admitted.between(from, end);
    println!("{spent} in the partition, {repaying} while repaying, {all} in all, {} is due", due(end));
    // What left the fine slots is known by its coarse slot alone, and drains from when that began: so long before the cut.
    assert!(all <= due(end) + RATE * into as f64 + 15.0, "{all} in all, {} is due", due(end));
    assert!(all >= 0.97 * due(end), "{all} in all, {} is due", due(end));
}

/// A ring of eight slots of a second, cut for longer than that: what is over is lost on purpose, on both sides alike.
#[test]
fn what_expired_in_a_partition_does_not_come_back_after_it() {
    const LIVE: u64 = 8_000;
    let mut world = World::new(83, 2, &[spec("counted", Rung::S1, Rung::S1)], steady(20));
    world.run(world.now.plus(1_000));
    world.cut(0, 1);
    let cut = world.now;
    let add = |world: &World, node: usize, key: u16| {
        let of = &world.nodes[node];
        of.store.add(of.tables[0], world.key(key), 1, world.now);
    };
    let said = |world: &World, node: usize, key: u16| {
        let of = &world.nodes[node];
        of.store.counts(of.tables[0], world.key(key), world.now).iter().map(|(_, _, n)| n).sum::<u64>()
    };
    // Key 0 is counted in the first two seconds only, key 1 all the time.
    let mut all = Vec::new();
    while world.now.since(cut) < 30_000 {
        for node in 0..2 {
            if world.now.since(cut) < 2_000 {
                add(&world, node, 0);
            }
            add(&world, node, 1);
            all.push(world.now);
        }
        world.run(world.now.plus(100));
    }
    assert!(said(&world, 0, 1) < all.len() as u64 / 2, "each knows its own alone");
    world.heal();
    for step in 0..100 {
        world.run(world.now.plus(50));
        let oldest = (world.now.0 / 1_000 * 1_000).saturating_sub(LIVE - 1_000);
        let live = all.iter().filter(|at| at.0 >= oldest).count() as u64;
        for node in 0..2 {
            assert_eq!(said(&world, node, 0), 0, "node {node} revived what was over");
            let said = said(&world, node, 1);
            assert!(said <= live, "node {node} says {said}, {live} are live");
            assert!(step < 60 || said == live, "node {node} says {said} long after, {live} are live");
        }
    }
    assert!(said(&world, 0, 1) > 0, "something was live to the end");
}

/// A node whose clock is ahead, within what is accepted, counts the end of a window into the next one, and no more.
#[test]
fn a_wrong_clock_moves_its_part_of_a_window_and_no_more() {
    const SLOT: u64 = 10_000;
    for ahead in [0, 400] {
        let mut world = World::new(84, 3, &[spec("counted", Rung::S10, Rung::S10)], steady(20));
        world.set_ahead(1, ahead);
        world.run(world.now.plus(SLOT - world.now.0 % SLOT + SLOT));
        // 1,000 of each key in one window.
        let (from, keys) = (world.now, 0..3_u16);
        for key in keys.clone() {
            while world.now.since(from) < (u64::from(key) + 1) * SLOT {
                let of = &world.nodes[1];
                of.store.add(of.tables[0], world.key(key), 1, world.clock(1));
                world.run(world.now.plus(10));
            }
        }
        world.run(world.now.plus(SLOT));
        for key in keys {
            let start = from.plus(u64::from(key) * SLOT);
            let of = &world.nodes[0];
            let since = |at: Time| of.store.count(of.tables[0], world.key(key), world.now.since(at), world.now);
            let (inside, after) = (since(start) - since(start.plus(SLOT)), since(start.plus(SLOT)));
            println!("{ahead} ms ahead: {inside} in its window, {after} in the next");
            assert_eq!((inside, after), (1_000 - ahead / 10, ahead / 10), "{ahead} ms ahead");
        }
    }
}
