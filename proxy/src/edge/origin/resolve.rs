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

/// Looks every name of these origins up once, at the same time.
pub(crate) async fn once(origins: &[Arc<Origin>]) {
    let mut lookups = tokio::task::JoinSet::new();
    for (origin, index) in named(origins) {
        lookups.spawn(async move { refresh(&origin, index).await });
    }
    lookups.join_all().await;
}

/// Keeps the addresses of these origins fresh, in the background, for as long as somebody else has them.
pub(crate) fn keep(origins: &[Arc<Origin>]) {
    for (origin, index) in named(origins) {
        let origin = Arc::downgrade(&origin);
        tokio::spawn(async move {
            loop {
                let Some(origin) = origin.upgrade() else { return };
                let rest = if refresh(&origin, index).await { EVERY } else { AGAIN };
                drop(origin);
                tokio::time::sleep(rest).await;
            }
        });
    }
}

fn named(origins: &[Arc<Origin>]) -> impl Iterator<Item = (Arc<Origin>, usize)> {
    origins.iter().flat_map(|origin| {
        let names = origin.backends.iter().enumerate().filter(|(_, backend)| literal(&backend.server).is_none());
        names.map(|(index, _)| (Arc::clone(origin), index)).collect::<Vec<_>>()
    })
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
