//! Peer links: the sockets under the replica. In: a roster, an identity, a listener and a [`Replica`]; out: frames
//! carried between POPs, events, and a status that names every peer and every refusal.
//!
//! Of two nodes the lower one dials, so each pair keeps one connection: POPs at the roster's addresses ([`dials`]), and nodes at those they state
//! ([`fleet`]); or all of them are reached over NATS ([`nats`]). One task per dialled peer and one that accepts
//! bring links up ([`tls`] says who is who), [`pump`] moves frames, and a single driver feeds the replica. Beside the
//! links, peers may [`watch`] each other over connections of their own. Everything is bounded: the driver's messages, each
//! link's outbox, handshakes under way, links per peer, those who watch, remembered refusals. No error ends this room: it
//! is counted, told, and the next thing is done.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accept;
mod apart;
pub mod authority;
mod board;
mod cause;
mod dial;
mod dials;
mod driver;
pub mod fetch;
mod fleet;
mod knocks;
pub mod membership;
pub mod nats;
mod place;
mod pump;
mod refused;
pub mod roster;
pub mod secret;
pub mod tls;
pub mod watch;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use selvedge_state::{Actor, LinkId, PopId, Replica, Store};
use tokio::sync::watch::{self as flag, Receiver};
use tokio::sync::{Notify, mpsc};

pub use self::accept::HANDSHAKES_MAX;
use self::apart::Apart;
use self::board::{Board, lock};
pub use self::board::{LinkEvent, OnEvent, PeerLinks, Role, Way};
pub use self::cause::{Cause, Down};
pub use self::dial::HANDSHAKE_MAX;
use self::dials::Dials;
pub use self::driver::LINKS_PER_POP;
use self::driver::{Driver, MESSAGES_MAX, Message, RETIRING_MAX, Ways};
use self::fetch::{FETCHERS_MAX, FetchError, Fetches};
use self::fleet::Fleet;
pub use self::fleet::NODES_MAX;
use self::nats::{Fabric, FabricStatus, NatsConfig};
use self::place::Place;
pub use self::pump::{OUTBOX_MAX, SILENCE_MAX};
pub use self::refused::{REFUSALS_MAX, Refusal, Side};
use self::roster::Roster;
use self::tls::Identity;
use self::watch::{OnWatch, WATCH_PROTOCOL, WATCHERS_MAX, WatchError, WatchStream, Watchers};
use crate::clock::Clock;

/// What the links are made of.
pub struct LinkConfig {
    /// The cluster.
    pub roster: Roster,
    /// This node.
    pub me: Actor,
    /// Where other nodes reach this one itself, where a POP has several.
    pub address: Option<String>,
    /// Its certificate and key, and the authorities it trusts.
    pub identity: Identity,
    /// Where peers reach it, bound already, so that a taken port is the caller's error.
    pub listener: TcpListener,
    /// NATS, where peers are reached over it; without it each two POPs keep a connection.
    pub nats: Option<NatsConfig>,
    /// Takes the events.
    pub on_event: OnEvent,
    /// Answers peers that watch.
    pub on_watch: OnWatch,
    /// Answers peers that fetch.
    pub on_fetch: OnWatch,
}

/// The running links of one node.
pub struct Links {
    replica: Arc<Mutex<Replica>>,
    board: Arc<Board>,
    clock: Clock,
    local_address: SocketAddr,
    stopped: Receiver<bool>,
    fabric: Option<Arc<Fabric>>,
    shared: Arc<Shared>,
    fetches: Fetches,
}

/// The links at one moment.
pub struct LinkStatus {
    /// What the replica says of each peer.
    pub state: selvedge_state::Status,
    /// What the sockets say of each peer, by rising id.
    pub peers: Vec<PeerLinks>,
    /// The newest refusals, oldest first; at most [`REFUSALS_MAX`].
    pub refused: Vec<Refusal>,
    /// Where this node listens for peers.
    pub local_address: SocketAddr,
    /// Defects caught so far.
    pub faults: u64,
    /// NATS, where peers are reached over it.
    pub fabric: Option<FabricStatus>,
}

/// What the link tasks share.
pub(crate) struct Shared {
    me: Actor,
    place: ArcSwap<Place>,
    board: Arc<Board>,
    messages: mpsc::Sender<Message>,
    links: AtomicU64,
    watchers: Watchers,
    fetchers: Watchers,
    apart: Apart,
    replica: Arc<Mutex<Replica>>,
    /// None where peers are reached over NATS.
    dials: Option<(Dials, Fleet)>,
    shutdown: Receiver<bool>,
    /// Turns true when a successor has taken over: who dials is for that one.
    retired: flag::Sender<bool>,
}

impl Shared {
    /// Dials whom the roster in force names.
    fn dial(self: &Arc<Self>) {
        if let Some((dials, _)) = &self.dials {
            dials.pops(self);
        }
    }

    /// Whether the roster's address of this node's own POP may lead to another one.
    fn is_one_of_several(&self, address: &str) -> bool {
        self.dials.as_ref().is_some_and(|(_, fleet)| fleet.is_one_of_several(address))
    }

    /// Whether a connection from this node's own POP may be another node of it.
    fn takes_own(&self) -> bool {
        self.dials.as_ref().is_some_and(|(_, fleet)| fleet.has_address())
    }

    /// Whether there is a link to this node.
    fn is_linked(&self, actor: Actor) -> bool {
        lock(&self.replica).is_linked(actor)
    }

    /// Whether there is a link to any node of this POP.
    fn is_pop_linked(&self, pop: PopId) -> bool {
        lock(&self.replica).is_pop_linked(pop)
    }

    fn next_link(&self) -> LinkId {
        LinkId(self.links.fetch_add(1, Ordering::Relaxed))
    }
}

impl Links {
    /// Starts the links on the current tokio runtime; they run until `shutdown` turns true or its sender is dropped.
    /// The store wakes the replica through `store.on_dirty`, which is taken for that.
    ///
    /// # Errors
    /// When the listener cannot be used with tokio; nothing has started then.
    pub fn start(
        config: LinkConfig,
        replica: Replica,
        store: Arc<Store>,
        clock: Clock,
        shutdown: Receiver<bool>,
    ) -> io::Result<Arc<Self>> {
        let LinkConfig { roster, me, address, identity, listener, nats, on_event, on_watch, on_fetch } = config;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let local_address = listener.local_addr()?;

        let board = Arc::new(Board::new(&roster, me.pop, clock.clone(), on_event));
        let replica = Arc::new(Mutex::new(replica));
        let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
        let dirty = Arc::new(Notify::new());
        let wake = Arc::clone(&dirty);
        store.on_dirty(Box::new(move || wake.notify_one()));

        let links = AtomicU64::new(1);
        let (watchers, fetchers) = (Watchers::new(on_watch, WATCHERS_MAX), Watchers::new(on_fetch, FETCHERS_MAX));
        let board_too = Arc::clone(&board);
        let apart = Apart::default();
        let dials = match &nats {
            None => Some((Dials::default(), Fleet::new(&store, &clock, me, address).map_err(io::Error::other)?)),
            Some(_) => None,
        };
        let fabric = nats.map(|config| (config, Fabric::new(roster.cluster(), me, clock.clone())));
        let shared = Arc::new(Shared {
            me,
            place: ArcSwap::from_pointee(Place { roster, identity }),
            board: board_too,
            messages,
            links,
            watchers,
            fetchers,
            apart,
            replica: Arc::clone(&replica),
            dials,
            shutdown: shutdown.clone(),
            retired: flag::Sender::new(false),
        });
        shared.dial();
        tokio::spawn(fleet::keep(Arc::clone(&shared), shutdown.clone()));
        let fabric = fabric.map(|(config, (fabric, letters))| {
            tokio::spawn(nats::start(Arc::clone(&shared), Arc::clone(&fabric), config, letters));
            fabric
        });
        tokio::spawn(accept::serve(Arc::clone(&shared), listener, shutdown.clone(), shared.retired.subscribe()));
        let apart = shared.apart.heard();
        let (retiring, heard) = mpsc::channel(RETIRING_MAX);
        tokio::spawn(dials::again(Arc::clone(&shared), heard));
        let ways = Ways { dirty, apart, fabric: fabric.clone(), retiring };
        let driver = Driver::new(Arc::clone(&replica), Arc::clone(&board), clock.clone(), inbox, ways);
        let (ended, stopped) = flag::channel(false);
        let leaving = fabric.clone();
        tokio::spawn(async move {
            driver.run(shutdown).await;
            if let Some(fabric) = leaving {
                fabric.leave().await;
            }
            ended.send_replace(true);
        });
        let fetches = Fetches::default();
        Ok(Arc::new(Self { replica, board, clock, local_address, stopped, fabric, shared, fetches }))
    }

    /// The links as they are now. Takes the replica's lock for a moment.
    pub fn status(&self) -> LinkStatus {
        let now = self.clock.now();
        LinkStatus {
            state: lock(&self.replica).status(now),
            peers: self.board.peers(),
            refused: self.board.refusals(),
            local_address: self.local_address,
            faults: self.board.faults(),
            fabric: self.fabric(),
        }
    }

    /// The roster in force.
    pub fn roster(&self) -> Roster {
        self.shared.place.load().roster.clone()
    }

    /// Goes by another roster and identity from here on. Links to POPs that left are closed, new ones are dialled; all other links stay. What the
    /// roster voids is the store's business, before this.
    pub async fn renew(&self, roster: Roster, identity: Identity) {
        let pops = roster.peers(self.shared.me.pop).map(|pop| pop.id).collect();
        let message = Message::Roster { revision: roster.revision(), pops };
        self.board.renew(&roster, self.shared.me.pop);
        self.shared.place.store(Arc::new(Place { roster, identity }));
        self.shared.dial();
        // The driver goes only when the node does.
        let _ = self.shared.messages.send(message).await;
    }

    /// A successor has taken over and listens where this process did: peers are told, so that they reach it, too. Links that are up go on, and
    /// what this process still counts goes over them.
    pub async fn retire(&self) {
        self.shared.retired.send_replace(true);
        // The driver goes only when the node does.
        let _ = self.shared.messages.send(Message::Retire).await;
    }

    /// What this node answers POPs with that fetch through it.
    pub(crate) fn shield(&self) -> Arc<rustls::ServerConfig> {
        self.shared.place.load().identity.shield()
    }

    /// Which POP of the roster, other than this one, a verified client's certificate is for.
    pub(crate) fn child(&self, chain: &[CertificateDer<'_>]) -> Option<PopId> {
        tls::identify_any(&self.shared.place.load().roster, chain).ok()
    }

    /// NATS as it is now, where peers are reached over it.
    pub fn fabric(&self) -> Option<FabricStatus> {
        self.fabric.as_deref().map(Fabric::status)
    }

    /// Keeps this node apart from its peers, or lets it join them again: links are closed, and none are taken or made.
    pub fn keep_apart(&self, apart: bool) {
        self.shared.apart.set(apart);
    }

    /// Whether it keeps apart.
    pub fn is_apart(&self) -> bool {
        self.shared.apart.is_on()
    }

    /// Connects to another POP of the roster to ask it, with HTTP/1.1, what happens there.
    ///
    /// # Errors
    /// [`WatchError`], in words for the operator.
    pub async fn watch(&self, pop: PopId) -> Result<WatchStream, WatchError> {
        watch::reach(&self.shared, pop, WATCH_PROTOCOL).await
    }

    /// Asks another POP of the roster for what is at a path, over a connection that is kept; `None` where it has nothing there.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, pop: PopId, path: &str) -> Result<Option<Bytes>, FetchError> {
        if self.is_apart() {
            return Err(FetchError::Apart);
        }
        self.fetches.ask(&self.shared, pop, path).await
    }

    /// Waits until, after a shutdown, what was dirty has been flushed and the links are closed (about a second at most).
    pub async fn stopped(&self) {
        stopped(&mut self.stopped.clone()).await;
    }
}

/// Waits until the flag turns true or its sender is gone.
async fn stopped(flag: &mut Receiver<bool>) {
    let _ = flag.wait_for(|stop| *stop).await;
}
