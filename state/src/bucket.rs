//! A token bucket as the caller states it, and what a charge says.

/// Rate and depth of a token bucket, and how much may wait for it. A parameter of each call, never part of what is stored or replicated: editing a limit
/// keeps its counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Tokens that drain per ms. More than 0.
    pub rate_per_ms: f64,
    /// The depth, in tokens: what may be admitted at one instant after a long silence.
    pub burst: f64,
    /// Tokens beyond the depth that are admitted as well, but have to wait until the bucket has drained to it: a leaky bucket as a
    /// queue. 0 where nobody waits.
    pub queue: f64,
}

/// Rounding of sums must not refuse a client that fills its bucket to the brim: this much above it is still full.
const BRIM: f64 = 1e-6;

impl Bucket {
    /// One in which nobody waits.
    #[must_use]
    pub const fn new(rate_per_ms: f64, burst: f64) -> Bucket {
        Bucket { rate_per_ms, burst, queue: 0.0 }
    }

    /// Whether less than half of its depth is left.
    pub(crate) fn is_near(&self, remaining: u32) -> bool {
        f64::from(remaining) < self.burst / 2.0
    }

    /// What it holds at most, who waits included, in tokens.
    pub(crate) fn depth(&self) -> f64 {
        self.burst + self.queue
    }

    /// What a bucket with this backlog says to a cost.
    pub(crate) fn judge(&self, backlog: f64, cost: u32) -> Charge {
        let holds = self.depth() + BRIM;
        let after = backlog + f64::from(cost);
        if after <= self.burst + BRIM {
            // Casting saturates, so a huge burst reads as u32::MAX.
            return Charge::Admitted { remaining: (self.burst + BRIM - after).max(0.0) as u32, wait_ms: 0 };
        }
        if after <= holds {
            return Charge::Admitted { remaining: 0, wait_ms: self.drains_in(after - self.burst) };
        }
        if f64::from(cost) > holds {
            return Charge::Refused { retry_after_ms: u64::MAX };
        }
        Charge::Refused { retry_after_ms: self.drains_in(after - self.burst - self.queue) }
    }

    /// How long it takes until so many tokens have drained, ms.
    fn drains_in(&self, tokens: f64) -> u64 {
        (tokens / self.rate_per_ms).ceil() as u64
    }
}

/// What a check-and-charge of one bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// There was room, and the cost is charged.
    Admitted {
        /// Whole tokens left; 0 where it has to wait.
        remaining: u32,
        /// How long it has to wait until the bucket has drained to its depth, ms: more than 0 only where there is a
        /// [queue](Bucket::queue).
        wait_ms: u64,
    },
    /// There was none; nothing is charged.
    Refused {
        /// After how many ms the same cost is admitted if nobody else charges, be it into the queue. `u64::MAX` for a cost above
        /// burst and queue, which never fits.
        retry_after_ms: u64,
    },
    /// The table is at its cap and nothing could be forgotten. Nothing is charged; the caller decides.
    Full,
}
