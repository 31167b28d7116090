//! The ladder of slot widths. Every width divides the next one, so that each fine slot lies in exactly one coarse slot, and
//! nodes cut time at the same instants without talking.

use std::time::Duration;

/// A slot width from the fixed ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// 10 ms.
    Ms10,
    /// 100 ms.
    Ms100,
    /// One second.
    S1,
    /// 10 s.
    S10,
    /// One minute.
    M1,
    /// 10 minutes.
    M10,
    /// One hour.
    H1,
}

impl Rung {
    /// The ladder, finest first.
    pub const LADDER: [Rung; 7] = [Rung::Ms10, Rung::Ms100, Rung::S1, Rung::S10, Rung::M1, Rung::M10, Rung::H1];

    /// The width in ms.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Rung::Ms10 => 10,
            Rung::Ms100 => 100,
            Rung::S1 => 1_000,
            Rung::S10 => 10_000,
            Rung::M1 => 60_000,
            Rung::M10 => 600_000,
            Rung::H1 => 3_600_000,
        }
    }

    /// The widest rung of at most `burst / (4 rate)`, so that what slots hide (`rate x width`) is a quarter of the burst at
    /// most; the floor of the ladder when even that is too wide.
    #[must_use]
    pub fn fine_for(rate_per_ms: f64, burst: f64) -> Rung {
        let widest = burst / (4.0 * rate_per_ms);
        Rung::LADDER.into_iter().rev().find(|rung| rung.millis() as f64 <= widest).unwrap_or(Rung::Ms10)
    }

    /// The narrowest rung that covers `window`; one hour for windows longer than that.
    #[must_use]
    pub fn coarse_for(window: Duration) -> Rung {
        Rung::LADDER.into_iter().find(|rung| u128::from(rung.millis()) >= window.as_millis()).unwrap_or(Rung::H1)
    }
}
