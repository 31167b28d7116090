//! A stretch of network one can hold in hand: a TCP relay that delays both directions and can be cut and healed. The
//! demo, the tests and the soak put it between two POPs; nothing in the product knows that it is there.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Connections at once; more are closed on arrival.
const CONNECTIONS_MAX: usize = 256;

/// The most bytes read at once, so the most in one chunk.
const CHUNK: usize = 16 * 1024;

/// Chunks under way in one direction of one connection: what the "wire" holds. A sender that fills it waits, as on a
/// path of `CHUNKS_MAX * CHUNK / delay` bytes per second (40 MiB/s at 100 ms).
const CHUNKS_MAX: usize = 256;

/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running relay; dropping it closes everything.
pub struct Relay {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Listens on `listen` (port 0 picks one) and relays to `target`, each direction late by `delay`. Runs on the
    /// current tokio runtime. The target is dialled per connection, so it need not be up yet.
    ///
    /// # Errors
    /// When `listen` cannot be bound.
    pub fn start(listen: SocketAddr, target: SocketAddr, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (cut, watching) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, target, delay, watching));
        Ok(Self { address, cut, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the wire: what is on it is lost, connections close, new ones are closed on arrival.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Heals it: new connections pass again.
    pub fn heal(&self) {
        self.cut.send_replace(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The connections end with the sender of `cut`.
        self.accepting.abort();
    }
}

async fn accept(listener: tokio::net::TcpListener, target: SocketAddr, delay: Duration, cut: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((near, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let mut cut = cut.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Also when the relay is dropped.
                _ = until_cut(&mut cut) => {}
                _ = relay(near, target, delay) => {}
            }
            drop(permit);
        });
    }
}

async fn until_cut(cut: &mut watch::Receiver<bool>) {
    let _ = cut.wait_for(|cut| *cut).await;
}

async fn relay(near: TcpStream, target: SocketAddr, delay: Duration) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    // An error in one direction ends both, as a reset does; an orderly end of one leaves the other open.
    tokio::try_join!(carry(near_read, far_write, delay), carry(far_read, near_write, delay))?;
    Ok(())
}

/// One direction: what is read now is written `delay` later, in order, the end of the stream included.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) -> io::Result<()> {
    let (wire, mut arriving) = mpsc::channel::<(Instant, Bytes)>(CHUNKS_MAX);
    let reading = async move {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            let read = (&mut from).take(CHUNK as u64).read_buf(&mut buffer).await?;
            // An empty chunk is the end of the stream. A closed wire means that the other half failed and says so.
            if wire.send((Instant::now() + delay, buffer.split().freeze())).await.is_err() || read == 0 {
                return io::Result::Ok(());
            }
        }
    };
    let writing = async move {
        while let Some((due, chunk)) = arriving.recv().await {
            sleep_until(due).await;
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk).await?;
        }
        io::Result::Ok(())
    };
    tokio::try_join!(reading, writing)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    async fn echo() -> SocketAddr {
        let listener = tokio::net::TcpListener::bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.into_split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn bytes_arrive_whole_in_order_and_the_end_is_passed_on() {
        let relay = Relay::start(LOCAL, echo().await, Duration::ZERO).unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        let (mut read, mut write) = TcpStream::connect(relay.address()).await.unwrap().into_split();
        let writing = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(writing, read.read_to_end(&mut received));
        read.unwrap();
        assert_eq!(received, sent);
    }

    #[tokio::test]
    async fn nothing_arrives_before_the_delay() {
        let (mut near, relay_near) = tokio::io::duplex(64);
        let (relay_far, mut far) = tokio::io::duplex(64);
        tokio::spawn(carry(relay_near, relay_far, Duration::from_millis(80)));
        let began = Instant::now();
        near.write_all(b"a").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'a');
        assert!(began.elapsed() >= Duration::from_millis(80));
    }

    #[tokio::test]
    async fn a_cut_closes_and_a_heal_lets_through() {
        let relay = Relay::start(LOCAL, echo().await, Duration::ZERO).unwrap();
        let mut before = TcpStream::connect(relay.address()).await.unwrap();
        before.write_all(b"x").await.unwrap();
        assert_eq!(before.read_u8().await.unwrap(), b'x');
        relay.cut();
        assert!(before.read_u8().await.is_err(), "the connection outlived the cut");
        let mut during = TcpStream::connect(relay.address()).await.unwrap();
        assert!(during.read_u8().await.is_err(), "a connection passed the cut");
        relay.heal();
        let mut after = TcpStream::connect(relay.address()).await.unwrap();
        after.write_all(b"y").await.unwrap();
        assert_eq!(after.read_u8().await.unwrap(), b'y');
    }
}
