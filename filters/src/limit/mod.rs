//! Limits: a rate, whom it counts by, and what happens at its edge.
//!
//! In goes a request in its context; out comes whether the limit admits. A limit is one atomic check-and-charge of one bucket in
//! the store; limits are taken in file order, and what an earlier limit admitted stays charged when a later one refuses. Which
//! limits a request is for is asked before any is charged.

mod bound;
mod penalty;
mod share;
mod shared;

use std::time::Duration;

use selvedge_conf::{Limit as Facts, Mode, Scope};
use selvedge_state::{Bucket, Charge, ERA, Key, Rung, SharesId, Store, TableFull, TableId, TableSpec, Time};

pub use bound::Bound;
use penalty::Penalties;
use share::Share;
use shared::Shared;

use crate::decision::{Penalised, Quota};
use crate::explain::Note;
use crate::form::{self, FormNeed};
use crate::hand::Hand;
use crate::key::KeyShape;
use crate::rule::{Context, Program};
use crate::site::SiteId;

/// A limit's place in the config, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(pub usize);

/// One limit, compiled: its condition lowered, its key shape known, its table in the store made.
#[derive(Debug)]
pub struct Limit {
    id: LimitId,
    facts: Facts,
    when: Option<Program>,
    key: KeyShape,
    table: TableId,
    bucket: Bucket,
    shared: Option<Shared>,
    penalties: Option<Penalties>,
}

/// What one limit said about one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// Room was left, and is taken now.
    Admitted(Quota),
    /// No room.
    Refused { quota: Quota, penalty: Option<Penalised> },
    /// In `monitor` mode: it would have been refused.
    WouldRefuse,
    /// Peers cannot be heard, and the limit denies then.
    Partitioned,
    /// The limit's table is full of keys that cannot be forgotten; the request goes on uncounted. One that is shared out refuses then.
    Uncounted,
}

impl Limit {
    /// Compiles a limit and makes its table.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub(crate) fn new(id: LimitId, facts: &Facts, store: &Store) -> Result<Limit, TableFull> {
        let per_ms = f64::from(facts.rate.count) / millis(facts.rate.per);
        let bucket = Bucket::new(per_ms, f64::from(facts.burst));
        let key = KeyShape::new(&facts.key);
        let table = store.table(&TableSpec {
            uid: facts.name.clone(),
            shape: key.name().to_owned(),
            fine: Rung::fine_for(bucket.rate_per_ms, bucket.burst),
            coarse: Rung::coarse_for(facts.rate.per),
            replicated: facts.scope == Scope::Global,
        })?;
        let shared = Shared::new(facts, &key, store)?;
        let penalties = match &facts.penalty {
            Some(penalty) => Some(Penalties::new(facts, penalty, &key, store)?),
            None => None,
        };
        let when = facts.when.as_ref().map(Program::compile);
        Ok(Limit { id, facts: facts.clone(), when, key, table, bucket, shared, penalties })
    }

    /// The limit as the config has it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether it refuses, rather than only counting what it would refuse.
    pub fn is_enforced(&self) -> bool {
        self.facts.mode == Mode::Enforce
    }

    /// The table its counts are in.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// Its bucket while all POPs are heard.
    pub fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// The config that it is of is in force from now on.
    pub(crate) fn begin(&self, store: &Store, now: Time) {
        store.drains(self.table, self.bucket.rate_per_ms);
        self.shared.iter().for_each(|shared| shared.share_out(store, now));
    }

    /// The key that these values make, one for each part in the config's order.
    ///
    /// # Errors
    /// In words, when there are too few or too many, or an address is none.
    pub fn key_of(&self, values: &[String], store: &Store) -> Result<Key, String> {
        self.key.hash_of(values, store)
    }

    /// What this limit may admit beyond its rate and burst.
    pub fn bound(&self) -> Bound {
        Bound::new(&self.facts, &self.bucket)
    }

    /// What its keys are made of.
    pub(crate) fn shape(&self) -> &KeyShape {
        &self.key
    }

    /// Whether it is for a request.
    pub(crate) fn applies(&self, site: SiteId, context: &Context<'_>) -> bool {
        let here = self.facts.sites.is_empty() || self.facts.sites.contains(&site.0);
        let asked = || {
            let applies = here && self.when.as_ref().is_none_or(|when| when.holds(context));
            if applies && form::keyed(&self.facts.key) {
                context.need_form(FormNeed::Fields);
            }
            applies
        };
        context.asked_by(self.is_enforced(), asked)
    }

    /// Whether it has no room for one more request of this key, whatever its condition and its sites; nothing is charged.
    pub(crate) fn would_refuse(&self, context: &Context<'_>) -> bool {
        let (store, now) = (context.store, context.now);
        let Some(bucket) = self.bucket_now(context) else { return true };
        let charge = match self.shared_now(context) {
            Some(shares) => store.peek_draw(shares, self.key.lasting(context), 1, now),
            None => store.peek(self.table, self.key.hash(context), &bucket, 1, now),
        };
        matches!(charge, Charge::Refused { .. })
    }

    /// Checks and charges one request that it is for.
    pub(crate) fn charge(&self, context: &Context<'_>, hand: &mut impl Hand) -> Outcome {
        let Some(bucket) = self.bucket_now(context) else {
            return if self.is_enforced() { Outcome::Partitioned } else { Outcome::WouldRefuse };
        };
        let key = self.key.hash(context);
        match self.take(key, &bucket, context, hand) {
            Charge::Admitted { remaining, .. } => {
                Outcome::Admitted(self.quota(remaining, drained_in(&bucket, remaining)))
            }
            Charge::Refused { .. } if !self.is_enforced() => Outcome::WouldRefuse,
            Charge::Refused { retry_after_ms } => {
                let quota = self.quota(0, Duration::from_millis(retry_after_ms));
                let penalty = self.penalties.as_ref().and_then(|penalties| penalties.offence(key, context, hand));
                Outcome::Refused { quota, penalty }
            }
            Charge::Full => Outcome::Uncounted,
        }
    }

    fn take(&self, key: Key, bucket: &Bucket, context: &Context<'_>, hand: &mut impl Hand) -> Charge {
        let (store, now) = (context.store, context.now);
        let Some(shares) = self.shared_now(context) else {
            hand.note(|| Note::Level(self.id, store.level(self.table, key, bucket, now)));
            return hand.charge(store, (self.table, key), bucket, now);
        };
        let charge = hand.draw(store, (shares, self.key.lasting(context)), now);
        match charge {
            // What has no room would be admitted without end.
            Charge::Full => return Charge::Refused { retry_after_ms: ERA },
            // For those who read what was counted.
            Charge::Admitted { .. } => hand.add(store, (self.table, key), now),
            Charge::Refused { .. } => {}
        }
        charge
    }

    /// Its shares, where it is shared out among several.
    fn shared_now(&self, context: &Context<'_>) -> Option<SharesId> {
        self.shared.as_ref()?.among_several(context.store, context.now)
    }

    /// Its bucket as of now; `None` when peers cannot be heard and it denies then.
    fn bucket_now(&self, context: &Context<'_>) -> Option<Bucket> {
        match Share::of(&self.facts, context.store, context.now) {
            Share::Part(_) if self.shared.is_some() => Some(self.bucket),
            Share::Whole => Some(self.bucket),
            Share::Part(fraction) => Some(fraction.of(self.bucket)),
            Share::Nothing => None,
        }
    }

    fn quota(&self, remaining: u32, reset: Duration) -> Quota {
        Quota { limit: self.id, remaining, reset }
    }
}

/// How long a bucket with `remaining` room takes to drain to empty.
fn drained_in(bucket: &Bucket, remaining: u32) -> Duration {
    let backlog = (bucket.burst - f64::from(remaining)).max(0.0);
    Duration::from_millis((backlog / bucket.rate_per_ms).ceil() as u64)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
