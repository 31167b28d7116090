//! The checker of purges at length: random operations, seed after seed, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use selvedge_purge_sim::{Failure, Plan, Seen, Wrong, check};

use crate::figures::{Figures, rounded};

/// Operations of one seed: few enough for a failure to be looked at.
const OF_A_SEED: u64 = 10_000;

/// What all seeds saw.
#[derive(Debug, Default)]
struct Sum {
    seen: Seen,
    failures: Vec<Failure>,
}

/// Runs so many operations, by seeds from `seed` on.
///
/// # Errors
/// What was wrong first, with its seed, once all have run.
pub(crate) fn measure(seed: u64, operations: u64, figures: &mut Figures) -> Result<(), String> {
    let (runs, began) = (operations.div_ceil(OF_A_SEED), Instant::now());
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let work = || {
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= runs {
                return;
            }
            let operations = OF_A_SEED.min(operations - nth * OF_A_SEED);
            let run = check(Plan { seed: seed.wrapping_add(nth), operations, broken: None });
            let Ok(mut sum) = sum.lock() else { return };
            match run {
                Ok(seen) => sum.seen.add(&seen),
                Err(failure) => {
                    sum.seen.operations += failure.operations;
                    eprintln!("{failure}");
                    sum.failures.push(*failure);
                }
            }
        }
    };
    let crew = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..crew).for_each(|_| drop(scope.spawn(work))));
    let Sum { seen, failures } = sum.into_inner().map_err(|_| "a run did not come to its end".to_owned())?;
    figures.add("operations", seen.operations);
    let stale = failures.iter().filter(|failure| failure.wrong == Wrong::Stale);
    figures.add("stale_after_receipt", stale.count());
    figures.add("hit_ratio", rounded(seen.hit_ratio()));
    let Seen { requests, stale, collapsed, purges, receipts, purged, validated, .. } = seen;
    let Seen { through, anew, from_disk, from_earlier, crashes, cuts, .. } = seen;
    for (name, number) in [
        ("requests", requests),
        ("served_stale", stale),
        ("collapsed", collapsed),
        ("checked_purges", purges),
        ("receipts", receipts),
        ("found_purged", purged),
        ("validated", validated),
        ("through_parent", through),
        ("through_parent_anew", anew),
        ("from_disk", from_disk),
        ("from_disk_of_earlier_lives", from_earlier),
        ("crashes", crashes),
        ("cuts", cuts),
    ] {
        figures.add(name, number);
    }
    figures.add("seconds", rounded(began.elapsed().as_secs_f64()));
    failures.first().map_or(Ok(()), |failure| Err(failure.to_string()))
}
