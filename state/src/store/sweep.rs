//! Dropping what expired, a few shards at a call, round and round over all tables and facts. What expired reads as absent
//! anyway; sweeping only gives its memory back.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Store;
use super::shards::SHARDS;
use crate::time::Time;

/// Shards of each table that one call visits: sixteen calls are a round.
const SWEEP_SHARDS: usize = 16;

/// Where the next call goes on.
#[derive(Default)]
pub(super) struct SweepCursor(AtomicUsize);

impl SweepCursor {
    fn next(&self) -> impl Iterator<Item = u8> {
        let from = self.0.fetch_add(SWEEP_SHARDS, Ordering::Relaxed);
        (from..from.saturating_add(SWEEP_SHARDS)).map(|shard| (shard % SHARDS) as u8)
    }
}

impl Store {
    pub(super) fn sweep_some(&self, now: Time) {
        for shard in self.sweep.next() {
            self.bans.sweep(shard, now);
            self.lists.sweep(shard, now);
            self.registers.sweep(shard, now);
            self.maxima.sweep(shard, now);
            self.marks.sweep(shard, now);
            self.revocations.sweep(shard, now);
            self.sessions.sweep(shard, now);
            self.uniques.sweep(shard, now);
            self.ledgers.sweep(shard, &self.dirty, now);
            for (number, table) in self.tables.after(None) {
                table.sweep(shard, now);
                // Keys are charged in the table whose turn it is.
                if table.lineage().turn().0 == number {
                    table.lineage().sweep(shard, |key| table.read(key, |_| ()).is_some());
                }
            }
        }
    }
}
