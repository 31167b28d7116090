//! Names to addresses, in the background. A failed lookup changes nothing: the last good answer stays.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use selvedge_conf::Server;
use tokio::time::timeout;

use super::{Backend, Origin};

/// Between two lookups of a name that resolves. The system's resolver tells no time to live.
const EVERY: Duration = Duration::from_secs(10);
/// Between two lookups of a name that does not.
const AGAIN: Duration = Duration::from_secs(1);
/// How long one lookup may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// Addresses kept of one name.
const ADDRESSES_MAX: usize = 16;

/// Keeps the addresses of all origins fresh.
#[derive(Debug, Clone)]
pub struct Resolver {
    origins: Vec<Arc<Origin>>,
}

impl Resolver {
    /// A resolver for these origins.
    pub fn new(origins: Vec<Arc<Origin>>) -> Resolver {
        Resolver { origins }
    }

    /// Looks every name up once, at the same time.
    pub async fn once(&self) {
        let mut lookups = tokio::task::JoinSet::new();
        for (origin, index) in self.named() {
            lookups.spawn(async move { refresh(&origin, index).await });
        }
        lookups.join_all().await;
    }

    /// Looks every name up for ever.
    pub async fn run(self) {
        let mut lookups = tokio::task::JoinSet::new();
        for (origin, index) in self.named() {
            lookups.spawn(async move {
                loop {
                    let rest = if refresh(&origin, index).await { EVERY } else { AGAIN };
                    tokio::time::sleep(rest).await;
                }
            });
        }
        lookups.join_all().await;
    }

    fn named(&self) -> impl Iterator<Item = (Arc<Origin>, usize)> {
        self.origins.iter().flat_map(|origin| {
            let names = origin.backends.iter().enumerate().filter(|(_, backend)| literal(&backend.server).is_none());
            names.map(|(index, _)| (Arc::clone(origin), index)).collect::<Vec<_>>()
        })
    }
}

/// The address of a server that is given by address.
pub(super) fn literal(server: &Server) -> Option<SocketAddr> {
    server.host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, server.port))
}

async fn refresh(origin: &Origin, index: usize) -> bool {
    let Some(Backend { server, addresses, .. }) = origin.backends.get(index) else { return false };
    let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
    let Ok(Ok(found)) = timeout(LOOKUP, lookup).await else { return false };
    let mut found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        return false;
    }
    if **addresses.load() != found {
        addresses.store(Arc::new(found));
    }
    true
}
