//! Keys of a limit that are treated otherwise, as the config has it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use selvedge_conf::{Allows, Limit as Facts, Measure, Quota, Tier as Written};
use selvedge_state::{Key, Store, TableFull, Time};

use super::budget::Budget;
use super::tier::Tier;
use crate::key::KeyShape;

/// What a key may do that is treated otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) enum Special {
    /// Everything.
    Everything,
    /// As often as this bucket allows.
    Tier(Tier),
    /// As much.
    Budget(Budget),
    /// As many at once.
    InFlight(u32),
}

/// Buckets of rates that were said at run time, made when they are first needed: a table drains at one rate.
#[derive(Debug, Default)]
pub(super) struct Retold(RwLock<Rates>);

#[derive(Debug, Default)]
struct Rates {
    known: Vec<(Written, Tier)>,
    /// When those that are in force no more made room the last time.
    swept: Time,
}

/// Rates of one limit that are in force at run time. One too many is left unheeded.
pub(super) const RETOLD_MAX: usize = 64;

/// Room is not looked for more often, ms.
const SWEEP: u64 = 1_000;

impl Retold {
    /// The bucket of a rate; `None` when there is no room for it. `in_force` tells the rates of keys that are in force now: the others make room.
    pub(super) fn tier(
        &self,
        written: Written,
        make: impl FnOnce(&Written) -> Option<Tier>,
        in_force: impl FnOnce() -> Vec<Written>,
        now: Time,
    ) -> Option<Tier> {
        let find = |known: &[(Written, Tier)]| known.iter().find(|(of, _)| *of == written).map(|(_, tier)| *tier);
        if let Some(tier) = find(&self.0.read().unwrap_or_else(PoisonError::into_inner).known) {
            return Some(tier);
        }
        let mut rates = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tier) = find(&rates.known) {
            return Some(tier);
        }
        if rates.known.len() >= RETOLD_MAX && now.since(rates.swept) >= SWEEP {
            let in_force = in_force();
            rates.known.retain(|(written, _)| in_force.contains(written));
            rates.swept = now;
        }
        if rates.known.len() >= RETOLD_MAX {
            return None;
        }
        let tier = make(&written)?;
        rates.known.push((written, tier));
        Some(tier)
    }

    /// Those that were made.
    pub(super) fn tiers(&self) -> Vec<Tier> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).known.iter().map(|(_, tier)| *tier).collect()
    }
}

/// Those of one limit.
#[derive(Debug, Default)]
pub(super) struct Specials(BTreeMap<Key, Special>);

impl Specials {
    /// Of a limit; makes their tables.
    pub(super) fn new(facts: &Facts, key: &KeyShape, store: &Store) -> Result<Specials, TableFull> {
        let mut specials = BTreeMap::new();
        for one in &facts.overrides {
            let special = match (one.allows, &facts.measure) {
                (Allows::Everything, _) => Special::Everything,
                (Allows::Rate(tier), _) => Special::Tier(Tier::special(facts, &tier, key, store)?),
                (Allows::Amount(amount), Measure::Quota(quota)) => {
                    Special::Budget(Budget::special(facts, Quota { amount, ..*quota }, key, store)?)
                }
                (Allows::InFlight(most), _) => Special::InFlight(most),
                // The config has none such.
                (Allows::Amount(_), Measure::Rates(_) | Measure::InFlight(_)) => continue,
            };
            // Their values fit the key, as the config was checked.
            if let Ok(key) = key.hash_of(&one.key, store) {
                specials.insert(key, special);
            }
        }
        Ok(Specials(specials))
    }

    /// How a key is treated, if it is otherwise.
    pub(super) fn of(&self, key: Key) -> Option<Special> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&key).copied()
    }

    /// The quotas of those keys.
    pub(super) fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.0.values().filter_map(|special| match special {
            Special::Budget(budget) => Some(budget),
            Special::Everything | Special::Tier(_) | Special::InFlight(_) => None,
        })
    }

    /// The buckets of those keys.
    pub(super) fn tiers(&self) -> impl Iterator<Item = &Tier> {
        self.0.values().filter_map(|special| match special {
            Special::Tier(tier) => Some(tier),
            Special::Everything | Special::Budget(_) | Special::InFlight(_) => None,
        })
    }
}
