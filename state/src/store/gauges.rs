//! The store's side of gauges.

use super::ledgers::{Held, Kind, LedgerId, LedgerSpec};
use super::{Store, TableFull};
use crate::identity::{Actor, Author, Incarnation};
use crate::key::Key64;
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
        self.ledgers.table(&self.secret, spec, Kind::Gauge).map(GaugeId)
    }

    /// Raises a gauge by `by` if all nodes together then stand at `most` or below: one atomic step here; what peers raise
    /// meanwhile is seen when it comes. Whoever raised it lowers it by as much, and whoever did not, does not.
    pub fn raise(&self, gauge: GaugeId, key: Key64, by: u32, most: u64, now: Time) -> Raised {
        let Some(table) = self.ledgers.at(gauge.0) else { return Raised::Full };
        let raise = |held: &mut Held| {
            let height = self.cluster.with_heard(|heard| held.ledger.height(|author| heard.contains(&author), now));
            let to = height.saturating_add(by.into());
            if to > most {
                return (Raised::Over(height), false);
            }
            held.ledger.raise(by, now);
            (Raised::To(to), self.dirty.tracks(&mut held.dirty))
        };
        let Some((raised, newly)) = table.visit(key, now, raise) else { return Raised::Full };
        if newly {
            self.dirty.ledger(gauge.0, key);
        }
        raised
    }

    /// Lowers the own part of a gauge, never below 0.
    pub fn lower(&self, gauge: GaugeId, key: Key64, by: u32, now: Time) {
        let Some(table) = self.ledgers.at(gauge.0) else { return };
        let lower = |held: &mut Held| held.ledger.lower(by, now) && self.dirty.tracks(&mut held.dirty);
        if table.change(key, lower) == Some(true) {
            self.dirty.ledger(gauge.0, key);
        }
    }

    /// How high a gauge stands: the sum over this life and those of peers that are heard.
    #[must_use]
    pub fn height(&self, gauge: GaugeId, key: Key64, now: Time) -> u64 {
        let sum =
            |held: &Held| self.cluster.with_heard(|heard| held.ledger.height(|author| heard.contains(&author), now));
        self.ledgers.at(gauge.0).and_then(|table| table.read(key, sum)).unwrap_or(0)
    }

    /// What each life of each actor last said of a gauge, in their order, heard or not.
    #[must_use]
    pub fn heights(&self, gauge: GaugeId, key: Key64, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        let all = self.ledgers.accounts(gauge.0, key, self.me, now);
        all.into_iter().map(|(Author { actor, incarnation }, account)| (actor, incarnation, account.amount)).collect()
    }

    /// Keys that a table of gauges holds, ended ones included until they are swept.
    #[must_use]
    pub fn gauge_keys(&self, gauge: GaugeId) -> usize {
        self.ledgers.len(gauge.0)
    }
}
