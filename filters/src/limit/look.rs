//! What is known of a limit, for those who look after it. Nothing is charged.

use std::collections::BTreeSet;

use selvedge_state::{Actor, Charge, Coverage, Incarnation, Key, Key64, Spent, Store, TableId, Time};

use super::asked::is_same;
use super::share::Share;
use super::{Limit, Measure, Special, Tier, Whose};

/// What a key is called in the state, in the generation that it is in.
pub(super) struct Names {
    /// Where it is counted by time, or at once.
    pub(super) key: Key,
    /// Where rights are of it; not known of one whose values are not.
    pub(super) lasting: Option<Key64>,
}

impl Limit {
    fn names(&self, whose: &Whose, store: &Store, now: Time) -> Names {
        let generation = self.resets().generation(whose.key, store, now);
        let lasting = self.key.lasting_of(&whose.values, store).ok().filter(|_| !whose.values.is_empty());
        Names { key: generation.of(whose.key, store), lasting: lasting.map(|name| generation.of_name(name, store)) }
    }

    /// Keys that it holds by now, those that are treated otherwise included.
    pub fn keys(&self, store: &Store) -> usize {
        let retold = self.retold.tiers();
        // Two keys may have one rate, and it has one table.
        let tables: BTreeSet<TableId> = self.specials.tiers().chain(&retold).map(|tier| tier.table).collect();
        let tiers = tables.into_iter().map(|table| store.keys(table));
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

    /// Where a key is counted by time, and by which name: at the rate that it has, and in the generation that it is in.
    pub(crate) fn counted_at(&self, key: Key, store: &Store, now: Time) -> Option<(TableId, Key)> {
        let table = match self.special(key, store, now) {
            Some(Special::Tier(tier)) => Some(tier.table),
            _ => self.table(),
        };
        table.map(|table| (table, self.resets().named(key, store, now)))
    }

    /// Whether its tables hold all keys that were counted.
    pub fn coverage(&self, store: &Store, now: Time) -> Coverage {
        let is_partial = |tier: &super::Tier| store.coverage(tier.table, now) == Coverage::Partial;
        if self.tiers().iter().any(is_partial) { Coverage::Partial } else { Coverage::Whole }
    }

    /// The keys that were counted most, where it counts by time: by their values where those are known here, and one that was reset by what
    /// was counted since.
    pub fn top(&self, n: usize, store: &Store, now: Time) -> Vec<Whose> {
        let resets = self.resets().all(store, now);
        let retold = self.retold.tiers();
        let tiers = self.first().into_iter().chain(self.specials.tiers()).chain(&retold);
        let most = n.saturating_add(resets.len());
        let mut top: Vec<(Key, u64)> = tiers.flat_map(|tier| store.top(tier.table, most, now)).collect();
        top.retain(|(key, _)| !resets.iter().any(|reset| is_same(reset.whose.key, *key)));
        top.sort_unstable_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        let mut known: Vec<Whose> = Vec::new();
        for (key, _) in top {
            let whose = self.called(key, store, now);
            if known.len() < n && !known.iter().any(|other| is_same(other.key, whose.key)) {
                known.push(whose);
            }
        }
        known
    }

    /// Whether it has no room for one more request of a key at this POP; nothing is charged. Of a quota whose key is known by its hash alone
    /// nothing is known.
    pub fn refuses(&self, whose: &Whose, store: &Store, now: Time) -> bool {
        let names = self.names(whose, store, now);
        let own = |tier: &Tier| tier.width.is_none().then_some(names.key);
        self.has_no_room((self.special(whose.key, store, now), &names), 1, own, store, now)
    }

    /// Whether it has no room for so much of a key. `named` says by which key of a bucket it is counted, if it is.
    pub(super) fn has_no_room(
        &self,
        (special, names): (Option<Special>, &Names),
        cost: u32,
        named: impl Fn(&Tier) -> Option<Key>,
        store: &Store,
        now: Time,
    ) -> bool {
        if let Some(Special::Everything) = special {
            return false;
        }
        let share = Share::of(&self.facts, store, now);
        if share == Share::Nothing {
            return true;
        }
        let refused = |charge: Charge| matches!(charge, Charge::Refused { .. });
        let is_full = |tier: &Tier| {
            named(tier).is_some_and(|key| refused(store.peek(tier.table, key, &tier.bucket(share), cost, now)))
        };
        match (&self.measure, special) {
            (Measure::Quota(own), special) => names.lasting.is_some_and(|lasting| {
                let budget = own.or(special);
                let (epoch, price) = (budget.epoch(now), budget.price(cost));
                let spent = store.peek_spend(budget.rights(), lasting, epoch, price, now);
                !matches!(spent, Spent::Granted { .. })
            }),
            (Measure::InFlight(own), special) => {
                let flight = own.or(special);
                store.height(flight.gauge, names.key, now) >= u64::from(flight.most(share))
            }
            (Measure::Shared(shared, tier), _) => match (shared.among_several(store, now), names.lasting) {
                (Some(shares), Some(lasting)) => refused(store.peek_draw(shares, lasting, cost, now)),
                _ => refused(store.peek(tier.table, names.key, &tier.bucket, cost, now)),
            },
            (Measure::Rates(_), Some(Special::Tier(tier))) => is_full(&tier),
            (Measure::Rates(tiers), _) => tiers.iter().any(is_full),
        }
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

    /// Whether what this life counted is nothing here because it is not heard: of what is in flight alone.
    pub fn misses(&self, (actor, incarnation): (Actor, Incarnation), store: &Store) -> bool {
        self.is_of_places() && !store.is_heard(actor, incarnation)
    }

    /// How much of what it allows a key is used now: the backlog of its bucket as it is in force here, what was used of its quota, or how many
    /// there are at once.
    pub fn level(&self, whose: &Whose, store: &Store, now: Time) -> f64 {
        let tier = match self.special(whose.key, store, now) {
            Some(Special::Tier(tier)) => Some(tier),
            _ => self.first().copied(),
        };
        let key = self.names(whose, store, now).key;
        match (&self.measure, tier) {
            (_, Some(tier)) => {
                let bucket = tier.bucket(Share::of(&self.facts, store, now));
                store.level(tier.table, key, &bucket, now)
            }
            (Measure::InFlight(flight), None) => store.height(flight.gauge, key, now) as f64,
            (_, None) => self.counted(whose, store, now).iter().map(|(_, _, n)| *n).fold(0, u64::saturating_add) as f64,
        }
    }
}
