//! What was admitted when, and what follows of it.

use super::{PERIOD, RATE};

/// Of one run.
#[derive(Debug)]
pub(super) struct Tally {
    length: u64,
    offered: u64,
    /// When each was admitted, ms after the begin; in order.
    admitted: Vec<u64>,
}

impl Tally {
    pub(super) fn new(length: u64) -> Tally {
        Tally { length, offered: 0, admitted: Vec::new() }
    }

    pub(super) fn offered(&mut self, at: u64, admitted: bool) {
        self.offered += 1;
        if admitted {
            self.admitted.push(at);
        }
    }

    /// Admitted over the whole run, by the limit.
    pub(super) fn long_run(&self) -> f64 {
        self.admitted.len() as f64 / (RATE * self.length as f64)
    }

    /// The part of what was asked for that was admitted.
    pub(super) fn served(&self) -> f64 {
        self.admitted.len() as f64 / self.offered.max(1) as f64
    }

    /// The most that any [`PERIOD`] has, by the limit.
    pub(super) fn worst_window(&self) -> f64 {
        let mut most = 0;
        let mut first = 0;
        for (last, at) in self.admitted.iter().enumerate() {
            while self.admitted[first] + PERIOD <= *at {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most as f64 / (RATE * PERIOD as f64)
    }

    /// The most by which any stretch has more than the rate gives: `max (admitted(s, t] - r (t - s))`, by Lindley's recursion.
    pub(super) fn above_rate(&self) -> f64 {
        let (mut level, mut most, mut last) = (0.0_f64, 0.0_f64, 0);
        for at in &self.admitted {
            level = (level - RATE * (at - last) as f64).max(0.0) + 1.0;
            (most, last) = (most.max(level), *at);
        }
        most
    }
}
