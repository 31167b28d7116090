//! Ten times more keys than a table holds, all against one limit: what it takes, and what it does to a client that takes all it gets
//! and to one that stays under its rate.

use std::time::Instant;

use selvedge_state::{
    Actor, Bucket, Charge, Incarnation, PopId, Rung, Store, StoreBounds, StoreConfig, TableSpec, Time,
};

use super::START;
use crate::figures::{Figures, rounded};

/// Keys of the flood for each that the table holds.
const TIMES: usize = 10;

/// Strangers a ms.
const PACE: usize = 100;

pub(super) fn measure(keys_max: usize, figures: &mut Figures) -> Result<(), String> {
    let me = Actor { pop: PopId(0), node: 0 };
    let config = StoreConfig {
        me,
        incarnation: Incarnation(1),
        cluster: "bench".to_owned(),
        secret: [7; 16],
        secret_beside: None,
        salt: 0,
        keys_max,
        bans_max: 1,
        roster: 1,
    };
    let store = Store::with_bounds(config, StoreBounds::default());
    let bucket = Bucket::new(0.1, 100.0);
    let (fine, coarse) = (Rung::fine_for(bucket.rate_per_ms, bucket.burst), Rung::S10);
    let (uid, shape) = ("flood".to_owned(), "client.net".to_owned());
    let table =
        store.table(&TableSpec { uid, shape, fine, coarse, replicated: true }).map_err(|error| error.to_string())?;
    let admits = |key: &[u8], now: Time| {
        matches!(store.charge(table, store.key(&[key]), &bucket, 1, now), Charge::Admitted { .. })
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut heavy, mut light, mut refused) = (0_u64, 0_u64, 0_u64);
    let began = Instant::now();
    let length = (keys_max * TIMES / PACE) as u64;
    for ms in 0..length {
        let now = START.plus(ms);
        (0..PACE).for_each(|_| {
            let _ = admits(&rng.u64(..).to_le_bytes(), now);
        });
        heavy += u64::from(ms % 2 == 0 && admits(b"heavy", now));
        // A fifth of the rate each; they come when the table is full.
        if ms > length / 2 && ms % 50 == 0 {
            light += 100;
            refused += (0..100_u8).filter(|n| !admits(&[b'l', *n], now)).count() as u64;
        }
        if ms % 1_000 == 0 {
            store.sweep(now);
        }
    }
    let charges = (length as usize * PACE) as f64;
    let allowed = bucket.burst + bucket.rate_per_ms * length as f64;
    figures.add("flood_ns", rounded(began.elapsed().as_nanos() as f64 / charges));
    figures.add("flood_keys_held", rounded(store.keys(table) as f64 / keys_max as f64));
    figures.add("flood_heavy_over_limit", rounded(heavy as f64 / allowed));
    figures.add("flood_light_refused", rounded(refused as f64 / light as f64));
    Ok(())
}
