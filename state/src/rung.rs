//! The widths of slots. Limits take theirs from a ladder, on which every width divides the next one: editing a rate a little
//! keeps the table. What is looked back at through windows takes exact parts of the longest window. Either way each fine slot
//! lies in exactly one coarse slot, and nodes cut time at the same instants without talking.

use std::time::Duration;

/// Slots of a ring that are whole, whatever the time: the newest of the eight has only begun.
const WHOLE: u64 = 7;

/// Fine slots in a coarse one, for looks: as soon as the fine slots reach back no more a coarse one is whole.
const FINE_IN_COARSE: u64 = 8;

/// A slot width: from the ladder, or an exact one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// 6 hours.
    H6,
    /// One day.
    D1,
    /// 5 days: eight of them cover the longest window, 31 days, at any time.
    D5,
    /// So many ms; 0 is taken for 1.
    Ms(u64),
}

impl Rung {
    /// The ladder, finest first.
    pub const LADDER: [Rung; 10] =
        [Rung::Ms10, Rung::Ms100, Rung::S1, Rung::S10, Rung::M1, Rung::M10, Rung::H1, Rung::H6, Rung::D1, Rung::D5];

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
            Rung::H6 => 21_600_000,
            Rung::D1 => 86_400_000,
            Rung::D5 => 432_000_000,
            Rung::Ms(0) => 1,
            Rung::Ms(ms) => ms,
        }
    }

    /// The widest rung of at most `burst / (4 rate)`, so that what slots hide (`rate x width`) is a quarter of the burst at
    /// most; the floor of the ladder when even that is too wide. An hour at most: wider ones would save nothing, and tell
    /// windows less.
    #[must_use]
    pub fn fine_for(rate_per_ms: f64, burst: f64) -> Rung {
        let widest = burst / (4.0 * rate_per_ms);
        let fits = |rung: &Rung| rung.millis() <= Rung::H1.millis() && rung.millis() as f64 <= widest;
        Rung::LADDER.into_iter().rev().find(fits).unwrap_or(Rung::Ms10)
    }

    /// The narrowest rung that covers `window`; five days for windows longer than that, of which eight cover 35 days.
    #[must_use]
    pub fn coarse_for(window: Duration) -> Rung {
        Rung::LADDER.into_iter().find(|rung| u128::from(rung.millis()) >= window.as_millis()).unwrap_or(Rung::D5)
    }

    /// The fine and the coarse width for counts that are read through windows of up to `window`: 1/56 and 1/7 of it, rounded
    /// up to whole ms. Seven whole coarse slots cover the window, and eight fine ones make a coarse one.
    #[must_use]
    pub fn for_looks(window: Duration) -> (Rung, Rung) {
        let fine = millis(window).div_ceil(WHOLE * FINE_IN_COARSE).max(1);
        (Rung::Ms(fine), Rung::Ms(fine.saturating_mul(FINE_IN_COARSE)))
    }

    /// The width for distinct counts that are read through windows of up to `window`: an eighth of it, rounded up to whole ms.
    #[must_use]
    pub fn eighth_of(window: Duration) -> Rung {
        Rung::Ms(millis(window).div_ceil(8).max(1))
    }
}

fn millis(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX)
}
