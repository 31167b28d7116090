//! Origins: which server gets a request, at which address, and which servers are left alone for a while.
//!
//! In goes an origin's config; out comes a [`Choice`]. Names are resolved in the background and the last good answer is kept:
//! a request never waits for DNS. A server that fails several times in a row is passed over until its time is up, unless all
//! are in that state.

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
use selvedge_state::Time;

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
            .map(|server| Backend {
                server: server.clone(),
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

    /// The server for the next try, in turn; `avoid` is the one that just failed. None when no server's name has ever been
    /// resolved.
    pub fn choose(&self, avoid: Option<usize>, now: Time) -> Option<Choice> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = || {
            let count = self.backends.len();
            (0..count).filter_map(move |step| {
                let index = (start + step) % count;
                let backend = self.backends.get(index)?;
                let addresses = backend.addresses.load();
                let address = addresses.get(start / count % addresses.len().max(1)).copied()?;
                Some((index, backend, address))
            })
        };
        let (server, backend, address) = turn()
            .find(|(index, backend, _)| Some(*index) != avoid && backend.health.is_up(now))
            .or_else(|| turn().find(|(index, _, _)| Some(*index) != avoid))
            .or_else(|| turn().next())?;
        let peer = Box::new(backend.template.peer(address));
        Some(Choice { server, address, peer })
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

    /// Each server as text, its addresses, and whether it is being passed over.
    pub fn servers(&self, now: Time) -> Vec<(String, Vec<SocketAddr>, bool)> {
        self.backends
            .iter()
            .map(|backend| {
                let addresses = backend.addresses.load().as_ref().clone();
                (peer::authority(&backend.server), addresses, !backend.health.is_up(now))
            })
            .collect()
    }
}
