//! The two slot widths of a table, and the arithmetic between instants and slots.

use crate::rung::Rung;
use crate::time::Time;

/// Slot widths, in ms. Each fine slot lies in exactly one coarse slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    fine: u64,
    coarse: u64,
}

impl Widths {
    /// A coarse width below the fine one is raised to it: coarse cells are there to remember longer.
    pub(crate) fn new(fine: Rung, coarse: Rung) -> Widths {
        Widths { fine: fine.millis(), coarse: coarse.millis().max(fine.millis()) }
    }

    pub(crate) fn fine(self) -> u64 {
        self.fine
    }

    pub(crate) fn coarse(self) -> u64 {
        self.coarse
    }

    pub(crate) fn fine_slot(self, at: Time) -> u64 {
        at.0 / self.fine
    }

    pub(crate) fn coarse_slot(self, at: Time) -> u64 {
        at.0 / self.coarse
    }

    /// The coarse slot that a fine slot lies in.
    pub(crate) fn coarse_of(self, fine_slot: u64) -> u64 {
        fine_slot / (self.coarse / self.fine)
    }

    pub(crate) fn first_fine(self, coarse_slot: u64) -> u64 {
        coarse_slot.saturating_mul(self.coarse / self.fine)
    }

    /// When a fine slot starts, ms.
    pub(crate) fn fine_start(self, slot: u64) -> u64 {
        slot.saturating_mul(self.fine)
    }

    /// When a coarse slot starts, ms.
    pub(crate) fn coarse_start(self, slot: u64) -> u64 {
        slot.saturating_mul(self.coarse)
    }
}
