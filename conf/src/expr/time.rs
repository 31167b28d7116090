//! Spans and points of time as expressions write them; the same at load and at run time.

use jiff::{SignedDuration, Timestamp};

/// The range of `google.protobuf.Duration`, in seconds. (CEL language definition, "Overflow", leaves it at 290 years.)
const DURATION_MAX: i64 = 315_576_000_000;
/// 0001-01-01T00:00:00Z, the least `google.protobuf.Timestamp`, in seconds. The greatest would be the end of the year 9999;
/// here it is that of [`Timestamp::MAX`], 26 hours earlier, which every time zone can tell.
const TIMESTAMP_MIN: i64 = -62_135_596_800;

/// A span of time: a sign, then decimal numbers with units (`h`, `m`, `s`, `ms`, `us`, `ns`), such as `-1h30m` or `1.5s`; `0` needs no
/// unit. `None` when the text is none, or beyond 10,000 years.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut total: i128 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let (nanos, after) = part(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
        parts += 1;
    }
    let total = if negative { -total } else { total };
    let seconds = i64::try_from(total / 1_000_000_000).ok()?;
    let nanos = i32::try_from(total % 1_000_000_000).ok()?;
    let duration = SignedDuration::new(seconds, nanos);
    (parts > 0 && in_range(duration)).then_some(duration)
}

/// Whether a span of time is one that the language knows.
pub fn in_range(duration: SignedDuration) -> bool {
    duration >= SignedDuration::from_secs(-DURATION_MAX) && duration <= SignedDuration::from_secs(DURATION_MAX)
}

/// The first number and its unit, in nanoseconds, and what follows.
fn part(text: &str) -> Option<(i128, &str)> {
    const UNITS: [(&str, i128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at_checked(digits(text))?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(digits(rest))?,
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, scale) = UNITS.iter().find(|(unit, _)| {
        let after = rest.strip_prefix(unit);
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic()))
    })?;
    // 15 digits of the largest unit are beyond any duration and within 128 bits, with 15 digits of fraction.
    const DIGITS_MAX: usize = 15;
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS_MAX {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(DIGITS_MAX))?;
    let below: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let divisor = 10i128.pow(u32::try_from(fraction.len()).ok()?);
    Some((whole * scale + below * scale / divisor, rest.get(unit.len()..)?))
}

/// A point in time as RFC 3339 writes it, from the year 1 to [`Timestamp::MAX`]. `None` when the text is none.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    // RFC 3339 section 5.6, `date-time`; jiff takes more than that.
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is = |at: usize, mark: &[u8]| bytes.get(at).is_some_and(|byte| mark.contains(byte));
    let date = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18].into_iter().all(digit);
    let marks = is(4, b"-") && is(7, b"-") && is(10, b"Tt") && is(13, b":") && is(16, b":");
    let mut zone = 19;
    if is(zone, b".") {
        zone += 1;
        while digit(zone) {
            zone += 1;
        }
        if zone == 20 {
            return None;
        }
    }
    let zulu = is(zone, b"Zz") && bytes.len() == zone + 1;
    let offset = is(zone, b"+-") && is(zone + 3, b":") && bytes.len() == zone + 6;
    let offset = offset && [1, 2, 4, 5].into_iter().all(|at| digit(zone + at));
    // A leap second is no point of this time line.
    let leap = is(17, b"6");
    if !date || !marks || leap || !(zulu || offset) {
        return None;
    }
    let timestamp: Timestamp = text.parse().ok()?;
    (timestamp.as_second() >= TIMESTAMP_MIN).then_some(timestamp)
}
