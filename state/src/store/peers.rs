//! How much of the cluster is heard: written by the replica, read by every request without a lock.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::time::Time;

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
    /// Node time of the newest news of the POP heard least; [`ALONE`] without peers.
    news: AtomicU64,
}

/// No peers: nothing can be late.
const ALONE: u64 = u64::MAX;

impl Heard {
    pub(super) fn new(roster: u16) -> Heard {
        Heard { roster: roster.max(1), heard: AtomicU16::new(1), news: AtomicU64::new(ALONE) }
    }

    pub(super) fn read(&self, now: Time) -> Peers {
        let (heard, news) = (self.heard.load(Ordering::Relaxed), self.news.load(Ordering::Relaxed));
        Peers { roster: self.roster, heard, lag_ms: now.since(Time(news)) }
    }

    /// `news` is when the newest thing known of the POP heard least happened; None without peers.
    pub(super) fn write(&self, heard: u16, news: Option<Time>) {
        self.heard.store(heard.min(self.roster), Ordering::Relaxed);
        self.news.store(news.map_or(ALONE, |news| news.0), Ordering::Relaxed);
    }
}
