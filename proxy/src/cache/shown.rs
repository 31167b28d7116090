//! What is stored, as operators see it. Looking changes nothing: no use is counted, and nothing that was purged is taken out.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;
use pingora::cache::{CacheKey, CacheMeta};
use selvedge_filters::cache::{Grounds, Reuse, Variation};
use selvedge_filters::purge::{Reach, Standing};
use selvedge_state::Time;

use super::disk::Judged;
use super::object::{Object, Terms};
use super::parts::Cache;
use super::policy;
use super::stamp::Stamped;
use super::storage::EntryKey;

/// The most responses that one look shows.
pub const SHOWN_MAX: usize = 100;

/// Which request's variant is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What its responses are stored under.
    pub key: &'a CacheKey,
    /// What tells its variant from others.
    pub variation: Variation<'a>,
    /// Its fields, as cache and origin see them.
    pub headers: &'a HeaderMap,
}

/// Where something is stored. What is in memory may be on the disk as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// In memory.
    Memory,
    /// On the disk alone.
    Disk,
}

impl Tier {
    /// A stable name, for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Disk => "disk",
        }
    }
}

/// What one look finds.
#[derive(Debug, Default)]
pub struct Look {
    /// The stored responses, that of the wanted request first.
    pub stored: Vec<Shown>,
    /// How many more than [`SHOWN_MAX`] there are.
    pub more: usize,
    /// How many are on their way into the cache.
    pub filling: usize,
}

/// One stored response.
#[derive(Debug)]
pub struct Shown {
    /// Whether it is what the wanted request is answered with, or has validated.
    pub is_wanted: bool,
    /// Where it is.
    pub tier: Tier,
    /// Its header and instants.
    pub meta: CacheMeta,
    /// Length of its body.
    pub bytes: usize,
    /// On what terms it is used.
    pub reuse: Reuse,
    /// Why it is fresh for so long.
    pub grounds: Option<Grounds>,
    /// How long after that it may stand in for an error that the origin answers with, s.
    pub stale_if_error_s: u32,
    /// The name of the policy that had it stored.
    pub policy: Option<String>,
    /// The purge that it has not been looked up since, and when that was applied here, if it is known.
    pub purged: Option<(Reach, Option<Time>)>,
}

impl Cache {
    /// What is stored under these keys: in memory with all variants, on the disk those that are found by a key or are the wanted
    /// request's. Waits for the disk.
    pub fn look(&'static self, keys: &[CacheKey], wanted: Wanted<'_>) -> Look {
        let primaries: BTreeSet<EntryKey> = keys.iter().chain([wanted.key]).map(EntryKey::primary).collect();
        let is_meant = |primary: Option<EntryKey>| primary.is_some_and(|primary| primaries.contains(&primary));
        let in_memory = self.storage.shelf.matching(|object| is_meant(object.stamped.primary()));
        let mut found: Vec<(EntryKey, Stored)> =
            in_memory.into_iter().map(|(key, object)| (key, self.of_memory(&object))).collect();
        let variant = self.variant(wanted);
        for key in primaries.iter().copied().chain(variant) {
            if found.iter().all(|(known, _)| *known != key) {
                found.extend(self.of_disk(key).map(|stored| (key, stored)));
            }
        }
        found.sort_by_key(|(key, _)| (Some(*key) != variant, *key));
        let more = found.len().saturating_sub(SHOWN_MAX);
        found.truncate(SHOWN_MAX);
        Look {
            stored: found.into_iter().map(|(key, stored)| show(stored, Some(key) == variant)).collect(),
            more,
            filling: self.storage.filling(|fill| is_meant(fill.stamped.primary())),
        }
    }

    /// Where the variant of a request is, if it may be used: by way of the primary, as a lookup finds it.
    fn variant(&'static self, wanted: Wanted<'_>) -> Option<EntryKey> {
        let primary = EntryKey::primary(wanted.key);
        let first = self.stored(primary)?.meta;
        let Some(variance) = policy::variance(wanted.variation, first.headers(), wanted.headers) else {
            return Some(primary);
        };
        if first.variance() == Some(variance) {
            return Some(primary);
        }
        let mut key = wanted.key.clone();
        key.set_variance_key(variance);
        let variant = self.stored(EntryKey::of(&key))?.meta;
        // One that is older than the primary is not used any more.
        (variant.created() >= first.provenance()).then(|| EntryKey::of(&key))
    }

    fn stored(&'static self, key: EntryKey) -> Option<Stored> {
        let in_memory = self.storage.shelf.peek(key).map(|object| self.of_memory(&object));
        in_memory.or_else(|| self.of_disk(key))
    }

    fn of_memory(&self, object: &Object) -> Stored {
        Stored {
            meta: object.meta(),
            terms: object.times.terms,
            stamped: Arc::clone(&object.stamped),
            standing: object.stamped.standing(&self.storage.store),
            bytes: object.body.len(),
            tier: Tier::Memory,
        }
    }

    fn of_disk(&'static self, key: EntryKey) -> Option<Stored> {
        let (Judged { times, header, stamped, standing }, bytes) = self.storage.disk()?.look(key)?;
        let (meta, terms) = (times.meta_of_whole(header, bytes), times.terms);
        Some(Stored { meta, terms, stamped, standing, bytes, tier: Tier::Disk })
    }
}

/// What is stored in either tier.
struct Stored {
    meta: CacheMeta,
    terms: Terms,
    stamped: Arc<Stamped>,
    standing: Standing,
    bytes: usize,
    tier: Tier,
}

fn show(Stored { meta, terms, stamped, standing, bytes, tier }: Stored, is_wanted: bool) -> Shown {
    let purged = match standing {
        Standing::Valid => None,
        Standing::Stale(applied) => Some((Reach::Soft, Some(applied.at))),
        Standing::Gone => Some((Reach::Hard, None)),
    };
    Shown {
        is_wanted,
        tier,
        meta,
        bytes,
        reuse: terms.reuse,
        grounds: terms.grounds,
        stale_if_error_s: terms.stale_if_error_s,
        policy: stamped.policy().map(str::to_owned),
        purged,
    }
}
