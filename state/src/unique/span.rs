//! The slots of absolute time that sketches live in, and for how long.

use crate::counter::{AHEAD_MAX, DRIFT_MAX};
use crate::rung::Rung;
use crate::time::Time;

/// Slots that live at a time: eight, so that a window of eight widths keeps its shape, and the one that its start lies in.
const LIVE: u64 = 9;

/// The width of a slot, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(u64);

/// Where a slot stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Live,
    /// It begins further ahead than a peer's clock may be.
    Ahead,
    /// No window reaches back to it.
    Over,
}

impl Span {
    /// Slots narrower than 100 ms are made that wide: a peer's clock may be ahead by more of them than a key holds.
    pub(crate) fn new(rung: Rung) -> Span {
        Span(rung.millis().max(Rung::Ms100.millis()))
    }

    pub(crate) fn millis(self) -> u64 {
        self.0
    }

    pub(crate) fn slot(self, at: Time) -> u64 {
        at.0 / self.0
    }

    pub(crate) fn start(self, slot: u64) -> Time {
        Time(slot.saturating_mul(self.0))
    }

    /// The oldest slot that lives.
    pub(crate) fn floor(self, now: Time) -> u64 {
        self.slot(now).saturating_sub(LIVE - 1)
    }

    /// The oldest and the newest slot that a window touches.
    pub(crate) fn touched(self, window: u64, now: Time) -> (u64, u64) {
        (self.slot(now.minus(window)).max(self.floor(now)), self.slot(now))
    }

    pub(crate) fn standing(self, slot: u64, now: Time) -> Standing {
        if self.start(slot) > now.plus(self.0.min(AHEAD_MAX)).plus(DRIFT_MAX) {
            Standing::Ahead
        } else if slot < self.floor(now) {
            Standing::Over
        } else {
            Standing::Live
        }
    }
}
