//! How far a limit was overshot: the greatest backlog of any of a table's buckets that counts of peers were seen to make. A node's own
//! charges never go beyond the burst; what peers admitted meanwhile comes on top when it is heard. Kept by one process, of what it came to
//! know: a lower bound, as each backlog is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::time::Time;

/// A backlog, and when it was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overshot {
    /// Tokens beyond the burst, more than 0.
    pub by: f64,
    /// When the counts that made it were joined, by this node's clock.
    pub at: Time,
}

/// Nothing is watched.
const NEVER: u64 = f64::INFINITY.to_bits();

/// What one table has seen.
#[derive(Debug)]
pub(super) struct Peak {
    /// Backlogs up to this are nothing new; the bits of numbers that are not negative are in their order.
    above: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    burst: Option<f64>,
    greatest: Option<Overshot>,
}

impl Peak {
    pub(super) fn new() -> Peak {
        Peak { above: AtomicU64::new(NEVER), seen: Mutex::default() }
    }

    /// Watches for backlogs above a burst from here on. Another burst than before begins anew.
    pub(super) fn watch(&self, burst: f64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.burst != Some(burst) {
            *seen = Seen { burst: Some(burst), greatest: None };
            self.above.store(burst.max(0.0).to_bits(), Ordering::Relaxed);
        }
    }

    /// Whether a bucket that so many tokens came to can have a backlog that is new. One load.
    pub(super) fn may_be_new(&self, tokens: u64) -> bool {
        tokens as f64 > f64::from_bits(self.above.load(Ordering::Relaxed))
    }

    /// Counts of peers made this backlog.
    pub(super) fn see(&self, backlog: f64, now: Time) {
        if backlog <= f64::from_bits(self.above.load(Ordering::Relaxed)) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(by) = seen.burst.map(|burst| backlog - burst) else { return };
        if seen.greatest.is_none_or(|greatest| greatest.by < by) {
            seen.greatest = Some(Overshot { by, at: now });
            self.above.store(backlog.to_bits(), Ordering::Relaxed);
        }
    }

    /// The greatest that was seen.
    pub(super) fn greatest(&self) -> Option<Overshot> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).greatest
    }
}
