//! One response that a POP has, and what the judge must know of it.

use std::sync::Arc;

use selvedge_filters::purge::Stamped;
use selvedge_state::{Application, Fill, Time};

/// How long after that it is served while it is validated, ms.
pub(crate) const STALE: u64 = 400;

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The version of its body.
    pub(crate) body: u64,
    /// The last version of which the origin said that it is the same.
    pub(crate) vouched: u64,
    pub(crate) etag: u64,
    /// By the clock of the POP that has it.
    pub(crate) fresh_until: Time,
    pub(crate) stamped: Arc<Stamped>,
    /// In which life of the POP its body was asked for, and when, whatever has validated it since.
    pub(crate) body_asked: (u64, Fill),
    pub(crate) asked: Asked,
}

/// What was the case when a response was asked for, or validated last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The life of the POP that asked.
    pub(crate) life: u64,
    /// How many purges there were.
    pub(crate) purges: usize,
    /// Whether some that are about it were not applied there, hard and soft.
    pub(crate) unapplied: [bool; 2],
}

/// How old a response is to whoever is answered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Within the window in which it may be served while it is validated.
    Stale,
    /// Beyond it.
    Old,
}

impl Stored {
    pub(crate) fn age(&self, now: Time) -> Age {
        if now <= self.fresh_until {
            Age::Fresh
        } else if now <= self.fresh_until.plus(STALE) {
            Age::Stale
        } else {
            Age::Old
        }
    }

    /// No longer fresh from when a soft purge was applied, or before now.
    pub(crate) fn expire(&mut self, applied: Time, now: Time) {
        self.fresh_until = self.fresh_until.min(applied).min(now.minus(1));
    }

    /// The same, stale from an application on; nobody has to look at that again.
    pub(crate) fn stale(mut self, applied: Application, up_to: u64, now: Time) -> Stored {
        self.expire(applied.at, now);
        self.stamped.found_clean(up_to);
        self
    }
}
