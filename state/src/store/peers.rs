//! How much of the cluster is heard: written by the replica, read by every request without a lock.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};

use crate::time::Time;

/// How this node stands to its peers: whether what it knows of them can be reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Standing {
    /// Nothing is in the way.
    #[default]
    Settled,
    /// It has just started, and not every node of the roster has said yet what it knows. Over after ten seconds.
    Warming,
    /// Its clock is further from that of most nodes than the drift bound: what it counts is told to nobody, and what they count is not
    /// taken.
    Clock,
}

/// The cluster as this node hears it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peers {
    /// Nodes that are known, this one included, and a POP of the roster of which none is known as one.
    pub roster: u16,
    /// Nodes heard lately that have said what they know (or had ten seconds to) by a clock that goes with this node's; this one
    /// included.
    pub heard: u16,
    /// The part of what all share that is for those heard, 0 to 1: each POP of the roster has the same part, and each node that is known of it the
    /// same part of that. The roster is the same on both sides of a cut, whatever nodes come, go or start anew meanwhile, so the
    /// parts of the sides are no more than the whole.
    pub part: f64,
    /// Age of the newest thing heard, in ms, of the node heard least; 0 when alone.
    pub lag_ms: u64,
    /// Whether what is known of them can be reckoned with.
    pub standing: Standing,
}

pub(super) struct Heard {
    known: AtomicU16,
    heard: AtomicU16,
    /// The bits of an `f64`.
    part: AtomicU64,
    /// Node time of the newest news of the node heard least; [`ALONE`] without peers.
    news: AtomicU64,
    /// A [`Standing`].
    standing: AtomicU8,
}

/// No peers: nothing can be late.
const ALONE: u64 = u64::MAX;

impl Heard {
    pub(super) fn new(roster: u16) -> Heard {
        let (known, heard, news) = (AtomicU16::new(roster.max(1)), AtomicU16::new(1), AtomicU64::new(ALONE));
        let part = AtomicU64::new((1.0 / f64::from(roster.max(1))).to_bits());
        Heard { known, heard, part, news, standing: AtomicU8::new(Standing::default() as u8) }
    }

    pub(super) fn read(&self, now: Time) -> Peers {
        let (heard, news) = (self.heard.load(Ordering::Relaxed), self.news.load(Ordering::Relaxed));
        let (roster, lag_ms) = (self.known.load(Ordering::Relaxed), now.since(Time(news)));
        let part = f64::from_bits(self.part.load(Ordering::Relaxed));
        Peers { roster, heard, part, lag_ms, standing: self.standing() }
    }

    pub(super) fn standing(&self) -> Standing {
        let standing = self.standing.load(Ordering::Relaxed);
        let all = [Standing::Warming, Standing::Clock];
        all.into_iter().find(|known| *known as u8 == standing).unwrap_or_default()
    }

    pub(super) fn stand(&self, standing: Standing) {
        self.standing.store(standing as u8, Ordering::Relaxed);
    }

    pub(super) fn know(&self, known: u16) {
        self.known.store(known, Ordering::Relaxed);
    }

    pub(super) fn known(&self) -> u16 {
        self.known.load(Ordering::Relaxed)
    }

    /// `news` is when the newest thing known of the node heard least happened; None without peers.
    pub(super) fn write(&self, heard: u16, part: f64, news: Option<Time>) {
        self.part.store(part.to_bits(), Ordering::Relaxed);
        self.heard.store(heard.min(self.known()), Ordering::Relaxed);
        self.news.store(news.map_or(ALONE, |news| news.0), Ordering::Relaxed);
    }
}
