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

mod aside;
mod carry;
mod cells;
mod held;
mod pace;
mod read;
mod row;
mod widths;

pub(crate) use cells::{Counts, Ring, SLOTS};
#[cfg(test)]
pub(crate) use row::COUNT_MOST;
pub(crate) use row::{Bounds, DRIFT_MAX, Refused, Row};
pub(crate) use widths::{AHEAD_MAX, Widths};

pub(crate) use self::carry::Carry;
use self::cells::{Cells, CellsMut, Large, Small};
use self::pace::Pace;
use crate::bucket::{Bucket, Charge};
use crate::identity::{Actor, Author, Nameable, PopId};
use crate::time::Time;

/// Rows of other authors that one counter holds. More authors than POPs exist only where POPs restart over and over.
pub const CONTRIBUTORS_MAX: usize = 256;

/// What goes before what when counters are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// With the next tick, which comes later where the network is full.
    Rest,
    /// Before the rest, also then: what is left of a limit is soon gone, and peers that do not know would give it again.
    NearLimit,
}

/// One key's counts, by author, and what this node knows of its bucket. 64 bytes for a key that this node alone counts.
#[derive(Debug, Clone)]
pub(crate) struct SlotCounter {
    /// The newest fine slot of the rings; the newest coarse slot is the one it lies in.
    head: u64,
    /// The own row, while its counts are small.
    small: Small,
    more: Option<Box<More>>,
    /// The [`Carry`], in two parts: whole it would take eight bytes more. [`NO_CARRY`] while there is none.
    backlog: f64,
    busy_for: u32,
    /// When it last took over what the other tables of its lineage know.
    turn: u8,
    /// Where the own row waits to be sent, if it does.
    pub(crate) waits: Option<Lane>,
    /// Under which generation of this life the own row goes to peers.
    generation: u16,
}

const _: () = assert!(size_of::<SlotCounter>() == 64);

/// A backlog is never below 0.
const NO_CARRY: f64 = -1.0;

/// What most keys never need.
#[derive(Debug, Clone, Default)]
struct More {
    /// The own row, when a count of it is large.
    large: Option<Box<Large>>,
    /// Made when a second author writes.
    others: Option<Others>,
    /// See [`held`].
    held: u64,
}

#[derive(Debug, Clone)]
struct Others {
    /// The sum over all authors, own included, and what is owed beside their rows.
    total: Cells,
    rows: Vec<(Author, Cells)>,
    /// The peer whose row it was made for.
    named_by: Option<Actor>,
    /// See [`aside`].
    aside: Option<Box<Cells>>,
    /// See [`pace`].
    pace: Option<Box<Pace>>,
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

/// Who asks a bucket, and what it knows beside the counter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) me: Actor,
    /// What is held of the key in other tables, in tokens.
    pub(crate) elsewhere: u64,
    /// The greatest rate that the bucket had, as far as is known: tokens a ms.
    pub(crate) past: f64,
}

impl SlotCounter {
    /// An empty counter whose newest fine slot is `head`.
    pub(crate) fn new(head: u64) -> SlotCounter {
        let small = Small::default();
        let (waits, generation, turn) = (None, 0, 0);
        SlotCounter { head, small, more: None, backlog: NO_CARRY, busy_for: 0, waits, generation, turn }
    }

    /// The same, whose own row goes to peers under a generation, and that took over in a turn.
    pub(crate) fn born(head: u64, generation: u16, turn: u8) -> SlotCounter {
        SlotCounter { generation, turn, ..SlotCounter::new(head) }
    }

    /// The turn in which it last took over what other tables know of its key.
    pub(crate) fn turn(&self) -> u8 {
        self.turn
    }

    pub(crate) fn set_turn(&mut self, turn: u8) {
        self.turn = turn;
    }

    /// The generation of the own row, if that says anything; peers know it then.
    pub(crate) fn stated_generation(&self) -> Option<u16> {
        self.is_own().then_some(self.generation)
    }

    /// Whether this node itself counted in it.
    pub(crate) fn is_own(&self) -> bool {
        !self.own().is_empty()
    }

    /// Whether it may be forgotten: every cell is older than the rings reach, nothing is held, and the bucket has drained. `rate` is the
    /// table's, when one is known.
    pub(crate) fn is_expired(&self, widths: Widths, rate: Option<f64>, now: Time) -> bool {
        let outlived = widths.coarse_slot(now) >= widths.coarse_of(self.head).saturating_add(SLOTS);
        let owes = |rate| self.has_carry() && self.level(widths, rate, now) > 0.0;
        outlived && self.held() == 0 && !rate.is_some_and(owes)
    }

    /// The newest slot in which anything is known to have happened, or was asked.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Checks and charges in one step, at a node.
    pub(crate) fn charge(&mut self, widths: Widths, (bucket, cost): (&Bucket, u32), asker: Asker, now: Time) -> Charge {
        let charge = self.ask(widths, (bucket, cost), asker, now);
        if let Charge::Admitted { .. } = charge {
            self.record(widths, cost.into(), Some(bucket.rate_per_ms), widths.fine_slot(now), now);
        }
        charge
    }

    /// Checks, with the rings moved up to the slot of now.
    #[inline]
    fn ask(
        &mut self,
        widths: Widths,
        (bucket, cost): (&Bucket, u32),
        Asker { me, elsewhere, past }: Asker,
        now: Time,
    ) -> Charge {
        let rates = (bucket.rate_per_ms, past.max(bucket.rate_per_ms));
        self.build_carry(widths, Some(rates.1));
        self.advance(widths, widths.fine_slot(now), Some(rates.0));
        let held = self.held().saturating_add(elsewhere);
        let level = |counter: &Self| counter.level_since(widths, rates, now) + held as f64;
        let known = level(self);
        let is_less = self.doubt(widths, (bucket, cost), (me, known), now);
        self.judge((bucket, cost), (me, if is_less { level(self) } else { known }), now)
    }

    /// Counts without asking. `rate` is the table's, when one is known.
    pub(crate) fn add(&mut self, widths: Widths, n: u32, rate: Option<f64>, now: Time) {
        let slot = widths.fine_slot(now);
        self.begin(widths, rate, slot);
        self.record(widths, n.into(), rate, slot, now);
    }

    /// Moves the rings up to the slot of now, with a carry if there can be one.
    fn begin(&mut self, widths: Widths, rate: Option<f64>, slot: u64) {
        self.build_carry(widths, rate);
        self.advance(widths, slot, rate);
    }

    fn record(&mut self, widths: Widths, n: u64, rate: Option<f64>, slot: u64, now: Time) {
        if slot >= self.oldest() {
            self.count(Ring::Fine, slot, n);
        } else if let (Some(mut carry), Some(rate)) = (self.carry(), rate) {
            // A peer whose clock is ahead moved the ring past this node's present.
            carry.late(n, now.0, widths.fine_start(self.oldest()), rate);
            self.set_carry(Some(carry));
        }
        let newest = widths.coarse_of(self.head);
        let oldest_coarse = newest.saturating_sub(SLOTS - 1);
        let coarse = if slot == self.head { newest } else { widths.coarse_of(slot).max(oldest_coarse) };
        self.count(Ring::Coarse, coarse, n);
    }

    /// Adds to the own row, and to the sum over all.
    #[inline]
    fn count(&mut self, ring: Ring, slot: u64, n: u64) {
        if let Some(others) = self.others_mut() {
            others.total.change().add(ring, slot, n);
        }
        self.change_own(|own| own.add(ring, slot, n));
    }

    /// The oldest fine slot of the ring.
    fn oldest(&self) -> u64 {
        self.head.saturating_sub(SLOTS - 1)
    }

    fn carry(&self) -> Option<Carry> {
        self.has_carry().then_some(Carry { backlog: self.backlog, busy_for: self.busy_for })
    }

    fn has_carry(&self) -> bool {
        self.backlog >= 0.0
    }

    fn set_carry(&mut self, carry: Option<Carry>) {
        let none = Carry { backlog: NO_CARRY, busy_for: 0 };
        let Carry { backlog, busy_for } = carry.unwrap_or(none);
        (self.backlog, self.busy_for) = (backlog, busy_for);
    }

    fn own(&self) -> Counts<'_> {
        let large = self.more.as_ref().and_then(|more| more.large.as_deref());
        large.map_or(Counts::Small(&self.small), Counts::Large)
    }

    fn change_own<R>(&mut self, change: impl FnOnce(&mut CellsMut<'_>) -> R) -> R {
        let SlotCounter { small, more, .. } = self;
        if let Some(more) = more {
            return change(&mut CellsMut { small, large: &mut more.large });
        }
        let mut large = None;
        let changed = change(&mut CellsMut { small, large: &mut large });
        if large.is_some() {
            *more = Some(Box::new(More { large, ..More::default() }));
        }
        changed
    }

    fn others(&self) -> Option<&Others> {
        self.more.as_ref()?.others.as_ref()
    }

    fn others_mut(&mut self) -> Option<&mut Others> {
        self.more.as_mut()?.others.as_mut()
    }

    #[inline]
    fn total(&self) -> Counts<'_> {
        self.others().map_or_else(|| self.own(), |others| others.total.counts())
    }

    fn build_carry(&mut self, widths: Widths, rate: Option<f64>) {
        if let (false, Some(rate)) = (self.has_carry(), rate) {
            self.set_carry(Some(self.carry_of_coarse(widths, rate)));
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
            let fine = (oldest..=self.head).filter(in_ring).map(|slot| total.get(Ring::Fine, slot));
            let before = total.get(Ring::Coarse, coarse).saturating_sub(sum(fine));
            let start = widths.coarse_start(coarse);
            if start < edge {
                carry.pass(before, edge.min(start.saturating_add(widths.coarse())) - start, rate);
            } else {
                carry.late(before, start, edge, rate);
            }
        }
        carry
    }

    /// Moves the rings up to the fine slot `to`; what leaves the fine ring goes into the carry.
    #[inline]
    fn advance(&mut self, widths: Widths, to: u64, rate: Option<f64>) {
        if to > self.head {
            self.move_on(widths, to, rate);
        }
    }

    fn move_on(&mut self, widths: Widths, to: u64, rate: Option<f64>) {
        self.set_carry(match (self.carry(), rate) {
            (Some(carry), Some(rate)) => Some(self.fold(carry, widths, to.saturating_sub(SLOTS - 1), rate)),
            _ => None,
        });
        let (fine, coarse) = (self.head, widths.coarse_of(self.head));
        let newest_coarse = widths.coarse_of(to);
        let advance = |cells: &mut CellsMut<'_>| {
            cells.advance(Ring::Fine, fine, to);
            cells.advance(Ring::Coarse, coarse, newest_coarse);
        };
        self.change_own(advance);
        if let Some(Others { total, rows, aside, .. }) = self.others_mut() {
            let all = std::iter::once(total).chain(rows.iter_mut().map(|(_, cells)| cells));
            all.chain(aside.as_deref_mut()).for_each(|cells| advance(&mut cells.change()));
        }
        self.head = to;
    }

    /// The carry at the start of `floor`, where the ring will begin.
    fn fold(&self, mut carry: Carry, widths: Widths, floor: u64, rate: f64) -> Carry {
        let (total, after) = (self.total(), self.head.saturating_add(1));
        for slot in self.oldest()..floor.min(after) {
            carry.pass(total.get(Ring::Fine, slot), widths.fine(), rate);
        }
        if floor > after {
            carry.pass(0, widths.fine_start(floor).saturating_sub(widths.fine_start(after)), rate);
        }
        carry
    }

    /// Joins what `author` is known to have counted.
    #[cfg(test)]
    pub(crate) fn join(&mut self, widths: Widths, author: Author, row: &Row, rate: Option<f64>) -> Joined {
        self.join_telling(widths, (author, row), rate, |_, _| {})
    }

    /// Joins what an author is known to have counted; its row's cells are within [`Bounds`] already. Tells how much rose, and at
    /// or after which instant it is known to have been counted.
    pub(crate) fn join_telling(
        &mut self,
        widths: Widths,
        (author, row): (Author, &Row),
        rate: Option<f64>,
        mut tell: impl FnMut(u64, Time),
    ) -> Joined {
        let Some(newest) = row.newest(widths) else { return Joined::Unchanged };
        self.build_carry(widths, rate);
        self.advance(widths, newest, rate);
        let (oldest, oldest_coarse) = (self.oldest(), widths.coarse_of(self.head).saturating_sub(SLOTS - 1));
        let edge = widths.fine_start(oldest);
        let mut carry = self.carry();
        let Some((total, cells)) = self.contributor(author) else { return Joined::Crowded };
        let (mut total, mut cells) = (total.change(), cells.change());
        let mut joined = Joined::Unchanged;
        // What rose in the fine cells of each coarse slot, and the oldest of those, which comes last.
        let mut in_ring = [(0_u64, 0_u64); SLOTS as usize];
        for (slot, count) in row.fine_cells().filter(|(slot, _)| *slot >= oldest) {
            let raised = cells.raise(Ring::Fine, slot, count);
            total.add(Ring::Fine, slot, raised);
            if raised == 0 {
                continue;
            }
            if let Some((sum, from)) = in_ring.get_mut((widths.coarse_of(slot) % SLOTS) as usize) {
                (*sum, *from) = (sum.saturating_add(raised), widths.fine_start(slot));
            }
            joined = Joined::Raised;
        }
        for (slot, count) in row.coarse_cells(widths).filter(|(slot, _)| *slot >= oldest_coarse) {
            let raised = cells.raise(Ring::Coarse, slot, count);
            total.add(Ring::Coarse, slot, raised);
            if raised > 0 {
                joined = Joined::Raised;
            }
            let (known, from) = in_ring.get((slot % SLOTS) as usize).copied().unwrap_or_default();
            // What is new in the coarse cell is told, once, though a partial row may bring the fine cells later.
            tell(raised.min(known), Time(from));
            row.explain(widths, slot, oldest, raised.saturating_sub(known), |amount, from| {
                if let (Some(carry), Some(rate)) = (&mut carry, rate) {
                    carry.late(amount, from, edge, rate);
                }
                tell(amount, Time(from));
            });
            if let Some(carry) = &mut carry {
                // Cells that an earlier, partial row had counted as late turn out to be in the ring.
                carry.early(known.saturating_sub(raised));
            }
        }
        self.set_carry(carry);
        joined
    }

    fn others_or_new(&mut self) -> &mut Others {
        let known = self.others().is_some();
        let total = if known { Cells::default() } else { Cells::of(self.own()) };
        let others = &mut self.more.get_or_insert_default().others;
        others.get_or_insert_with(|| Others { total, rows: Vec::new(), named_by: None, aside: None, pace: None })
    }

    /// Drops the rows of other authors that are void, as if they had never been; true if there were any. The carry knew them too, so it is
    /// built anew from what is left.
    pub(crate) fn void(&mut self, is_void: impl Fn(Author) -> bool) -> bool {
        let own = Cells::of(self.own());
        let Some(Others { total, rows, aside, .. }) = self.others_mut() else { return false };
        let before = rows.len();
        rows.retain(|(author, _)| !is_void(*author));
        if rows.len() == before {
            return false;
        }
        *total = own;
        for cells in rows.iter().map(|(_, cells)| cells).chain(aside.as_deref()) {
            total.change().add_all(cells.counts());
        }
        self.set_carry(None);
        true
    }

    /// Finds or makes the row of another author, beside the sum over all.
    fn contributor(&mut self, author: Author) -> Option<(&mut Cells, &mut Cells)> {
        let Others { total, rows, .. } = self.others_or_new();
        let index = match rows.iter().position(|(known, _)| *known == author) {
            Some(index) => index,
            None => {
                rows.retain(|(_, cells)| !cells.counts().is_empty());
                if rows.len() >= CONTRIBUTORS_MAX {
                    return None;
                }
                // Rows are few, and so are keys that many count: no room beside them.
                rows.reserve_exact(1);
                rows.push((author, Cells::default()));
                rows.len() - 1
            }
        };
        rows.get_mut(index).map(|(_, cells)| (total, cells))
    }
}

impl Nameable for SlotCounter {
    fn set_named_by(&mut self, peer: Actor) {
        self.others_or_new().named_by = Some(peer);
    }

    fn named_by(&self) -> Option<Actor> {
        self.others()?.named_by
    }

    fn is_only_of(&self, pop: PopId) -> bool {
        let mut rows = self.others().into_iter().flat_map(|others| &others.rows);
        !self.is_own() && rows.all(|(author, cells)| author.actor.pop == pop || cells.counts().is_empty())
    }
}

/// A sum that stays at the greatest number there is.
fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}
