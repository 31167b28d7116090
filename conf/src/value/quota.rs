//! Quotas: how many requests, or bytes, in an hour, a day or a month (`"10000/day"`, `"10GiB/month"`).

use super::{Wrong, shown, size};
use crate::limit::{Period, Quota, Unit};
use crate::suggest;

const PERIODS: [(&str, Period); 3] = [("hour", Period::Hour), ("day", Period::Day), ("month", Period::Month)];

/// A quota of 1 or more. Of one in bytes it is not known yet how many are taken beforehand.
pub(crate) fn quota(text: &str) -> Result<Quota, Wrong> {
    let wrong = || Wrong::new(format!("`{}` is not a quota", shown(text)));
    let malformed =
        || wrong().advice("write how much in an hour, a day or a month, such as \"10000/day\" or \"10GiB/month\"");
    let (amount, period) = text.split_once('/').ok_or_else(malformed)?;
    let Some((_, period)) = PERIODS.iter().find(|(word, _)| *word == period) else {
        let words = || PERIODS.iter().map(|(word, _)| *word);
        return Err(
            Wrong::new(format!("`{}` is not a time of quotas", shown(period))).help(suggest::among(period, words))
        );
    };
    let number = !amount.is_empty() && amount.bytes().all(|byte| byte.is_ascii_digit());
    let (amount, unit) = if number {
        (amount.parse().map_err(|_| wrong().advice("the number is too large"))?, Unit::Requests)
    } else {
        (size(amount).map_err(|_| malformed())?, Unit::Bytes { reserve: 0 })
    };
    if amount == 0 {
        return Err(wrong().advice("the number is at least 1"));
    }
    Ok(Quota { amount, unit, period: *period })
}
