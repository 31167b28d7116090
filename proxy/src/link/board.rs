//! What the link tasks tell about themselves: one place for the peers' links, the refusals and the events, so that
//! `status` reads one thing and no task keeps a count of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use selvedge_state::{PopId, Time};

use super::cause::{Cause, Down};
use super::refused::{Refusal, Refused, Side};
use super::roster::Roster;
use crate::clock::Clock;

/// What happens on the links, for logs and metrics.
#[derive(Debug)]
pub enum LinkEvent {
    /// Something the replica reports.
    Replica(selvedge_state::Event),
    /// A link came up: both sides are who they say they are.
    Up {
        /// The peer.
        pop: PopId,
        /// How it is reached.
        way: Way,
    },
    /// A link ended.
    Down {
        /// The peer.
        pop: PopId,
        /// Why.
        cause: Down,
    },
    /// A dial failed before anybody could refuse anybody.
    Unreachable {
        /// The peer.
        pop: PopId,
        /// What the network said.
        cause: String,
    },
    /// One side refused the other.
    Refused(Refusal),
    /// Peers are reached over NATS from now on.
    FabricUp,
    /// NATS is out of reach, or was from the start; this node goes on alone.
    FabricDown(String),
    /// NATS, or the client, complains; told once a minute at most.
    FabricTrouble(String),
    /// Accepting failed, such as for want of file descriptors.
    AcceptFailed(String),
    /// This node could not say where it is reached.
    Unlisted(String),
    /// A defect in this program that was caught; the links go on.
    Fault(String),
}

/// Takes the events; called from link tasks, so it must not block.
pub type OnEvent = Box<dyn Fn(&LinkEvent) + Send + Sync>;

/// Which side of a pair dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This node dials the peer, its own id being lower.
    Dials,
    /// The peer dials this node.
    Awaits,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a connection of its own, to this address as the socket sees it.
    Link(SocketAddr),
    /// Over NATS.
    Fabric,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Link(address) => address.fmt(f),
            Way::Fabric => f.write_str("NATS"),
        }
    }
}

/// The links to one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerLinks {
    /// The peer.
    pub pop: PopId,
    /// Its name in the roster.
    pub name: String,
    /// Its region in the roster.
    pub region: Option<String>,
    /// Its address in the roster.
    pub address: String,
    /// Which side dials.
    pub role: Role,
    /// Links that are up, to all its nodes.
    pub up: usize,
    /// The newest trouble and when, node time; kept after recovery.
    pub trouble: Option<(Time, String)>,
}

pub(crate) struct Board {
    clock: Clock,
    on_event: OnEvent,
    peers: Mutex<BTreeMap<u16, PeerLinks>>,
    refused: Mutex<Refused>,
    faults: AtomicU64,
}

impl Board {
    pub(crate) fn new(roster: &Roster, me: PopId, clock: Clock, on_event: OnEvent) -> Self {
        let board =
            Self { clock, on_event, peers: Mutex::default(), refused: Mutex::default(), faults: AtomicU64::new(0) };
        board.renew(roster, me);
        board
    }

    /// Takes the POPs of a roster. What is known of those that were there stays.
    pub(crate) fn renew(&self, roster: &Roster, me: PopId) {
        let mut peers = lock(&self.peers);
        let mut before = std::mem::take(&mut *peers);
        peers.extend(roster.peers(me).map(|pop| {
            let role = if me < pop.id { Role::Dials } else { Role::Awaits };
            let (name, region, address) = (pop.name.clone(), pop.region.clone(), pop.address.clone());
            let (up, trouble) = before.remove(&pop.id.0).map_or((0, None), |known| (known.up, known.trouble));
            (pop.id.0, PeerLinks { pop: pop.id, name, region, address, role, up, trouble })
        }));
    }

    pub(crate) fn replica(&self, event: selvedge_state::Event) {
        self.tell(&LinkEvent::Replica(event));
    }

    pub(crate) fn up(&self, pop: PopId, way: Way) {
        self.with(pop, |peer| peer.up = peer.up.saturating_add(1));
        self.tell(&LinkEvent::Up { pop, way });
    }

    pub(crate) fn down(&self, pop: PopId, cause: Down) {
        let trouble = (self.clock.now(), cause.to_string());
        self.with(pop, |peer| {
            peer.up = peer.up.saturating_sub(1);
            peer.trouble = Some(trouble);
        });
        self.tell(&LinkEvent::Down { pop, cause });
    }

    pub(crate) fn unreachable(&self, pop: PopId, cause: String) {
        let trouble = (self.clock.now(), cause.clone());
        self.with(pop, |peer| peer.trouble = Some(trouble));
        self.tell(&LinkEvent::Unreachable { pop, cause });
    }

    /// Records a refusal; `pop` when it is known whom the link was for.
    pub(crate) fn refused(&self, side: Side, from: String, pop: Option<PopId>, cause: Cause) {
        let now = self.clock.now();
        if let Some(pop) = pop {
            self.with(pop, |peer| peer.trouble = Some((now, cause.to_string())));
        }
        let refusal = lock(&self.refused).add(side, from, cause, now);
        self.tell(&LinkEvent::Refused(refusal));
    }

    /// Records a refusal on a link that had come up.
    pub(crate) fn refused_link(&self, pop: PopId, way: Way, cause: Cause) {
        let address = match way {
            Way::Link(address) => address,
            Way::Fabric => return self.refused(Side::Accepted, format!("POP {pop} over NATS"), Some(pop), cause),
        };
        let dialled = lock(&self.peers).get(&pop.0).filter(|peer| peer.role == Role::Dials).map(|p| p.address.clone());
        match dialled {
            Some(from) => self.refused(Side::Dialled, from, Some(pop), cause),
            None => self.refused(Side::Accepted, address.ip().to_string(), Some(pop), cause),
        }
    }

    /// NATS is there, or why not.
    pub(crate) fn fabric(&self, trouble: Option<String>) {
        self.tell(&trouble.map_or(LinkEvent::FabricUp, LinkEvent::FabricDown));
    }

    /// NATS complains.
    pub(crate) fn fabric_trouble(&self, cause: String) {
        self.tell(&LinkEvent::FabricTrouble(cause));
    }

    pub(crate) fn accept_failed(&self, cause: String) {
        self.tell(&LinkEvent::AcceptFailed(cause));
    }

    pub(crate) fn unlisted(&self, cause: String) {
        self.tell(&LinkEvent::Unlisted(cause));
    }

    pub(crate) fn fault(&self, what: String) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        self.tell(&LinkEvent::Fault(what));
    }

    pub(crate) fn peers(&self) -> Vec<PeerLinks> {
        lock(&self.peers).values().cloned().collect()
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        lock(&self.refused).list()
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// No lock is held here, so the listener may ask for the status; a listener that panics ends no link.
    fn tell(&self, event: &LinkEvent) {
        if catch_unwind(AssertUnwindSafe(|| (self.on_event)(event))).is_err() {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn with(&self, pop: PopId, change: impl FnOnce(&mut PeerLinks)) {
        if let Some(peer) = lock(&self.peers).get_mut(&pop.0) {
            change(peer);
        }
    }
}

/// Locks even after a panic elsewhere: everything behind these locks is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
