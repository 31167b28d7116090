//! A table: the counters of one limit or one kind of offence.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::TABLES_MAX;
use super::crowd::{Crowd, EIGHTH};
use super::lineage::Lineage;
use super::named::{Named, SAMPLE};
use super::peak::Peak;
use super::room::{Generations, Rate};
use super::shards::{GiveWay, SHARDS, Shards};
use crate::bucket::{Bucket, Charge};
use crate::counter::{Asker, SLOTS, SlotCounter, Widths};
use crate::identity::{Actor, Nameable};
use crate::key::{Domain, Key64, Names, Sharded};
use crate::rung::Rung;
use crate::time::Time;

/// What a table is. Its identity is a hash of the name, the shape of its keys and its rungs, the same at every node. Tables
/// that differ in rungs alone are of one lineage: what is counted in one of them is read in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// A name that stays when the config is edited, such as the limit's.
    pub uid: String,
    /// What its keys are made of: keys of another shape mean something else.
    pub shape: String,
    /// Width of the slots that time arrivals.
    pub fine: Rung,
    /// Width of the slots that remember; raised to a multiple of the fine one.
    pub coarse: Rung,
    /// Whether its counts go to peers.
    pub replicated: bool,
}

impl TableSpec {
    pub(super) fn identity(&self, names: &Names) -> u64 {
        let rungs = [self.fine.millis().to_le_bytes(), self.coarse.millis().to_le_bytes()].concat();
        // A table that stays at home must not meet a replicated one of the same name.
        let replicated = [u8::from(self.replicated)];
        names.hash64(Domain::Table, &[self.uid.as_bytes(), self.shape.as_bytes(), &rungs, &replicated])
    }

    /// What stays the same when its rungs change. Never sent.
    pub(super) fn lineage(&self, names: &Names) -> u64 {
        let replicated = [u8::from(self.replicated)];
        names.hash64(Domain::Table, &[self.uid.as_bytes(), self.shape.as_bytes(), &replicated])
    }
}

/// A table of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(u16);

impl TableId {
    pub(crate) fn new(number: u16) -> TableId {
        TableId(number)
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }
}

/// The store holds as many tables as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store holds {TABLES_MAX} tables already; restart to drop those that no config uses any more")]
pub struct TableFull;

/// Whether a table holds all keys that were counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Each key that counted something has a counter.
    Whole,
    /// It is or was full: within its memory keys were forgotten, or left to the sketch of those that have little. What it knows of others
    /// is not compared with peers until that is over.
    Partial,
}

/// Why a row, an account or a sketch is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It changed just now.
    Changed,
    /// In repair or a snapshot: no reason to forget another key.
    Known,
}

pub(super) struct Table {
    identity: u64,
    widths: Widths,
    replicated: bool,
    lineage: Arc<Lineage>,
    /// The greatest rate it was charged with. While peers are not heard, a limit charges at its share of
    /// the rate; joins must not drain at that when they are heard again. A drain that is too fast only says too little.
    rate: Rate,
    /// The greatest burst for which something was held: what comes of that is not told how deep the bucket is.
    burst: Rate,
    generations: Generations,
    /// Until when it is [`Coverage::Partial`], ms.
    partial_until: AtomicU64,
    /// Made when the table is nearly full, and kept.
    crowd: OnceLock<Crowd>,
    /// The keys that peers named first.
    named: Named,
    peak: Peak,
    counters: Shards<Key64, SlotCounter>,
}

impl Table {
    pub(super) fn new(
        identity: u64,
        spec: &TableSpec,
        counters: Shards<Key64, SlotCounter>,
        lineage: Arc<Lineage>,
    ) -> Table {
        Table {
            identity,
            widths: Widths::new(spec.fine, spec.coarse),
            replicated: spec.replicated,
            lineage,
            rate: Rate::new(),
            burst: Rate::new(),
            generations: Generations::new(),
            partial_until: AtomicU64::new(0),
            crowd: OnceLock::new(),
            named: Named::default(),
            peak: Peak::new(),
            counters,
        }
    }

    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn widths(&self) -> Widths {
        self.widths
    }

    pub(super) fn is_replicated(&self) -> bool {
        self.replicated
    }

    pub(super) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    pub(super) fn peak(&self) -> &Peak {
        &self.peak
    }

    /// Counts of a peer were joined.
    pub(super) fn look_for_peak(&self, counter: &SlotCounter, now: Time) {
        let Some(rate) = self.rate() else { return };
        if self.peak.may_be_new(counter.sum(self.widths, now)) {
            self.peak.see(counter.level(self.widths, rate, now), now);
        }
    }

    pub(super) fn counters(&self) -> &Shards<Key64, SlotCounter> {
        &self.counters
    }

    pub(super) fn len(&self) -> usize {
        self.counters.len()
    }

    pub(super) fn remember_rate(&self, rate: f64) {
        self.rate.remember(rate);
    }

    pub(super) fn rate(&self) -> Option<f64> {
        self.rate.get()
    }

    /// The greatest rate that its buckets had, this one included.
    pub(super) fn past(&self, rate: f64) -> f64 {
        self.rate().map_or(rate, |known| known.max(rate))
    }

    pub(super) fn read<R>(&self, key: Key64, read: impl FnOnce(&SlotCounter) -> R) -> Option<R> {
        self.counters.read(key, read)
    }

    /// Changes a counter that is charged here, made at `now` if there is none. `None` when the table is full and nothing can be
    /// forgotten.
    pub(super) fn visit<R>(&self, key: Key64, now: Time, visit: impl FnOnce(&mut SlotCounter) -> R) -> Option<R> {
        self.visit_unless(key, || None, || self.widths.fine_slot(now), now, visit)
    }

    /// The same; where there is none, what `aside` says stands instead, and one that is made has the head of `head`.
    pub(super) fn visit_unless<R>(
        &self,
        key: Key64,
        aside: impl FnOnce() -> Option<R>,
        head: impl FnOnce() -> u64,
        now: Time,
        visit: impl FnOnce(&mut SlotCounter) -> R,
    ) -> Option<R> {
        let rank = |counter: &SlotCounter| self.rank(counter, self.rate(), now);
        let last = |key, counter: &SlotCounter| self.forget(key, counter, now);
        let give_way = GiveWay { sample: SAMPLE, rank, last };
        let visited = self.counters.visit(key, aside, || self.make(key, head(), self.rate(), now), give_way, visit);
        visited.or_else(|| {
            self.leave_out(now);
            None
        })
    }

    /// Changes a counter that a peer speaks of; `aside` as above. What peers counted makes room for it, as [`Named`] says, never what
    /// was counted here.
    pub(super) fn visit_told<R>(
        &self,
        (by, key): (Actor, Key64),
        aside: impl FnOnce() -> Option<R>,
        head: u64,
        now: Time,
        visit: impl FnOnce(&mut SlotCounter) -> R,
    ) -> Option<R> {
        let make = || self.named.note(by, key, self.make(key, head, self.rate(), now));
        let visited = self.counters.visit_or(key, aside, make, || self.make_room_for(by, key, now), visit);
        visited.or_else(|| {
            self.leave_out(now);
            None
        })
    }

    /// Forgets a counter for one that a peer names.
    fn make_room_for(&self, by: Actor, near: Key64, now: Time) {
        let rank = |counter: &SlotCounter| self.rank(counter, self.rate(), now);
        let last = |key, counter: &SlotCounter| self.forget(key, counter, now);
        let is_over = |counter: &SlotCounter| {
            counter.is_only_of(Actor::NOBODY.pop) || counter.is_expired(self.widths, self.rate(), now)
        };
        self.named.make_room(&self.counters, (by, near), GiveWay { sample: SAMPLE, rank, last }, is_over);
    }

    /// A new counter, which owes what the crowd knows of its key.
    fn make(&self, key: Key64, head: u64, rate: Option<f64>, now: Time) -> SlotCounter {
        let turn = self.lineage.turn().1;
        // One that has kin, or another name, has yet to take over from them.
        let is_due = self.lineage.has_kin() || self.lineage.is_rotated();
        let turn = if is_due { turn.wrapping_sub(1) } else { turn };
        let mut counter = SlotCounter::born(head, self.generations.newest(), turn);
        if let (Some(crowd), Some(rate)) = (self.crowd.get(), rate) {
            let level = crowd.level(key, rate, now);
            if level > 0.0 {
                // At its slot's start it was what has drained since more. Whole tokens: less would be a fresh budget, bit by bit.
                let drained = rate * now.since(Time(self.widths.fine_start(self.widths.fine_slot(now)))) as f64;
                counter.owe(self.widths, (level + drained).ceil() as u64, now, rate);
            }
        }
        counter
    }

    /// A counter is about to be forgotten, under its own lock: whoever makes it again sees what is written here.
    fn forget(&self, key: Key64, counter: &SlotCounter, now: Time) {
        self.named.forget(key, counter.named_by());
        let rate = self.rate();
        if counter.is_expired(self.widths, rate, now) {
            return;
        }
        self.leave_out(now);
        // Peers may say it again: it must not be passed on twice.
        self.lineage.unname(key);
        if let Some(generation) = counter.stated_generation() {
            self.generations.end(generation);
        }
        let own = rate.map(|rate| (rate, counter.own_level(self.widths, rate, now)));
        if let Some((rate, level)) = own.filter(|(_, level)| *level > 0.0) {
            self.crowd().raise(key, level, rate, now);
        }
    }

    fn crowd(&self) -> &Crowd {
        self.crowd.get_or_init(|| Crowd::new(self.counters.max(), self.widths.fine()))
    }

    /// From seven eighths of the cap on a new key needs a reason to have a counter.
    pub(super) fn is_crowded(&self) -> bool {
        self.counters.len() >= self.counters.max() - self.counters.max() / 8
    }

    /// What a key that has no counter would owe after a charge, and what it owes, where it has none because there is little room and
    /// it owes little.
    fn owes_little(&self, key: Key64, burst: f64, cost: u32, now: Time) -> Option<(f64, f64)> {
        let level = if self.is_crowded() { self.crowd().level(key, self.rate()?, now) } else { return None };
        let to = level + f64::from(cost);
        (to < burst * EIGHTH).then_some((level, to))
    }

    /// What a charge of a key without a counter says, if that is in order; nothing is charged.
    pub(super) fn peek_crowd(
        &self,
        key: Key64,
        (bucket, cost): (&Bucket, u32),
        elsewhere: u64,
        now: Time,
    ) -> Option<Charge> {
        let (level, _) = self.owes_little(key, bucket.burst, cost, now)?;
        Some(bucket.judge(level + elsewhere as f64, cost))
    }

    /// Charges a key without a counter, if that is in order.
    pub(super) fn charge_crowd(
        &self,
        key: Key64,
        (bucket, cost): (&Bucket, u32),
        elsewhere: u64,
        now: Time,
    ) -> Option<Charge> {
        let charge = self.peek_crowd(key, (bucket, cost), elsewhere, now)?;
        if let Charge::Admitted { .. } = charge {
            self.add_to_crowd(key, bucket.burst, cost, now);
        }
        Some(charge)
    }

    /// Counts what was admitted of a key without a counter, if that is in order.
    pub(super) fn add_to_crowd(&self, key: Key64, burst: f64, cost: u32, now: Time) -> Option<()> {
        let (_, to) = self.owes_little(key, burst, cost, now)?;
        self.leave_out(now);
        if let Some(rate) = self.rate().filter(|_| cost > 0) {
            self.crowd().raise(key, to, rate, now);
        }
        Some(())
    }

    /// A key owes so much more, whether or not there is room for it in any other way.
    pub(super) fn owe_in_crowd(&self, key: Key64, cost: u32, now: Time) {
        if let Some(rate) = self.rate().filter(|_| cost > 0) {
            let crowd = self.crowd();
            crowd.raise(key, crowd.level(key, rate, now) + f64::from(cost), rate, now);
        }
    }

    /// Something is about to be held for buckets of this depth.
    pub(super) fn remember_burst(&self, burst: f64) {
        self.burst.remember(burst);
    }

    /// The greatest depth for which something was held.
    pub(super) fn burst(&self) -> f64 {
        self.burst.get().unwrap_or(0.0)
    }

    /// What is held of a key.
    pub(super) fn held(&self, key: Key64) -> u64 {
        self.read(key, SlotCounter::held).unwrap_or(0)
    }

    /// Lets go of what was held of a key.
    pub(super) fn free(&self, key: Key64, cost: u32) {
        self.counters.change(key, |counter| counter.free(cost));
    }

    /// Drops what is over in a shard.
    pub(super) fn sweep(&self, shard: u8, now: Time) {
        let rate = self.rate();
        self.counters.retain_mut(shard, |key, counter| {
            let is_over = counter.is_expired(self.widths, rate, now);
            is_over.then(|| self.named.forget(key, counter.named_by()));
            !is_over
        });
        if let (Some(crowd), Some(rate)) = (self.crowd.get(), rate) {
            crowd.sweep((shard.into(), SHARDS), rate, now);
        }
    }

    /// The backlog of a key, whether or not it has a counter.
    pub(super) fn level(&self, key: Key64, rate: f64, now: Time) -> f64 {
        let known = self.read(key, |counter| counter.level_since(self.widths, (rate, self.past(rate)), now));
        known.or_else(|| Some(self.crowd.get()?.level(key, rate, now))).unwrap_or(0.0)
    }

    /// A key that is new in this turn owes what the other tables know of it.
    pub(super) fn take_over(&self, key: Key64, level: f64, turn: u8, now: Time) {
        let Some(rate) = self.rate() else { return };
        if self.is_crowded() && self.read(key, |_| ()).is_none() {
            return self.crowd().raise(key, level, rate, now);
        }
        self.visit(key, now, |counter| {
            counter.owes_at_least(self.widths, level, now, rate);
            counter.set_turn(turn);
        });
    }

    /// What rose in another table of the lineage fills the bucket here, if that took over already: tokens, and since when.
    pub(super) fn inherit(&self, key: Key64, risen: &[(u64, Time)], turn: u8) {
        let Some(rate) = self.rate().filter(|_| !risen.is_empty()) else { return };
        self.counters.change(key, |counter| {
            if counter.turn() == turn {
                risen.iter().for_each(|(tokens, from)| counter.owe(self.widths, *tokens, *from, rate));
            }
        });
    }

    /// Something is not held, or was not kept: what is known here is less than what was counted.
    pub(super) fn leave_out(&self, now: Time) {
        let until = now.plus(self.widths.coarse().saturating_mul(SLOTS)).0;
        // Written seldom, so that threads share the cache line.
        if self.partial_until.load(Ordering::Relaxed).saturating_add(self.widths.fine()) < until {
            self.partial_until.fetch_max(until, Ordering::Relaxed);
        }
    }

    pub(super) fn coverage(&self, now: Time) -> Coverage {
        let partial = now.0 < self.partial_until.load(Ordering::Relaxed);
        if partial { Coverage::Partial } else { Coverage::Whole }
    }

    /// Whether it is compared with peers: not while both hold but a part, and not when an edit has left it and all in it is over.
    pub(super) fn is_compared(&self, number: u16, now: Time) -> bool {
        let is_left = || self.lineage.turn().0 != number && self.len() == 0;
        self.replicated && self.coverage(now) == Coverage::Whole && !is_left()
    }

    /// What a charge would say: the counter is looked at as it would be after it was found or made, and had taken over a level.
    /// It stays as it is.
    pub(super) fn peek(
        &self,
        (me, key): (Actor, Key64),
        (bucket, cost): (&Bucket, u32),
        (kin, elsewhere): (f64, u64),
        now: Time,
    ) -> Charge {
        // The charge would have its rate remembered first.
        let rate = self.past(bucket.rate_per_ms);
        let charge = |mut counter: SlotCounter| {
            counter.owes_at_least(self.widths, kin, now, rate);
            counter.charge(self.widths, (bucket, cost), Asker { me, elsewhere, past: rate }, now)
        };
        if let Some(known) = self.read(key, SlotCounter::clone) {
            return charge(known);
        }
        if let Some(said) = self.peek_crowd(key, (bucket, cost), elsewhere, now) {
            return said;
        }
        let rank = |counter: &SlotCounter| self.rank(counter, Some(rate), now);
        let makes_room = || self.counters.least(key.shard(), SAMPLE, rank).is_some();
        if self.counters.is_full() && !makes_room() {
            return Charge::Full;
        }
        charge(self.make(key, self.widths.fine_slot(now), Some(rate), now))
    }

    /// Who makes room for a new key: an expired one first, else the one touched least recently of a sample. What waits to be
    /// sent stays, and what holds something.
    fn rank(&self, counter: &SlotCounter, rate: Option<f64>, now: Time) -> Option<u64> {
        match (counter.is_expired(self.widths, rate, now), counter.waits.is_some() || counter.held() > 0) {
            (true, _) => Some(0),
            (false, true) => None,
            (false, false) => Some(counter.head()),
        }
    }

    pub(super) fn each_sum(&self, now: Time, mut visit: impl FnMut(Key64, u64)) {
        self.counters.each(|key, counter| visit(key, counter.sum(self.widths, now)));
    }
}
