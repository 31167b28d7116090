//! What is known of a limit, for those who look after it. Nothing is charged.

use selvedge_state::{Actor, Coverage, Incarnation, Key, Key64, Store, Time};

use super::{Limit, Measure, Special, Whose};

/// What a key is called in the state, in the generation that it is in.
struct Names {
    /// Where it is counted by time, or at once.
    key: Key,
    /// Where rights are of it; not known of one whose values are not.
    lasting: Option<Key64>,
}

impl Limit {
    fn names(&self, whose: &Whose, store: &Store, now: Time) -> Names {
        let generation = self.resets().generation(whose.key, store, now);
        let lasting = self.key.lasting_of(&whose.values, store).ok().filter(|_| !whose.values.is_empty());
        Names { key: generation.of(whose.key, store), lasting: lasting.map(|name| generation.of_name(name, store)) }
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

    /// The keys that were counted most, where it counts by time: as they are called in the generation that they are in.
    pub fn top(&self, n: usize, store: &Store, now: Time) -> Vec<Key> {
        let top = self.table().map(|table| store.top(table, n, now)).unwrap_or_default();
        top.into_iter().map(|(key, _)| key).collect()
    }

    /// What each life of each actor counted for a key: in the time that is remembered, in this hour, day or month, or right now.
    pub fn counted(&self, whose: &Whose, store: &Store, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        let Names { key, lasting } = self.names(whose, store, now);
        match (&self.measure, self.special(whose.key, store, now), lasting) {
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
    pub fn level(&self, whose: &Whose, store: &Store, now: Time) -> f64 {
        let tier = match self.special(whose.key, store, now) {
            Some(Special::Tier(tier)) => Some(tier),
            _ => self.first().copied(),
        };
        match tier {
            Some(tier) => store.level(tier.table, self.names(whose, store, now).key, &tier.bucket, now),
            None => self.counted(whose, store, now).iter().map(|(_, _, n)| *n).fold(0, u64::saturating_add) as f64,
        }
    }
}
