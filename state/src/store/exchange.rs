//! The replica's side of the store: taking what changed, walking what there is, joining what peers say.

use super::facts::Offered;
use super::ledgers::{Held, Kind as LedgerKind, Table as LedgerTable};
use super::rosters::Rosters;
use super::{Hearing, LedgerId, Standing, Store, Table, TableId, Told, UniquesId};
use crate::counter::{Bounds, DRIFT_MAX, Joined, Refused, Row, SlotCounter};
use crate::fact::{Fact, Kind, Name};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::{Key64, Key128};
use crate::ledger::{Account, Joined as AccountJoined};
use crate::session::Session;
use crate::time::Time;
use crate::unique::Sketch;
use crate::void::Void;
use crate::walk::Reach;

/// What waits for the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Counters near a limit.
    pub(crate) near: usize,
    pub(crate) counters: usize,
    pub(crate) uniques: usize,
    pub(crate) ledgers: usize,
    pub(crate) sessions: usize,
    pub(crate) facts: usize,
}

/// What became of a peer's row, account or sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ingested {
    /// Cells and slots that began too far ahead.
    pub(crate) ahead: u64,
    /// Cells and slots below the expiry floor.
    pub(crate) expired: u64,
    /// Counts that no node can have counted.
    pub(crate) implausible: u64,
    /// What it is void by.
    pub(crate) void: Option<Void>,
    /// Whether there was no room for it.
    pub(crate) full: bool,
    /// Whether it is new in a table without room, so that something else gives way.
    pub(crate) pushed: bool,
    /// Whether anything of it was new.
    pub(crate) raised: bool,
}

impl Store {
    pub(crate) fn waiting(&self) -> Waiting {
        self.dirty.waiting()
    }

    /// Takes the changed counters near a limit, in order.
    pub(crate) fn take_near(&self) -> Vec<(TableId, Key64)> {
        self.dirty.take_near()
    }

    /// Takes the other changed counters, in order; among them may be some that were taken as near a limit meanwhile.
    pub(crate) fn take_counters(&self) -> Vec<(TableId, Key64)> {
        self.dirty.take_counters()
    }

    /// Takes the keys whose sketches changed, in order.
    pub(crate) fn take_uniques(&self) -> Vec<(UniquesId, Key64)> {
        self.dirty.take_uniques()
    }

    /// Takes the keys of the ledgers whose own accounts changed, in order.
    pub(crate) fn take_ledgers(&self) -> Vec<(LedgerId, Key64)> {
        self.dirty.take_ledgers()
    }

    /// Takes the names of the changed facts, in order.
    pub(crate) fn take_facts(&self) -> Vec<Name> {
        self.dirty.take_facts()
    }

    /// The own row of a counter that was marked, and marks it as taken: what is charged from now on marks it again. None when it was
    /// taken already.
    pub(crate) fn take_row(&self, table: TableId, key: Key64, since: Time) -> Option<(Author, Row)> {
        let at = self.at(table)?;
        let taken = at
            .counters()
            .change(key, |counter| counter.waits.take().map(|_| counter.own_row(at.widths(), self.me, since)));
        taken.flatten().filter(|_| self.tells_cells())
    }

    /// The own row of a counter: the cells that can have changed since an instant.
    pub(crate) fn own_row(&self, table: TableId, key: Key64, since: Time) -> Option<(Author, Row)> {
        let at = self.at(table)?;
        at.read(key, |counter| counter.own_row(at.widths(), self.me, since)).filter(|_| self.tells_cells())
    }

    /// The own account of a ledger that was marked, and marks it as taken: what changes from now on marks it again.
    pub(crate) fn take_account(&self, table: LedgerId, key: Key64) -> Option<Account> {
        self.ledgers.take(table, key)
    }

    /// The own account of a ledger.
    pub(crate) fn own_account(&self, table: LedgerId, key: Key64) -> Option<Account> {
        self.ledgers.own(table, key)
    }

    /// All accounts of a ledger that are not over.
    pub(crate) fn accounts(&self, table: LedgerId, key: Key64, now: Time) -> Vec<(Author, Account)> {
        self.ledgers.accounts(table, key, self.me, now)
    }

    /// What a table of ledgers is called on the wire.
    pub(crate) fn ledgers_identity(&self, table: LedgerId) -> Option<u64> {
        self.ledgers.identity(table)
    }

    /// The table of ledgers of an identity that goes to peers.
    pub(crate) fn ledgers_by_identity(&self, identity: u64) -> Option<LedgerId> {
        self.ledgers.by_identity(identity, Reach::Shared)
    }

    /// The table of ledgers of an identity.
    pub(crate) fn any_ledgers_by_identity(&self, identity: u64) -> Option<LedgerId> {
        self.ledgers.by_identity(identity, Reach::All)
    }

    /// The table of ledgers after this one within a reach; the first one after `None`.
    pub(crate) fn next_ledgers(&self, after: Option<LedgerId>, reach: Reach) -> Option<LedgerId> {
        self.ledgers.next(after, reach)
    }

    /// The keys of one shard of a table of ledgers above `after`, in order.
    pub(crate) fn ledger_keys_of(&self, table: LedgerId, shard: u8, after: Option<Key64>) -> Vec<Key64> {
        self.ledgers.keys(table, shard, after)
    }

    /// Takes the keys of the sessions that changed, in order.
    pub(crate) fn take_sessions(&self) -> Vec<Key128> {
        self.dirty.take_sessions()
    }

    /// A session that was marked, and marks it as taken: what is written from now on marks it again.
    pub(crate) fn take_session_said(&self, key: Key128) -> Option<Session> {
        self.sessions.take(key)
    }

    /// A session, whether it is over or not.
    pub(crate) fn session_said(&self, key: Key128) -> Option<Session> {
        self.sessions.get(key, Time::ZERO)
    }

    /// The keys of the sessions of one shard above `after`, in order.
    pub(crate) fn session_keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        self.sessions.keys(shard, after)
    }

    /// Joins what another node, or an earlier life of this one, knows of a session.
    pub(crate) fn offer_session(
        &self,
        key: Key128,
        (by, session): (Option<Actor>, Session),
        told: Told,
        now: Time,
    ) -> Ingested {
        self.sessions.offer((by, key), session, (told, &self.voids), now)
    }

    /// A fact that was marked, and marks it as taken: what is stated from now on marks it again.
    pub(crate) fn take_fact(&self, name: Name) -> Option<Fact> {
        match name.kind {
            Kind::Ban => self.bans.take(name.key).map(Fact::Ban),
            Kind::Listing => self.lists.take(name.key).map(Fact::Listing),
            Kind::Register => self.registers.take(name.key).map(Fact::Register),
            Kind::Maximum => self.maxima.take(name.key).map(Fact::Maximum),
            Kind::Mark => self.marks.take(name.key).map(Fact::Mark),
            Kind::Revocation => self.revocations.take(name.key).map(Fact::Revocation),
        }
    }

    /// What a fact is called.
    pub(crate) fn name(&self, fact: &Fact) -> Name {
        fact.name(&self.secrets.now)
    }

    /// A fact.
    pub(crate) fn fact(&self, name: Name) -> Option<Fact> {
        match name.kind {
            Kind::Ban => self.bans.get(name.key).map(Fact::Ban),
            Kind::Listing => self.lists.get(name.key).map(Fact::Listing),
            Kind::Register => self.registers.get(name.key).map(Fact::Register),
            Kind::Maximum => self.maxima.get(name.key).map(Fact::Maximum),
            Kind::Mark => self.marks.get(name.key).map(Fact::Mark),
            Kind::Revocation => self.revocations.get(name.key).map(Fact::Revocation),
        }
    }

    /// What a fact beat and is saved beside it. None of it goes to peers.
    pub(crate) fn trail(&self, name: Name) -> Vec<Fact> {
        match name.kind {
            Kind::Ban => self.bans.get(name.key).into_iter().flat_map(|fact| fact.trail).map(Fact::Ban).collect(),
            Kind::Listing | Kind::Register | Kind::Maximum | Kind::Mark | Kind::Revocation => Vec::new(),
        }
    }

    /// What can have risen here since an instant in the sketches of a key that was marked, and marks it as taken.
    pub(crate) fn take_sketches(&self, table: UniquesId, key: Key64, since: Time) -> Vec<(u64, Sketch)> {
        self.uniques.take(table, key, since)
    }

    /// What can have risen here since an instant in the sketches of a key, by slots.
    pub(crate) fn sketches_since(&self, table: UniquesId, key: Key64, since: Time) -> Vec<(u64, Sketch)> {
        if self.tells_cells() { self.uniques.since(table, key, since) } else { Vec::new() }
    }

    /// What a table is called on the wire.
    pub(crate) fn identity(&self, table: TableId) -> Option<u64> {
        self.at(table).map(Table::identity)
    }

    /// The table of an identity whose counts go to peers.
    pub(crate) fn by_identity(&self, identity: u64) -> Option<TableId> {
        let id = self.any_by_identity(identity)?;
        self.at(id).filter(|table| table.is_replicated()).map(|_| id)
    }

    /// The table of an identity.
    pub(crate) fn any_by_identity(&self, identity: u64) -> Option<TableId> {
        self.tables.find_then(identity, |number| number).map(TableId::new)
    }

    /// The table after this one within a reach; the first one after `None`.
    pub(crate) fn next_table(&self, after: Option<TableId>, reach: Reach) -> Option<TableId> {
        let mut tables = self.tables.after(after.map(TableId::number));
        tables.find(|(_, table)| reach == Reach::All || table.is_replicated()).map(|(number, _)| TableId::new(number))
    }

    /// What a table of distinct counts is called on the wire.
    pub(crate) fn uniques_identity(&self, table: UniquesId) -> Option<u64> {
        self.uniques.identity(table)
    }

    /// The table of distinct counts of an identity that goes to peers.
    pub(crate) fn uniques_by_identity(&self, identity: u64) -> Option<UniquesId> {
        self.uniques.by_identity(identity, Reach::Shared)
    }

    /// The table of distinct counts of an identity.
    pub(crate) fn any_uniques_by_identity(&self, identity: u64) -> Option<UniquesId> {
        self.uniques.by_identity(identity, Reach::All)
    }

    /// The table of distinct counts after this one within a reach; the first one after `None`.
    pub(crate) fn next_uniques(&self, after: Option<UniquesId>, reach: Reach) -> Option<UniquesId> {
        self.uniques.next(after, reach)
    }

    /// The keys of one shard of a table above `after`, in order.
    pub(crate) fn keys_of(&self, table: TableId, shard: u8, after: Option<Key64>) -> Vec<Key64> {
        self.at(table).map(|at| at.counters().keys(shard, after)).unwrap_or_default()
    }

    /// The keys of facts of one kind in one shard above `after`, in order.
    pub(crate) fn fact_keys(&self, kind: Kind, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        match kind {
            Kind::Ban => self.bans.keys(shard, after),
            Kind::Listing => self.lists.keys(shard, after),
            Kind::Register => self.registers.keys(shard, after),
            Kind::Maximum => self.maxima.keys(shard, after),
            Kind::Mark => self.marks.keys(shard, after),
            Kind::Revocation => self.revocations.keys(shard, after),
        }
    }

    /// The keys of one shard of a table of distinct counts above `after`, in order.
    pub(crate) fn uniques_keys_of(&self, table: UniquesId, shard: u8, after: Option<Key64>) -> Vec<Key64> {
        self.uniques.keys(table, shard, after)
    }

    /// All sketches of a key that live, by slots.
    pub(crate) fn live_sketches(&self, table: UniquesId, key: Key64, now: Time) -> Vec<(u64, Sketch)> {
        if self.tells_cells() { self.uniques.live(table, key, now) } else { Vec::new() }
    }

    /// All rows of a counter that are not expired.
    pub(crate) fn rows(&self, table: TableId, key: Key64, now: Time) -> Vec<(Author, Row)> {
        let Some(at) = self.at(table) else { return Vec::new() };
        let bounds = Bounds::at(now, at.widths());
        let mut rows = at.read(key, |counter| counter.all_rows(at.widths(), self.me)).unwrap_or_default();
        let keeps_own = at.is_replicated() && !self.tells_cells();
        rows.retain_mut(|(author, row)| {
            let _ = bounds.clip(row);
            let kept_back = keeps_own && self.me.covers(*author);
            !row.is_empty() && !kept_back
        });
        rows
    }

    /// Joins another author's row. Rows of this life are its own to say: one that it forgot is not taken back. A row that is
    /// only [`Told::Known`] makes no other key be forgotten: what two full nodes hold of different keys would go to and fro.
    pub(crate) fn offer_row(
        &self,
        (table, key): (TableId, Key64),
        (author, row): (Author, &mut Row),
        told: Told,
        now: Time,
    ) -> Ingested {
        let Some(at) = self.at(table) else { return Ingested::default() };
        if let Some(void) = self.voids.covering(author) {
            return Ingested { void: Some(void), ..Ingested::default() };
        }
        let widths = at.widths();
        let refused = Bounds::at(now, widths).clip(row);
        let Refused { ahead, expired, implausible } = refused;
        let ingested = Ingested { ahead, expired, implausible, ..Ingested::default() };
        let Some(newest) = row.newest(widths).filter(|_| !self.me.covers(author)) else { return ingested };
        // Whose turn it is takes what rises here; nobody takes it over meanwhile.
        let hand = at.lineage().is_rotated().then(|| at.lineage().hand());
        let heir = self.heir(table, at, key);
        let _hand = hand.or_else(|| heir.is_some().then(|| at.lineage().hand()));
        let pushed = at.counters().is_full() && at.read(key, |_| ()).is_none();
        let ingested = Ingested { pushed, ..ingested };
        let mut risen = Vec::new();
        let join = |counter: &mut SlotCounter| {
            let joined = counter.join_telling(widths, (author, row), at.rate(), |tokens, from| {
                if heir.is_some() && tokens > 0 {
                    risen.push((tokens, from));
                }
            });
            if joined == Joined::Raised {
                at.look_for_peak(counter, now);
            }
            joined
        };
        let withheld = || {
            let withheld = told == Told::Known && at.counters().is_full();
            withheld.then(|| {
                at.leave_out(now);
                Joined::Unchanged
            })
        };
        let joined = at.visit_told((author.actor, key), withheld, newest, now, join);
        if let Some((heir, key, turn)) = heir {
            heir.inherit(key, &risen, turn);
        }
        match joined {
            Some(Joined::Raised) => Ingested { raised: true, ..ingested },
            Some(Joined::Unchanged) => ingested,
            Some(Joined::Crowded) | None => Ingested { full: true, ..ingested },
        }
    }

    /// Whether what the accounts of a table say depends on the time.
    pub(crate) fn is_timed(&self, table: LedgerId) -> bool {
        self.ledgers.is_timed(table)
    }

    /// Joins another author's account, and answers what it asks for.
    pub(crate) fn offer_account(
        &self,
        (table, key): (LedgerId, Key64),
        (author, account): (Author, Account),
        told: Told,
        now: Time,
    ) -> Ingested {
        if let Some(void) = self.voids.covering(author) {
            return Ingested { void: Some(void), ..Ingested::default() };
        }
        if self.me.covers(author) {
            return Ingested::default();
        }
        // A life that has not begun yet is made up.
        let has_begun = author.incarnation.began() <= now.plus(DRIFT_MAX);
        if author.actor == self.me.actor && author.incarnation > self.me.incarnation && has_begun {
            self.cluster.succeed();
        }
        let mut newly = false;
        let join = |table: &LedgerTable, held: &mut Held, account| {
            if table.kind == LedgerKind::Shares {
                self.fill_shares(held, now);
            }
            let joined = held.ledger.join(author, account);
            if joined == AccountJoined::Raised {
                let by = (author.actor, self.cluster.with_rosters(Rosters::pops));
                newly = table.answer(by, key, held, |held| match table.kind {
                    LedgerKind::Gauge => false,
                    LedgerKind::Rights => self.answer_rights(table, key, author, held, now),
                    LedgerKind::Shares => self.answer_shares(table, author, held, now),
                });
            }
            joined
        };
        let ingested = self.ledgers.offer((table, key), (author.actor, account), told, join, now);
        if newly {
            self.dirty.ledger(table, key);
        }
        ingested
    }

    /// An account of a snapshot was not taken, though it is not over.
    pub(crate) fn leave_out_account(&self, table: LedgerId, now: Time) {
        self.ledgers.leave_out(table, now);
    }

    /// A snapshot told of a table of ledgers that is not there.
    pub(crate) fn miss_ledgers(&self, identity: u64) {
        self.ledgers.miss(identity);
    }

    /// Tells the store that a life of a peer is heard, or not any more. The replica says so.
    pub fn hears(&self, actor: Actor, incarnation: Incarnation, hearing: Hearing) {
        self.cluster.hears(Author { actor, incarnation }, hearing);
    }

    /// Joins another node's fact.
    pub(crate) fn offer_fact(&self, fact: Fact, now: Time) -> Offered {
        let by = fact.made_by();
        let Some(fact) = fact.without(&self.voids) else { return Offered::Void(self.voids.of(by)) };
        let (kind, (offered, changes)) = match fact {
            Fact::Ban(fact) => (Kind::Ban, self.bans.offer(fact, now)),
            Fact::Listing(fact) => (Kind::Listing, self.lists.offer(fact, now)),
            Fact::Register(fact) => (Kind::Register, self.registers.offer(fact, now)),
            Fact::Maximum(fact) => (Kind::Maximum, self.maxima.offer(fact, now)),
            Fact::Mark(fact) => (Kind::Mark, self.marks.offer(fact, now)),
            Fact::Revocation(fact) => (Kind::Revocation, self.offer_revocation(fact, now)),
        };
        // A floor that had to rise for it.
        self.dirty.fact(kind, changes);
        offered
    }

    /// Joins what another node knows of one slot of a key, or, where it is nobody who tells, an earlier life of this one.
    pub(crate) fn offer_sketch(
        &self,
        (table, key): (UniquesId, Key64),
        (by, of): (Option<Actor>, (u64, &Sketch)),
        told: Told,
        now: Time,
    ) -> Ingested {
        self.uniques.offer((table, key), (by, of), told, now)
    }

    /// Tells the store who is in the roster of this revision from an instant on, this POP included. The replica says so.
    pub(crate) fn set_roster(&self, pops: impl IntoIterator<Item = PopId>, (revision, since): (u64, Time)) {
        self.cluster.set_roster(pops, (revision, since));
    }

    /// Tells the store which POPs share out rates and quotas, this one included, as if it had always been so and all knew it. Only where there
    /// is no replica: a rehearsal of rules.
    pub fn stand_among(&self, pops: impl IntoIterator<Item = PopId>) {
        let began = self.me.incarnation.began();
        self.cluster.set_roster(pops, (0, began));
        self.cluster.agree(began);
    }

    /// Whether any node of a POP is heard now.
    #[must_use]
    pub fn hears_pop(&self, pop: PopId) -> bool {
        let first = Author { actor: Actor { pop, node: 0 }, incarnation: Incarnation(0) };
        self.cluster.with_heard(|heard| heard.range(first..).next().is_some_and(|heard| heard.actor.pop == pop))
    }

    /// Whether it still matters when all POPs of the roster say that they have the same.
    pub(crate) fn awaits_roster(&self) -> bool {
        !self.cluster.with_rosters(Rosters::are_agreed)
    }

    /// Tells the store that every POP of the roster has said that it has the same one.
    pub(crate) fn agree_on_roster(&self, now: Time) {
        self.cluster.agree(now);
    }

    /// Tells the store how many nodes there are, this one included; how many of them are heard, and which [part](super::Peers::part) is theirs.
    pub(crate) fn set_reach(&self, known: u16, heard: u16, part: f64, news: Option<Time>) {
        self.heard.know(known);
        self.heard.write(heard, part, news);
    }

    /// Tells the store how much of the cluster is heard: `news` is when the newest thing known of the node heard least happened,
    /// `None` without peers. The replica says so; where there is none (a rehearsal of rules), whoever plays its part does.
    pub fn set_heard(&self, heard: u16, news: Option<Time>) {
        self.heard.write(heard, f64::from(heard) / f64::from(self.heard.known()), news);
    }

    /// Tells the store how this node stands to its peers. Whoever calls [`set_heard`](Store::set_heard) says so.
    pub fn set_standing(&self, standing: Standing) {
        self.heard.stand(standing);
    }

    /// Whether what is counted here may be told: not by a clock that is wrong.
    fn tells_cells(&self) -> bool {
        self.heard.standing() != Standing::Clock
    }
}
