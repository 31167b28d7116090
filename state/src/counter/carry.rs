//! The backlog of a token bucket at the start of the oldest fine slot: what the ring does not tell any more.
//!
//! It is always a lower bound of the true backlog there: the backlog of the same arrivals, some of them moved earlier.

/// A backlog and how long it has lasted. Local to a node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Carry {
    /// Tokens, at the ring's start. Never below 0.
    pub(crate) backlog: f64,
    /// How long before the ring's start the busy period began, ms; of meaning only while there is a backlog. One longer than 49
    /// days reads as 49 days, which only makes late charges drain longer.
    pub(super) busy_for: u32,
}

impl Carry {
    /// Passes a stretch of `width` ms, at whose end the ring starts now, with all its arrivals at its start.
    pub(crate) fn pass(&mut self, arrived: u64, width: u64, rate: f64) {
        if self.backlog <= 0.0 {
            self.busy_for = 0;
        }
        self.busy_for = self.busy_for.saturating_add(u32::try_from(width).unwrap_or(u32::MAX));
        self.backlog = (self.backlog + arrived as f64 - rate * width as f64).max(0.0);
    }

    /// Takes in an amount that is known to have arrived at `from` or after it. `edge` is the ring's start, at which this
    /// backlog stands.
    pub(crate) fn late(&mut self, amount: u64, from: u64, edge: u64, rate: f64) {
        let busy = if self.backlog > 0.0 { edge.saturating_sub(self.busy_for.into()) } else { edge };
        // Alone until the busy period began, it drained; from there on the backlog was never 0 and it adds in full.
        let left = amount as f64 - rate * busy.saturating_sub(from) as f64;
        if left > 0.0 {
            self.backlog += left;
            self.busy_for = u32::try_from(edge.saturating_sub(busy.min(from))).unwrap_or(u32::MAX);
        }
    }

    /// Takes an amount back that was taken in as late and is counted in the ring now. A backlog falls by as much as the
    /// arrivals it loses at most, so it stays a lower bound.
    pub(crate) fn early(&mut self, amount: u64) {
        self.backlog = (self.backlog - amount as f64).max(0.0);
    }
}
