//! `SlotCounter`: counts in absolute time, one row for each author.
//!
//! A row has eight fine and eight coarse cells. A cell is the count of one slot of absolute time, so nothing is ever reset:
//! counts die because their slot leaves the ring. Only an author raises its own cells; a join takes the greater count of each
//! cell, which makes loss, duplication and reordering harmless. What is read is the sum over authors.
//!
//! # The token bucket
//!
//! The level of a bucket cannot be merged, counts can. So the level is computed: `q`, the backlog in tokens, follows from the
//! arrivals by Lindley's recursion (D. V. Lindley, 1952), `q = max(0, q + n - r d)` for a slot with `n` tokens, rate `r` and
//! width `d`. All arrivals of a slot are taken to be at its start. Arrivals that are moved earlier never raise a later
//! backlog, so `q` is never over the true level and a client under its limit is never refused; and since they move by less
//! than `d`, one node admits at most `burst + r (t - s) + r d` in any stretch of time.
//!
//! Eight slots alone would forget what happened before them. Beside the cells each node keeps a [`Carry`]: the backlog at
//! the start of the oldest fine slot, and since when it has been above 0. A slot that leaves the ring is folded into it. The
//! carry is never replicated: it is what this node computed from counts that are.
//!
//! A peer's charges may arrive after their fine slot left the ring. They show as a coarse cell that rises by more than the
//! fine cells in the ring. Of such a late amount `L` it is known that it happened at or after some instant `u`: a row's
//! counts are made in order, so the newest of its fine cells have it first, at their slots' starts, and what they do not
//! explain happened after the start of the coarse slot. If the backlog has been above 0 since `u`, `L` adds to it exactly.
//! Otherwise `L` drained alone until the busy period began (or until the ring's start), and what is left then is added: a
//! lower bound, so that lateness never refuses a client wrongly.
//!
//! Folding needs the rate, which belongs to the caller. Each table remembers the rate it was last charged with, here alone;
//! before the first charge there is no carry, and that charge builds one from the coarse cells.

mod carry;
mod cells;
mod read;
mod row;
mod widths;

pub(crate) use cells::SLOTS;
pub(crate) use row::{Bounds, DRIFT_MAX, Row};
pub(crate) use widths::{AHEAD_MAX, Widths};

pub(crate) use self::carry::Carry;
use self::cells::Cells;
use crate::bucket::{Bucket, Charge};
use crate::identity::Author;
use crate::time::Time;

/// Rows of other authors that one counter holds. More authors than POPs exist only where POPs restart over and over.
pub const CONTRIBUTORS_MAX: usize = 256;

/// One key's counts, by author, and what this node knows of its bucket.
#[derive(Debug, Clone)]
pub(crate) struct SlotCounter {
    /// The newest fine slot of the rings; the newest coarse slot is the one it lies in.
    head: u64,
    own: Cells,
    others: Option<Box<Others>>,
    carry: Option<Carry>,
    /// Whether the own row waits to be sent.
    pub(crate) dirty: bool,
}

/// Made when a second author writes: most keys never need it.
#[derive(Debug, Clone)]
struct Others {
    /// The sum over all authors, own included.
    total: Cells,
    rows: Vec<(Author, Cells)>,
}

/// What a join did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Cells rose.
    Raised,
    /// Nothing new.
    Unchanged,
    /// Too many authors; nothing was taken.
    Crowded,
}

impl SlotCounter {
    /// An empty counter whose newest fine slot is `head`.
    pub(crate) fn new(head: u64) -> SlotCounter {
        SlotCounter { head, own: Cells::default(), others: None, carry: None, dirty: false }
    }

    /// Whether it may be forgotten: every cell is older than the rings reach, and the bucket has drained. `rate` is the
    /// table's, when one is known.
    pub(crate) fn is_expired(&self, widths: Widths, rate: Option<f64>, now: Time) -> bool {
        let outlived = widths.coarse_slot(now) >= widths.coarse_of(self.head).saturating_add(SLOTS);
        let owes = |rate| self.carry.is_some() && self.level(widths, rate, now) > 0.0;
        outlived && !rate.is_some_and(owes)
    }

    /// The newest slot in which anything is known to have happened, or was asked.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Checks and charges in one step.
    pub(crate) fn charge(&mut self, widths: Widths, bucket: &Bucket, cost: u32, now: Time) -> Charge {
        self.begin(widths, Some(bucket.rate_per_ms), now);
        let charge = bucket.judge(self.level(widths, bucket.rate_per_ms, now), cost);
        if let Charge::Admitted { .. } = charge {
            self.record(widths, cost, Some(bucket.rate_per_ms), now);
        }
        charge
    }

    /// Counts without asking. `rate` is the table's, when one is known.
    pub(crate) fn add(&mut self, widths: Widths, n: u32, rate: Option<f64>, now: Time) {
        self.begin(widths, rate, now);
        self.record(widths, n, rate, now);
    }

    /// Moves the rings up to `now`, with a carry if there can be one.
    fn begin(&mut self, widths: Widths, rate: Option<f64>, now: Time) {
        self.build_carry(widths, rate);
        self.advance(widths, widths.fine_slot(now), rate);
    }

    fn record(&mut self, widths: Widths, n: u32, rate: Option<f64>, now: Time) {
        let slot = widths.fine_slot(now);
        if slot >= self.oldest() {
            self.own.fine.add(slot, n);
            if let Some(others) = &mut self.others {
                others.total.fine.add(slot, n);
            }
        } else if let (Some(carry), Some(rate)) = (&mut self.carry, rate) {
            // A peer whose clock is ahead moved the ring past this node's present.
            carry.late(u64::from(n), now.0, widths.fine_start(self.head.saturating_sub(SLOTS - 1)), rate);
        }
        let oldest_coarse = widths.coarse_of(self.head).saturating_sub(SLOTS - 1);
        let coarse = widths.coarse_slot(now).max(oldest_coarse);
        self.own.coarse.add(coarse, n);
        if let Some(others) = &mut self.others {
            others.total.coarse.add(coarse, n);
        }
    }

    /// The oldest fine slot of the ring.
    fn oldest(&self) -> u64 {
        self.head.saturating_sub(SLOTS - 1)
    }

    fn total(&self) -> &Cells {
        self.others.as_ref().map_or(&self.own, |others| &others.total)
    }

    fn all_cells(&mut self) -> impl Iterator<Item = &mut Cells> {
        let others = self.others.iter_mut().flat_map(|others| {
            let Others { total, rows } = others.as_mut();
            std::iter::once(total).chain(rows.iter_mut().map(|(_, cells)| cells))
        });
        std::iter::once(&mut self.own).chain(others)
    }

    fn build_carry(&mut self, widths: Widths, rate: Option<f64>) {
        if let (None, Some(rate)) = (self.carry, rate) {
            self.carry = Some(self.carry_of_coarse(widths, rate));
        }
    }

    /// The carry that the coarse cells alone tell: what they count beyond the fine cells in the ring happened before it.
    fn carry_of_coarse(&self, widths: Widths, rate: f64) -> Carry {
        let (total, oldest) = (self.total(), self.oldest());
        let edge = widths.fine_start(oldest);
        let newest = widths.coarse_of(self.head);
        let mut carry = Carry::default();
        for coarse in newest.saturating_sub(SLOTS - 1)..=newest {
            let in_ring = |slot: &u64| widths.coarse_of(*slot) == coarse;
            let fine: u64 = (oldest..=self.head).filter(in_ring).map(|slot| u64::from(total.fine.get(slot))).sum();
            let before = u64::from(total.coarse.get(coarse)).saturating_sub(fine);
            let start = widths.coarse_start(coarse);
            if start < edge {
                carry.pass(before, start, edge.min(start.saturating_add(widths.coarse())) - start, rate);
            } else {
                carry.late(before, start, edge, rate);
            }
        }
        carry
    }

    /// Moves the rings up to the fine slot `to`; what leaves the fine ring goes into the carry.
    fn advance(&mut self, widths: Widths, to: u64, rate: Option<f64>) {
        if to <= self.head {
            return;
        }
        self.carry = match (self.carry, rate) {
            (Some(carry), Some(rate)) => Some(self.fold(carry, widths, to.saturating_sub(SLOTS - 1), rate)),
            _ => None,
        };
        let (fine, coarse) = (self.head, widths.coarse_of(self.head));
        let newest_coarse = widths.coarse_of(to);
        for cells in self.all_cells() {
            cells.fine.advance(fine, to);
            cells.coarse.advance(coarse, newest_coarse);
        }
        self.head = to;
    }

    /// The carry at the start of `floor`, where the ring will begin.
    fn fold(&self, mut carry: Carry, widths: Widths, floor: u64, rate: f64) -> Carry {
        let after = self.head.saturating_add(1);
        for slot in self.oldest()..floor.min(after) {
            carry.pass(u64::from(self.total().fine.get(slot)), widths.fine_start(slot), widths.fine(), rate);
        }
        if floor > after {
            let silent = widths.fine_start(floor).saturating_sub(widths.fine_start(after));
            carry.pass(0, widths.fine_start(after), silent, rate);
        }
        carry
    }

    /// Joins what `author` is known to have counted. The row's cells are within [`Bounds`] already.
    pub(crate) fn join(&mut self, widths: Widths, author: Author, row: &Row, rate: Option<f64>) -> Joined {
        let Some(newest) = row.newest(widths) else { return Joined::Unchanged };
        self.build_carry(widths, rate);
        self.advance(widths, newest, rate);
        let Some(index) = self.contributor(author) else { return Joined::Crowded };
        let (oldest, oldest_coarse) = (self.oldest(), widths.coarse_of(self.head).saturating_sub(SLOTS - 1));
        let edge = widths.fine_start(oldest);
        let Some(others) = &mut self.others else { return Joined::Unchanged };
        let Some((_, cells)) = others.rows.get_mut(index) else { return Joined::Unchanged };
        let mut joined = Joined::Unchanged;
        let mut in_ring = [0_u64; SLOTS as usize];
        for (slot, count) in row.fine_cells().filter(|(slot, _)| *slot >= oldest) {
            let raised = cells.fine.raise(slot, count);
            others.total.fine.add(slot, raised);
            if let Some(sum) = in_ring.get_mut((widths.coarse_of(slot) % SLOTS) as usize) {
                *sum += u64::from(raised);
            }
            if raised > 0 {
                joined = Joined::Raised;
            }
        }
        for (slot, count) in row.coarse_cells(widths).filter(|(slot, _)| *slot >= oldest_coarse) {
            let raised = cells.coarse.raise(slot, count);
            others.total.coarse.add(slot, raised);
            if raised > 0 {
                joined = Joined::Raised;
            }
            let known = in_ring.get((slot % SLOTS) as usize).copied().unwrap_or_default();
            if let (Some(carry), Some(rate)) = (&mut self.carry, rate) {
                let late = u64::from(raised).saturating_sub(known);
                row.explain(widths, slot, oldest, late, |amount, from| carry.late(amount, from, edge, rate));
                // Cells that an earlier, partial row had counted as late turn out to be in the ring.
                carry.early(known.saturating_sub(u64::from(raised)));
            }
        }
        joined
    }

    /// Finds or makes the row of another author.
    fn contributor(&mut self, author: Author) -> Option<usize> {
        let total = || Box::new(Others { total: self.own.clone(), rows: Vec::new() });
        let others = self.others.get_or_insert_with(total);
        if let Some(index) = others.rows.iter().position(|(known, _)| *known == author) {
            return Some(index);
        }
        others.rows.retain(|(_, cells)| !cells.is_empty());
        if others.rows.len() >= CONTRIBUTORS_MAX {
            return None;
        }
        others.rows.push((author, Cells::default()));
        Some(others.rows.len() - 1)
    }
}
