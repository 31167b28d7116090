//! One author's counts on their way between nodes.

use super::cells::{Counts, Ring, SLOTS};
use super::widths::Widths;
use crate::time::Time;

/// One row, newest cell first: index `i` is the slot `i` before the head (fine) or before the coarse slot that the head
/// lies in (coarse). Cells of 0 say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) head: u64,
    pub(crate) fine: [u64; SLOTS as usize],
    pub(crate) coarse: [u64; SLOTS as usize],
}

/// How far ahead of this node's clock a cell's start may lie, beyond one fine slot (an hour at most): the bound on clock
/// drift, ms.
pub(crate) const DRIFT_MAX: u64 = 500;

/// The most that is believed to be counted in a ms of a slot: bytes at 134 Gbit/s. Requests are fewer.
pub(crate) const COUNT_MOST: u64 = 1 << 24;

/// The slots that are accepted at one instant: none that begins too far ahead, none that is past what the rings hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    widths: Widths,
    latest_start: u64,
    oldest_coarse: u64,
}

/// Cells that were not accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) ahead: u64,
    pub(crate) expired: u64,
    /// Counts that no node can have counted.
    pub(crate) implausible: u64,
}

impl Bounds {
    pub(crate) fn at(now: Time, widths: Widths) -> Bounds {
        let latest_start = now.plus(widths.ahead()).plus(DRIFT_MAX).0;
        Bounds { widths, latest_start, oldest_coarse: widths.coarse_slot(now).saturating_sub(SLOTS - 1) }
    }

    /// Empties the row's cells outside of the bounds. Refusing what expired at the door is what keeps it from coming back.
    pub(crate) fn clip(&self, row: &mut Row) -> Refused {
        let mut refused = Refused::default();
        let widths = self.widths;
        let newest = widths.coarse_of(row.head);
        for (age, count) in (0..).zip(&mut row.fine).filter(|(_, count)| **count > 0) {
            let slot = row.head.checked_sub(age);
            let cell = slot.map(|slot| (widths.fine_start(slot), widths.coarse_of(slot)));
            self.judge(cell, widths.fine(), count, &mut refused);
        }
        for (age, count) in (0..).zip(&mut row.coarse).filter(|(_, count)| **count > 0) {
            let slot = newest.checked_sub(age);
            self.judge(slot.map(|slot| (widths.coarse_start(slot), slot)), widths.coarse(), count, &mut refused);
        }
        refused
    }

    fn judge(&self, cell: Option<(u64, u64)>, width: u64, count: &mut u64, refused: &mut Refused) {
        match cell {
            Some(_) if *count > COUNT_MOST.saturating_mul(width) => refused.implausible += 1,
            Some((start, _)) if start > self.latest_start => refused.ahead += 1,
            Some((_, coarse)) if coarse >= self.oldest_coarse => return,
            Some(_) | None => refused.expired += 1,
        }
        *count = 0;
    }
}

impl Row {
    pub(crate) fn of(cells: Counts<'_>, head: u64, widths: Widths) -> Row {
        let mut row = Row { head, fine: [0; SLOTS as usize], coarse: [0; SLOTS as usize] };
        let newest = widths.coarse_of(head);
        for (age, count) in (0..).zip(&mut row.fine) {
            *count = head.checked_sub(age).map_or(0, |slot| cells.get(Ring::Fine, slot));
        }
        for (age, count) in (0..).zip(&mut row.coarse) {
            *count = newest.checked_sub(age).map_or(0, |slot| cells.get(Ring::Coarse, slot));
        }
        row
    }

    /// Empties the cells of slots that were over before `since`: they cannot have changed after it.
    pub(crate) fn only_since(&mut self, since: Time, widths: Widths) {
        let newest = widths.coarse_of(self.head);
        for (age, count) in (0..).zip(&mut self.fine) {
            if widths.fine_start(self.head.saturating_sub(age)).saturating_add(widths.fine()) <= since.0 {
                *count = 0;
            }
        }
        for (age, count) in (0..).zip(&mut self.coarse) {
            if widths.coarse_start(newest.saturating_sub(age)).saturating_add(widths.coarse()) <= since.0 {
                *count = 0;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fine.iter().chain(&self.coarse).all(|count| *count == 0)
    }

    /// Fine slots with a count, newest first.
    pub(crate) fn fine_cells(&self) -> impl Iterator<Item = (u64, u64)> {
        cells(self.head, &self.fine)
    }

    /// Coarse slots with a count, oldest first.
    pub(crate) fn coarse_cells(&self, widths: Widths) -> impl Iterator<Item = (u64, u64)> {
        cells(widths.coarse_of(self.head), &self.coarse).rev()
    }

    /// The newest fine slot that its cells speak of.
    pub(crate) fn newest(&self, widths: Widths) -> Option<u64> {
        let slot = |(slot, _): (u64, u64)| slot;
        let coarse = cells(widths.coarse_of(self.head), &self.coarse).next().map(slot);
        self.fine_cells().next().map(slot).max(coarse.map(|slot| widths.first_fine(slot)))
    }

    /// Says when an amount of the coarse slot `coarse` that is missing in the ring happened, oldest first: `tell(amount,
    /// not before)`. The newest counts of a row are the new ones, so its fine cells before the ring explain them newest
    /// first; the rest happened after the coarse slot's start.
    pub(crate) fn explain(&self, widths: Widths, coarse: u64, ring: u64, late: u64, mut tell: impl FnMut(u64, u64)) {
        if late == 0 {
            return;
        }
        let mut rest = late;
        let mut told = [(0, 0); SLOTS as usize];
        let before = self.fine_cells().filter(|(slot, _)| *slot < ring && widths.coarse_of(*slot) == coarse);
        for ((slot, count), place) in before.zip(&mut told) {
            let part = rest.min(count);
            rest -= part;
            *place = (part, widths.fine_start(slot));
        }
        let oldest_first = std::iter::once((rest, widths.coarse_start(coarse))).chain(told.into_iter().rev());
        for (amount, from) in oldest_first.filter(|(amount, _)| *amount > 0) {
            tell(amount, from);
        }
    }
}

/// Slots with a count, newest first.
#[inline]
fn cells(newest: u64, counts: &[u64; SLOTS as usize]) -> impl DoubleEndedIterator<Item = (u64, u64)> {
    let cell = move |(age, count): (usize, &u64)| Some((newest.checked_sub(age as u64)?, *count));
    counts.iter().enumerate().filter(|(_, count)| **count > 0).filter_map(cell)
}
