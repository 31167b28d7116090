//! Dropping what expired, a few shards at a call, round and round over all tables and bans. Expired counters read as absent
//! anyway; sweeping only gives their memory back.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Store;
use super::shards::SHARDS;

use crate::time::Time;

/// Shards that one call visits.
pub(super) const SWEEP_SHARDS: usize = 64;

/// Where the next call goes on.
#[derive(Default)]
pub(super) struct SweepCursor(AtomicUsize);

impl Store {
    pub(super) fn sweep_some(&self, now: Time) {
        let tables = self.tables.iter().map_while(|table| table.get());
        let domains = tables.count() + 1;
        for _ in 0..SWEEP_SHARDS {
            let step = self.sweep.0.fetch_add(1, Ordering::Relaxed);
            let shard = (step % SHARDS) as u8;
            match (step / SHARDS % domains).checked_sub(1) {
                None => self.bans.sweep(shard, now),
                Some(index) => self.sweep_table(index, shard, now),
            }
        }
    }

    fn sweep_table(&self, index: usize, shard: u8, now: Time) {
        let Some(table) = self.tables.get(index).and_then(|table| table.get()) else { return };
        table.counters().retain(shard, |counter| !counter.is_expired(table.widths(), now));
    }
}
