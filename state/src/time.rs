//! Node time: milliseconds since the Unix epoch, by the clock of the node that read it.
//!
//! The arithmetic saturates: a time far out of range is compared, never wrapped.

use std::fmt;

/// An instant of node time, in ms since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// The beginning of time; before everything that happens.
    pub const ZERO: Time = Time(0);

    /// This instant and `ms` more.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// This instant less `ms`.
    #[must_use]
    pub const fn minus(self, ms: u64) -> Time {
        Time(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to here; 0 when that lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
