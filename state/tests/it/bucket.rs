//! The token bucket made of slots, against a real one.

use std::time::Duration;

use proptest::prelude::*;
use selvedge_state::{Bucket, Charge, Rung, Store, TableId, Time};

use crate::sim::{Network, World};
use crate::support::{START, seeds, spec, spec_for, store};

/// A token bucket in continuous time: what the slots stand for.
struct Real {
    bucket: Bucket,
    backlog: f64,
    at: Time,
}

impl Real {
    fn new(bucket: Bucket) -> Real {
        Real { bucket, backlog: 0.0, at: START }
    }

    fn level(&mut self, now: Time) -> f64 {
        self.backlog = (self.backlog - self.bucket.rate_per_ms * now.since(self.at) as f64).max(0.0);
        self.at = now;
        self.backlog
    }

    fn conforms(&mut self, cost: u32, now: Time) -> bool {
        let fits = self.level(now) + f64::from(cost) <= self.bucket.burst;
        if fits {
            self.backlog += f64::from(cost);
        }
        fits
    }
}

fn admits(store: &Store, table: TableId, bucket: &Bucket, cost: u32, now: Time) -> bool {
    matches!(store.charge(table, store.key(&[b"k"]), bucket, cost, now), Charge::Admitted { .. })
}

/// Rates from one in ten minutes to ten in a ms, bursts from one to a few thousand.
fn buckets() -> impl Strategy<Value = Bucket> {
    (-13.0..2.3_f64, 0.0..8.0_f64).prop_map(|(rate, burst)| Bucket::new(rate.exp(), burst.exp().max(1.0).floor()))
}

/// Arrivals as (gap, cost), with gaps from nothing to far beyond the drain of one burst.
fn arrivals(bucket: Bucket) -> impl Strategy<Value = Vec<(u64, u32)>> {
    let drain = (bucket.burst / bucket.rate_per_ms).max(20.0);
    let gap = prop_oneof![4 => Just(0.0), 6 => 0.0..0.05_f64, 3 => 0.0..0.5_f64, 1 => 0.0..2.0_f64];
    let gap = gap.prop_map(move |part| (part * drain).min(3e9) as u64);
    let cost = (1.0..(bucket.burst / 2.0).max(1.1)).prop_map(|cost| cost as u32);
    prop::collection::vec((gap, prop_oneof![2 => Just(1), 1 => cost]), 1..150)
}

fn patterns() -> impl Strategy<Value = (Bucket, Vec<(u64, u32)>)> {
    buckets().prop_flat_map(|bucket| arrivals(bucket).prop_map(move |arrivals| (bucket, arrivals)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_node_admits_no_more_than_the_bound((bucket, arrivals) in patterns()) {
        let store = store();
        let table = store.table(&spec_for(&bucket, Duration::from_secs(60))).unwrap();
        let slot = Rung::fine_for(bucket.rate_per_ms, bucket.burst).millis() as f64;
        let mut now = START;
        let mut admitted: Vec<(Time, u32)> = Vec::new();
        for (gap, cost) in arrivals {
            now = now.plus(gap);
            if admits(&store, table, &bucket, cost, now) {
                admitted.push((now, cost));
            }
        }
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut sum = 0.0;
            for (until, cost) in &admitted[first..] {
                sum += f64::from(*cost);
                let bound = bucket.burst + bucket.rate_per_ms * (until.since(*from) as f64 + slot);
                prop_assert!(sum <= bound + 1e-3, "{sum} admitted in {} ms, bound {bound}", until.since(*from));
            }
        }
    }

    #[test]
    fn a_client_under_its_limit_is_never_refused((bucket, arrivals) in patterns()) {
        let store = store();
        let table = store.table(&spec_for(&bucket, Duration::from_secs(60))).unwrap();
        let (mut real, mut now) = (Real::new(bucket), START);
        for (gap, cost) in arrivals {
            now = now.plus(gap);
            if real.conforms(cost, now) {
                prop_assert!(admits(&store, table, &bucket, cost, now), "refused at level {}", real.level(now));
            }
        }
    }

    /// Who waits waits no longer than until a real bucket has drained, and less by no more than a slot.
    #[test]
    fn a_queue_says_how_long_to_wait((bucket, arrivals) in patterns(), queue in 0.0..3.0_f64) {
        let bucket = Bucket { queue: (bucket.burst * queue).floor(), ..bucket };
        let store = store();
        let table = store.table(&spec_for(&bucket, Duration::from_secs(60))).unwrap();
        let slot = Rung::fine_for(bucket.rate_per_ms, bucket.burst).millis() as f64;
        let (mut backlog, mut now) = (0.0_f64, START);
        for (gap, cost) in arrivals {
            now = now.plus(gap);
            backlog = (backlog - bucket.rate_per_ms * gap as f64).max(0.0);
            let real = (backlog + f64::from(cost) - bucket.burst).max(0.0) / bucket.rate_per_ms;
            match store.charge(table, store.key(&[b"k"]), &bucket, cost, now) {
                Charge::Admitted { wait_ms, .. } => {
                    let wait = wait_ms as f64;
                    prop_assert!(wait <= real + 1.1 && wait >= real - slot - 1.1, "{wait} of {real}");
                    backlog += f64::from(cost);
                }
                Charge::Refused { retry_after_ms } => {
                    let over = backlog + f64::from(cost) - bucket.burst - bucket.queue;
                    prop_assert!(over > -1e-6, "refused with {over}");
                    let retry = retry_after_ms as f64;
                    prop_assert!(retry <= over / bucket.rate_per_ms + 1.1, "{retry} for {over}");
                }
                Charge::Full => prop_assert!(false, "there is room"),
            }
        }
    }

    /// Against Reich's formula (1958) over all arrivals ever, each taken to be at its slot's start: what left the ring is
    /// not lost.
    #[test]
    fn the_level_is_that_of_all_arrivals((bucket, arrivals) in patterns()) {
        let store = store();
        let fine = Rung::fine_for(bucket.rate_per_ms, bucket.burst);
        // Coarse slots so wide that nothing expires.
        let table = store.table(&spec("level", fine, Rung::H1)).unwrap();
        let key = store.key(&[b"k"]);
        let (mut now, mut all) = (START, Vec::new());
        for (gap, cost) in arrivals {
            now = now.plus(gap.min(600_000));
            if admits(&store, table, &bucket, cost, now) {
                all.push((now.0 / fine.millis() * fine.millis(), f64::from(cost)));
            }
            let since = |from: u64| all.iter().filter(|(at, _)| *at >= from).map(|(_, cost)| cost).sum::<f64>();
            let backlog = |(from, _): &(u64, f64)| since(*from) - bucket.rate_per_ms * (now.0 - from) as f64;
            let level = all.iter().map(backlog).fold(0.0, f64::max);
            let said = store.level(table, key, &bucket, now);
            prop_assert!((said - level).abs() < 1e-6 * bucket.burst, "said {said}, is {level}");
        }
    }
}

#[test]
fn retry_after_is_when_it_fits() {
    let bucket = Bucket::new(0.01, 5.0);
    let store = store();
    let table = store.table(&spec_for(&bucket, Duration::from_secs(1))).unwrap();
    let now = START.plus(3);
    while admits(&store, table, &bucket, 1, now) {}
    let Charge::Refused { retry_after_ms } = store.charge(table, store.key(&[b"k"]), &bucket, 1, now) else {
        panic!("it was refused a moment ago");
    };
    assert!(retry_after_ms > 0);
    assert!(!admits(&store, table, &bucket, 1, now.plus(retry_after_ms - 1)));
    assert!(admits(&store, table, &bucket, 1, now.plus(retry_after_ms)));
}

#[test]
fn a_cost_above_the_burst_never_fits() {
    let bucket = Bucket::new(1.0, 5.0);
    let store = store();
    let table = store.table(&spec_for(&bucket, Duration::from_secs(1))).unwrap();
    assert_eq!(
        store.charge(table, store.key(&[b"k"]), &bucket, 6, START),
        Charge::Refused { retry_after_ms: u64::MAX }
    );
    assert_eq!(
        store.charge(table, store.key(&[b"k"]), &bucket, 5, START),
        Charge::Admitted { remaining: 0, wait_ms: 0 }
    );
}

#[test]
fn what_is_beyond_the_burst_waits() {
    let bucket = Bucket { rate_per_ms: 1.0 / 128.0, burst: 2.0, queue: 3.0 };
    let store = store();
    let table = store.table(&spec("queue", Rung::Ms10, Rung::S1)).unwrap();
    let charge = |cost: u32, now: Time| store.charge(table, store.key(&[b"k"]), &bucket, cost, now);
    let admitted = |remaining: u32, wait_ms: u64| Charge::Admitted { remaining, wait_ms };
    let said: Vec<Charge> = (0..5).map(|_| charge(1, START)).collect();
    assert_eq!(said, [admitted(1, 0), admitted(0, 0), admitted(0, 128), admitted(0, 256), admitted(0, 384)]);
    assert_eq!(charge(1, START), Charge::Refused { retry_after_ms: 128 });
    assert_eq!(charge(5, START), Charge::Refused { retry_after_ms: 640 });
    assert_eq!(charge(6, START), Charge::Refused { retry_after_ms: u64::MAX });
    assert_eq!(charge(1, START.plus(127)), Charge::Refused { retry_after_ms: 1 });
    assert_eq!(charge(1, START.plus(128)), admitted(0, 384));
}

#[test]
fn counts_outlive_an_edit_of_the_limit() {
    let store = store();
    let bucket = Bucket::new(0.001, 4.0);
    let table = store.table(&spec("edited", Rung::S1, Rung::M1)).unwrap();
    assert!(admits(&store, table, &bucket, 4, START));
    assert!(!admits(&store, table, &bucket, 1, START));
    let wider = Bucket { burst: 6.0, ..bucket };
    assert!(admits(&store, table, &wider, 2, START));
    assert!(!admits(&store, table, &wider, 1, START));
}

const WAN: Network = Network { lost: 5, doubled: 5, delay: (20, 150) };

/// A client under its limit that goes from POP to POP, for limits of every fine width.
#[test]
fn a_client_that_hops_under_its_limit_is_never_refused() {
    for seed in seeds(&[51, 52, 53, 54, 55, 56]) {
        for bucket in [(0.1, 10.0), (0.02, 30.0), (0.002, 3.0), (0.0002, 10.0)] {
            let bucket = Bucket::new(bucket.0, bucket.1);
            let specs = [spec_for(&bucket, Duration::from_secs(10))];
            let mut world = World::new(seed, 4, &specs, WAN);
            let mut real = Real::new(bucket);
            let drain = (bucket.burst / bucket.rate_per_ms) as u64;
            for _ in 0..300 {
                let pause = if world.rng.u8(..8) == 0 { world.rng.u64(..drain) } else { world.rng.u64(..=drain / 50) };
                world.run(world.now.plus(pause));
                let node = world.rng.usize(..4);
                if real.conforms(1, world.now) {
                    let of = &world.nodes[node];
                    assert!(admits(&of.store, of.tables[0], &bucket, 1, world.now), "node {node} refused");
                }
            }
        }
    }
}

/// Clients that push ten times the limit through all POPs at once: what lateness lets through is what the bound says.
#[test]
fn what_an_attack_gains_is_within_the_bound() {
    for seed in seeds(&[61, 62, 63]) {
        for (rate, burst, window) in [(0.1, 10.0, 1), (0.1, 60.0, 10), (0.01, 60.0, 60)] {
            let bucket = Bucket::new(rate, burst);
            let delay = 80;
            let network = Network { lost: 0, doubled: 0, delay: (delay, delay) };
            let mut world = World::new(seed, 5, &[spec_for(&bucket, Duration::from_secs(window))], network);
            world.run(world.now.plus(1_000));
            let (mut admitted, from) = (0.0, world.now);
            let pushed = 10.0 * rate;
            // Two minutes, a request each ms or more seldom.
            let gap = (1.0 / pushed).max(1.0) as u64;
            while world.now.since(from) < 120_000 {
                let node = world.rng.usize(..5);
                let of = &world.nodes[node];
                admitted += f64::from(u8::from(admits(&of.store, of.tables[0], &bucket, 1, world.now)));
                world.run(world.now.plus(gap));
            }
            let time = world.now.since(from) as f64;
            let slot = Rung::fine_for(rate, burst).millis() as f64;
            let lag = (delay + 26) as f64;
            let base = burst + rate * time;
            let bound = base + rate * slot + pushed * lag;
            println!("rate {rate}/ms, burst {burst}: admitted {admitted}, base {base:.0}, bound {bound:.0}");
            assert!(admitted <= bound * 1.02, "seed {seed}: admitted {admitted}, bound {bound}");
            assert!(admitted >= 0.9 * rate * time, "seed {seed}: admitted {admitted}, the limit is {}", rate * time);
        }
    }
}

/// Clients that pace themselves evenly just under the limit at each of two far POPs: every charge comes after its fine slot has
/// left the ring and would drain alone there; the coarse cells still know.
#[test]
fn even_pacing_at_distant_pops_gains_no_more_than_the_bound() {
    for (rate, burst, delay) in [(0.1, 10.0, 100), (0.1, 10.0, 150), (0.02, 2.0, 140)] {
        let bucket = Bucket::new(rate, burst);
        let window = Duration::from_secs(1);
        let network = Network { lost: 0, doubled: 0, delay: (delay, delay) };
        let mut world = World::new(71, 2, &[spec_for(&bucket, window)], network);
        world.run(world.now.plus(1_000));
        let (mut admitted, from) = (0.0, world.now);
        let gap = (1.0 / (0.9 * rate)) as u64;
        while world.now.since(from) < 30_000 {
            for of in &world.nodes {
                admitted += f64::from(u8::from(admits(&of.store, of.tables[0], &bucket, 1, world.now)));
            }
            world.run(world.now.plus(gap));
        }
        let time = world.now.since(from) as f64;
        let slot = Rung::fine_for(rate, burst).millis() as f64;
        let coarse = Rung::coarse_for(window).millis() as f64;
        let bound = burst + rate * time + rate * slot + 1.8 * rate * (delay + 26) as f64 + rate * coarse;
        println!("rate {rate}/ms, {delay} ms: admitted {admitted}, bound {bound:.0}");
        assert!(admitted <= bound, "admitted {admitted}, bound {bound}");
    }
}

/// While a POP hears nobody it charges at its share of the rate. When it hears the others again, what they count must not pile up
/// there as if the bucket drained at the share only.
#[test]
fn a_share_of_the_rate_is_forgotten_when_all_are_heard() {
    let bucket = Bucket::new(0.1, 10.0);
    let share = Bucket::new(0.05, 5.0);
    let network = Network { lost: 0, doubled: 0, delay: (10, 10) };
    let mut world = World::new(72, 2, &[spec_for(&bucket, Duration::from_secs(1))], network);
    let (near, far) = (0, 1);
    let ask = |world: &World, node: usize, bucket: &Bucket| {
        let of = &world.nodes[node];
        admits(&of.store, of.tables[0], bucket, 1, world.now)
    };
    assert!(ask(&world, far, &bucket), "it was whole once");
    world.cut(near, far);
    world.run(world.now.plus(5_000));
    assert!(ask(&world, far, &share));
    world.heal();
    world.run(world.now.plus(5_000));
    let from = world.now;
    while world.now.since(from) < 60_000 {
        assert!(ask(&world, near, &bucket), "nine tenths of the rate");
        world.run(world.now.plus(11));
    }
    assert!(ask(&world, far, &bucket), "the client under its limit hops");
}

/// A peer's clock is ahead, within what is accepted: its cells move the rings past this node's present, and this node's own
/// charges still count.
#[test]
fn a_peer_whose_clock_is_ahead_does_not_switch_a_limit_off() {
    let bucket = Bucket::new(0.1, 10.0);
    let network = Network { lost: 0, doubled: 0, delay: (10, 10) };
    let mut world = World::new(73, 2, &[spec_for(&bucket, Duration::from_secs(1))], network);
    world.run(world.now.plus(1_000));
    let (mut admitted, from) = (0.0, world.now);
    while world.now.since(from) < 20_000 {
        let (ahead, of) = (&world.nodes[0], &world.nodes[1]);
        if world.now.0.is_multiple_of(50) {
            let _ = ahead.store.charge(ahead.tables[0], world.key(0), &bucket, 1, world.now.plus(300));
        }
        let charge = of.store.charge(of.tables[0], world.key(0), &bucket, 1, world.now);
        admitted += f64::from(u8::from(matches!(charge, Charge::Admitted { .. })));
        world.run(world.now.plus(2));
    }
    let time = world.now.since(from) as f64;
    // One window more for the coarse cells, and what comes while a charge travels.
    let bound = 10.0 + 0.1 * time + 0.1 * 1_000.0 + 0.5 * 40.0;
    assert!(admitted <= bound, "admitted {admitted}, bound {bound}");
}
