//! The checker of purges, for a short while: nothing stale is answered, what is not purged is stored, and a rule that is left out is found.

use std::sync::Mutex;

use selvedge_purge_sim::{Break, Failure, Plan, Seen, Wrong, check};
use selvedge_sim::seeds;

/// Operations of one run.
const OPERATIONS: u64 = 4_000;

fn run(seed: u64, broken: Option<Break>) -> Result<Seen, Box<Failure>> {
    check(Plan { seed, operations: OPERATIONS, broken })
}

#[test]
fn nothing_is_answered_that_a_purge_was_about() {
    let sum = Mutex::new(Seen::default());
    for seed in seeds(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
        let seen = run(seed, None).unwrap_or_else(|failure| panic!("{failure}"));
        sum.lock().unwrap().add(&seen);
    }
    let seen = *sum.lock().unwrap();
    // It would be right, and worth nothing, if nothing was ever stored.
    assert!(seen.hit_ratio() > 0.4, "{seen:?}");
    for (name, times) in [
        ("stale", seen.stale),
        ("collapsed", seen.collapsed),
        ("receipts", seen.receipts),
        ("purged", seen.purged),
        ("validated", seen.validated),
        ("through", seen.through),
        ("from_disk", seen.from_disk),
        ("from_earlier", seen.from_earlier),
        ("crashes", seen.crashes),
        ("cuts", seen.cuts),
    ] {
        assert!(times >= 20, "{name}: {times}, {seen:?}");
    }
}

/// The same seed gives the same run, or no failure could be looked at twice.
#[test]
fn a_seed_replays_a_run() {
    assert_eq!(run(7, None), run(7, None));
    let broken = [run(7, Some(Break::Late)), run(7, Some(Break::Late))];
    assert!(broken[0].is_err() && broken[0] == broken[1], "{broken:?}");
}

/// Within so many operations, from several seeds.
#[test]
fn a_rule_that_is_left_out_is_found() {
    for broken in Break::ALL {
        let stale = |seed| run(seed, Some(broken)).err().filter(|failure| failure.wrong == Wrong::Stale);
        let found = (1..=200).find_map(stale);
        let Some(failure) = found else { panic!("{broken:?} was not found in {} operations", 200 * OPERATIONS) };
        println!("{broken:?}: {} operations of seed {}: {}", failure.operations, failure.seed, failure.what);
        assert!(!failure.before.is_empty() && failure.to_string().contains(&format!("seed {}", failure.seed)));
    }
}
