//! Stores, replicas and seeds.

use std::sync::Arc;

use selvedge_state::{
    Actor, Incarnation, PopId, Replica, ReplicaConfig, Rung, Store, StoreConfig, TableSpec, Time, UniquesSpec,
};

/// The cluster's secret.
pub const SECRET: [u8; 16] = *b"the same in all.";

/// An instant far from 0, at the start of a slot of every width.
pub const START: Time = Time(1_800_000_000_000 / 3_600_000 * 3_600_000);

/// The one node of a POP.
#[must_use]
pub fn actor(pop: u16) -> Actor {
    Actor { pop: PopId(pop), node: 0 }
}

/// Which secrets a node knows, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secrets {
    /// The one in force.
    pub now: u64,
    /// The one beside it.
    pub beside: Option<u64>,
}

impl Secrets {
    /// What nodes know where no secret is rotated.
    pub const ONE: Secrets = Secrets { now: 7, beside: None };

    /// The secret of an id.
    #[must_use]
    pub fn bytes(id: u64) -> [u8; 16] {
        // The others differ from the one that most tests know.
        (u128::from_le_bytes(SECRET) ^ u128::from(id ^ Secrets::ONE.now)).to_le_bytes()
    }
}

/// The store of a POP's node in one of its lives.
#[must_use]
pub fn store_of(pop: u16, life: u64, roster: u16, keys_max: usize, bans_max: usize) -> Arc<Store> {
    store_with(Secrets::ONE, (pop, life), roster, (keys_max, bans_max))
}

/// The store of a POP's node in one of its lives, and what it hashes with.
#[must_use]
pub(crate) fn store_with(secrets: Secrets, (pop, life): (u16, u64), roster: u16, max: (usize, usize)) -> Arc<Store> {
    let (keys_max, bans_max) = max;
    Arc::new(Store::new(StoreConfig {
        me: actor(pop),
        incarnation: Incarnation(life),
        cluster: "test".to_owned(),
        secret: Secrets::bytes(secrets.now),
        secret_beside: secrets.beside.map(Secrets::bytes),
        salt: 0,
        keys_max,
        bans_max,
        roster,
    }))
}

/// The replica of a POP's node, in a roster of POPs 1 to `roster`.
#[must_use]
pub fn replica(pop: u16, life: u64, boot: u64, roster: u16, store: &Arc<Store>) -> Replica {
    Replica::new(config(pop, life, boot, roster), Arc::clone(store))
}

/// What [`replica`] is made of.
#[must_use]
pub fn config(pop: u16, life: u64, boot: u64, roster: u16) -> ReplicaConfig {
    ReplicaConfig {
        cluster: "test".to_owned(),
        secret_id: Secrets::ONE.now,
        secret_beside: Secrets::ONE.beside,
        roster_revision: 1,
        me: actor(pop),
        incarnation: Incarnation(life),
        boot,
        peers: (1..=roster).filter(|other| *other != pop).map(PopId).collect(),
        seed: u64::from(pop) << 32 | boot,
    }
}

/// A replicated table of counters.
#[must_use]
pub fn spec(uid: &str, fine: Rung, coarse: Rung) -> TableSpec {
    TableSpec { uid: uid.to_owned(), shape: "client.ip".to_owned(), fine, coarse, replicated: true }
}

/// A replicated table of distinct counts.
#[must_use]
pub fn uniques_spec(slot: Rung) -> UniquesSpec {
    UniquesSpec { uid: "users".to_owned(), shape: "client.net".to_owned(), slot, replicated: true }
}

/// The seeds to run with: those given, or the one in `SELVEDGE_SEED`.
///
/// # Panics
/// When `SELVEDGE_SEED` is not a number.
#[must_use]
pub fn seeds(given: &[u64]) -> Vec<u64> {
    match std::env::var("SELVEDGE_SEED") {
        Ok(seed) => vec![seed.parse().expect("SELVEDGE_SEED is a number")],
        Err(_) => given.to_vec(),
    }
}
