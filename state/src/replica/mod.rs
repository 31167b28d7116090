//! The replica: keeps one node's store in step with its peers'. A state machine without sockets, clock or randomness:
//! [`Replica::handle`] takes what happened and when, [`Replica::poll_output`] says what to do, [`Replica::poll_timeout`] when
//! to call again.
//!
//! *Out.* What changed in the store gets a place in one sequence ([`index`]); a tick encodes it once, and the same bytes go
//! to every peer ([`flush`]). A peer that lags gets the current values of what it lacks; nothing is queued for it.
//! *In.* A frame is decoded, bounded, joined, and acknowledged when it follows on what came before ([`ingest`]).
//! *Repair.* A new link starts with everything in ranges; after that a frame a second goes to one peer after another
//! ([`repair`]).
//! *Life.* Links start with a hello ([`greet`]); a peer is heard while frames come ([`peer`]). Whether a peer is heard decides
//! what requests may spend; it never deletes state.

mod compare;
mod event;
mod flush;
mod greet;
mod index;
mod ingest;
mod link;
mod peer;
mod port;
mod repair;
mod rtt;
mod status;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use self::event::Event;
pub use self::port::{CloseReason, Input, LinkId, Output};
pub use self::status::{PeerState, PeerStatus, Status};

use self::flush::Pace;
use self::index::{INDEX_MAX, Index};
use self::link::Link;
use self::peer::Peer;
use self::repair::Turn;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::store::Store;
use crate::time::Time;

/// Links that one peer may have at a time, those without a hello included. Two are enough for a process and its successor.
const LINKS_PER_PEER: usize = 4;

/// What a replica is made of.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// The cluster's id.
    pub cluster: String,
    /// The id of the cluster's secret, never the secret itself.
    pub secret_id: u64,
    /// The roster's revision.
    pub roster_revision: u64,
    /// Who writes here; as in the store.
    pub me: Actor,
    /// In which life; as in the store.
    pub incarnation: Incarnation,
    /// A random number of this process.
    pub boot: u64,
    /// The other POPs of the roster.
    pub peers: Vec<PopId>,
    /// Randomness for jitter.
    pub seed: u64,
}

/// Keeps one node's store in step with its peers: a state machine without sockets, clock or randomness.
///
/// [`handle`](Replica::handle) takes what happened and when, [`poll_output`](Replica::poll_output) says what to do,
/// [`poll_timeout`](Replica::poll_timeout) when to call again. Nothing is queued for a slow peer: it gets present values
/// when it moves again. A peer that is not heard loses nothing of its state here.
pub struct Replica {
    config: ReplicaConfig,
    me: Author,
    store: Arc<Store>,
    peers: BTreeMap<PopId, Peer>,
    links: BTreeMap<LinkId, Link>,
    index: Index,
    pace: Pace,
    turn: Turn,
    /// When the first input came.
    started: Option<Time>,
    /// When something last changed, here or at a peer.
    changed: Option<Time>,
    outputs: VecDeque<Output>,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("me", &self.me).field("links", &self.links.len()).finish_non_exhaustive()
    }
}

impl Replica {
    /// A replica that knows no link yet.
    #[must_use]
    pub fn new(config: ReplicaConfig, store: Arc<Store>) -> Replica {
        Replica::with_index_max(config, store, INDEX_MAX)
    }

    /// A replica that remembers at most `index_max` changed keys for lagging peers.
    pub(crate) fn with_index_max(config: ReplicaConfig, store: Arc<Store>, index_max: usize) -> Replica {
        let others = config.peers.iter().filter(|pop| **pop != config.me.pop);
        Replica {
            me: Author { actor: config.me, incarnation: config.incarnation },
            peers: others.map(|pop| (*pop, Peer::new(*pop))).collect(),
            turn: Turn::new(config.seed),
            config,
            store,
            links: BTreeMap::new(),
            index: Index::new(index_max),
            pace: Pace::default(),
            started: None,
            changed: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`. Poll the outputs after each call.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.started.get_or_insert(now);
        match input {
            Input::Connected { link, peer } => self.connected(link, peer, now),
            Input::Disconnected { link } => self.forget(link),
            Input::Frame { link, bytes } => self.frame(link, &bytes, now),
            Input::Sent { link, bytes } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.unsent = link.unsent.saturating_sub(bytes);
                }
            }
            Input::Dirty | Input::Timeout => {}
        }
        self.drive(now);
        if let Some(rule) = self.check_invariants() {
            debug_assert!(false, "{rule}");
            self.tell(Event::Broken { rule });
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The peers as they are at `now`, by their ids.
    #[must_use]
    pub fn status(&self, now: Time) -> Status {
        let behind = |peer: &Peer| {
            let link = peer.link.and_then(|link| self.links.get(&link));
            link.map_or(0, |link| self.index.after(link.out.acked).count() as u64)
        };
        Status { peers: self.peers.values().map(|peer| peer.status(now, behind(peer))).collect() }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Sends one frame on a link.
    fn send(&mut self, id: LinkId, frame: Bytes, now: Time) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.unsent = link.unsent.saturating_add(frame.len());
        link.last_out = now;
        if let Some(peer) = self.peers.get_mut(&link.peer) {
            peer.frames_out += 1;
            peer.bytes_out += frame.len() as u64;
        }
        self.outputs.push_back(Output::Send { link: id, frame });
    }

    fn forget(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        if let Some(peer) = self.peers.get_mut(&link.peer).filter(|peer| peer.link == Some(id)) {
            peer.link = None;
        }
        self.trim();
    }

    fn close(&mut self, id: LinkId, reason: CloseReason) {
        if let Some(peer) = self.links.get(&id).and_then(|link| self.peers.get_mut(&link.peer)) {
            peer.last_error = Some(reason.to_string());
        }
        self.forget(id);
        self.outputs.push_back(Output::Close { link: id, reason });
    }

    /// The established links, by their ids.
    fn established(&self) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.author.is_some()).map(|(id, _)| *id).collect()
    }

    /// Forgets the changes that every link has acknowledged. A link that is not established yet starts at its base.
    fn trim(&mut self) {
        let acked = self.links.values().map(|link| link.out.acked).min();
        self.index.trim(acked.unwrap_or(self.index.last()));
    }

    /// The rule that is broken, if one is.
    fn check_invariants(&self) -> Option<&'static str> {
        let last = self.index.last();
        let of_peer = |peer: &Peer| peer.link.is_none_or(|id| self.links.get(&id).is_some_and(|l| l.peer == peer.pop));
        let known = |(id, link): (&LinkId, &Link)| {
            link.author.is_none() || self.peers.get(&link.peer).is_some_and(|peer| peer.link == Some(*id))
        };
        if !self.index.is_consistent() {
            Some("the index holds each item once")
        } else if !self.links.values().all(|link| link.out.acked <= link.out.sent && link.out.sent <= last) {
            Some("acked <= sent <= last")
        } else if !self.links.values().all(|link| link.out.acked >= self.index.floor()) {
            Some("no link lacks what the index dropped")
        } else if !self.peers.values().all(of_peer) || !self.links.iter().all(known) {
            Some("a peer has one established link, of its own")
        } else {
            None
        }
    }
}
