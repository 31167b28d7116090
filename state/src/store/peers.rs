//! How much of the cluster is heard: written by the replica, read by every request without a lock.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// The cluster as this node hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// POPs in the roster, this one included.
    pub roster: u16,
    /// POPs heard lately, this one included.
    pub heard: u16,
    /// Age of the newest thing heard, in ms, of the POP heard least; 0 when alone.
    pub lag_ms: u64,
}

pub(super) struct Heard {
    roster: u16,
    heard: AtomicU16,
    lag_ms: AtomicU64,
}

impl Heard {
    pub(super) fn new(roster: u16) -> Heard {
        Heard { roster: roster.max(1), heard: AtomicU16::new(1), lag_ms: AtomicU64::new(0) }
    }

    pub(super) fn read(&self) -> Peers {
        let (heard, lag_ms) = (self.heard.load(Ordering::Relaxed), self.lag_ms.load(Ordering::Relaxed));
        Peers { roster: self.roster, heard, lag_ms }
    }

    pub(super) fn write(&self, heard: u16, lag_ms: u64) {
        self.heard.store(heard.min(self.roster), Ordering::Relaxed);
        self.lag_ms.store(lag_ms, Ordering::Relaxed);
    }
}
