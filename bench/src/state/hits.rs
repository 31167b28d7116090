//! Charges of known keys: nanoseconds and allocations for each, on one thread and on two.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use selvedge_state::{Key, Time};

use super::{Args, Bench, START, bare};
use crate::figures::{Figures, median, rounded};
use crate::heap;
use crate::zipf::zipf;

/// How unevenly keys are asked for.
pub(super) const EXPONENT: f64 = 0.99;

pub(super) fn measure(args: &Args, keys: &[Key], figures: &mut Figures) -> Result<(), String> {
    let bench = Bench::new(0, keys.len())?;
    bench.fill(keys)?;
    let mut evenly = keys.to_vec();
    fastrand::Rng::with_seed(1).shuffle(&mut evenly);
    // Ranks go to keys in their shuffled order, so that neighbours in rank are none in the map.
    let drawn = |seed| -> Vec<Key> {
        zipf(keys.len(), EXPONENT, keys.len(), seed).iter().filter_map(|rank| evenly.get(*rank).copied()).collect()
    };
    let (one, other) = (drawn(2), drawn(3));
    let hot = vec![*keys.first().ok_or("no keys")?; keys.len()];
    let (mut uneven, mut even) = (Vec::new(), Vec::new());
    let (mut speedups, mut shared) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let at = |step: u64| Time(START.0 + 1 + 8 * u64::from(round) + step);
        let alone = on_one(&bench, &one, at(0))?;
        uneven.push(alone);
        even.push(on_one(&bench, &evenly, at(1))?);
        speedups.push(2.0 * alone / on_two(&bench, [&one, &other], at(2))?);
        let alone = on_one(&bench, &hot, at(3))?;
        shared.push(2.0 * alone / on_two(&bench, [&hot, &hot], at(4))?);
    }
    let figure = |values| median(values).map_or(0.0, rounded);
    figures.add("hit_ns", figure(single(&bench, &one)?));
    figures.add("bare_map_ns", bare::measure(keys.len()).map(rounded));
    figures.add("hit_mean_ns", figure(uneven));
    figures.add("hit_even_mean_ns", figure(even));
    figures.add("two_thread_speedup", figure(speedups));
    figures.add("two_thread_one_key_speedup", figure(shared));
    let mut failed = Ok(());
    let later = Time(START.0 + 1000);
    let some = evenly.get(..evenly.len().min(10_000)).unwrap_or(&evenly);
    let asked = heap::asked(|| failed = some.iter().try_for_each(|key| bench.charge(*key, later)));
    failed?;
    figures.add("hit_allocs", rounded(asked.bytes as f64 / some.len() as f64));
    Ok(())
}

/// ns of each of many single hits, without what looking at the clock takes.
fn single(bench: &Bench, keys: &[Key]) -> Result<Vec<f64>, String> {
    let now = Time(START.0 + 900);
    let looks: Vec<f64> = keys.iter().map(|_| Instant::now().elapsed().as_nanos() as f64).collect();
    let look = median(looks).unwrap_or_default();
    let hit = |key: &Key| {
        let began = Instant::now();
        bench.touch(*key, now)?;
        Ok(began.elapsed().as_nanos() as f64 - look)
    };
    keys.iter().map(hit).collect()
}

/// ns for each key, all together.
fn on_one(bench: &Bench, keys: &[Key], now: Time) -> Result<f64, String> {
    let began = Instant::now();
    keys.iter().try_for_each(|key| bench.touch(*key, now))?;
    Ok(began.elapsed().as_nanos() as f64 / keys.len() as f64)
}

/// ns for each key of either thread: the time of the slower one over its keys.
fn on_two(bench: &Bench, keys: [&[Key]; 2], now: Time) -> Result<f64, String> {
    let ready = Barrier::new(2);
    let run = |keys: &[Key]| {
        ready.wait();
        on_one(bench, keys, now)
    };
    let times = thread::scope(|threads| {
        let [one, other] = keys.map(|keys| threads.spawn(|| run(keys)));
        [one.join(), other.join()].map(|joined| joined.map_err(|_| "a thread broke off".to_owned()))
    });
    let [one, other] = times;
    Ok(one??.max(other??))
}
