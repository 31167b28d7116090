//! What a counter says at an instant. Reading changes nothing, and nothing that expired is read, whether or not it was swept.

use super::cells::{Counts, Ring, SLOTS};
use super::row::Row;
use super::widths::Widths;
use super::{SlotCounter, sum};
use crate::identity::Author;
use crate::time::Time;

impl SlotCounter {
    /// The backlog of the token bucket with this rate at `now`, in tokens: Lindley's recursion unrolled. The bucket was last
    /// empty at the start of one of the slots, or before the ring; of what came since then, less what drained, the greatest.
    #[inline]
    pub(crate) fn level(&self, widths: Widths, rate: f64, now: Time) -> f64 {
        self.level_since(widths, (rate, rate), now)
    }

    /// The same where the rate was greater before: what the coarse cells alone tell was admitted at a rate of `past` at most, and is no more
    /// than that leaves of it.
    #[inline]
    pub(crate) fn level_since(&self, widths: Widths, (rate, past): (f64, f64), now: Time) -> f64 {
        let carry = self.carry().unwrap_or_else(|| self.carry_of_coarse(widths, past));
        let total = self.total();
        let cells = (self.oldest()..=self.head).map(|slot| (widths.fine_start(slot), total.get(Ring::Fine, slot)));
        let (arrived, most) = unrolled(cells, rate, now);
        let drained = rate * now.0.saturating_sub(widths.fine_start(self.oldest())) as f64;
        let fine = most.max(carry.backlog + arrived as f64 - drained);
        if self.others().is_some() { fine.max(self.coarse_level(widths, past, now)) } else { fine }
    }

    /// The backlog that the coarse cells alone tell, all arrivals at their slots' starts: a lower bound like the other one. It
    /// counts what came so late that the carry had to take it for drained, one cell at a time.
    fn coarse_level(&self, widths: Widths, rate: f64, now: Time) -> f64 {
        let (newest, total) = (widths.coarse_of(self.head), self.total());
        let slots = newest.saturating_sub(SLOTS - 1)..=newest;
        unrolled(slots.map(|slot| (widths.coarse_start(slot), total.get(Ring::Coarse, slot))), rate, now).1
    }

    /// What was counted in the last `window` ms. The eight fine slots at `now` tell what they reach; what the coarse ones
    /// counted beyond those happened before them. Of the one stretch that the window covers in part, it counts the same part,
    /// rounded down.
    pub(crate) fn counted(&self, widths: Widths, window: u64, now: Time) -> u64 {
        let total = self.total();
        let look = Look { from: now.0.saturating_sub(window), now: now.0 };
        // Rings of eight at `now`, not at the head: what is read must not depend on when a node last moved its rings.
        let oldest = widths.fine_slot(now).saturating_sub(SLOTS - 1).max(self.oldest());
        let edge = widths.fine_start(oldest);
        let mut told = [0_u64; SLOTS as usize];
        let mut sum = 0_u64;
        for slot in oldest..=self.head {
            let count = total.get(Ring::Fine, slot).saturating_sub(self.aside(Ring::Fine, slot));
            if let Some(told) = told.get_mut((widths.coarse_of(slot) % SLOTS) as usize) {
                *told = told.saturating_add(count);
            }
            let start = widths.fine_start(slot);
            sum = sum.saturating_add(look.share(count, start, start.saturating_add(widths.fine())));
        }
        let newest = widths.coarse_of(self.head);
        let reach = widths.coarse_slot(now).saturating_sub(SLOTS - 1).max(newest.saturating_sub(SLOTS - 1));
        for slot in reach..=newest {
            let told = told.get((slot % SLOTS) as usize).copied().unwrap_or_default();
            let count = total.get(Ring::Coarse, slot).saturating_sub(self.aside(Ring::Coarse, slot));
            let rest = count.saturating_sub(told);
            let start = widths.coarse_start(slot);
            let end = start.saturating_add(widths.coarse());
            // Late charges may be in a coarse slot alone, though the fine ones reach there.
            sum = sum.saturating_add(look.share(rest, start, if start < edge { end.min(edge) } else { end }));
        }
        sum
    }

    /// The sum over live coarse cells.
    pub(crate) fn sum(&self, widths: Widths, now: Time) -> u64 {
        let all = self.sum_of(self.total(), widths, now);
        let aside = self.others().and_then(|others| others.aside.as_deref());
        all.saturating_sub(aside.map_or(0, |aside| self.sum_of(aside.counts(), widths, now)))
    }

    fn sum_of(&self, cells: Counts<'_>, widths: Widths, now: Time) -> u64 {
        let newest = widths.coarse_of(self.head);
        let floor = widths.coarse_slot(now).saturating_sub(SLOTS - 1);
        let live = newest.saturating_sub(SLOTS - 1).max(floor)..=newest;
        sum(live.map(|slot| cells.get(Ring::Coarse, slot)))
    }

    /// The sums by author, in the authors' order; authors without live counts are left out.
    pub(crate) fn sums(&self, widths: Widths, me: Author, now: Time) -> Vec<(Author, u64)> {
        let mut sums: Vec<(Author, u64)> =
            self.rows(me).map(|(author, cells)| (author, self.sum_of(cells, widths, now))).collect();
        sums.retain(|(_, sum)| *sum > 0);
        sums.sort_unstable();
        sums
    }

    /// Visits the cells of all authors that count something: author, width of the slot, slot, count.
    pub(crate) fn each_cell(&self, widths: Widths, me: Author, mut visit: impl FnMut(Author, u64, u64, u64)) {
        let rings =
            [(Ring::Fine, widths.fine(), self.head), (Ring::Coarse, widths.coarse(), widths.coarse_of(self.head))];
        for (author, cells) in self.rows(me) {
            for (ring, width, newest) in rings {
                for slot in newest.saturating_sub(SLOTS - 1)..=newest {
                    let count = cells.get(ring, slot);
                    if count > 0 {
                        visit(author, width, slot, count);
                    }
                }
            }
        }
    }

    /// The own row: the cells that can have changed since an instant, and under which generation of `me`.
    pub(crate) fn own_row(&self, widths: Widths, me: Author, since: Time) -> (Author, Row) {
        let mut row = Row::of(self.own(), self.head, widths);
        row.only_since(since, widths);
        (me.in_generation(self.generation), row)
    }

    /// All rows that count something, in their authors' order.
    pub(crate) fn all_rows(&self, widths: Widths, me: Author) -> Vec<(Author, Row)> {
        let row = |(author, cells)| (author, Row::of(cells, self.head, widths));
        let mut rows: Vec<(Author, Row)> = self.rows(me).map(row).filter(|(_, row)| !row.is_empty()).collect();
        rows.sort_unstable_by_key(|(author, _)| *author);
        rows
    }

    fn rows(&self, me: Author) -> impl Iterator<Item = (Author, Counts<'_>)> {
        let others = self.others().into_iter().flat_map(|others| &others.rows);
        std::iter::once((me.in_generation(self.generation), self.own()))
            .chain(others.map(|(author, cells)| (*author, cells.counts())))
    }
}

/// A stretch of time that is looked at, both ends included.
#[derive(Debug, Clone, Copy)]
struct Look {
    from: u64,
    now: u64,
}

impl Look {
    /// The part of `count` that falls to this look when it was counted evenly from `start` to before `end`, as far as that time
    /// has come.
    fn share(self, count: u64, start: u64, end: u64) -> u64 {
        let end = end.min(self.now.saturating_add(1));
        let inside = end.saturating_sub(start.max(self.from));
        match end.checked_sub(start) {
            None | Some(0) => 0,
            Some(length) if inside >= length => count,
            // At most the count, which has 64 bits.
            Some(length) => (u128::from(count) * u128::from(inside) / u128::from(length)) as u64,
        }
    }
}

/// All that arrived in some slots, of which starts and counts are told in order, and the greatest backlog at `now` of a bucket
/// that was empty at the start of one of them. What slots ahead of `now` count comes from clocks that are ahead: it is real, its
/// drain has yet to come.
#[inline]
fn unrolled(cells: impl DoubleEndedIterator<Item = (u64, u64)>, rate: f64, now: Time) -> (u64, f64) {
    cells.rev().filter(|(_, count)| *count > 0).fold((0_u64, 0.0_f64), |(arrived, most), (start, count)| {
        let arrived = arrived.saturating_add(count);
        (arrived, most.max(arrived as f64 - rate * now.0.saturating_sub(start) as f64))
    })
}
