//! Watching: the other thing that POPs say to each other at the peer port, on connections of their own. Whoever names the
//! protocol [`WATCH_PROTOCOL`] in its handshake does not speak the replica's but asks what happens here, for the operator
//! of another POP. Any POP of the roster may, whichever of the two dials for the replica. What is answered is the admin
//! room's business; here is who may ask, how many at once, and that it ends when the node stops.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use selvedge_state::PopId;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsStream;

use super::cause::{Cause, Down};
use super::dial::{Missed, open};
use super::fetch::FETCH_PROTOCOL;
use super::{Shared, stopped};

/// The name by which it is asked for (RFC 7301): HTTP/1.1 follows.
pub const WATCH_PROTOCOL: &[u8] = b"selvedge-watch/1";

/// Connections that may watch at once, from all peers together.
pub const WATCHERS_MAX: usize = 32;

/// A connection on which nothing that was sent was taken for so long is over, so that a POP that vanished keeps no place.
#[cfg(target_os = "linux")]
const STUCK_MAX: Duration = Duration::from_secs(20);

/// A connection between two POPs that know each other.
pub type WatchStream = TlsStream<TcpStream>;

/// Answers one that watches, to its end.
pub type OnWatch = Box<dyn Fn(PopId, WatchStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A POP cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// No other POP of the roster has this id.
    #[error("the roster has no such POP beside this one")]
    Unknown,
    /// The network.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// One side refused the other.
    #[error("{0}")]
    Refused(Cause),
    /// It took the connection for another of the replica's.
    #[error("it runs a version that cannot be watched")]
    Older,
}

/// Those who may watch at the same time.
pub(crate) struct Watchers {
    places: Arc<Semaphore>,
    max: usize,
    on_watch: OnWatch,
}

impl Watchers {
    pub(crate) fn new(on_watch: OnWatch, max: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(max)), max, on_watch }
    }
}

/// Who answers a connection that was accepted, where that is not the replica.
pub(crate) fn asked<'s>(shared: &'s Shared, tls: &rustls::ServerConnection) -> Option<&'s Watchers> {
    match tls.alpn_protocol() {
        Some(WATCH_PROTOCOL) => Some(&shared.watchers),
        Some(FETCH_PROTOCOL) => Some(&shared.fetchers),
        _ => None,
    }
}

/// Answers one that watches until it has had enough or `shutdown` turns true.
///
/// # Errors
/// [`Cause::Watchers`] when there are as many already as may be; the connection is closed then.
pub(crate) async fn serve(
    watchers: &Watchers,
    peer: PopId,
    stream: WatchStream,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<(), Cause> {
    let place = Arc::clone(&watchers.places).try_acquire_owned().map_err(|_| Cause::Watchers(watchers.max))?;
    // Where the system knows no such bound, its own holds: some minutes.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream.get_ref().0).set_tcp_user_timeout(Some(STUCK_MAX));
    // A task of its own: should it panic, this one connection ends and nothing else does.
    let mut answering = tokio::spawn((watchers.on_watch)(peer, stream));
    tokio::select! {
        _ = &mut answering => {}
        () = stopped(shutdown) => answering.abort(),
    }
    drop(place);
    Ok(())
}

/// Connects to another POP to ask it, by the name of what is spoken.
pub(crate) async fn reach(shared: &Shared, pop: PopId, protocol: &'static [u8]) -> Result<WatchStream, WatchError> {
    let place = shared.place.load_full();
    let peer = place.roster.peers(shared.me.pop).find(|peer| peer.id == pop).ok_or(WatchError::Unknown)?;
    let (stream, _) =
        open(&place.roster, peer, place.identity.asking(protocol)).await.map_err(|missed| match missed {
            Missed::Unreachable(cause) => WatchError::Unreachable(cause),
            Missed::Refused(cause) => WatchError::Refused(cause),
        })?;
    // A server that knows no protocol by name ignores the question (RFC 7301 section 3.1).
    match stream.get_ref().1.alpn_protocol() {
        Some(spoken) if spoken == protocol => Ok(stream),
        _ => Err(WatchError::Older),
    }
}

/// What it means when a connection that watches breaks off: a peer's verdict comes after the handshake is over.
pub fn broken(error: &std::io::Error) -> WatchError {
    match Down::of_io(error) {
        Down::Refused(cause) => WatchError::Refused(cause),
        Down::PeerClosed => WatchError::Unreachable("it closed the connection".to_owned()),
        down => WatchError::Unreachable(down.to_string()),
    }
}
