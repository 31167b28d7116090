//! Accepting: whoever connects has a short time to show a certificate of this cluster that names a POP which may dial
//! this one. Connections that have not got so far are bounded in number; the rest wait in the kernel's backlog.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsStream;

use super::cause::Cause;
use super::dial::HANDSHAKE_MAX;
use super::knocks::{Knock, Knocks};
use super::pump::carry;
use super::refused::Side;
use super::tls::{identify, identify_other};
use super::{Shared, stopped, watch as watching};

/// Connections that may be in their handshake at once.
pub const HANDSHAKES_MAX: usize = 64;

/// The pause after a failed accept, which fails again at once while descriptors are wanting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A refused client has this long to take the alert that says why, and as many bytes to be read past.
const ALERT_WITHIN: Duration = Duration::from_secs(1);
const ALERT_READ_MAX: u64 = 64 * 1024;

/// Accepts until `shutdown` turns true, or `retired`.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    mut shutdown: watch::Receiver<bool>,
    mut retired: watch::Receiver<bool>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let knocks = Knocks::default();
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &handshakes) => accepted,
            () = stopped(&mut shutdown) => return,
            () = stopped(&mut retired) => return,
        };
        match accepted {
            Some((Ok((socket, address)), permit)) => {
                // An address with too many under way is hung up on; a peer among them tries again.
                if let Some(knock) = knocks.begin(address.ip()) {
                    let entry = (permit, knock);
                    tokio::spawn(admit(Arc::clone(&shared), socket, address, entry, shutdown.clone()));
                }
            }
            Some((Err(error), _)) => {
                shared.board.accept_failed(error.to_string());
                sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

type Accepted = (std::io::Result<(TcpStream, SocketAddr)>, OwnedSemaphorePermit);

/// The next connection, once there is room for its handshake. The semaphore is never closed, so never `None`.
async fn next(listener: &TcpListener, handshakes: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = Arc::clone(handshakes).acquire_owned().await.ok()?;
    Some((listener.accept().await, permit))
}

async fn admit(
    shared: Arc<Shared>,
    socket: TcpStream,
    address: SocketAddr,
    entry: (OwnedSemaphorePermit, Knock),
    mut shutdown: watch::Receiver<bool>,
) {
    // Frames are batched by the replica; where this fails the kernel batches again, which only costs time.
    let _ = socket.set_nodelay(true);
    let refuse = |cause| shared.board.refused(Side::Accepted, address.ip().to_string(), None, cause);
    let place = shared.place.load_full();
    let stream = match timeout(HANDSHAKE_MAX, place.identity.acceptor().accept(socket).into_fallible()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, socket))) => {
            // Without a cause it went away of itself, as a port scan or a cut line does: nobody refused anybody.
            if let Some(cause) = Cause::of_handshake(&error) {
                refuse(cause);
                let _ = timeout(ALERT_WITHIN, leave_the_alert(socket)).await;
            }
            return;
        }
        Err(_) => return refuse(Cause::Slow(HANDSHAKE_MAX)),
    };
    let tls = stream.get_ref().1;
    let asked = watching::asked(&shared, tls);
    let chain = tls.peer_certificates().unwrap_or_default();
    let identified = if asked.is_some() {
        identify_other(&place.roster, shared.me.pop, chain)
    } else {
        identify(&place.roster, shared.me.pop, shared.takes_own(), chain)
    };
    let peer = match identified {
        Ok(peer) => peer,
        Err(cause) => return refuse(cause),
    };
    drop(entry);
    let stream = TlsStream::Server(stream);
    match asked {
        None if shared.dials.is_none() => refuse(Cause::OverNats),
        None => carry(Arc::clone(&shared), stream, peer, address).await,
        Some(watchers) => {
            if let Err(cause) = watching::serve(watchers, peer, stream, &mut shutdown).await {
                refuse(cause);
            }
        }
    }
}

/// Closing with unread bytes makes the kernel send a reset, which can overtake the alert that was just written
/// (RFC 1122 section 4.2.2.13); so what the client still sends is read past first.
async fn leave_the_alert(mut socket: TcpStream) -> std::io::Result<()> {
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(ALERT_READ_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_connection_is_taken_beyond_the_handshakes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let all = u32::try_from(HANDSHAKES_MAX).unwrap();
        let busy = Arc::clone(&handshakes).acquire_many_owned(all).await.unwrap();
        let early = timeout(Duration::ZERO, next(&listener, &handshakes)).await;
        assert!(early.is_err(), "a connection was taken without room for its handshake");
        drop(busy);
        let (accepted, _permit) = next(&listener, &handshakes).await.unwrap();
        accepted.unwrap();
    }
}
