//! Rates: how many in how long (`"20/1m"`).

use std::time::Duration;

use super::duration::WINDOW_LONGEST;
use super::{Wrong, duration, shown};
use crate::limit::Rate;

const SHORTEST: Duration = Duration::from_millis(100);

/// A rate of 1 or more per 100 ms to 31 days.
pub(crate) fn rate(text: &str) -> Result<Rate, Wrong> {
    let malformed = |help: &str| Wrong::new(format!("`{}` is not a rate", shown(text))).advice(help);
    const EXAMPLE: &str = "write how many in how long, such as \"20/1m\"";
    let (count, per) = text.split_once('/').ok_or_else(|| malformed(EXAMPLE))?;
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed(EXAMPLE));
    }
    let count: u32 = count.parse().map_err(|_| malformed("the number is at most 4294967295"))?;
    if count == 0 {
        return Err(malformed("the number is at least 1"));
    }
    if matches!(per, "ms" | "s" | "m" | "h" | "d") {
        return Err(malformed(&format!("write \"{count}/1{per}\"")));
    }
    let per = duration(per).map_err(|_| malformed(EXAMPLE))?;
    if per < SHORTEST || per > WINDOW_LONGEST {
        return Err(malformed("the time is between 100ms and 31d"));
    }
    Ok(Rate { count, per })
}
