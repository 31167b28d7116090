//! The two slot widths of a table, and the arithmetic between instants and slots.

use crate::rung::Rung;
use crate::time::Time;

/// The most by which a slot may start ahead of this node's clock, ms, beside the drift of clocks.
pub(crate) const AHEAD_MAX: u64 = 3_600_000;

/// Slot widths, in ms. Each fine slot lies in exactly one coarse slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    fine: u64,
    coarse: u64,
    /// Fine slots in a coarse one: kept, since a division is dear and each charge asks.
    ratio: u64,
}

impl Widths {
    /// A coarse width that is no multiple of the fine one is raised to the next one that is; one below it, to itself: coarse
    /// cells are there to remember longer.
    pub(crate) fn new(fine: Rung, coarse: Rung) -> Widths {
        let fine = fine.millis();
        let ratio = coarse.millis().max(fine).div_ceil(fine);
        Widths { fine, coarse: ratio.saturating_mul(fine), ratio }
    }

    /// How far ahead of this node's clock a slot may start, ms, beside the drift of clocks: a fine slot, but an hour at most.
    pub(crate) fn ahead(self) -> u64 {
        self.fine.min(AHEAD_MAX)
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
        fine_slot / self.ratio
    }

    pub(crate) fn first_fine(self, coarse_slot: u64) -> u64 {
        coarse_slot.saturating_mul(self.ratio)
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
