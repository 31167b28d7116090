//! Spans and points of time: their ranges and their parts.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use selvedge_conf::expr::{self, TimePart};

/// What a lag beyond all counting is shown as, in ms: the longest span, 10,000 years (`google.protobuf.Duration`).
pub(super) const LAG_MAX_MS: i64 = 315_576_000_000_000;
/// 0001-01-01T00:00:00Z, in seconds since 1970. The other end, in the year 9999, is that of [`Timestamp`].
const FIRST_S: i64 = -62_135_596_800;

/// A span within the range that the language knows; absent outside.
pub(super) fn span(span: SignedDuration) -> Option<SignedDuration> {
    if expr::in_range(span) { Some(span) } else { None }
}

/// A point in time within the years 1 to 9999; absent outside.
pub(super) fn instant(at: Timestamp) -> Option<Timestamp> {
    if seconds(at) < FIRST_S { None } else { Some(at) }
}

/// Whole seconds since 1970, rounded down.
pub(super) fn seconds(at: Timestamp) -> i64 {
    // A second before 1970 has the sign in its parts too.
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// A part of a point in time, in a time zone.
pub(super) fn part(part: TimePart, at: Timestamp, zone: &TimeZone) -> i64 {
    let local = zone.to_datetime(at);
    match part {
        TimePart::Year => i64::from(local.year()),
        TimePart::Month => i64::from(local.month()) - 1,
        TimePart::Date => i64::from(local.day()),
        TimePart::DayOfMonth => i64::from(local.day()) - 1,
        TimePart::DayOfWeek => i64::from(local.weekday().to_sunday_zero_offset()),
        TimePart::DayOfYear => i64::from(local.day_of_year()) - 1,
        TimePart::Hours => i64::from(local.hour()),
        TimePart::Minutes => i64::from(local.minute()),
        TimePart::Seconds => i64::from(local.second()),
        TimePart::Milliseconds => i64::from(local.millisecond()),
    }
}
