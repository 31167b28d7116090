//! Where the facts of a room lie: what [`Facts`](super::facts::Facts) needs of it. Most lie in [`Shards`]; marks, of which there may be
//! millions, lie [packed](super::packed), and revocations [denser](super::dense).

use std::sync::Arc;

use super::facts::Space;
use super::shards::Shards;
use crate::fact::Stated;
use crate::key::{Key128, Spread};
use crate::time::Time;

/// What is kept of one fact.
#[derive(Clone)]
pub(super) struct Entry<F> {
    pub(super) fact: F,
    /// Whether it waits to be sent.
    pub(super) dirty: bool,
    /// Its space, once a config names it.
    pub(super) space: Option<Arc<Space>>,
}

/// A bounded concurrent map from names to facts, cut by the top 8 bits of the names. Closures run under a lock, so they must not come back.
pub(super) trait Entries<F>: Sized {
    fn with_room(max: usize, spread: Spread) -> Self;

    fn len(&self) -> usize;

    fn max(&self) -> usize;

    fn is_full(&self) -> bool {
        self.len() >= self.max()
    }

    fn read<R>(&self, key: Key128, read: impl FnOnce(&Entry<F>) -> R) -> Option<R>;

    fn change<R>(&self, key: Key128, change: impl FnOnce(&mut Entry<F>) -> R) -> Option<R>;

    /// Changes the entry, made by `make` if there is none. `None` when the map is full.
    fn change_or<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<F>,
        change: impl FnOnce(&mut Entry<F>) -> R,
    ) -> Option<R>;

    /// The same, whether or not the map is full.
    fn change_always<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<F>,
        change: impl FnOnce(&mut Entry<F>) -> R,
    ) -> Option<R>;

    /// Changes what there is in one shard and keeps what passes.
    fn retain(&self, shard: u8, keep: impl FnMut(&mut Entry<F>) -> bool);

    /// Forgets what is spent in one shard.
    fn sweep(&self, shard: u8, now: Time)
    where
        F: Stated,
    {
        self.retain(shard, |entry| !entry.fact.is_spent(now));
    }

    /// Of a sample of at most `sample` entries, from the shard `near` on, the one with the least rank. Entries without a rank do not count.
    fn least<R: Ord>(&self, near: u8, sample: usize, rank: impl Fn(&Entry<F>) -> Option<R>) -> Option<Key128>;

    /// Forgets an entry if it `goes`, which is asked under its lock.
    fn forget(&self, key: Key128, goes: impl FnOnce(&Entry<F>) -> bool);

    /// Forgets the [least](Entries::least) one, if it has a rank still.
    fn evict<R: Ord>(&self, near: u8, sample: usize, rank: impl Fn(&Entry<F>) -> Option<R>) {
        if let Some(key) = self.least(near, sample, &rank) {
            self.forget(key, |entry| rank(entry).is_some());
        }
    }

    /// The keys of one shard above `after`, in their order.
    fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128>;

    /// Visits the entries of one shard, in no order.
    fn each_in(&self, shard: u8, visit: impl FnMut(Key128, &Entry<F>));
}

impl<F: Stated> Entries<F> for Shards<Key128, Entry<F>> {
    fn with_room(max: usize, spread: Spread) -> Self {
        Shards::new(max, spread)
    }

    fn len(&self) -> usize {
        Shards::len(self)
    }

    fn max(&self) -> usize {
        Shards::max(self)
    }

    fn read<R>(&self, key: Key128, read: impl FnOnce(&Entry<F>) -> R) -> Option<R> {
        Shards::read(self, key, read)
    }

    fn change<R>(&self, key: Key128, change: impl FnOnce(&mut Entry<F>) -> R) -> Option<R> {
        Shards::change(self, key, change)
    }

    fn change_or<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<F>,
        change: impl FnOnce(&mut Entry<F>) -> R,
    ) -> Option<R> {
        Shards::change_or(self, key, make, change)
    }

    fn change_always<R>(
        &self,
        key: Key128,
        make: impl FnOnce() -> Entry<F>,
        change: impl FnOnce(&mut Entry<F>) -> R,
    ) -> Option<R> {
        Shards::change_always(self, key, make, change)
    }

    fn retain(&self, shard: u8, mut keep: impl FnMut(&mut Entry<F>) -> bool) {
        self.retain_mut(shard, |_, entry| keep(entry));
    }

    fn least<R: Ord>(&self, near: u8, sample: usize, rank: impl Fn(&Entry<F>) -> Option<R>) -> Option<Key128> {
        Shards::least(self, near, sample, rank)
    }

    fn forget(&self, key: Key128, goes: impl FnOnce(&Entry<F>) -> bool) {
        Shards::forget(self, key, |_, entry| goes(entry));
    }

    fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        Shards::keys(self, shard, after)
    }

    fn each_in(&self, shard: u8, visit: impl FnMut(Key128, &Entry<F>)) {
        Shards::each_in(self, shard, visit);
    }
}
