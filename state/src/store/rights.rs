//! The store's side of rights.

use super::ledgers::{Held, Kind, LedgerId, LedgerSpec, Table, Terms};
use super::{Standing, Store, TableFull};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::{Domain, Key64};
use crate::ledger::rights::{Epoch, Keeper, Mint, Settled, Spent};
use crate::ledger::{EPOCH_LONGEST, Ledger};
use crate::time::Time;

/// A table of rights of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RightsId(LedgerId);

impl Store {
    /// Finds or makes the table of rights of this identity. There are none before it is said [how many](Store::allot).
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`](crate::TABLES_MAX) tables of gauges, rights and shares already; nothing
    /// is made then.
    pub fn rights(&self, spec: &LedgerSpec) -> Result<RightsId, TableFull> {
        self.ledgers.table(&self.names, spec, Kind::Rights).map(RightsId)
    }

    /// There are so many rights for each key and epoch of a table: what was said last counts. While nodes have different configs, the quota
    /// of an epoch is what the home of the key is told, and what the others open with; where it is lowered, what was moved or used already stays.
    pub fn allot(&self, rights: RightsId, quota: u64) {
        if let Some(table) = self.ledgers.at(rights.0) {
            table.set_terms(Terms { said: (quota, 0), overdraft: 0 });
        }
    }

    /// The name of what rights or shares are of. It needs no secret and outlasts each: by two names at once a quota would be there twice. What
    /// clients choose freely is no key of a quota.
    #[must_use]
    pub fn lasting_key(&self, parts: &[&[u8]]) -> Key64 {
        Key64(self.names.hash64(Domain::Key, parts))
    }

    /// Takes `cost` of what this node has of a key's quota in an epoch, if it has so much: one atomic step. A cost that is known only later
    /// is taken as it is estimated, and [settled](Store::settle) then. Nothing is waited for: who is short is told so, and has asked the
    /// others. A life that [ends](Store::close_rights) has nothing left.
    pub fn spend(&self, rights: RightsId, key: Key64, epoch: Epoch, cost: u64, now: Time) -> Spent {
        let Some(table) = self.ledgers.at(rights.0) else { return Spent::Full };
        let is_long = epoch.ends.since(epoch.begins) > EPOCH_LONGEST;
        if now < epoch.begins || now >= epoch.ends || is_long {
            return Spent::OutOfTime;
        }
        let key = self.key_in(key, epoch);
        let spend = |held: &mut Held| {
            // Asked under the lock: a life that ends looks at each key after it said so.
            if self.closing.is_closed() {
                return (Spent::Short { left: 0 }, false);
            }
            // A thread that read the time long ago must not begin anew what was dropped since.
            if held.ledger.own().is_none() && table.has_dropped(epoch.ends) {
                return (Spent::OutOfTime, false);
            }
            let (spent, changed) = held.ledger.spend(&self.keeper(table, key, epoch, now), cost, now);
            (spent, changed && table.marks(&self.dirty, held))
        };
        let Some((spent, newly)) = table.visit(key, now, spend) else { return Spent::Full };
        if newly {
            self.dirty.ledger(rights.0, key);
        }
        spent
    }

    /// What [`spend`](Store::spend) would say; nothing is taken, and nobody is asked.
    #[must_use]
    pub fn peek_spend(&self, rights: RightsId, key: Key64, epoch: Epoch, cost: u64, now: Time) -> Spent {
        let Some(table) = self.ledgers.at(rights.0) else { return Spent::Full };
        let is_long = epoch.ends.since(epoch.begins) > EPOCH_LONGEST;
        if now < epoch.begins || now >= epoch.ends || is_long {
            return Spent::OutOfTime;
        }
        let key = self.key_in(key, epoch);
        let keeper = self.keeper(table, key, epoch, now);
        let spend = |mut ledger: Ledger| ledger.spend(&keeper, cost, now).0;
        table.read(key, |held| spend(held.ledger.clone())).unwrap_or_else(|| spend(Ledger::default()))
    }

    /// What was taken as `taken` turned out to cost `actual`: what was too much is given back, what was too little is used as well, also
    /// where this node has not so much. For a minute after the epoch's end, too. What comes back to a life that [ends](Store::close_rights)
    /// is its heir's; where it knows none, nothing is settled any more.
    pub fn settle(&self, rights: RightsId, key: Key64, epoch: Epoch, costs: (u64, u64), now: Time) -> Settled {
        let Some(table) = self.ledgers.at(rights.0) else { return Settled::OutOfTime };
        let key = self.key_in(key, epoch);
        let settle = |held: &mut Held| {
            let heir = self.closing.heir(self.me.actor);
            if self.closing.is_closed() && heir.is_none() {
                return (Settled::OutOfTime, false);
            }
            let (settled, mut changed) = held.ledger.settle(self.me, costs, now);
            // What comes back is the heir's.
            changed |= heir.is_some() && held.ledger.bequeath(self.me, heir, now);
            (settled, changed && table.marks(&self.dirty, held))
        };
        let Some((settled, newly)) = table.change(key, settle) else { return Settled::OutOfTime };
        if newly {
            self.dirty.ledger(rights.0, key);
        }
        settled
    }

    /// What this node has left of a key's quota in an epoch.
    #[must_use]
    pub fn rights_left(&self, rights: RightsId, key: Key64, epoch: Epoch) -> u64 {
        let left = |held: &Held| held.ledger.left(self.me);
        self.ledgers.at(rights.0).and_then(|table| table.read(self.key_in(key, epoch), left)).unwrap_or(0)
    }

    /// What each life of each actor has used of a key's quota in an epoch, as far as is known here, in their order.
    #[must_use]
    pub fn rights_used(&self, rights: RightsId, key: Key64, epoch: Epoch, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        let all = self.ledgers.accounts(rights.0, self.key_in(key, epoch), self.me, now);
        all.into_iter().map(|(Author { actor, incarnation }, account)| (actor, incarnation, account.amount)).collect()
    }

    /// Keys that a table of rights holds, one for each epoch, ended ones included until they are swept.
    #[must_use]
    pub fn rights_keys(&self, rights: RightsId) -> usize {
        self.ledgers.len(rights.0)
    }

    /// The name of a key in one epoch: epochs never mix.
    fn key_in(&self, key: Key64, Epoch { begins, ends }: Epoch) -> Key64 {
        let parts = [key.0, begins.0, ends.0].map(u64::to_le_bytes);
        Key64(self.names.hash64(Domain::Epoch, &parts.each_ref().map(<[u8; 8]>::as_slice)))
    }

    fn keeper<'s>(
        &'s self,
        table: &Table,
        key: Key64,
        epoch: Epoch,
        now: Time,
    ) -> Keeper<impl Fn() -> Option<Mint> + 's> {
        let rank = move |pop: PopId| self.names.hash64(Domain::Home, &[&key.0.to_le_bytes(), &pop.0.to_le_bytes()]);
        let may = epoch.begins <= now && now < epoch.ends;
        let known = table.known_from();
        let quota = table.terms().said.0;
        let mints = move || {
            self.cluster.with_rosters(|rosters| {
                let is_sure = match self.heard.standing() {
                    Standing::Settled => true,
                    // Where another life minted, a peer may be about to say so.
                    Standing::Warming => rosters.go_on_from_a_life(),
                    Standing::Clock => false,
                };
                (may && is_sure).then(|| rosters.mints((epoch.begins, known), quota, rank))?
            })
        };
        Keeper { me: self.me, epoch, quota, mints }
    }

    /// Answers an account that was joined. The asker says which epoch it is: where it is none of this node's epochs, it is a name
    /// like any other.
    pub(super) fn answer_rights(&self, table: &Table, key: Key64, asker: Author, held: &mut Held, now: Time) -> bool {
        let account = held.ledger.others().find(|(author, _)| *author == asker).map(|(_, account)| account);
        let Some(epoch) = account.map(|account| Epoch { begins: Time(account.terms.1), ends: account.ends }) else {
            return false;
        };
        let is_dropped = held.ledger.own().is_none() && table.has_dropped(epoch.ends);
        if self.closing.is_closed() || is_dropped || now >= epoch.ends || epoch.ends.since(epoch.begins) > EPOCH_LONGEST
        {
            return false;
        }
        let keeper = self.keeper(table, key, epoch, now);
        let changed =
            self.cluster.with_heard(|heard| held.ledger.answer_rights(&keeper, |author| heard.contains(&author), now));
        changed && table.marks(&self.dirty, held)
    }
}
