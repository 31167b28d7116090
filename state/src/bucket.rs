//! A token bucket as the caller states it, and what a charge says.

/// Rate and depth of a token bucket. A parameter of each call, never part of what is stored or replicated: editing a limit
/// keeps its counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Tokens that drain per ms. More than 0.
    pub rate_per_ms: f64,
    /// The depth, in tokens: what may be admitted at one instant after a long silence.
    pub burst: f64,
}

/// Rounding of sums must not refuse a client that fills its bucket to the brim: this much above it is still full.
const BRIM: f64 = 1e-6;

impl Bucket {
    /// Whether less than half of its depth is left.
    pub(crate) fn is_near(&self, remaining: u32) -> bool {
        f64::from(remaining) < self.burst / 2.0
    }

    /// What a bucket with this backlog says to a cost.
    pub(crate) fn judge(&self, backlog: f64, cost: u32) -> Charge {
        let after = backlog + f64::from(cost);
        if after <= self.burst + BRIM {
            // Casting saturates, so a huge burst reads as u32::MAX.
            return Charge::Admitted { remaining: (self.burst + BRIM - after).max(0.0) as u32 };
        }
        Charge::Refused { retry_after_ms: ((after - self.burst) / self.rate_per_ms).ceil() as u64 }
    }
}

/// What a check-and-charge of one bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// There was room, and the cost is charged.
    Admitted {
        /// Whole tokens left.
        remaining: u32,
    },
    /// There was none; nothing is charged.
    Refused {
        /// After how many ms the same cost fits if nobody else charges. Finite even for a cost above the burst, which never
        /// fits.
        retry_after_ms: u64,
    },
    /// The table is at its cap and nothing could be forgotten. Nothing is charged; the caller decides.
    Full,
}
