//! Token buckets: a rate, the table that its counts are in, and whose requests are counted together.

use std::time::Duration;

use selvedge_conf::{Limit as Facts, Over, Rate, Scope, Tier as Written, Width};
use selvedge_state::{Bucket, Charge, Key, Rung, Store, TableFull, TableId, TableSpec};

use super::millis;
use super::share::{Fraction, Share};
use crate::decision::{Allowed, Counted};
use crate::head::Head;
use crate::key::KeyShape;
use crate::rule::Context;

/// One bucket for each key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tier {
    pub(super) table: TableId,
    pub(super) bucket: Bucket,
    rate: Rate,
    pub(super) width: Option<Width>,
}

impl Tier {
    /// One of a limit's own; makes its table.
    pub(super) fn new(
        limit: &Facts,
        (at, tier): (usize, &Written),
        key: &KeyShape,
        store: &Store,
    ) -> Result<Tier, TableFull> {
        // No name has a `#`, so the tables of two limits never meet.
        let uid = match (at, tier.width) {
            (0, _) => limit.name.clone(),
            (at, None) => format!("{}#{}", limit.name, at + 1),
            (_, Some(Width { ipv4, ipv6 })) => {
                format!("{}#{}/{}", limit.name, ipv4.unwrap_or_default(), ipv6.unwrap_or_default())
            }
        };
        Tier::with(uid, limit, tier, key, store)
    }

    /// One of some keys of a limit alone, by their rate: a table drains at one rate.
    pub(super) fn special(limit: &Facts, tier: &Written, key: &KeyShape, store: &Store) -> Result<Tier, TableFull> {
        let uid = format!("{}#{}/{}ms", limit.name, tier.rate.count, tier.rate.per.as_millis());
        Tier::with(uid, limit, tier, key, store)
    }

    fn with(uid: String, limit: &Facts, tier: &Written, key: &KeyShape, store: &Store) -> Result<Tier, TableFull> {
        let Written { rate, burst, width } = *tier;
        let rate_per_ms = f64::from(rate.count) / millis(rate.per);
        let queue = match limit.over {
            Over::Delay(longest) => rate_per_ms * millis(longest),
            Over::Deny(_) | Over::Tag(_) => 0.0,
        };
        let bucket = Bucket { rate_per_ms, burst: f64::from(burst), queue };
        let table = store.table(&TableSpec {
            uid,
            shape: key.name().to_owned(),
            fine: Rung::fine_for(bucket.rate_per_ms, bucket.burst),
            coarse: Rung::coarse_for(rate.per),
            replicated: limit.scope == Scope::Global,
        })?;
        Ok(Tier { table, bucket, rate, width })
    }

    /// Whom a request is counted by; `None` when it is not.
    pub(super) fn key(&self, shape: &KeyShape, key: Key, context: &Context<'_>) -> Option<Key> {
        match self.width {
            None => Some(key),
            Some(width) => shape.hash_wide(width, context),
        }
    }

    /// Its bucket, with this share of it.
    pub(super) fn bucket(&self, share: Share) -> Bucket {
        match share {
            Share::Part(fraction) => fraction.of(self.bucket),
            Share::Whole | Share::Nothing => self.bucket,
        }
    }

    /// The same for one request: without a queue where it may not wait.
    pub(super) fn bucket_for(&self, head: &Head<'_>, share: Share) -> Bucket {
        let bucket = self.bucket(share);
        if head.may_wait { bucket } else { Bucket { queue: 0.0, ..bucket } }
    }

    /// As a config says it.
    pub(super) fn written(&self) -> Written {
        Written { rate: self.rate, burst: self.bucket.burst as u32, width: self.width }
    }

    /// What clients are told that it allows.
    pub(super) fn allowed(&self) -> Allowed {
        Allowed { amount: self.rate.count.into(), within: Some(self.rate.per), counted: Counted::Requests }
    }

    /// What refused requests may fill: as much as is admitted in its time, beyond its depth and its queue.
    pub(super) fn for_denied(&self) -> Bucket {
        let Bucket { burst, queue, .. } = self.bucket;
        Bucket { burst: burst + queue + f64::from(self.rate.count), queue: 0.0, ..self.bucket }
    }

    /// How long it takes until so much has drained.
    pub(super) fn drains_in(&self, cost: u32) -> Duration {
        Duration::from_millis((f64::from(cost) / self.bucket.rate_per_ms).ceil() as u64)
    }
}

/// What a bucket says of itself to clients after a charge: what is left, and until when that changes; `None` where no time helps.
pub(super) fn told(bucket: &Bucket, charge: Charge) -> (u64, Option<Duration>) {
    match charge {
        Charge::Admitted { remaining, wait_ms } => {
            let backlog = (bucket.burst - f64::from(remaining)).max(0.0);
            let drained = (backlog / bucket.rate_per_ms).ceil() as u64;
            (remaining.into(), Some(Duration::from_millis(drained.saturating_add(wait_ms))))
        }
        Charge::Refused { retry_after_ms: u64::MAX } => (0, None),
        Charge::Refused { retry_after_ms } => (0, Some(Duration::from_millis(retry_after_ms))),
        Charge::Full => (0, None),
    }
}

impl Fraction {
    /// The same fraction of rate, burst and queue. A burst below one request would admit nothing at all, so it stays at one.
    fn of(self, bucket: Bucket) -> Bucket {
        let Fraction(part) = self;
        Bucket {
            rate_per_ms: bucket.rate_per_ms * part,
            burst: (bucket.burst * part).max(1.0),
            queue: bucket.queue * part,
        }
    }
}
