//! Stores, replicas and seeds for tests.

use std::sync::Arc;
use std::time::Duration;

use selvedge_state::{
    Actor, Bucket, Incarnation, PopId, Replica, ReplicaConfig, Rung, Store, StoreBounds, StoreConfig, TableSpec, Time,
    UniquesSpec,
};

pub(crate) const SECRET: [u8; 16] = *b"the same in all.";

/// An instant far from 0, at the start of a slot of every width.
pub(crate) const START: Time = Time(1_800_000_000_000 / 3_600_000 * 3_600_000);

pub(crate) fn actor(pop: u16) -> Actor {
    Actor { pop: PopId(pop), node: 0 }
}

pub(crate) fn store_of(pop: u16, life: u64, roster: u16, keys_max: usize, bans_max: usize) -> Arc<Store> {
    let (me, incarnation) = (actor(pop), Incarnation(life));
    Arc::new(Store::new(StoreConfig { me, incarnation, secret: SECRET, keys_max, bans_max, roster }))
}

/// A store that holds so many keys of distinct counts and elements of lists.
pub(crate) fn store_bounded(roster: u16, bounds: StoreBounds) -> Arc<Store> {
    let (me, incarnation) = (actor(1), Incarnation(1));
    let config = StoreConfig { me, incarnation, secret: SECRET, keys_max: 10, bans_max: 10, roster };
    Arc::new(Store::with_bounds(config, bounds))
}

/// A store that stands alone.
pub(crate) fn store() -> Arc<Store> {
    store_of(1, 1, 1, 100_000, 1_000)
}

pub(crate) fn replica(pop: u16, life: u64, boot: u64, roster: u16, store: &Arc<Store>) -> Replica {
    Replica::new(config(pop, life, boot, roster), Arc::clone(store))
}

pub(crate) fn config(pop: u16, life: u64, boot: u64, roster: u16) -> ReplicaConfig {
    ReplicaConfig {
        cluster: "test".to_owned(),
        secret_id: 7,
        roster_revision: 1,
        me: actor(pop),
        incarnation: Incarnation(life),
        boot,
        peers: (1..=roster).filter(|other| *other != pop).map(PopId).collect(),
        seed: u64::from(pop) << 32 | boot,
    }
}

pub(crate) fn spec(uid: &str, fine: Rung, coarse: Rung) -> TableSpec {
    TableSpec { uid: uid.to_owned(), shape: "client.ip".to_owned(), fine, coarse, replicated: true }
}

pub(crate) fn uniques_spec(slot: Rung) -> UniquesSpec {
    UniquesSpec { uid: "users".to_owned(), shape: "client.net".to_owned(), slot, replicated: true }
}

/// A table as a limit of this rate and burst would have it.
pub(crate) fn spec_for(bucket: &Bucket, window: Duration) -> TableSpec {
    spec("limit", Rung::fine_for(bucket.rate_per_ms, bucket.burst), Rung::coarse_for(window))
}

/// The seeds to run with: those given, or the one in `SELVEDGE_SEED`.
pub(crate) fn seeds(given: &[u64]) -> Vec<u64> {
    match std::env::var("SELVEDGE_SEED") {
        Ok(seed) => vec![seed.parse().expect("SELVEDGE_SEED is a number")],
        Err(_) => given.to_vec(),
    }
}
