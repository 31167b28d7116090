//! Pacing: what is over its limit at several POPs is admitted in turns; nobody else notices.

use std::time::Duration;

use selvedge_state::{Bucket, Charge, Key, Rung, Time};

use crate::sim::{Network, Secrets, World};
use crate::support::{seeds, spec_for};

const POPS: usize = 10;

/// A cluster and its one limit. What is always true of each charge is looked at as it is made.
struct Limited {
    world: World,
    bucket: Bucket,
    key: Key,
    admitted: Vec<Time>,
    /// Where the bucket itself refused something.
    refused: [bool; POPS],
    /// Refusals where the bucket had room.
    paced: usize,
}

impl Limited {
    fn new(seed: u64, bucket: Bucket, delay: u64) -> Limited {
        let network = Network { lost: 0, doubled: 0, delay: (delay, delay) };
        let mut world = World::new(seed, POPS as u16, &[spec_for(&bucket, Duration::from_secs(60))], network);
        for node in &world.nodes {
            node.store.drains(node.tables[0], bucket.rate_per_ms);
        }
        world.run(world.now.plus(4_000));
        let key = world.key(0);
        Limited { key, bucket, world, admitted: Vec::new(), refused: [false; POPS], paced: 0 }
    }

    fn admits(&mut self, pop: usize) -> bool {
        let Limited { world, bucket, key, .. } = self;
        let (of, now) = (&world.nodes[pop], world.now);
        let peek = |at: Time| of.store.peek(of.tables[0], *key, bucket, 1, at);
        let (level, said) = (of.store.level(of.tables[0], *key, bucket, now), peek(now));
        assert_eq!(of.store.charge(of.tables[0], *key, bucket, 1, now), said);
        let has_room = level + 1.0 <= bucket.burst + 1e-6;
        match said {
            Charge::Admitted { .. } => {
                assert!(has_room, "admitted at level {level}");
                self.admitted.push(now);
                true
            }
            Charge::Refused { retry_after_ms } => {
                assert!(
                    !has_room || self.refused[pop],
                    "POP {pop} was never refused anything, and is at level {level}"
                );
                self.refused[pop] |= !has_room;
                self.paced += usize::from(has_room);
                if world.rng.u8(..8) == 0 {
                    assert!(
                        matches!(peek(now.plus(retry_after_ms.saturating_sub(2))), Charge::Refused { .. }),
                        "{retry_after_ms} ms"
                    );
                    assert!(matches!(peek(now.plus(retry_after_ms)), Charge::Admitted { .. }), "{retry_after_ms} ms");
                }
                false
            }
            Charge::Full => panic!("there is room"),
        }
    }

    /// Requests at random instants for so many ms: so many times the rate on average, at POPs by the time that has passed.
    fn push(&mut self, times: f64, length: u64, pop: At) {
        let (from, mut at) = (self.world.now, 0.0);
        loop {
            at += -(1.0 - self.world.rng.f64()).ln() / (self.bucket.rate_per_ms * times);
            if at as u64 >= length {
                return self.world.run(from.plus(length));
            }
            self.world.run(from.plus(at as u64));
            let pop = pop(at as u64, &mut self.world.rng);
            self.admits(pop);
        }
    }

    /// The backlog of all that was admitted anywhere, with no lag: how far it is above the burst at most since an instant.
    fn beyond_burst(&self, since: Time) -> f64 {
        let (mut level, mut most, mut last) = (0.0_f64, 0.0_f64, Time::ZERO);
        for at in &self.admitted {
            level = (level - self.bucket.rate_per_ms * at.since(last) as f64).max(0.0) + 1.0;
            last = *at;
            if *at >= since {
                most = most.max(level - self.bucket.burst);
            }
        }
        most
    }

    /// What was admitted since an instant, by what the rate gives.
    fn over_rate(&self, since: Time) -> f64 {
        let admitted = self.admitted.iter().filter(|at| **at >= since).count();
        admitted as f64 / (self.bucket.rate_per_ms * self.world.now.since(since) as f64)
    }
}

type At = fn(u64, &mut fastrand::Rng) -> usize;

/// Where traffic arrives.
const SPREADS: [(&str, At); 5] = [
    ("even", |_, rng| rng.usize(..POPS)),
    ("steep", |_, rng| {
        let most = rng.usize(..POPS);
        rng.usize(..=most)
    }),
    ("one and some", |_, rng| if rng.u8(..20) == 0 { rng.usize(..POPS) } else { 3 }),
    ("two", |_, rng| rng.usize(..2)),
    ("wandering", |passed, rng| ((passed / 5_000) as usize + rng.usize(..3)) % POPS),
];

/// Without turns each POP that sees a token gives it: 45 beyond the burst of the one, 11 of the other.
#[test]
fn what_is_over_its_limit_everywhere_is_admitted_in_turns() {
    for seed in seeds(&[1, 2, 3]) {
        for (burst, delay, most) in [(60.0, 500, 12.0), (60.0, 100, 6.0)] {
            let mut limited = Limited::new(seed, Bucket::new(0.01, burst), delay);
            limited.push(20.0, 30_000, SPREADS[0].1);
            let since = limited.world.now;
            limited.push(20.0, 120_000, SPREADS[0].1);
            let beyond = limited.beyond_burst(since);
            println!("seed {seed}, {delay} ms: {beyond:.1} beyond the burst, {} paced", limited.paced);
            assert!(limited.paced > 0, "seed {seed}, {delay} ms");
            assert!(beyond <= most, "seed {seed}, {delay} ms: {beyond} beyond the burst");
        }
    }
}

#[test]
fn what_is_over_its_limit_gets_all_of_it() {
    for (rate, burst, delay) in [(0.01, 60.0, 100), (0.1, 100.0, 20)] {
        for (name, at) in SPREADS {
            for times in [1.5, 20.0] {
                let mut limited = Limited::new(91, Bucket::new(rate, burst), delay);
                limited.push(times, 30_000, at);
                let since = limited.world.now;
                limited.push(times, (1_500.0 / rate) as u64, at);
                let got = limited.over_rate(since);
                println!("{rate} a ms, {burst}, {delay} ms, {name}, {times}x: {got:.3}");
                assert!((0.98..=1.02).contains(&got), "{rate} a ms, {burst}, {delay} ms, {name}, {times}x: {got}");
            }
        }
    }
}

/// A client was over its limit everywhere. When the bucket is empty again it stays under, and hops: nothing is left of its pace.
#[test]
fn who_stays_under_the_limit_from_now_on_is_not_paced() {
    for seed in seeds(&[4, 5, 6]) {
        let bucket = Bucket::new(0.01, 20.0);
        let mut limited = Limited::new(seed, bucket, 100);
        limited.push(5.0, 20_000, SPREADS[0].1);
        assert!(limited.refused.iter().all(|refused| *refused) && limited.paced > 0);
        let empty =
            ((bucket.burst + limited.beyond_burst(limited.world.now.minus(20_000))) / bucket.rate_per_ms) as u64;
        limited.world.run(limited.world.now.plus(empty + 1_000));
        let (mut backlog, mut last) = (0.0_f64, limited.world.now);
        for _ in 0..400 {
            let pause = limited.world.rng.u64(..=190);
            limited.world.run(limited.world.now.plus(pause));
            backlog = (backlog - bucket.rate_per_ms * limited.world.now.since(last) as f64).max(0.0);
            last = limited.world.now;
            if backlog + 1.0 <= bucket.burst {
                backlog += 1.0;
                let pop = limited.world.rng.usize(..POPS);
                assert!(limited.admits(pop), "seed {seed}: POP {pop} refused at {backlog}");
            }
        }
    }
}

#[test]
fn who_counts_alone_is_not_paced() {
    let mut limited = Limited::new(92, Bucket::new(0.01, 20.0), 100);
    limited.push(20.0, 60_000, |_, _| 0);
    assert!(limited.refused[0]);
    assert_eq!(limited.paced, 0);
}

/// A burst of one has no upper quarter: it is as it was.
#[test]
fn a_bucket_of_one_cost_is_not_paced() {
    let mut limited = Limited::new(93, Bucket::new(0.01, 1.0), 20);
    limited.push(20.0, 60_000, SPREADS[0].1);
    assert_eq!(limited.paced, 0);
}

/// A node that was asked most and is not asked any more leaves its part to the others, within the ring.
#[test]
fn parts_follow_the_traffic() {
    let bucket = Bucket::new(0.01, 60.0);
    let mut limited = Limited::new(94, bucket, 100);
    limited.push(20.0, 60_000, |_, rng| if rng.u8(..20) == 0 { 1 } else { 0 });
    let ring = 8 * Rung::fine_for(bucket.rate_per_ms, bucket.burst).millis();
    let moved = limited.world.now;
    limited.push(20.0, ring, |_, rng| if rng.u8(..20) == 0 { 0 } else { 1 });
    let since = limited.world.now;
    limited.push(20.0, 60_000, |_, rng| if rng.u8(..20) == 0 { 0 } else { 1 });
    let got = limited.over_rate(since);
    println!("{:.3} while it moves, {got:.3} after", limited.over_rate(moved));
    assert!((0.97..=1.03).contains(&got), "{got}");
}

/// What each of two POPs was admitted in so many ms, in which both ask for five times the rate.
fn shares_of_two(limited: &mut Limited, ms: u64) -> [f64; 2] {
    let (from, until) = (limited.world.now, limited.world.now.plus(ms));
    let mut admitted = [0_u32; 2];
    while limited.world.now < until {
        limited.world.run(limited.world.now.plus(20));
        for (pop, admitted) in admitted.iter_mut().enumerate() {
            *admitted += u32::from(limited.admits(pop));
        }
    }
    let given = limited.bucket.rate_per_ms * until.since(from) as f64;
    admitted.map(|count| f64::from(count) / given)
}

/// One begins anew, and does not know what the bucket owed beyond what the slots tell: the other one does, and must not be shut out for it.
#[test]
fn nodes_that_disagree_about_a_backlog_are_both_served() {
    for seed in seeds(&[7, 8, 9]) {
        let mut limited = Limited::new(seed, Bucket::new(0.01, 20.0), 20);
        let [one, other] = shares_of_two(&mut limited, 60_000);
        assert!((0.4..=0.6).contains(&one) && (0.4..=0.6).contains(&other), "seed {seed}: {one}, {other} before");
        limited.world.restart(0, Secrets::ONE);
        let store = &limited.world.nodes[0].store;
        store.drains(limited.world.nodes[0].tables[0], limited.bucket.rate_per_ms);
        let _ = shares_of_two(&mut limited, 20_000);
        let [one, other] = shares_of_two(&mut limited, 60_000);
        println!("seed {seed}: {one:.2}, {other:.2} after");
        assert!(one >= 0.3 && other >= 0.3, "seed {seed}: {one}, {other} after");
        assert!((0.95..=1.05).contains(&(one + other)), "seed {seed}: {one}, {other} after");
    }
}

/// A POP that is cut off goes on by its part of the rate: what was admitted before, by the whole rate, is not judged by the part.
#[test]
fn a_part_of_the_rate_is_no_judge_of_the_past() {
    for seed in seeds(&[10, 11, 12]) {
        let whole = Bucket::new(0.01, 20.0);
        let mut limited = Limited::new(seed, whole, 20);
        let _ = shares_of_two(&mut limited, 120_000);
        let part = Bucket::new(whole.rate_per_ms / 3.0, whole.burst / 3.0);
        let (of, mut now) = (&limited.world.nodes[0], limited.world.now);
        // It owes what is above its part of the burst, no more.
        let owes = ((whole.burst - part.burst + 2.0) / part.rate_per_ms) as u64;
        let ask = |now: Time| of.store.charge(of.tables[0], limited.key, &part, 1, now);
        let mut admitted = 0_u32;
        let until = now.plus(owes + 30_000);
        while now < until {
            now = now.plus(100);
            admitted += u32::from(matches!(ask(now), Charge::Admitted { .. }));
        }
        let due = part.rate_per_ms * 30_000.0;
        println!("seed {seed}: {admitted} admitted, {due} due");
        assert!(f64::from(admitted) >= 0.95 * due, "seed {seed}: {admitted} of {due}");
        assert!(f64::from(admitted) <= due + part.burst + 1.0, "seed {seed}: {admitted} of {due}");
    }
}
