//! Stores, replicas and seeds for tests.

use std::sync::Arc;
use std::time::Duration;

use selvedge_state::{Bucket, Fill, Incarnation, PurgeKey, Rung, Store, StoreBounds, StoreConfig, TableSpec};

pub(crate) use selvedge_sim::{SECRET, START, actor, config, replica, seeds, spec, store_of, uniques_spec};

/// A store that holds so many keys of distinct counts and elements of lists.
pub(crate) fn store_bounded(roster: u16, bounds: StoreBounds) -> Arc<Store> {
    let (me, incarnation) = (actor(1), Incarnation(1));
    let config = StoreConfig {
        me,
        incarnation,
        cluster: "test".to_owned(),
        secret: SECRET,
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster,
    };
    Arc::new(Store::with_bounds(config, bounds))
}

/// A store that stands alone.
pub(crate) fn store() -> Arc<Store> {
    store_of(1, 1, 1, 100_000, 1_000)
}

/// A table as a limit of this rate and burst would have it.
pub(crate) fn spec_for(bucket: &Bucket, window: Duration) -> TableSpec {
    spec("limit", Rung::fine_for(bucket.rate_per_ms, bucket.burst), Rung::coarse_for(window))
}

/// Whether a purge of this key was applied at a node after a fill began.
pub(crate) fn is_purged(store: &Store, key: PurgeKey, fill: Fill) -> bool {
    store.first_purge(&key.each().collect::<Vec<_>>(), fill).is_some()
}
