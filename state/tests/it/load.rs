//! A cluster under load over a wide area, in virtual time.

use crate::sim::load::{self, Links, Load, Seen, Weather};
use crate::support::seeds;

/// The most that changes and repair take on the wire, over ten bytes for each update and peer. Updates come one by one here, a
/// frame of some 60 bytes for each, and what a node that others cannot hear says is passed on.
const OVER_FLOOR: u64 = 20;

fn run(seed: u64, weather: Weather) -> Seen {
    let seen =
        load::run(Load { nodes: 12, links: Links::Mesh, seed, seconds: 9, updates: 300, weather }, &mut |_, _| {});
    assert_eq!(seen.disagreements, 0, "seed {seed}");
    assert!(seen.looks > 5_000 && seen.updates > 2_000, "{seen:?}");
    seen
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in seeds(&[1]) {
        let seen = run(seed, Weather::Foul);
        assert!(seen.faults > 5, "{seen:?}");
        assert_eq!(run(seed, Weather::Foul), seen);
    }
}

#[test]
fn the_same_seed_is_the_same_run_over_a_fabric() {
    let load = |seed| Load { nodes: 8, links: Links::Fabric, seed, seconds: 6, updates: 200, weather: Weather::Foul };
    for seed in seeds(&[8]) {
        let seen = load::run(load(seed), &mut |_, _| {});
        assert!(seen.faults > 3 && seen.updates > 900, "seed {seed}: {seen:?}");
        assert_eq!(load::run(load(seed), &mut |_, _| {}), seen, "seed {seed}");
        assert_ne!(load::run(load(seed + 1), &mut |_, _| {}).digest, seen.digest, "seed {seed}");
    }
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(run(2, Weather::Foul).digest, run(3, Weather::Foul).digest);
}

#[test]
fn what_is_sent_is_bounded() {
    for weather in [Weather::Fair, Weather::Foul] {
        for seed in seeds(&[4, 5]) {
            let seen = run(seed, weather);
            assert!(seen.payload_over_floor < 100 * OVER_FLOOR, "seed {seed}: {seen:?}");
            assert!(seen.unsent_max < 600_000, "seed {seed}: {seen:?}");
        }
    }
}

/// Fleets beyond a mesh's reach: what is published goes once to a broker, and from it to all that no cut keeps from it. Cities hold one node
/// each, so every cut is between two of them.
#[test]
fn over_a_fabric_all_agree_after_trouble() {
    for seed in seeds(&[6, 7]) {
        let load = Load { nodes: 24, links: Links::Fabric, seed, seconds: 10, updates: 200, weather: Weather::Foul };
        let seen = load::run(load, &mut |_, _| {});
        assert_eq!(seen.disagreements, 0, "seed {seed}: {seen:?}");
        assert!(seen.faults > 5 && seen.looks > 3_000 && seen.updates > 1_500, "seed {seed}: {seen:?}");
        assert!(seen.settled < 40_000, "seed {seed}: {seen:?}");
    }
}
