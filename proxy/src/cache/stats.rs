//! What the storage counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since boot.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) stored: Counter,
    pub(crate) evicted: Counter,
    pub(crate) aborted: Counter,
    pub(crate) outgrown: Counter,
    pub(crate) refused: Counter,
    pub(crate) purged: Counter,
    pub(crate) purged_softly: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The storage at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes held: stored objects, fills in progress, and evicted objects that are still being read.
    pub bytes: u64,
    /// The cap on [`bytes`](Self::bytes).
    pub capacity: u64,
    /// Stored objects.
    pub objects: u64,
    /// Fills in progress.
    pub fills: u64,
    /// Fills that became objects, since boot.
    pub stored: u64,
    /// Objects that made room for others, since boot.
    pub evicted: u64,
    /// Fills whose response broke off, since boot.
    pub aborted: u64,
    /// Fills that outgrew the largest object or the room, and were passed through, since boot.
    pub outgrown: u64,
    /// Responses not admitted because they are too large or no room could be made, since boot.
    pub refused: u64,
    /// Objects that were asked for and found purged, since boot.
    pub purged: u64,
    /// Objects that were asked for and found purged softly, since boot.
    pub purged_softly: u64,
    /// The disk tier, if there is one.
    pub disk: Option<DiskStats>,
}

/// The disk tier at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Whether it takes and gives anything.
    pub is_on: bool,
    /// Bytes of files that are stored, in the making, or gone and still being read.
    pub bytes: u64,
    /// The cap on [`bytes`](Self::bytes).
    pub capacity: u64,
    /// Stored files.
    pub objects: u64,
    /// Times that one was found and used, since boot.
    pub hits: u64,
    /// Files written, since boot.
    pub stored: u64,
    /// Objects that were not written since too much waited to be, since boot.
    pub dropped: u64,
    /// Files that made room for others, since boot.
    pub evicted: u64,
    /// Files that could not be read or were not what they said, since boot.
    pub damaged: u64,
}
