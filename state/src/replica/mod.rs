//! The replica: keeps one node's store in step with its peers'. A state machine without sockets, clock or randomness:
//! [`Replica::handle`] takes what happened and when, [`Replica::poll_output`] says what to do, [`Replica::poll_timeout`] when
//! to call again.
//!
//! *Out.* What changed in the store gets a place in one sequence ([`index`]); a tick encodes it once, and the same bytes go
//! to every peer ([`flush`]). A peer that lags gets the current values of what it lacks; nothing is queued for it.
//! *In.* A frame is decoded, bounded, joined, and acknowledged when it follows on what came before ([`ingest`]).
//! *Repair.* A new link starts with everything in ranges; after that a frame a second goes to one peer after another
//! ([`repair`]).
//! *Life.* Links start with a hello ([`greet`]); a peer is heard while frames come ([`peer`]); a process may hand over to its successor
//! ([`retire`]). Whether a peer is heard decides
//! what requests may spend; it never deletes state. Cells are exchanged with nodes that have the same time ([`clocks`]).

mod budget;
mod clocks;
mod compare;
mod event;
mod flush;
mod greet;
mod index;
mod ingest;
mod link;
mod links;
mod missed;
mod peer;
mod peers;
mod places;
mod port;
mod published;
mod relay;
mod repair;
mod retire;
mod rtt;
mod soonest;
mod status;
mod tally;
mod tempo;
mod timers;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use self::clocks::Clocks;
pub use self::event::Event;
pub use self::port::{CloseReason, Input, LinkId, Output};
pub use self::status::{Draining, PeerState, PeerStatus, Status};

use self::flush::Pace;
use self::index::{INDEX_MAX, Index};
use self::link::{Link, Outward};
use self::links::{Links, Room};
use self::peer::Peer;
use self::peers::Peers;
use self::published::Published;
use self::relay::Relay;
use self::repair::Turn;
use self::tempo::Reach;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::store::{Hearing, Standing, Store};
use crate::time::Time;

/// Peers that tell a node all that they know, of those that it is linked with at about one time: the others tell their own alone.
const TELLERS: usize = 2;

/// Links from one POP that have not said hello yet.
const STRANGERS_PER_POP: usize = 4;

/// The same over a shared fabric, where a node that comes meets all nodes of a POP at once.
const STRANGERS_OVER_FABRIC: usize = 256;

/// What a replica is made of.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// The cluster's id.
    pub cluster: String,
    /// The id of the cluster's secret in force, never the secret itself.
    pub secret_id: u64,
    /// The id of the one that is known beside it while the secret is rotated.
    pub secret_beside: Option<u64>,
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
    peers: Peers,
    links: Links,
    index: Index,
    pace: Pace,
    published: Published,
    relay: Relay,
    turn: Turn,
    /// Whether this node's clock goes with that of most.
    clock: Clocks,
    /// Whether it has just started and has not heard all that its peers know.
    warming: bool,
    /// Whether it hands over to its successor.
    retires: bool,
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
        let warming = !config.peers.is_empty();
        if warming {
            store.set_standing(Standing::Warming);
        }
        let began = config.incarnation.began();
        store.set_roster(config.peers.iter().copied().chain([config.me.pop]), (config.roster_revision, began));
        if !warming {
            store.agree_on_roster(began);
        }
        Replica {
            me: Author { actor: config.me, incarnation: config.incarnation },
            peers: Peers::new(config.me, &config.peers),
            turn: Turn::new(config.seed),
            config,
            store,
            links: Links::default(),
            index: Index::new(index_max),
            pace: Pace::default(),
            published: Published::default(),
            relay: Relay::default(),
            clock: Clocks::Agree,
            warming,
            retires: false,
            started: None,
            changed: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`. Poll the outputs after each call.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.started.get_or_insert(now);
        match input {
            Input::Connected { link, peer } => self.connected(link, peer, Reach::Direct, now),
            Input::Reached { link, peer } => self.connected(link, peer, Reach::Shared, now),
            Input::Disconnected { link } => self.forget(link),
            Input::Frame { link, bytes } => self.frame(link, &bytes, now),
            // Of each frame that is sent the replica hears this, so it costs no more than it must: a link that had room wanted
            // for nothing.
            Input::Sent { link, bytes } => {
                if self.links.left(link, bytes) == Room::WasThere {
                    return;
                }
            }
            Input::Gone { peer } => self.gone(peer, now),
            Input::Retire => self.retire(now),
            Input::Roster { revision, pops } => self.roster(revision, &pops, now),
            Input::Dirty | Input::Timeout => {}
        }
        self.drive(now);
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether a node has a link that is established.
    #[must_use]
    pub fn is_linked(&self, actor: Actor) -> bool {
        self.peers.get(actor).is_some_and(|peer| peer.link.is_some())
    }

    /// Whether any node of a POP has one.
    #[must_use]
    pub fn is_pop_linked(&self, pop: PopId) -> bool {
        self.peers.iter().any(|peer| peer.actor.pop == pop && peer.link.is_some())
    }

    /// The peers as they are at `now`, by their ids.
    #[must_use]
    pub fn status(&self, now: Time) -> Status {
        let link = |id: Option<LinkId>| id.and_then(|id| self.links.get(id));
        let behind = |link: &Link| self.index.after(link.out.acked).count() as u64;
        let draining = |link: &Link| Some(Draining { incarnation: link.author?.incarnation, behind: behind(link) });
        let status =
            |peer: &Peer| peer.status(now, link(peer.link).map_or(0, behind), link(peer.draining).and_then(draining));
        let Published { frames, bytes, .. } = self.published;
        Status {
            published_frames: frames,
            published_bytes: bytes,
            ahead_ms: self.peers.median_ahead(),
            peers: self.peers.iter().map(status).collect(),
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Tells of what is wrong with the peer of a link; status has it beside the peer from then on.
    fn blame(&mut self, id: LinkId, event: Event) {
        if let Some(peer) = self.peer_of(id) {
            peer.last_error = Some(event.to_string());
        }
        self.tell(event);
    }

    /// Sends one frame on a link.
    fn send(&mut self, id: LinkId, frame: Bytes, now: Time) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.unsent = link.unsent.saturating_add(frame.len());
        link.last_out = now;
        if let Some(peer) = link.actor().and_then(|actor| self.peers.get_mut(actor)) {
            peer.frames_out += 1;
            peer.bytes_out += frame.len() as u64;
        }
        self.outputs.push_back(Output::Send { link: id, frame });
    }

    fn forget(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(id) else { return };
        let Some(author) = link.author else { return };
        let Some(peer) = self.peers.get_mut(author.actor) else { return };
        if peer.link == Some(id) {
            peer.link = peer.draining.take();
            if let Some(link) = peer.link.and_then(|id| self.links.get_mut(id)) {
                link.silent_at = None;
            }
        } else if peer.draining == Some(id) {
            peer.draining = None;
        }
        // The newest life may come back; one that handed over does not.
        if peer.life.is_some_and(|(life, _)| life != author.incarnation) {
            self.miss_unlinked(author);
        }
    }

    /// A life of a peer that has no link any more is not heard.
    fn miss_unlinked(&mut self, author: Author) {
        if !self.linked(author.actor).any(|linked| linked == author) {
            self.store.hears(author.actor, author.incarnation, Hearing::Silent);
        }
    }

    /// The lives of a peer that have a link.
    fn linked(&self, actor: Actor) -> impl Iterator<Item = Author> {
        let links = self.peers.get(actor).map(|peer| [peer.link, peer.draining]);
        links.into_iter().flatten().flatten().filter_map(|id| self.links.get(id)?.author)
    }

    fn close(&mut self, id: LinkId, reason: CloseReason) {
        if let Some(peer) = self.peer_of(id).filter(|_| reason != CloseReason::Afresh) {
            peer.last_error = Some(reason.to_string());
        }
        self.forget(id);
        self.outputs.push_back(Output::Close { link: id, reason });
    }

    /// Who is at a link's other end; before its hello, the first that is known of its POP.
    fn peer_of(&mut self, id: LinkId) -> Option<&mut Peer> {
        let link = self.links.get(id)?;
        match link.actor() {
            Some(actor) => self.peers.get_mut(actor),
            None => self.peers.first_of(link.peer),
        }
    }

    /// A node has left its POP for good. One that is linked is not gone.
    fn gone(&mut self, actor: Actor, now: Time) {
        if self.peers.get(actor).is_some_and(|peer| peer.link.is_none()) {
            if let Some((life, _)) = self.peers.get(actor).and_then(|peer| peer.life) {
                self.store.hears(actor, life, Hearing::Silent);
            }
            self.peers.forget(actor, self.me.actor.pop);
            self.relay.changed(now);
        }
    }

    /// The roster is another one.
    fn roster(&mut self, revision: u64, pops: &[PopId], now: Time) {
        self.config.roster_revision = revision;
        if self.store.is_void() {
            self.tell(Event::Void { author: self.me });
        }
        self.peers.set_roster(self.me.actor.pop, pops);
        self.store.set_roster(pops.iter().copied().chain([self.me.actor.pop]), (revision, now));
        let left = self.links.iter().filter(|(_, link)| !self.peers.is_in_roster(link.peer));
        for (id, pop) in left.map(|(id, link)| (id, link.peer)).collect::<Vec<_>>() {
            self.close(id, CloseReason::NotInRoster(pop));
        }
        let leaving = self.peers.iter().filter(|peer| !self.peers.is_in_roster(peer.actor.pop));
        for (actor, life) in leaving.filter_map(|peer| Some((peer.actor, peer.life?.0))).collect::<Vec<_>>() {
            self.store.hears(actor, life, Hearing::Silent);
        }
        self.peers.leave();
        self.relay.changed(now);
        for id in self.established() {
            self.say_hello(id, now);
        }
    }

    /// The established links, by their ids.
    fn established(&self) -> Vec<LinkId> {
        self.links.established().map(|(id, _)| id).collect()
    }

    /// Forgets the changes that all links have acknowledged. One that is not established yet starts at its base.
    fn trim(&mut self) {
        self.links.file_acked();
        self.index.trim(self.links.acked().unwrap_or(self.index.last()));
    }

    /// Looks whether the rules hold for these links, and in general.
    fn check_invariants(&mut self, ids: &[LinkId]) {
        let rule = ids.iter().filter_map(|id| self.links.get(*id).and_then(|link| self.broken_by(*id, link))).next();
        let rule = rule.or((!self.index.is_consistent()).then_some("the index holds each item once"));
        if let Some(rule) = rule {
            debug_assert!(false, "{rule}");
            self.tell(Event::Broken { rule });
        }
    }

    /// The rule that a link breaks, if it does.
    fn broken_by(&self, id: LinkId, link: &Link) -> Option<&'static str> {
        let Outward { acked, sent, .. } = link.out;
        if !(acked <= sent && sent <= self.index.last()) {
            Some("acked <= sent <= last")
        } else if acked < self.index.floor() {
            Some("no link lacks what the index dropped")
        } else if link.actor().is_some_and(|actor| !self.peers.get(actor).is_some_and(|peer| peer.has(id))) {
            Some("a peer has one established link for each of two lives, of its own")
        } else {
            None
        }
    }
}
