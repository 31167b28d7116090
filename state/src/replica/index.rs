//! What changed and is not known to be everywhere: one sequence of changes, each item in it once. An item that changes again
//! moves to the end, so what a slow peer lacks is bounded by the number of keys, not by the number of changes.
//!
//! An item that changes at every tick never leaves the index. So that it need not say again and again what everybody knows,
//! each tick leaves a mark: when all have acknowledged up to it, all that changed before it is known. That holds only as long
//! as every frame was made at its tick: one made later covers the old places of items that moved on, without them. Such a
//! frame takes all marks away.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::fact::Name;
use crate::identity::Seq;
use crate::key::{Key64, Key128};
use crate::store::{LedgerId, TableId, UniquesId};
use crate::time::Time;

/// Items that the index holds. A peer that lacks more is repaired in ranges.
pub(super) const INDEX_MAX: usize = 1 << 18;

/// Marks of ticks that are kept; beyond it the oldest is given up, which only makes frames say more.
const MARKS_MAX: usize = 64;

/// Something of this node's that peers have to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Fact(Name),
    Counter(TableId, Key64),
    Uniques(UniquesId, Key64),
    Ledger(LedgerId, Key64),
    Session(Key128),
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    seq: Seq,
    /// Changes before this instant are known everywhere.
    since: Time,
}

#[derive(Debug)]
pub(super) struct Index {
    /// The newest change.
    last: Seq,
    /// Changes up to this one are not in here any more.
    floor: Seq,
    by_seq: BTreeMap<Seq, Item>,
    items: BTreeMap<Item, Noted>,
    /// The last change of a tick, and the instant since which later ones tell; oldest first.
    marks: VecDeque<(Seq, Time)>,
    /// What changed before this instant is known everywhere.
    known: Time,
    max: usize,
}

impl Index {
    pub(super) fn new(max: usize) -> Index {
        Index {
            last: Seq(0),
            floor: Seq(0),
            by_seq: BTreeMap::new(),
            items: BTreeMap::new(),
            marks: VecDeque::new(),
            known: Time::ZERO,
            max,
        }
    }

    pub(super) fn last(&self) -> Seq {
        self.last
    }

    pub(super) fn floor(&self) -> Seq {
        self.floor
    }

    /// The instant since which some peer may not know an item's changes, if it is in here.
    pub(super) fn since(&self, item: Item) -> Option<Time> {
        self.items.get(&item).map(|noted| noted.since.max(self.known))
    }

    /// A tick has noted all that changed; later ones tell what changed since an instant.
    pub(super) fn mark(&mut self, since: Time) {
        if self.marks.len() >= MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((self.last, since));
    }

    /// A frame is made of what the index holds now.
    pub(super) fn unmark(&mut self) {
        self.marks.clear();
    }

    /// Gives a changed item the next place.
    pub(super) fn note(&mut self, item: Item, since: Time) {
        self.last = self.last.next();
        if let Some(before) = self.items.insert(item, Noted { seq: self.last, since }) {
            self.by_seq.remove(&before.seq);
        }
        self.by_seq.insert(self.last, item);
        while self.by_seq.len() > self.max {
            let Some((seq, item)) = self.by_seq.pop_first() else { break };
            self.items.remove(&item);
            self.floor = seq;
        }
    }

    /// Forgets changes up to `seq`, which are known everywhere.
    pub(super) fn trim(&mut self, seq: Seq) {
        while let Some(first) = self.by_seq.first_entry().filter(|first| *first.key() <= seq) {
            self.items.remove(&first.remove());
        }
        self.floor = self.floor.max(seq);
        while let Some((_, since)) = self.marks.pop_front_if(|(last, _)| *last <= seq) {
            self.known = self.known.max(since);
        }
    }

    /// The items that changed after `seq`, oldest change first.
    pub(super) fn after(&self, seq: Seq) -> impl Iterator<Item = (Seq, Item, Time)> {
        let range = self.by_seq.range((Bound::Excluded(seq), Bound::Unbounded));
        range.map(|(seq, item)| (*seq, *item, self.since(*item).unwrap_or(Time::ZERO)))
    }

    pub(super) fn is_consistent(&self) -> bool {
        self.items.len() == self.by_seq.len() && self.by_seq.len() <= self.max && self.floor <= self.last
    }
}
