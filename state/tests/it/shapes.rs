//! The accuracy of a global limit over ten nodes, by the shape of the traffic, as a gate: what was reached once is not lost.

use std::time::Duration;

use selvedge_state::{Bucket, Charge, Rung, TableSpec, Time};

use crate::sim::{Network, World};
use crate::support::{spec, spec_for};

const RATE: f64 = 0.01;
const LIMIT: Bucket = Bucket { rate_per_ms: RATE, burst: 60.0 };
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
    Shape { name: "A", times: 2.0, at: Where::AnyNode, delay: 100, long_run: 1.05, worst: 1.15 },
    Shape { name: "B", times: 20.0, at: Where::AnyNode, delay: 100, long_run: 1.07, worst: 1.17 },
    Shape { name: "B", times: 20.0, at: Where::AnyNode, delay: 500, long_run: 1.12, worst: 1.30 },
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
