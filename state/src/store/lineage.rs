//! Tables of one lineage: those that count the same thing in slots of different widths. An edit of a limit's burst or of a
//! counter's window starts a table beside the one before, which is read until all in it is over.
//!
//! What was counted is the sum over the tables of a lineage: each count is in one of them. A bucket is filled by all of them.
//! A key that is charged in a table for the first time since the table's turn came takes over the greatest backlog that any
//! of the others has for it, once; what rises in another table from then on, because peers say it late or still count there, is
//! passed on to the one whose turn it is. Either is a lower bound of what is owed, so an edit refuses nobody wrongly. Nothing
//! of this is sent: every node does it with what it knows itself.
//!
//! While the cluster's secret is rotated a key has two names, and what peers count by the one beside is to the tables of a lineage
//! what another of them is: it is read with the rest, taken over, and passed on when it rises. Which name belongs to which is noted
//! when a key is charged: a hash alone does not tell.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shards::Shards;
use crate::key::{Key, Key64, Spread};

/// Tables of one lineage that know of one another. With more, one of the earlier ones is no longer read.
pub const KIN_MAX: usize = 8;

/// No table has this number.
const NOBODY: u16 = u16::MAX;

pub(super) struct Lineage {
    /// The table that is counted in, in the low bits, and how often that changed.
    turn: AtomicU32,
    /// Numbers of tables; those that are there come first.
    members: [AtomicU16; KIN_MAX],
    /// Held while something goes from one table to another, so that nothing goes twice.
    hand: Mutex<()>,
    /// While the secret is rotated: of keys that are charged here, by the name beside, the name in force.
    named: Option<Shards<Key64, Key64>>,
}

impl Lineage {
    fn new(named_max: Option<usize>, spread: Spread) -> Lineage {
        let members = std::array::from_fn(|_| AtomicU16::new(NOBODY));
        let (turn, named) = (AtomicU32::new(NOBODY.into()), named_max.map(|max| Shards::new(max, spread)));
        Lineage { turn, members, hand: Mutex::default(), named }
    }

    /// Whether keys have two names.
    pub(super) fn is_rotated(&self) -> bool {
        self.named.is_some()
    }

    /// Notes the names of a key, if there is room, so that what rises by the one beside is passed on.
    pub(super) fn note(&self, key: Key) {
        if let (Some(named), Some(beside)) = (&self.named, key.beside) {
            let _ = named.change_or(beside, || key.now, |_| ());
        }
    }

    /// Whether what rises by its name beside is passed on to a key.
    pub(super) fn has_noted(&self, key: Key) -> bool {
        key.beside.is_none_or(|beside| self.named(beside).is_some())
    }

    /// What rises by this name is not passed on any more.
    pub(super) fn unname(&self, beside: Key64) {
        self.named.iter().for_each(|named| named.remove(beside));
    }

    /// The name in force of what was charged here, by the one beside.
    pub(super) fn named(&self, beside: Key64) -> Option<Key64> {
        self.named.as_ref()?.read(beside, |now| *now)
    }

    /// Forgets the names of keys that have no counter any more.
    pub(super) fn sweep(&self, shard: u8, has_counter: impl Fn(Key64) -> bool) {
        let Some(named) = &self.named else { return };
        let _hand = self.hand();
        let mut gone = Vec::new();
        named.each_in(shard, |beside, now| gone.push((beside, *now)));
        // Looked up when no place of `named` is locked: counters that are forgotten lock theirs first.
        gone.retain(|(_, now)| !has_counter(*now));
        gone.into_iter().for_each(|(beside, _)| named.remove(beside));
    }

    /// A config counts in this table.
    pub(super) fn enlist(&self, number: u16) {
        let held = self.hand();
        if !self.numbers().any(|known| known == number) {
            let free = self.numbers().count();
            let changes = (self.turn.load(Ordering::Relaxed) >> 16) as usize;
            let place = if free < KIN_MAX { free } else { changes % KIN_MAX };
            if let Some(place) = self.members.get(place) {
                place.store(number, Ordering::Relaxed);
            }
        }
        drop(held);
        self.take_turn(number);
    }

    fn numbers(&self) -> impl Iterator<Item = u16> {
        self.members.iter().map(|member| member.load(Ordering::Relaxed)).take_while(|number| *number != NOBODY)
    }

    /// Whether there is more than one.
    #[inline]
    pub(super) fn has_kin(&self) -> bool {
        self.members.get(1).is_some_and(|second| second.load(Ordering::Relaxed) != NOBODY)
    }

    /// The others.
    pub(super) fn others(&self, number: u16) -> impl Iterator<Item = u16> {
        self.numbers().filter(move |known| *known != number)
    }

    /// This table is counted in from here on, if it was not yet; the number of its turn, which may run over.
    pub(super) fn take_turn(&self, number: u16) -> u8 {
        let mine = |turn: u32| turn as u16 == number;
        let next = |turn: u32| (!mine(turn)).then(|| (turn >> 16).wrapping_add(1) << 16 | u32::from(number));
        let turn = self.turn.load(Ordering::Relaxed);
        // Written only when it changes, so that charging threads share the cache line.
        let turn = if mine(turn) { turn } else { self.changed(next) };
        (turn >> 16) as u8
    }

    fn changed(&self, next: impl Fn(u32) -> Option<u32>) -> u32 {
        let before = self.turn.fetch_update(Ordering::Relaxed, Ordering::Relaxed, &next);
        before.map_or_else(|turn| turn, |before| next(before).unwrap_or(before))
    }

    /// Whose turn it is, and which.
    pub(super) fn turn(&self) -> (u16, u8) {
        let turn = self.turn.load(Ordering::Relaxed);
        (turn as u16, (turn >> 16) as u8)
    }

    pub(super) fn hand(&self) -> MutexGuard<'_, ()> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All lineages of a store, by identity; each has a table, so they are as few.
pub(super) struct Lineages {
    all: Mutex<BTreeMap<u64, Arc<Lineage>>>,
    /// While the secret is rotated: keys of one lineage whose names are noted.
    named_max: Option<usize>,
    spread: Spread,
}

impl Lineages {
    pub(super) fn new(named_max: Option<usize>, spread: Spread) -> Lineages {
        Lineages { all: Mutex::default(), named_max, spread }
    }

    pub(super) fn of(&self, identity: u64) -> Arc<Lineage> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(identity).or_insert_with(|| Arc::new(Lineage::new(self.named_max, self.spread))))
    }
}
