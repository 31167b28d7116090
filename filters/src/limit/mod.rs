//! Limits: how often, how much or how many at once, whom they count by, and what happens at their edge.
//!
//! In goes a request in its context; out comes whether the limit admits. Limits are taken in file order. Which limits a request is for is asked
//! before any is charged, and they are charged all or none: each holds its part until all have admitted ([`till`]).

mod asked;
mod bound;
mod budget;
mod cost;
mod flight;
mod hold;
mod look;
mod overrides;
mod penalty;
mod resets;
mod seen;
mod share;
mod shared;
mod special;
mod take;
mod tier;
mod till;
mod told;

use std::sync::Arc;
use std::time::Duration;

use selvedge_conf::{self as conf, Deny, Limit as Facts, Measure as Written, Mode, OnMissing, Over};
use selvedge_state::{Key, Store, TableFull, TableId, Time};

pub use bound::Bound;
use budget::Budget;
use cost::Cost;
use flight::InFlight;
pub(crate) use hold::Hold;
pub use hold::Holds;
use look::Names;
pub use overrides::{Override, Overrides};
use penalty::Penalties;
pub use resets::{Generation, Reset, Resets};
pub use seen::{SEEN_MAX, Seen};
use shared::Shared;
use special::{Retold, Special, Specials};
use tier::Tier;
pub(crate) use till::Till;
pub use told::{Told, Whose};

use crate::decision::{Penalised, Quota};
use crate::form::{self, FormNeed};
use crate::key::KeyShape;
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// A limit's place in the config, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(pub usize);

/// One limit, compiled: its expressions lowered, its key shape known, its tables in the store made.
#[derive(Debug)]
pub struct Limit {
    id: LimitId,
    facts: Facts,
    when: Option<Program>,
    unlimited: Vec<Program>,
    cost: Cost,
    count: Option<Program>,
    key: KeyShape,
    measure: Measure,
    specials: Specials,
    penalties: Option<Penalties>,
    tag: Option<Arc<str>>,
    overrides: Overrides,
    retold: Retold,
    resets: Resets,
    seen: Seen,
}

/// What a limit limits.
#[derive(Debug)]
enum Measure {
    /// Buckets, all of which must have room; the first one is of the key itself.
    Rates(Vec<Tier>),
    /// One bucket, which is shared out where there is anybody to share with.
    Shared(Shared, Tier),
    Quota(Budget),
    InFlight(InFlight),
}

/// What one limit said about one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// There is room, and it is taken; it has to be waited for so long.
    Admitted { quota: Quota, wait: Duration },
    /// It is not for this key.
    Unlimited,
    /// No room.
    Refused { quota: Quota, penalty: Option<Penalised> },
    /// In `monitor` mode: it would have been refused.
    WouldRefuse,
    /// No room: it passes with the limit's tag.
    Tagged,
    /// Peers cannot be heard, and the limit denies then.
    Partitioned,
    /// A part of the key is missing, and the limit denies then.
    Unkeyed,
    /// The limit's table is full of keys that cannot be forgotten; the request goes on uncounted. What is shared out refuses then.
    Uncounted,
}

impl Limit {
    /// Compiles a limit and makes its tables.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub(crate) fn new(id: LimitId, facts: &Facts, store: &Store) -> Result<Limit, TableFull> {
        let key = KeyShape::new(&facts.key);
        let penalties = match &facts.penalty {
            Some(penalty) => Some(Penalties::new(facts, penalty, &key, store)?),
            None => None,
        };
        let overrides = Overrides::new(&facts.name, &key, store)?;
        Ok(Limit {
            id,
            when: facts.when.as_ref().map(Program::compile),
            unlimited: facts.unlimited.iter().map(Program::compile).collect(),
            cost: Cost::new(facts),
            count: facts.count.as_ref().map(Program::compile),
            measure: Measure::new(facts, &key, store)?,
            specials: Specials::new(facts, &key, store)?,
            penalties,
            tag: match &facts.over {
                Over::Tag(tag) => Some(tag.as_str().into()),
                Over::Deny(_) | Over::Delay(_) => None,
            },
            overrides,
            retold: Retold::default(),
            resets: Resets::new(facts, &key, overrides, store)?,
            seen: Seen::default(),
            key,
            facts: facts.clone(),
        })
    }

    /// The limit as the config has it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether it refuses, rather than only counting what it would refuse.
    pub fn is_enforced(&self) -> bool {
        self.facts.mode == Mode::Enforce
    }

    /// The table its counts are in, if it counts by time.
    pub fn table(&self) -> Option<TableId> {
        self.first().map(|tier| tier.table)
    }

    /// The config that it is of is in force from now on.
    pub(crate) fn begin(&self, store: &Store, now: Time) {
        let tiers = self.tiers().iter().chain(self.specials.tiers());
        for Tier { table, bucket, .. } in tiers {
            store.drains(*table, bucket.rate_per_ms);
            store.watch(*table, bucket.burst + bucket.queue);
        }
        match &self.measure {
            Measure::Shared(shared, _) => shared.share_out(store, now),
            Measure::Quota(budget) => budget.begin(store),
            Measure::Rates(_) | Measure::InFlight(_) => {}
        }
        self.specials.budgets().for_each(|budget| budget.begin(store));
        self.heed(store, now);
    }

    /// What this limit may admit beyond its first rate and burst; `None` where it has none.
    pub fn bound(&self) -> Option<Bound> {
        let tier = self.facts.measure.tiers().first()?;
        self.first().map(|first| Bound::new(&self.facts, tier, &first.bucket))
    }

    /// The key that these values make, one for each part in the config's order.
    ///
    /// # Errors
    /// In words, when there are too few or too many, or an address is none.
    pub fn key_of(&self, values: &[String], store: &Store) -> Result<Key, String> {
        self.key.hash_of(values, store)
    }

    /// What its keys are made of.
    pub(crate) fn shape(&self) -> &KeyShape {
        &self.key
    }

    /// The status of what it refuses.
    pub(crate) fn status(&self) -> u16 {
        match &self.facts.over {
            Over::Deny(deny) => deny.status,
            Over::Delay(_) | Over::Tag(_) => Deny::default().status,
        }
    }

    /// The tag of requests that it lets pass though it has no room for them.
    pub(crate) fn tag(&self) -> Option<&Arc<str>> {
        self.tag.as_ref()
    }

    /// Which responses count, if not all.
    pub(crate) fn counts(&self) -> Option<&Program> {
        self.count.as_ref()
    }

    fn tiers(&self) -> &[Tier] {
        match &self.measure {
            Measure::Rates(tiers) => tiers,
            Measure::Shared(_, tier) => std::slice::from_ref(tier),
            Measure::Quota(_) | Measure::InFlight(_) => &[],
        }
    }

    fn first(&self) -> Option<&Tier> {
        self.tiers().first()
    }

    /// Whether it is for a request.
    pub(crate) fn applies(&self, site: SiteId, context: &Context<'_>) -> bool {
        let here = self.facts.sites.is_empty() || self.facts.sites.contains(&site.0);
        let asked = || {
            let applies = here && self.when.as_ref().is_none_or(|when| when.holds(context));
            if applies && form::counted(&self.facts) {
                context.need_form(FormNeed::Fields);
            }
            applies
                && !self.unlimited.iter().any(|unlimited| unlimited.holds(context))
                && (self.facts.on_missing != OnMissing::Skip || self.key.is_whole(context))
        };
        context.asked_by(self.is_enforced(), asked)
    }

    /// Whether it has no room for one more request of this key, whatever its condition and its sites; nothing is charged.
    pub(crate) fn would_refuse(&self, context: &Context<'_>) -> bool {
        let (store, now) = (context.store, context.now);
        let (named, cost) = (self.key.hash(context), self.cost.taken(context));
        let generation = self.resets.generation(named, store, now);
        let has_rights = matches!(self.measure, Measure::Quota(_) | Measure::Shared(..));
        let lasting = has_rights.then(|| generation.of_name(self.key.lasting(context), store));
        let names = Names { key: generation.of(named, store), lasting };
        let wide = |tier: &Tier| tier.key(&self.key, names.key, context);
        self.has_no_room((self.special(named, store, now), &names), cost, wide, store, now)
    }

    /// How a key is treated, if it is otherwise: what was said at run time comes before the config.
    fn special(&self, named: Key, store: &Store, now: Time) -> Option<Special> {
        let told = self.overrides.of(named, store, now).and_then(|told| match told {
            Told::Unlimited => Some(Special::Everything),
            Told::Rate { .. } => self.retold(told, store, now).map(Special::Tier),
            Told::InFlight(most) => self.is_of_places().then_some(Special::InFlight(most)),
        });
        told.or_else(|| self.specials.of(named))
    }

    /// The bucket of a rate that was said at run time; `None` where there is no room for it, or its keys have not one each.
    fn retold(&self, told: Told, store: &Store, now: Time) -> Option<Tier> {
        let make = |written: &conf::Tier| {
            let tier = Tier::special(&self.facts, written, &self.key, store).ok()?;
            store.drains(tier.table, tier.bucket.rate_per_ms);
            Some(tier)
        };
        let in_force = || {
            let all = self.overrides.all(store, now);
            all.into_iter().filter_map(|held| held.told.tier()).collect()
        };
        let written = told.tier().filter(|_| self.has_one_bucket())?;
        self.retold.tier(written, make, in_force, now)
    }

    /// Whether it has one bucket for each key, which may be another one for some.
    pub fn has_one_bucket(&self) -> bool {
        matches!(&self.measure, Measure::Rates(tiers) if tiers.len() == 1)
    }

    fn is_of_places(&self) -> bool {
        matches!(self.measure, Measure::InFlight(_))
    }

    /// What it costs is told by the response.
    pub(crate) fn late_cost(&self) -> Option<&Cost> {
        Some(&self.cost).filter(|cost| cost.is_known_late())
    }

    /// Whether what is held of it is kept until the response is there, or over.
    fn is_settled_later(&self) -> bool {
        let is_told = self.count.is_some() || self.cost.is_known_late();
        match &self.measure {
            Measure::Rates(_) | Measure::Shared(..) => is_told,
            Measure::Quota(budget) => is_told || budget.is_of_bytes(),
            Measure::InFlight(_) => true,
        }
    }
}

impl Measure {
    fn new(facts: &Facts, key: &KeyShape, store: &Store) -> Result<Measure, TableFull> {
        Ok(match &facts.measure {
            Written::Quota(quota) => Measure::Quota(Budget::new(facts, *quota, key, store)?),
            Written::InFlight(most) => Measure::InFlight(InFlight::new(facts, *most, key, store)?),
            Written::Rates(tiers) => {
                let each = |tier| Tier::new(facts, tier, key, store);
                let made = tiers.iter().enumerate().map(each).collect::<Result<Vec<_>, _>>()?;
                match (tiers.first(), made.first()) {
                    (Some(first), Some(tier)) => match Shared::new(facts, first, key, store)? {
                        Some(shared) => Measure::Shared(shared, *tier),
                        None => Measure::Rates(made),
                    },
                    _ => Measure::Rates(made),
                }
            }
        })
    }
}

impl Budget {
    fn or(self, special: Option<Special>) -> Budget {
        match special {
            Some(Special::Budget(budget)) => budget,
            _ => self,
        }
    }
}

impl InFlight {
    fn or(self, special: Option<Special>) -> InFlight {
        match special {
            Some(Special::InFlight(most)) => self.up_to(most),
            _ => self,
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
