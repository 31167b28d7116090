//! What a global limit may admit beyond `burst + rate x time`, computed before it happens.
//!
//! Counts are exact but late. While a POP has not heard of the others' newest charges it admits requests that the whole
//! would refuse: at most what arrives during the lag. Within one POP arrivals are timed by slots, which hides at most one
//! slot's worth of rate. So, for any two instants s < t,
//!
//! `admitted(s, t] <= burst + rate (t - s) + rate x slot + arrival rate x lag`
//!
//! and the terms after the second are the bound. Charges that come later than the ring of fine slots reaches (seven slots)
//! are timed by the coarse ones, a window wide, and hide up to one of those: `rate x window` more. What is over-admitted once
//! is remembered as debt, so the bound is for any stretch of time, not for each window. This holds while every POP hears
//! every other; `on_partition` says what holds else.
//!
//! A limit that is shared out has neither lag nor slots: `admitted(s, t] <= burst + rate (t - s) + overdraft`, always.

use std::time::Duration;

use selvedge_conf::{Limit, Scope, Tier};
use selvedge_state::{Bucket, Rung};

use super::shared;

/// Fine slots that a charge may be late and still be timed by its own.
const RING: u32 = 7;

/// The parts of a limit's bound that the config fixes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// Requests per second that the limit admits in the long run.
    pub rate_per_s: f64,
    /// Depth of the bucket, requests.
    pub burst: f64,
    /// Width of the slots that time arrivals.
    pub slot: Duration,
    /// Width of the slots that time what comes later than seven of those.
    pub window: Duration,
    /// Requests that one that is shared out may admit beyond that, once; `None` of one that is not.
    pub overdraft: Option<f64>,
    global: bool,
}

impl Bound {
    pub(super) fn new(limit: &Limit, tier: &Tier, bucket: &Bucket) -> Bound {
        let slot = Rung::fine_for(bucket.rate_per_ms, bucket.burst);
        Bound {
            rate_per_s: bucket.rate_per_ms * 1000.0,
            burst: bucket.burst,
            slot: Duration::from_millis(slot.millis()),
            window: Duration::from_millis(Rung::coarse_for(tier.rate.per).millis()),
            overdraft: limit.class.is_shared_out().then(|| shared::overdraft(limit.class, tier)),
            global: limit.scope == Scope::Global,
        }
    }

    /// Requests that may be admitted beyond `burst + rate x time` when `arrivals_per_s` reach all POPs together and a charge
    /// takes at most `lag` to be known everywhere.
    pub fn beyond(&self, arrivals_per_s: f64, lag: Duration) -> f64 {
        if let Some(overdraft) = self.overdraft {
            return overdraft;
        }
        let late = if self.global { arrivals_per_s * lag.as_secs_f64() } else { 0.0 };
        let timed_by = if self.global && lag > self.slot * RING { self.slot + self.window } else { self.slot };
        self.rate_per_s * timed_by.as_secs_f64() + late
    }
}
