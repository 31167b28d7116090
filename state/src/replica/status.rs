//! The peers at one moment.

use super::clocks::Clocks;
use crate::identity::{Actor, Incarnation};

/// All nodes that are known, and a place for each POP of the roster of which none is, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// One for each peer.
    pub peers: Vec<PeerStatus>,
    /// How far the median of the clocks heard, this node's own among them, is ahead of this node's, in ms. Of two in the middle, the nearer.
    pub ahead_ms: i64,
    /// Frames that were published over a shared fabric, each once for all that are reached by it.
    pub published_frames: u64,
    /// Their bytes.
    pub published_bytes: u64,
}

/// Whether a peer is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Heard within the last two seconds; over a shared fabric, the last twelve.
    Up,
    /// Heard once, not lately.
    Down,
    /// Not heard since this node started.
    NeverHeard,
}

/// A life that hands over to the next one, over a link of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// Which.
    pub incarnation: Incarnation,
    /// Changed keys that it has not acknowledged.
    pub behind: u64,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Which one.
    pub actor: Actor,
    /// Whether it is heard.
    pub state: PeerState,
    /// Age of the newest thing heard, in ms: since it came, and half a round trip.
    pub lag_ms: Option<u64>,
    /// The worst of the last few round trips, in ms.
    pub rtt_ms: Option<u64>,
    /// How far its clock is ahead of this node's, in ms, by the quickest of the last few round trips; that is off by half of it
    /// at most.
    pub ahead_ms: Option<i64>,
    /// Whether that is so little that cells are exchanged with it.
    pub clocks: Clocks,
    /// Its life, as it said last.
    pub incarnation: Option<Incarnation>,
    /// The revision of its roster, as it said last.
    pub roster_revision: Option<u64>,
    /// The id of the secret in force there, as it said last.
    pub secret_id: Option<u64>,
    /// Changed keys that it has not acknowledged.
    pub behind: u64,
    /// Its life before, while that hands over.
    pub draining: Option<Draining>,
    /// Frames that came from it.
    pub frames_in: u64,
    /// Frames that went to it.
    pub frames_out: u64,
    /// Bytes of frames that came from it.
    pub bytes_in: u64,
    /// Bytes of frames that went to it.
    pub bytes_out: u64,
    /// Rows, facts and frames from it that were dropped.
    pub dropped: u64,
    /// The newest trouble with it, in words.
    pub last_error: Option<String>,
}
