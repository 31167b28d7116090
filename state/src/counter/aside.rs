//! What a node knows of a key's bucket beside everybody's rows: what it charged while the key had no counter or had it in another
//! table. It is one more row of cells, without an author: it fills the bucket here, and is never counted, sent or compared.

use super::cells::{Cells, Ring, SLOTS};
use super::row::Row;
use super::widths::Widths;
use super::{Others, SlotCounter};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::time::Time;

impl SlotCounter {
    /// Takes in tokens that are known to have been charged at `from` or after it, and not after the newest slot of the rings or
    /// of `from`. Those of before the rings add to the backlog only what is certain to be left.
    pub(crate) fn owe(&mut self, widths: Widths, tokens: u64, from: Time, rate: f64) {
        if tokens == 0 {
            return;
        }
        let slot = widths.fine_slot(from);
        self.begin(widths, Some(rate), slot);
        if slot >= self.oldest() {
            self.count_aside(Ring::Fine, slot, tokens);
        } else if let Some(mut carry) = self.carry() {
            carry.late(tokens, from.0, widths.fine_start(self.oldest()), rate);
            self.set_carry(Some(carry));
        }
        let coarse = widths.coarse_of(slot);
        if coarse >= widths.coarse_of(self.head).saturating_sub(SLOTS - 1) {
            self.count_aside(Ring::Coarse, coarse, tokens);
        }
    }

    /// Takes in that at `now` the bucket holds so many tokens at least. They are taken to have come at the start of the slot,
    /// like all that slots tell, so nobody is refused wrongly.
    pub(crate) fn owes_at_least(&mut self, widths: Widths, level: f64, now: Time, rate: f64) {
        let missing = level - self.level(widths, rate, now);
        if missing >= 1.0 {
            self.owe(widths, missing as u64, now, rate);
        }
    }

    /// Whether its bucket owes what the rows do not tell.
    pub(crate) fn owes_beside(&self) -> bool {
        self.carry().is_some_and(|carry| carry.backlog >= 1.0)
            || self.others().is_some_and(|others| others.aside.is_some())
    }

    /// The backlog of a bucket that all these rows filled, whoever counted them: as of a counter that was told nothing else.
    pub(crate) fn level_of(widths: Widths, rows: &[Row], rate: f64, now: Time) -> f64 {
        let mut counter = SlotCounter::new(widths.fine_slot(now));
        for (row, node) in rows.iter().zip(0..) {
            // Who counted them does not matter, but that none takes the place of another.
            let author = Author { actor: Actor { pop: PopId(0), node }, incarnation: Incarnation(0) };
            let _ = counter.join_telling(widths, (author, row), None, |_, _| {});
        }
        counter.level(widths, rate, now)
    }

    /// The backlog that is left when other authors' rows are not counted: what this node alone answers for. Where there are
    /// others it is a lower bound, from the cells alone.
    pub(crate) fn own_level(&self, widths: Widths, rate: f64, now: Time) -> f64 {
        if self.others().is_none_or(|others| others.rows.is_empty()) {
            return self.level(widths, rate, now);
        }
        let own = |ring: Ring, slot: u64| self.own().get(ring, slot).saturating_add(self.aside(ring, slot));
        let newest = widths.coarse_of(self.head);
        let fine = (self.oldest()..=self.head).map(|slot| (widths.fine_start(slot), own(Ring::Fine, slot)));
        let coarse = newest.saturating_sub(SLOTS - 1)..=newest;
        let coarse = coarse.map(|slot| (widths.coarse_start(slot), own(Ring::Coarse, slot)));
        backlog(fine, rate, now).max(backlog(coarse, rate, now))
    }

    /// What is owed of one slot beside the rows.
    pub(super) fn aside(&self, ring: Ring, slot: u64) -> u64 {
        let aside = self.others().and_then(|others| others.aside.as_deref());
        aside.map_or(0, |aside| aside.counts().get(ring, slot))
    }

    fn count_aside(&mut self, ring: Ring, slot: u64, tokens: u64) {
        let Others { total, aside, .. } = self.others_or_new();
        total.change().add(ring, slot, tokens);
        aside.get_or_insert_with(|| Box::new(Cells::default())).change().add(ring, slot, tokens);
    }
}

/// The backlog of arrivals, oldest first, each with its instant in ms.
fn backlog(arrivals: impl Iterator<Item = (u64, u64)>, rate: f64, now: Time) -> f64 {
    let (mut backlog, mut at) = (0.0_f64, 0);
    for (start, count) in arrivals {
        backlog = (backlog - rate * start.saturating_sub(at) as f64).max(0.0) + count as f64;
        at = start;
    }
    (backlog - rate * now.0.saturating_sub(at) as f64).max(0.0)
}
