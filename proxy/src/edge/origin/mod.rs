//! Origins: which server gets a request, at which address, and which servers are left alone for a while.
//!
//! In goes an origin's config; out comes a [`Choice`]. Names are resolved in the background and the last good answer is kept:
//! a request never waits for DNS. A server that fails several times in a row is passed over until its time is up, unless all
//! are in that state.

mod affinity;
mod health;
mod peer;
pub(crate) mod resolve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::CertKey;
use selvedge_conf::{HostHeader, Origin as Facts, OriginTimeouts, Server};
use selvedge_filters::affinity::favourite;
use selvedge_state::{Key64, Time};

pub(crate) use affinity::Tickets;
use health::Health;
pub use peer::Authorities;
use peer::Template;

/// One origin at run time.
#[derive(Debug)]
pub struct Origin {
    facts: Facts,
    authorities: Option<Authorities>,
    backends: Vec<Backend>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Backend {
    server: Server,
    /// Its address as text: what it is called in the config, with its port.
    name: String,
    /// It gets no new clients.
    drains: bool,
    addresses: ArcSwap<Vec<SocketAddr>>,
    health: Health,
    template: Template,
}

/// The server chosen for one try.
#[derive(Debug)]
pub struct Choice {
    /// Its place in the origin's list.
    pub server: usize,
    /// Where it is.
    pub address: SocketAddr,
    /// The peer for Pingora.
    pub peer: Box<HttpPeer>,
}

/// A server as operators see it.
#[derive(Debug)]
pub struct Shown<'o> {
    /// What it is called.
    pub name: &'o str,
    /// Where it is.
    pub addresses: Vec<SocketAddr>,
    /// Whether it is being passed over.
    pub ejected: bool,
    /// Whether it gets no new clients.
    pub drains: bool,
}

/// What a request keeps to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeps {
    /// Any server.
    #[default]
    Nothing,
    /// The server at this place, which a cookie names.
    Server(usize),
    /// The server that all requests of this key go to.
    Key(Key64),
}

/// A server that has an address.
struct Found<'o> {
    place: usize,
    backend: &'o Backend,
    address: SocketAddr,
}

impl Origin {
    /// An origin that knows the addresses of servers given by address, and what `old` ones know of the same servers. `group` is
    /// its own among all origins that ever were: connections are kept and shared within it.
    pub fn new(facts: Facts, authorities: Option<Authorities>, group: u64, old: &[Arc<Origin>]) -> Arc<Origin> {
        Origin::shown(facts, (authorities, None), group, old)
    }

    /// The same, whose servers are shown a certificate.
    pub fn shown(
        facts: Facts,
        (authorities, shown): (Option<Authorities>, Option<&Arc<CertKey>>),
        group: u64,
        old: &[Arc<Origin>],
    ) -> Arc<Origin> {
        let known = |server: &Server| {
            let mut backends = old.iter().flat_map(|origin| &origin.backends);
            backends.find(|backend| backend.server.host == server.host && backend.server.port == server.port)
        };
        let backends = facts
            .servers
            .iter()
            .enumerate()
            .map(|(place, server)| Backend {
                server: server.clone(),
                name: peer::authority(server),
                drains: facts.drain.contains(&place),
                addresses: match (resolve::literal(server), known(server)) {
                    (Some(address), _) => ArcSwap::from_pointee(vec![address]),
                    (None, Some(backend)) => ArcSwap::new(backend.addresses.load_full()),
                    (None, None) => ArcSwap::default(),
                },
                health: Health::default(),
                template: Template::new((&facts, server), authorities.as_ref(), shown, group),
            })
            .collect();
        Arc::new(Origin { facts, authorities, backends, next: AtomicUsize::new(0) })
    }

    /// Whether this is what [`Origin::new`] would make of these, but for what it learnt since.
    pub fn is_made_of(&self, facts: &Facts, authorities: Option<&Authorities>) -> bool {
        self.facts == *facts && self.authorities.as_ref() == authorities
    }

    /// The origin's name in the config.
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// The server for the next try: the one that the request keeps to, else the next one; `avoid` is the one that just failed. One that drains is
    /// chosen where a cookie names it, or where there is no other. None when no server's name has ever been resolved.
    pub fn choose(&self, keeps: Keeps, avoid: Option<usize>, now: Time) -> Option<Choice> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.backends.len();
        let turn = || (0..count).filter_map(move |step| self.at((start + step) % count, start / count));
        let is_up = |found: &Found<'_>| Some(found.place) != avoid && found.backend.health.is_up(now);
        let is_open = |found: &Found<'_>| is_up(found) && !found.backend.drains;
        let kept = || match keeps {
            Keeps::Nothing => None,
            Keeps::Server(place) => self.at(place, start / count.max(1)).filter(is_up),
            Keeps::Key(key) => {
                let open = turn().filter(is_open).map(|found| (found.place, found.backend.name.as_str()));
                favourite(key, open).and_then(|place| self.at(place, start / count.max(1)))
            }
        };
        let found = kept()
            .or_else(|| turn().find(is_open))
            .or_else(|| turn().find(is_up))
            .or_else(|| turn().find(|found| Some(found.place) != avoid))
            .or_else(|| turn().next())?;
        let peer = Box::new(found.backend.template.peer(found.address));
        Some(Choice { server: found.place, address: found.address, peer })
    }

    /// A server, at the address whose turn it is, if it has one.
    fn at(&self, place: usize, turn: usize) -> Option<Found<'_>> {
        let backend = self.backends.get(place)?;
        let addresses = backend.addresses.load();
        let address = addresses.get(turn % addresses.len().max(1)).copied()?;
        Some(Found { place, backend, address })
    }

    /// Whether a server is there that is not passed over.
    pub fn is_up(&self, now: Time) -> bool {
        self.backends.iter().any(|backend| backend.health.is_up(now) && !backend.addresses.load().is_empty())
    }

    /// How long each step towards it may take.
    pub fn timeouts(&self) -> &OriginTimeouts {
        &self.facts.timeouts
    }

    /// A server answered: it is well.
    pub fn succeeded(&self, server: usize) {
        if let Some(backend) = self.backends.get(server) {
            backend.health.succeeded();
        }
    }

    /// A server could not be reached, or broke off. Says whether it is ejected by this failure.
    pub fn failed(&self, server: usize, now: Time) -> bool {
        self.backends.get(server).is_some_and(|backend| backend.health.failed(&self.facts.eject, now))
    }

    /// The Host header a server gets, given what the client asked for.
    pub fn host<'a>(&'a self, server: usize, asked: &'a str) -> std::borrow::Cow<'a, str> {
        match &self.facts.host {
            HostHeader::Pass => asked.into(),
            HostHeader::Name(name) => name.as_str().into(),
            HostHeader::Origin => {
                let server = self.backends.get(server).map(|backend| &backend.server);
                server.map_or(asked.into(), |server| peer::authority(server).into())
            }
        }
    }

    /// Its servers, in the config's order.
    pub fn servers(&self, now: Time) -> impl Iterator<Item = Shown<'_>> {
        self.backends.iter().map(move |backend| Shown {
            name: &backend.name,
            addresses: backend.addresses.load().as_ref().clone(),
            ejected: !backend.health.is_up(now),
            drains: backend.drains,
        })
    }
}
