//! Dialling: one task per peer of a higher id keeps one link to it, for ever. After a failure it waits, longer each
//! time and never in step with others, so that a POP that comes back is not met by all its peers in one instant.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsConnector, TlsStream};

use super::cause::Cause;
use super::dials::Target;
use super::pump::carry;
use super::refused::Side;
use super::roster::{Roster, RosterPop};
use super::{Shared, stopped};

/// The first wait after a failure.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest wait; a link that stood longer than this starts the waits anew.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How often a successor is tried.
const TRIES: u32 = 5;

/// A node's successor is dialled once in so long, which its tries take at most.
pub(super) const ONCE_IN: Duration = Duration::from_mins(1);

/// The wait after this node has reached itself.
const REST: Duration = Duration::from_mins(1);

/// How long name resolution and the TCP connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long the TLS handshake may take, on either side.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Exponential waits with jitter.
struct Backoff {
    next: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self { next: WAIT_MIN }
    }

    /// The next wait: between half of the step and the step, which doubles up to [`WAIT_MAX`].
    fn wait(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(WAIT_MAX);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The next wait is long; those after it are as long as ever.
    fn rest(&mut self) {
        self.next = REST;
    }
}

/// Keeps a link to whom this is for until `dropped` or `shutdown` turns true. A link that is up then goes on until it ends.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    Target { pop: peer, node }: Target,
    mut dropped: watch::Receiver<bool>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut backoff = Backoff::new();
    loop {
        let attempt = async {
            shared.apart.over().await;
            let is_linked = node.map_or_else(|| shared.is_pop_linked(peer.id), |actor| shared.is_linked(actor));
            if is_linked { None } else { reach(&shared, &peer).await }
        };
        let reached = tokio::select! {
            reached = attempt => reached,
            () = stopped(&mut shutdown) => return,
            () = stopped(&mut dropped) => return,
        };
        if let Some((stream, address)) = reached {
            let began = Instant::now();
            // The driver ends it at shutdown, after a last flush.
            carry(Arc::clone(&shared), stream, peer.id, address).await;
            if began.elapsed() >= WAIT_MAX {
                backoff = Backoff::new();
            } else if peer.id == shared.me.pop && node.is_none() {
                // Most likely the roster's address led here, to the only node of the POP that runs.
                backoff.rest();
            }
        }
        tokio::select! {
            () = sleep(backoff.wait()) => {}
            () = stopped(&mut shutdown) => return,
            () = stopped(&mut dropped) => return,
        }
    }
}

/// Makes one link more to whom this is for, in a few tries. When it ends, the task that [keeps](keep) one looks after it.
pub(super) async fn once(shared: Arc<Shared>, target: Target, mut shutdown: watch::Receiver<bool>) {
    let mut backoff = Backoff::new();
    for _ in 0..TRIES {
        let attempt = async {
            shared.apart.over().await;
            reach(&shared, &target.pop).await
        };
        let reached = tokio::select! {
            reached = attempt => reached,
            () = stopped(&mut shutdown) => return,
        };
        if let Some((stream, address)) = reached {
            return carry(shared, stream, target.pop.id, address).await;
        }
        tokio::select! {
            () = sleep(backoff.wait()) => {}
            () = stopped(&mut shutdown) => return,
        }
    }
}

/// Why an attempt came to nothing.
pub(super) enum Missed {
    /// The network, in its words.
    Unreachable(String),
    /// One side refused the other.
    Refused(Cause),
}

/// One attempt; what went wrong is on the board.
async fn reach(shared: &Shared, peer: &RosterPop) -> Option<(TlsStream<TcpStream>, SocketAddr)> {
    let place = shared.place.load_full();
    match open(&place.roster, peer, place.identity.connector()).await {
        Ok(opened) => return Some(opened),
        Err(Missed::Unreachable(cause)) => shared.board.unreachable(peer.id, cause),
        Err(Missed::Refused(cause)) => {
            shared.board.refused(Side::Dialled, peer.address.clone(), Some(peer.id), cause);
        }
    }
    None
}

/// Connects to a POP and makes sure that it is the one.
pub(super) async fn open(
    roster: &Roster,
    peer: &RosterPop,
    connector: TlsConnector,
) -> Result<(TlsStream<TcpStream>, SocketAddr), Missed> {
    let unreachable = |cause: &dyn std::fmt::Display| Missed::Unreachable(format!("{}: {cause}", peer.address));
    // The name is resolved at each attempt, so a POP may move.
    let (socket, address) = timeout(CONNECT_MAX, connect(&peer.address))
        .await
        .map_err(|_| unreachable(&"no answer to the connection"))?
        .map_err(|error| unreachable(&error))?;
    let name = ServerName::try_from(roster.certificate_name(peer)).map_err(|error| unreachable(&error))?;
    match timeout(HANDSHAKE_MAX, connector.connect(name, socket)).await {
        Ok(Ok(stream)) => Ok((TlsStream::Client(stream), address)),
        Ok(Err(error)) => Err(Cause::of_handshake(&error).map_or_else(|| unreachable(&error), Missed::Refused)),
        Err(_) => Err(Missed::Refused(Cause::Slow(HANDSHAKE_MAX))),
    }
}

async fn connect(address: &str) -> io::Result<(TcpStream, SocketAddr)> {
    let socket = TcpStream::connect(address).await?;
    // Frames are batched by the replica; the kernel must not batch them again.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr()?;
    Ok((socket, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_cap_and_vary() {
        let mut backoff = Backoff::new();
        for step in [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000] {
            let wait = backoff.wait().as_millis();
            assert!((step / 2..=step).contains(&wait), "waited {wait} ms in the step of {step} ms");
        }
        let waits: std::collections::BTreeSet<_> = (0..50).map(|_| backoff.wait()).collect();
        assert!(waits.len() > 40, "the jitter gave only {} different waits of 50", waits.len());
    }
}
