//! The store's side of shares.

use super::ledgers::{Held, Kind, LedgerId, LedgerSpec, Table, Terms};
use super::rosters::Rosters;
use super::{Standing, Store, TableFull};
use crate::bucket::Charge;
use crate::identity::Author;
use crate::key::Key64;
use crate::ledger::shares::{Allowance, Purse, Sharer, era_of};
use crate::ledger::{Account, Ledger};
use crate::time::Time;

/// What a node that may not spend says of when to ask again, ms.
const LATER: u64 = 1_000;

/// A table of shares of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharesId(LedgerId);

impl Store {
    /// Finds or makes the table of shares of this identity. Nothing may be taken of it before it is said [how much](Store::share_out).
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`](crate::TABLES_MAX) tables of gauges, rights and shares already; nothing
    /// is made then.
    pub fn shares(&self, spec: &LedgerSpec) -> Result<SharesId, TableFull> {
        self.ledgers.table(&self.names, spec, Kind::Shares).map(SharesId)
    }

    /// Shares out so much of each key of a table: what was said last counts, from the next era on. While nodes have different
    /// configs, those of one rate and burst share with each other alone, and together they admit no more than the greatest of each among
    /// them.
    pub fn share_out(&self, shares: SharesId, allowance: Allowance, now: Time) {
        if let Some(table) = self.ledgers.at(shares.0) {
            table.begin(now);
            table.set_terms(Terms { said: allowance.terms(), overdraft: allowance.overdraft() });
        }
    }

    /// Takes `cost` tokens of what this node has of a key's rate, if they are there: one atomic step. A node that is warming up, or whose
    /// clock is wrong, takes none. Nothing is waited for: who has too little is told so, and has said what it has demand for; a cost above
    /// burst and overdraft, which never fits, is refused with a `retry_after_ms` of `u64::MAX`.
    pub fn draw(&self, shares: SharesId, key: Key64, cost: u32, now: Time) -> Charge {
        let Some(table) = self.ledgers.at(shares.0) else { return Charge::Full };
        if self.heard.standing() != Standing::Settled {
            return Charge::Refused { retry_after_ms: LATER };
        }
        let draw = |held: &mut Held| {
            // A thread that read the time long ago must not begin anew what was dropped since.
            if held.ledger.own().is_none() && table.has_dropped(era_of(now)) {
                return (Charge::Refused { retry_after_ms: 1 }, false);
            }
            let (ledger, purse) = held.with_purse();
            let (charge, changed) = ledger.draw(purse, &self.sharer(table), cost, now);
            (charge, changed && table.marks(&self.dirty, held))
        };
        let Some((charge, newly)) = table.visit(key, now, draw) else { return Charge::Full };
        if newly {
            self.dirty.ledger(shares.0, key);
        }
        charge
    }

    /// Puts back what was drawn and not used, in the era in which it was drawn; in the next one it is lost.
    pub fn put_back(&self, shares: SharesId, key: Key64, cost: u32, now: Time) {
        if let Some(table) = self.ledgers.at(shares.0) {
            table.change(key, |held| {
                let (ledger, purse) = held.with_purse();
                ledger.put_back(purse, self.me, cost, now);
            });
        }
    }

    /// What [`draw`](Store::draw) would say; nothing is taken, and nobody is told of a demand.
    #[must_use]
    pub fn peek_draw(&self, shares: SharesId, key: Key64, cost: u32, now: Time) -> Charge {
        let Some(table) = self.ledgers.at(shares.0) else { return Charge::Full };
        if self.heard.standing() != Standing::Settled {
            return Charge::Refused { retry_after_ms: LATER };
        }
        let draw = |ledger: &Ledger, purse: Option<&Purse>| {
            let (mut ledger, mut purse) = (ledger.clone(), purse.cloned().unwrap_or_default());
            ledger.draw(&mut purse, &self.sharer(table), cost, now).0
        };
        let known = table.read(key, |held| draw(&held.ledger, held.purse()));
        known.unwrap_or_else(|| draw(&Ledger::default(), None))
    }

    /// This node's share of a key's rate, nano-tokens in a ms; 0 where it was not asked for in this era.
    #[must_use]
    pub fn share(&self, shares: SharesId, key: Key64, now: Time) -> u64 {
        let share = |held: &Held| held.ledger.share(self.me, now);
        self.ledgers.at(shares.0).and_then(|table| table.read(key, share)).unwrap_or(0)
    }

    /// Keys that a table of shares holds, ended ones included until they are swept.
    #[must_use]
    pub fn shares_keys(&self, shares: SharesId) -> usize {
        self.ledgers.len(shares.0)
    }

    fn sharer(&self, table: &Table) -> Sharer<impl Fn(Time) -> Option<u64>> {
        let sharers = |begins| self.cluster.with_rosters(|rosters| rosters.sharers(begins));
        let Terms { said: terms, overdraft } = table.terms();
        let since = table.began().max(self.cluster.with_rosters(Rosters::company_since));
        Sharer { me: self.me, terms, overdraft, since, sharers }
    }

    /// An account is about to be joined: what filled the bucket until now did so at the share of before.
    pub(super) fn fill_shares(&self, held: &mut Held, now: Time) {
        if held.ledger.own().is_some() {
            let (ledger, purse) = held.with_purse();
            ledger.fill(purse, self.me, now);
        }
    }

    /// Answers an account that was joined, if it is of this era and of the same terms.
    pub(super) fn answer_shares(&self, table: &Table, asker: Author, held: &mut Held, now: Time) -> bool {
        self.fill_shares(held, now);
        let begins = era_of(now);
        let account = held.ledger.others().find(|(author, _)| *author == asker).map(|(_, account)| account);
        let is_now = |account: &Account| {
            era_of(account.ends.minus(1)) == begins && account.terms == table.terms().said && account.amount > 0
        };
        let is_dropped = held.ledger.own().is_none() && table.has_dropped(begins);
        if !account.is_some_and(is_now) || is_dropped || self.heard.standing() != Standing::Settled {
            return false;
        }
        let (ledger, purse) = held.with_purse();
        ledger.answer_shares(purse, &self.sharer(table), now) && table.marks(&self.dirty, held)
    }
}
