//! Tables of ledgers: the gauges, rights or shares of one name, by key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::before::Before;
use super::dirty::Dirty;
use super::named::{Named, SAMPLE};
use super::registry::Registry;
use super::rosters::NEVER;
use super::shards::{GiveWay, Shards};
use super::{Ingested, TableFull, Told};
use crate::counter::DRIFT_MAX;
use crate::identity::{Actor, Author, Nameable, PopId};
use crate::key::{Domain, Key64, Names, Spread};
use crate::ledger::shares::{ERA, Purse};
use crate::ledger::{self, Account, EPOCH_LONGEST, Joined, Ledger, gauge};
use crate::time::Time;
use crate::walk::Reach;

/// What a table of ledgers is. Its identity is a hash of the name, the shape of its keys and what it is for, the same at
/// every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerSpec {
    /// A name that stays when the config is edited.
    pub uid: String,
    /// What its keys are made of: keys of another shape mean something else.
    pub shape: String,
    /// Whether peers are told of it: not of what this node limits for itself alone. Of rights and shares a POP that stands alone has all,
    /// and only there it makes no difference.
    pub replicated: bool,
}

impl LedgerSpec {
    fn identity(&self, names: &Names, kind: Kind) -> u64 {
        let kind = kind.bytes();
        let parts = [self.uid.as_bytes(), self.shape.as_bytes(), &kind, b"home"];
        // A table that stays at home must not meet a replicated one of the same name.
        names.hash64(Domain::Ledger, if self.replicated { parts.get(..3).unwrap_or(&parts) } else { &parts })
    }
}

/// What the ledgers of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Rights,
    Shares,
}

impl Kind {
    fn bytes(self) -> [u8; 9] {
        match self {
            Kind::Gauge => [1, 0, 0, 0, 0, 0, 0, 0, 0],
            Kind::Rights => [2, 0, 0, 0, 0, 0, 0, 0, 0],
            Kind::Shares => [3, 0, 0, 0, 0, 0, 0, 0, 0],
        }
    }

    /// Whether an account may be looked at.
    fn check(self, account: &Account, now: Time) -> Result<(), Ingested> {
        let latest_end = match self {
            Kind::Gauge => Time(u64::MAX),
            Kind::Rights => now.plus(EPOCH_LONGEST).plus(DRIFT_MAX),
            Kind::Shares => now.plus(ERA).plus(DRIFT_MAX),
        };
        if account.version.at() > now.plus(DRIFT_MAX) || account.ends > latest_end {
            return Err(Ingested { ahead: 1, ..Ingested::default() });
        }
        if self.is_over(account, now) {
            return Err(Ingested { expired: 1, ..Ingested::default() });
        }
        Ok(())
    }

    fn is_over(self, account: &Account, now: Time) -> bool {
        match self {
            Kind::Gauge => gauge::is_over(account, now),
            Kind::Rights | Kind::Shares => ledger::is_over(account, now),
        }
    }
}

/// A table of ledgers of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LedgerId(u16);

/// A table that had no room is not compared with peers for so long, ms: it would differ, and repair would bring what does not fit.
const PARTIAL: u64 = 60_000;

/// The ledger of one key.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ledger: Ledger,
    /// Whether the own account waits to be sent.
    pub(super) dirty: bool,
    touched: Time,
    named_by: Option<Actor>,
    /// Whose wish made this node have a part in it.
    begun_for: Option<Actor>,
    /// Of shares alone.
    purse: Option<Box<Purse>>,
}

impl Nameable for Held {
    fn set_named_by(&mut self, peer: Actor) {
        self.named_by = Some(peer);
    }

    fn named_by(&self) -> Option<Actor> {
        self.named_by
    }

    /// A part that this node has makes no difference here: what has one, as [`Held::rank`] says, stays in any case.
    fn is_only_of(&self, pop: PopId) -> bool {
        self.ledger.others().all(|(author, _)| author.actor.pop == pop)
    }
}

impl Held {
    fn new(now: Time) -> Held {
        Held { ledger: Ledger::default(), dirty: false, touched: now, named_by: None, begun_for: None, purse: None }
    }

    /// With the bucket that goes with shares.
    pub(super) fn with_purse(&mut self) -> (&mut Ledger, &mut Purse) {
        (&mut self.ledger, self.purse.get_or_insert_default())
    }

    /// The bucket that goes with shares, if there is one.
    pub(super) fn purse(&self) -> Option<&Purse> {
        self.purse.as_deref()
    }

    fn is_over(&self, kind: Kind, now: Time) -> bool {
        match kind {
            Kind::Gauge => self.ledger.is_flat(now),
            Kind::Rights | Kind::Shares => self.ledger.is_over(now),
        }
    }

    /// Who makes room for another key: what is over, else what this node has no part in and touched longest ago.
    fn rank(&self, kind: Kind, now: Time) -> Option<Time> {
        let has_part = self.ledger.own().is_some_and(|own| match kind {
            Kind::Gauge => own.amount > 0,
            // Without it what was used or moved would be there again.
            Kind::Rights | Kind::Shares => !kind.is_over(own, now),
        });
        match (self.is_over(kind, now), self.dirty || has_part) {
            (true, _) => Some(Time::ZERO),
            (false, true) => None,
            (false, false) => Some(self.touched),
        }
    }
}

/// What this node's config says of each key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Terms {
    /// A quota, or a rate and a burst, as accounts have it.
    pub(super) said: (u64, u64),
    /// Of shares: nano-tokens that all nodes together may owe.
    pub(super) overdraft: u64,
}

/// One table.
pub(super) struct Table {
    identity: u64,
    pub(super) kind: Kind,
    replicated: bool,
    keys: Shards<Key64, Held>,
    /// The keys that peers named first.
    named: Named,
    /// Those in which this node has a part because a peer asked for one. They cannot make room.
    begun: Named,
    terms: RwLock<Terms>,
    /// When a config that uses it was first in force, ms; 0 before that.
    began: AtomicU64,
    /// The latest end of an own account that was dropped.
    dropped: AtomicU64,
    /// Until when it is left out of the comparison with peers, ms: it had no room for all that is said.
    partial_until: AtomicU64,
    /// Of rights: from when on all that lives before this one claimed of what began is known here, ms.
    known_from: AtomicU64,
}

impl Table {
    fn new(identity: u64, (kind, replicated): (Kind, bool), keys: Shards<Key64, Held>, known: Time) -> Table {
        Table {
            identity,
            kind,
            replicated,
            keys,
            named: Named::default(),
            begun: Named::default(),
            terms: RwLock::default(),
            began: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            partial_until: AtomicU64::new(0),
            known_from: AtomicU64::new(known.0),
        }
    }

    /// From when on all is known here that lives before this one claimed of what began; [`NEVER`], where this one inherits nothing.
    pub(super) fn known_from(&self) -> Time {
        Time(self.known_from.load(Ordering::Relaxed))
    }

    /// Marks what changed under its own lock; true if it has to go into the queue of those that peers are told of.
    pub(super) fn marks(&self, dirty: &Dirty, held: &mut Held) -> bool {
        self.replicated && dirty.tracks(&mut held.dirty)
    }

    pub(super) fn terms(&self) -> Terms {
        *self.terms.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_terms(&self, terms: Terms) {
        *self.terms.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// A config that uses it is in force.
    pub(super) fn begin(&self, now: Time) {
        let _ = self.began.compare_exchange(0, now.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When that was so first.
    pub(super) fn began(&self) -> Time {
        Time(self.began.load(Ordering::Relaxed))
    }

    /// Whether an own account that ends then may have been dropped.
    pub(super) fn has_dropped(&self, ends: Time) -> bool {
        ends.0 <= self.dropped.load(Ordering::Relaxed)
    }

    /// Answers what a peer asks of a key, unless that makes this node have a part in one more: of `pops` POPs each has its part of the
    /// half of the table that is taken last.
    pub(super) fn answer(
        &self,
        (by, pops): (Actor, usize),
        key: Key64,
        held: &mut Held,
        answer: impl FnOnce(&mut Held) -> bool,
    ) -> bool {
        let begins = held.ledger.own().is_none();
        let has_room =
            || self.keys.len() <= self.keys.max().div_ceil(2) || self.begun.of(by.pop) < self.keys.max().div_ceil(pops);
        if begins && !has_room() {
            return false;
        }
        let changed = answer(held);
        if begins && held.ledger.own().is_some() {
            held.begun_for = Some(by);
            self.begun.insert(by, key);
        }
        changed
    }

    /// A ledger is about to be forgotten, under its lock.
    fn drop_one(&self, key: Key64, held: &Held, now: Time) {
        self.named.forget(key, held.named_by);
        self.begun.forget(key, held.begun_for);
        if let Some(own) = held.ledger.own() {
            self.dropped.fetch_max(own.ends.0, Ordering::Relaxed);
        }
        if !held.is_over(self.kind, now) {
            self.leave_out(now);
        }
    }

    /// Something that is said is not held here.
    pub(super) fn leave_out(&self, now: Time) {
        self.partial_until.fetch_max(now.plus(PARTIAL).0, Ordering::Relaxed);
    }

    /// Whether it holds all that is said of it, as far as anybody can know.
    fn is_whole(&self, now: Time) -> bool {
        self.partial_until.load(Ordering::Relaxed) <= now.0
    }

    /// The same, and peers are told of it.
    fn is_shared_whole(&self, now: Time) -> bool {
        self.replicated && self.is_whole(now)
    }

    pub(super) fn read<R>(&self, key: Key64, read: impl FnOnce(&Held) -> R) -> Option<R> {
        self.keys.read(key, read)
    }

    /// Changes what is held of a key, if anything is.
    pub(super) fn change<R>(&self, key: Key64, change: impl FnOnce(&mut Held) -> R) -> Option<R> {
        self.keys.change(key, change)
    }

    /// Changes what is held of a key, made if there was nothing. `None` when the table is full and nothing gives way.
    pub(super) fn visit<R>(&self, key: Key64, now: Time, visit: impl FnOnce(&mut Held) -> R) -> Option<R> {
        let visited = self.keys.visit(key, || None, || Held::new(now), self.give_way(now), touching(now, visit));
        if visited.is_none() {
            self.leave_out(now);
        }
        visited
    }

    /// Changes what is held of a key that a peer speaks of, made if there was nothing; where there is none, what `aside` says stands
    /// instead. What peers named makes room for it, as [`Named`] says, never what this node has a part in.
    fn visit_told<R>(
        &self,
        (by, key): (Actor, Key64),
        aside: impl FnOnce() -> Option<R>,
        now: Time,
        visit: impl FnOnce(&mut Held) -> R,
    ) -> Option<R> {
        let make = || self.named.note(by, key, Held::new(now));
        let is_over = |held: &Held| held.is_over(self.kind, now);
        let make_room = || self.named.make_room(&self.keys, (by, key), self.give_way(now), is_over);
        let visited = self.keys.visit_or(key, aside, make, make_room, touching(now, visit));
        if visited.is_none() {
            self.leave_out(now);
        }
        visited
    }

    fn give_way(&self, now: Time) -> GiveWay<impl Fn(&Held) -> Option<Time>, impl Fn(Key64, &Held)> {
        let rank = move |held: &Held| held.rank(self.kind, now);
        GiveWay { sample: SAMPLE, rank, last: move |key, held: &Held| self.drop_one(key, held, now) }
    }
}

fn touching<R>(now: Time, visit: impl FnOnce(&mut Held) -> R) -> impl FnOnce(&mut Held) -> R {
    move |held| {
        held.touched = held.touched.max(now);
        visit(held)
    }
}

/// All tables of ledgers of a node.
pub(super) struct Ledgers {
    tables: Registry<Table>,
    before: Before,
    keys_max: usize,
    spread: Spread,
}

impl Ledgers {
    pub(super) fn new(keys_max: usize, spread: Spread) -> Ledgers {
        Ledgers { tables: Registry::new(), before: Before::default(), keys_max, spread }
    }

    pub(super) fn table(&self, names: &Names, spec: &LedgerSpec, kind: Kind) -> Result<LedgerId, TableFull> {
        let identity = spec.identity(names, kind);
        let keys = || Shards::new(self.keys_max, self.spread);
        let make = || Table::new(identity, (kind, spec.replicated), keys(), self.before.known_from(identity));
        self.tables.find_or(identity, make).map(LedgerId)
    }

    pub(super) fn at(&self, id: LedgerId) -> Option<&Table> {
        self.tables.get(id.0)
    }

    pub(super) fn len(&self, id: LedgerId) -> usize {
        self.at(id).map_or(0, |table| table.keys.len())
    }

    /// Drops what is over in one shard, and says again what would be over at peers soon.
    pub(super) fn sweep(&self, shard: u8, dirty: &Dirty, now: Time) {
        for (number, table) in self.tables.after(None) {
            let kind = table.kind;
            table.keys.retain_mut(shard, |key, held| {
                let keep = held.dirty || !held.is_over(kind, now);
                if !keep {
                    table.drop_one(key, held, now);
                }
                keep
            });
            for key in table.keys.keys(shard, None) {
                let said = |held: &mut Held| {
                    held.ledger.retain(|_, account| !kind.is_over(account, now));
                    kind == Kind::Gauge && held.ledger.say_again(now) && table.marks(dirty, held)
                };
                if table.change(key, said) == Some(true) {
                    dirty.ledger(LedgerId(number), key);
                }
            }
        }
    }

    /// Changes the ledgers of all tables of rights, one by one, as their tables say; what `change` says has changed goes to peers.
    pub(super) fn change_rights(&self, dirty: &Dirty, change: impl Fn(&Table, &mut Held) -> bool) {
        for (number, table) in self.tables.after(None).filter(|(_, table)| table.kind == Kind::Rights) {
            for shard in 0..=u8::MAX {
                for key in table.keys.keys(shard, None) {
                    let changed = table.change(key, |held| change(table, held) && table.marks(dirty, held));
                    if changed == Some(true) {
                        dirty.ledger(LedgerId(number), key);
                    }
                }
            }
        }
    }

    /// What the life that this one inherits from knew of each table of rights, whose accounts were told.
    pub(super) fn inherit(&self, tables: &BTreeMap<u64, Time>, now: Time) {
        for (_, table) in self.tables.after(None).filter(|(_, table)| table.kind == Kind::Rights) {
            let is_told = table.is_whole(now) && !self.before.has_missed(table.identity);
            let known = tables.get(&table.identity).copied().unwrap_or(Time::ZERO);
            table.known_from.store(if is_told { known } else { NEVER }.0, Ordering::Relaxed);
        }
        self.before.inherit(tables);
    }

    /// What this life knows of each table of rights that there is, or was in lives before it; `own` is from when on it claims by itself.
    pub(super) fn tables_known(&self, own: Time) -> BTreeMap<u64, Time> {
        let mut all = self.before.all();
        all.values_mut().for_each(|known| *known = own);
        let rights = self.tables.after(None).filter(|(_, table)| table.kind == Kind::Rights);
        all.extend(rights.map(|(_, table)| (table.identity, table.known_from().min(own))));
        all
    }

    /// Accounts of a table were told that is not there.
    pub(super) fn miss(&self, identity: u64) {
        self.before.miss(identity);
    }

    /// An account of a table was not taken, though it is not over.
    pub(super) fn leave_out(&self, id: LedgerId, now: Time) {
        if let Some(table) = self.at(id) {
            table.leave_out(now);
        }
    }

    /// Drops the accounts of these authors.
    pub(super) fn drop_all(&self, is_void: impl Fn(Author) -> bool) {
        for (_, table) in self.tables.after(None) {
            table.keys.change_each(|held| held.ledger.retain(|author, _| !is_void(author)));
        }
    }

    /// What a table is called on the wire.
    pub(super) fn identity(&self, id: LedgerId) -> Option<u64> {
        self.at(id).map(|table| table.identity)
    }

    pub(super) fn by_identity(&self, identity: u64, reach: Reach) -> Option<LedgerId> {
        let id = self.tables.find_then(identity, |number| number).map(LedgerId)?;
        self.at(id).filter(|table| table.is_within(reach)).map(|_| id)
    }

    /// The table after this one within a reach; the first one after `None`.
    pub(super) fn next(&self, after: Option<LedgerId>, reach: Reach) -> Option<LedgerId> {
        let mut tables = self.tables.after(after.map(|id| id.0));
        tables.find(|(_, table)| table.is_within(reach)).map(|(number, _)| LedgerId(number))
    }

    /// Of the tables that are compared with peers.
    pub(super) fn identities(&self, now: Time) -> impl Iterator<Item = u64> {
        self.tables.after(None).filter(move |(_, table)| table.is_shared_whole(now)).map(|(_, table)| table.identity)
    }

    /// Keys of all tables that go to peers.
    pub(super) fn keys_of_all(&self) -> usize {
        let shared = self.tables.after(None).filter(|(_, table)| table.replicated);
        shared.map(|(_, table)| table.keys.len()).fold(0, usize::saturating_add)
    }

    pub(super) fn keys(&self, id: LedgerId, shard: u8, after: Option<Key64>) -> Vec<Key64> {
        self.at(id).map(|table| table.keys.keys(shard, after)).unwrap_or_default()
    }

    /// The own account, and marks it as taken: what changes from now on marks it again.
    pub(super) fn take(&self, id: LedgerId, key: Key64) -> Option<Account> {
        let take = |held: &mut Held| {
            held.dirty = false;
            held.ledger.own().cloned()
        };
        self.at(id)?.change(key, take).flatten()
    }

    pub(super) fn own(&self, id: LedgerId, key: Key64) -> Option<Account> {
        self.at(id)?.read(key, |held| held.ledger.own().cloned()).flatten()
    }

    /// Whether what a table's accounts say depends on the time: of those whose clocks differ nothing is taken.
    pub(super) fn is_timed(&self, id: LedgerId) -> bool {
        self.at(id).is_some_and(|table| table.kind == Kind::Shares)
    }

    /// All accounts of a key that are not over.
    pub(super) fn accounts(&self, id: LedgerId, key: Key64, me: Author, now: Time) -> Vec<(Author, Account)> {
        let Some(table) = self.at(id) else { return Vec::new() };
        let mut all = table.read(key, |held| held.ledger.all(me)).unwrap_or_default();
        all.retain(|(_, account)| !table.kind.is_over(account, now));
        all
    }

    /// Visits the accounts of one shard in no order: table, key, author.
    pub(super) fn each_in(&self, shard: u8, me: Author, mut visit: impl FnMut(&Table, Key64, Author, &Account)) {
        for (_, table) in self.tables.after(None) {
            table.keys.each_in(shard, |key, held| {
                held.ledger.own().into_iter().for_each(|own| visit(table, key, me, own));
                held.ledger.others().for_each(|(author, account)| visit(table, key, author, account));
            });
        }
    }

    /// Joins another author's account as `join` says. One that is only [`Told::Known`] makes no other key be forgotten.
    pub(super) fn offer(
        &self,
        (id, key): (LedgerId, Key64),
        (by, account): (Actor, Account),
        told: Told,
        join: impl FnOnce(&Table, &mut Held, Account) -> Joined,
        now: Time,
    ) -> Ingested {
        let Some(table) = self.at(id) else { return Ingested::default() };
        if let Err(refused) = table.kind.check(&account, now) {
            return refused;
        }
        let pushed = table.keys.is_full() && table.read(key, |_| ()).is_none();
        let withheld = || {
            let withheld = told == Told::Known && table.keys.is_full();
            withheld.then(|| {
                table.leave_out(now);
                Joined::Unchanged
            })
        };
        let joined = table.visit_told((by, key), withheld, now, |held| join(table, held, account));
        if joined == Some(Joined::Crowded) {
            table.leave_out(now);
        }
        let full = matches!(joined, None | Some(Joined::Crowded));
        Ingested { full, pushed, raised: joined == Some(Joined::Raised), ..Ingested::default() }
    }
}

impl Table {
    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    fn is_within(&self, reach: Reach) -> bool {
        reach == Reach::All || self.replicated
    }

    /// Whether an account is compared with peers at an instant: one that is about to be over may be dropped already.
    pub(super) fn is_compared(&self, account: &Account, now: Time, soon: Time) -> bool {
        self.is_shared_whole(now) && !self.kind.is_over(account, soon)
    }
}
