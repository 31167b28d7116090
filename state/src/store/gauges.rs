//! The store's side of gauges.

use super::ledgers::{Held, Kind, LedgerId, LedgerSpec, Table};
use super::{Store, TableFull};
use crate::identity::{Actor, Author, Incarnation};
use crate::key::{Key, Key64};
use crate::ledger::Account;
use crate::ledger::gauge::Raised;
use crate::time::Time;

/// A table of gauges of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GaugeId(LedgerId);

impl Store {
    /// Finds or makes the table of gauges of this identity. Two configs that state the same identity share it.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`](crate::TABLES_MAX) tables of gauges, rights and shares already; nothing
    /// is made then.
    pub fn gauge(&self, spec: &LedgerSpec) -> Result<GaugeId, TableFull> {
        self.ledgers.table(&self.names, spec, Kind::Gauge).map(GaugeId)
    }

    /// Raises a gauge by `by` if all nodes together then stand at `most` or below: one atomic step here; what peers raise
    /// meanwhile is seen when it comes. Whoever raised it lowers it by as much, and whoever did not, does not.
    pub fn raise(&self, gauge: GaugeId, key: Key, by: u32, most: u64, now: Time) -> Raised {
        let Some(table) = self.ledgers.at(gauge.0) else { return Raised::Full };
        // This life raises by the name in force alone.
        let beside = key.beside.map_or(0, |beside| self.height_of(table, beside, now));
        let key = key.now;
        let raise = |held: &mut Held| {
            let height = self.height_in(held, now).saturating_add(beside);
            let to = height.saturating_add(by.into());
            if to > most {
                return (Raised::Over(height), false);
            }
            held.ledger.raise(by, now);
            (Raised::To(to), table.marks(&self.dirty, held))
        };
        let Some((raised, newly)) = table.visit(key, now, raise) else { return Raised::Full };
        if newly {
            self.dirty.ledger(gauge.0, key);
        }
        raised
    }

    /// Lowers the own part of a gauge, never below 0.
    pub fn lower(&self, gauge: GaugeId, Key { now: key, .. }: Key, by: u32, now: Time) {
        let Some(table) = self.ledgers.at(gauge.0) else { return };
        let lower = |held: &mut Held| held.ledger.lower(by, now) && table.marks(&self.dirty, held);
        if table.change(key, lower) == Some(true) {
            self.dirty.ledger(gauge.0, key);
        }
    }

    /// How high a gauge stands: the sum over this life and those of peers that are heard.
    #[must_use]
    pub fn height(&self, gauge: GaugeId, key: Key, now: Time) -> u64 {
        let Some(table) = self.ledgers.at(gauge.0) else { return 0 };
        key.each().map(|key| self.height_of(table, key, now)).fold(0, u64::saturating_add)
    }

    fn height_of(&self, table: &Table, key: Key64, now: Time) -> u64 {
        table.read(key, |held| self.height_in(held, now)).unwrap_or(0)
    }

    fn height_in(&self, held: &Held, now: Time) -> u64 {
        self.cluster.with_heard(|heard| held.ledger.height(|author| heard.contains(&author), now))
    }

    /// What each life of each actor last said of a gauge, in their order, heard or not.
    #[must_use]
    pub fn heights(&self, gauge: GaugeId, key: Key, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        let accounts = |key| self.ledgers.accounts(gauge.0, key, self.me, now);
        // A life raises by one name alone.
        let mut all: Vec<(Author, Account)> = key.each().flat_map(accounts).collect();
        all.sort_unstable_by_key(|(author, _)| *author);
        all.into_iter().map(|(Author { actor, incarnation }, account)| (actor, incarnation, account.amount)).collect()
    }

    /// Whether a life is this one, or one of a peer that is heard: its part of gauges counts.
    #[must_use]
    pub fn is_heard(&self, actor: Actor, incarnation: Incarnation) -> bool {
        let author = Author { actor, incarnation };
        author == self.me || self.cluster.with_heard(|heard| heard.contains(&author))
    }

    /// Keys that a table of gauges holds, ended ones included until they are swept.
    #[must_use]
    pub fn gauge_keys(&self, gauge: GaugeId) -> usize {
        self.ledgers.len(gauge.0)
    }
}
