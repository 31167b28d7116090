//! How much of the cluster is heard: written by the replica, read by every request without a lock.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::time::Time;

/// The cluster as this node hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// Nodes that are known, this one included, and a POP of the roster of which none is known as one.
    pub roster: u16,
    /// Nodes heard lately, this one included.
    pub heard: u16,
    /// Age of the newest thing heard, in ms, of the node heard least; 0 when alone.
    pub lag_ms: u64,
}

pub(super) struct Heard {
    known: AtomicU16,
    heard: AtomicU16,
    /// Node time of the newest news of the node heard least; [`ALONE`] without peers.
    news: AtomicU64,
}

/// No peers: nothing can be late.
const ALONE: u64 = u64::MAX;

impl Heard {
    pub(super) fn new(roster: u16) -> Heard {
        Heard { known: AtomicU16::new(roster.max(1)), heard: AtomicU16::new(1), news: AtomicU64::new(ALONE) }
    }

    pub(super) fn read(&self, now: Time) -> Peers {
        let (heard, news) = (self.heard.load(Ordering::Relaxed), self.news.load(Ordering::Relaxed));
        Peers { roster: self.known.load(Ordering::Relaxed), heard, lag_ms: now.since(Time(news)) }
    }

    pub(super) fn know(&self, known: u16) {
        self.known.store(known, Ordering::Relaxed);
    }

    /// `news` is when the newest thing known of the node heard least happened; None without peers.
    pub(super) fn write(&self, heard: u16, news: Option<Time>) {
        self.heard.store(heard.min(self.known.load(Ordering::Relaxed)), Ordering::Relaxed);
        self.news.store(news.map_or(ALONE, |news| news.0), Ordering::Relaxed);
    }
}
