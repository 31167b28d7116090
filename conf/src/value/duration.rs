//! Durations: whole numbers with units, one or several (`"90s"`, `"1m30s"`).

use std::time::Duration;

use super::{Wrong, shown};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Nothing in a config lasts longer than a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// Nothing is counted further back than this.
pub(crate) const WINDOW_LONGEST: Duration = Duration::from_secs(31 * 86_400);
const WINDOW_SHORTEST: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(86_400);

/// A duration of 0 to 366 days.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    let malformed = || {
        Wrong::new(format!("`{}` is not a duration", shown(text)))
            .advice("write a whole number and a unit, such as \"10s\"; the units are ms, s, m, h and d")
    };
    let too_long = || Wrong::new(format!("`{}` is longer than 366 days", shown(text)));
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        if number.is_empty() {
            return Err(malformed());
        }
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let n: u64 = number.parse().map_err(|_| too_long())?;
        total = n.checked_mul(*scale).and_then(|n| total.checked_add(n)).ok_or_else(too_long)?;
        rest = next;
    }
    let total = Duration::from_millis(total);
    if total > LONGEST { Err(too_long()) } else { Ok(total) }
}

/// A duration that is not zero, at most 366 days.
pub(crate) fn some_time(text: &str) -> Result<Duration, Wrong> {
    match duration(text)? {
        zero if zero.is_zero() => Err(Wrong::new(format!("`{}` is no time at all", shown(text)))),
        length => Ok(length),
    }
}

/// How far back counts reach: 1 s to 31 days.
pub(crate) fn window(text: &str) -> Result<Duration, Wrong> {
    match duration(text)? {
        window if (WINDOW_SHORTEST..=WINDOW_LONGEST).contains(&window) => Ok(window),
        _ => Err(Wrong::new(format!("`{}` is out of range: 1s to 31d is possible here", shown(text)))),
    }
}

/// A duration something waits for: 1 ms to 1 day.
pub(crate) fn timeout(text: &str) -> Result<Duration, Wrong> {
    let wait = duration(text)?;
    if wait.is_zero() || wait > LONGEST_TIMEOUT {
        return Err(Wrong::new(format!("`{}` is out of range: 1ms to 1d is possible here", shown(text))));
    }
    Ok(wait)
}
