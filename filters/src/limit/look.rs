//! What is known of a limit, for those who look after it. Nothing is charged.

use selvedge_state::{Actor, Coverage, Incarnation, Key, Key64, Store, Time};

use super::{Limit, Measure, Special};

/// What one value of a limit's key is called in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// Where it is counted by time, or at once.
    pub key: Key,
    /// Where rights are of it; not known of one that was found in the state.
    pub lasting: Option<Key64>,
}

impl Limit {
    /// The key that these values make, one for each part in the config's order.
    ///
    /// # Errors
    /// In words, when there are too few or too many, or an address is none.
    pub fn key_of(&self, values: &[String], store: &Store) -> Result<Whose, String> {
        let (key, lasting) = (self.key.hash_of(values, store)?, self.key.lasting_of(values, store)?);
        Ok(Whose { key, lasting: Some(lasting) })
    }

    /// Keys that it holds by now, those that are treated otherwise included.
    pub fn keys(&self, store: &Store) -> usize {
        let tiers = self.specials.tiers().map(|tier| store.keys(tier.table));
        let budgets = self.specials.budgets().map(|budget| store.rights_keys(budget.rights()));
        tiers.chain(budgets).sum::<usize>() + self.own_keys(store)
    }

    fn own_keys(&self, store: &Store) -> usize {
        match &self.measure {
            Measure::Rates(_) | Measure::Shared(..) => self.table().map_or(0, |table| store.keys(table)),
            Measure::Quota(budget) => store.rights_keys(budget.rights()),
            Measure::InFlight(flight) => store.gauge_keys(flight.gauge),
        }
    }

    /// Whether its tables hold all keys that were counted.
    pub fn coverage(&self, store: &Store, now: Time) -> Coverage {
        let is_partial = |tier: &super::Tier| store.coverage(tier.table, now) == Coverage::Partial;
        if self.tiers().iter().any(is_partial) { Coverage::Partial } else { Coverage::Whole }
    }

    /// The keys that were counted most, where it counts by time.
    pub fn top(&self, n: usize, store: &Store, now: Time) -> Vec<Whose> {
        let top = self.table().map(|table| store.top(table, n, now)).unwrap_or_default();
        top.into_iter().map(|(key, _)| Whose { key, lasting: None }).collect()
    }

    /// What each life of each actor counted for a key: in the time that is remembered, in this hour, day or month, or right now.
    pub fn counted(&self, Whose { key, lasting }: Whose, store: &Store, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        match (&self.measure, self.specials.of(key), lasting) {
            (_, Some(Special::Tier(tier)), _) => store.counts(tier.table, key, now),
            (Measure::Quota(own), special, Some(lasting)) => {
                let budget = own.or(special);
                store.rights_used(budget.rights(), lasting, budget.epoch(now), now)
            }
            (Measure::Quota(_), _, None) => Vec::new(),
            (Measure::InFlight(flight), ..) => store.heights(flight.gauge, key, now),
            (Measure::Rates(_) | Measure::Shared(..), ..) => {
                self.table().map(|table| store.counts(table, key, now)).unwrap_or_default()
            }
        }
    }

    /// How much of what it allows a key is used now: the backlog of its bucket, what was used of its quota, or how many there are at once.
    pub fn level(&self, whose: Whose, store: &Store, now: Time) -> f64 {
        let tier = match self.specials.of(whose.key) {
            Some(Special::Tier(tier)) => Some(tier),
            _ => self.first().copied(),
        };
        match tier {
            Some(tier) => store.level(tier.table, whose.key, &tier.bucket, now),
            None => self.counted(whose, store, now).iter().map(|(_, _, n)| *n).fold(0, u64::saturating_add) as f64,
        }
    }
}
