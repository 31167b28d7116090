//! Memory of a table whose keys one node counts.

use selvedge_state::{Key, Time};

use super::{Args, Bench, START, keys};
use crate::figures::{Figures, rounded};
use crate::heap;

pub(super) fn measure(args: &Args, names: &[Key], figures: &mut Figures) -> Result<(), String> {
    // One POP alone: what waits to be sent is taken away 40 times a second, and nobody would here.
    let bench = Bench::of(0, names.len(), 1)?;
    let mut filled = Ok(());
    let asked = heap::asked(|| filled = fill(&bench, names));
    filled?;
    figures.add("bytes_per_key", rounded(asked.grown as f64 / names.len() as f64));
    drop(bench);
    let names = keys(args.many)?;
    let bench = Bench::of(0, names.len(), 1)?;
    let before = resident()?;
    fill(&bench, &names)?;
    figures.add("resident_10m_gb", rounded((resident()? - before) as f64 / 1e9 * 100.0) / 100.0);
    Ok(())
}

/// Charges each key in all eight fine slots and in all eight coarse ones.
fn fill(bench: &Bench, names: &[Key]) -> Result<(), String> {
    for coarse in 0..8 {
        let now = Time(START.0 + coarse * bench.coarse_ms());
        names.iter().try_for_each(|key| bench.touch(*key, now))?;
    }
    for fine in 1..8 {
        let now = Time(START.0 + 7 * bench.coarse_ms() + fine * bench.fine_ms());
        names.iter().try_for_each(|key| bench.touch(*key, now))?;
    }
    Ok(())
}

/// Resident bytes of this process.
fn resident() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| "no VmRSS in /proc/self/status".to_owned())
}
