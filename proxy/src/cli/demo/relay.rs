//! A stretch of network one can hold in hand: a TCP relay that delays both directions, and can be cut, held in one direction,
//! and healed. The demo, the tests and the soak put it between two POPs; nothing in the product knows that it is there.

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

/// A direction of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From whoever connected to the target.
    There,
    /// From the target.
    Back,
}

/// What is wrong with the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Fault {
    cut: bool,
    held: [bool; 2],
}

impl Fault {
    fn holds(self, way: Way) -> bool {
        let [there, back] = self.held;
        match way {
            Way::There => there,
            Way::Back => back,
        }
    }
}

/// A running relay; dropping it closes everything.
pub struct Relay {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
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
        let (fault, watching) = watch::channel(Fault::default());
        let accepting = tokio::spawn(accept(listener, target, delay, watching));
        Ok(Self { address, fault, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the wire: what is on it is lost, connections close, new ones are closed on arrival.
    pub fn cut(&self) {
        self.fault.send_modify(|fault| fault.cut = true);
    }

    /// Holds one direction, as loss on a TCP path would: connections stand, new ones too, and nothing arrives that way
    /// until the wire is healed or an end gives up.
    pub fn hold(&self, way: Way) {
        self.fault.send_modify(|fault| match way {
            Way::There => fault.held[0] = true,
            Way::Back => fault.held[1] = true,
        });
    }

    /// Heals it: what was held arrives, and new connections pass again.
    pub fn heal(&self) {
        self.fault.send_replace(Fault::default());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The connections end with the sender of `fault`.
        self.accepting.abort();
    }
}

async fn accept(listener: tokio::net::TcpListener, target: SocketAddr, delay: Duration, fault: watch::Receiver<Fault>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((near, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (mut cut, fault) = (fault.clone(), fault.clone());
        tokio::spawn(async move {
            tokio::select! {
                // Also when the relay is dropped.
                _ = until_cut(&mut cut) => {}
                _ = relay(near, target, delay, &fault) => {}
            }
            drop(permit);
        });
    }
}

async fn until_cut(fault: &mut watch::Receiver<Fault>) {
    let _ = fault.wait_for(|fault| fault.cut).await;
}

async fn relay(near: TcpStream, target: SocketAddr, delay: Duration, fault: &watch::Receiver<Fault>) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    // An error in one direction ends both, as a reset does; an orderly end of one leaves the other open.
    let there = carry(near_read, far_write, delay, (Way::There, fault.clone()));
    let back = carry(far_read, near_write, delay, (Way::Back, fault.clone()));
    tokio::try_join!(there, back)?;
    Ok(())
}

/// One direction: what is read now is written `delay` later, or when it is not held any more, in order, the end of the
/// stream included.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
    (way, mut fault): (Way, watch::Receiver<Fault>),
) -> io::Result<()> {
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
            // A relay that was dropped ends this from outside.
            let _ = fault.wait_for(|fault| !fault.holds(way)).await;
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
        let (_fault, watching) = watch::channel(Fault::default());
        tokio::spawn(carry(relay_near, relay_far, Duration::from_millis(80), (Way::There, watching)));
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

    #[tokio::test]
    async fn what_is_held_one_way_arrives_when_it_is_healed() {
        let (mut near, relay_near) = tokio::io::duplex(64);
        let (relay_far, mut far) = tokio::io::duplex(64);
        let (fault, watching) = watch::channel(Fault { cut: false, held: [true, false] });
        let (there_from, back_to) = tokio::io::split(relay_near);
        let (back_from, there_to) = tokio::io::split(relay_far);
        tokio::spawn(carry(there_from, there_to, Duration::ZERO, (Way::There, watching.clone())));
        tokio::spawn(carry(back_from, back_to, Duration::ZERO, (Way::Back, watching)));
        near.write_all(b"a").await.unwrap();
        far.write_all(b"b").await.unwrap();
        // The other direction passes; by then what is held would have come.
        assert_eq!(near.read_u8().await.unwrap(), b'b');
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let mut byte = [0];
        let mut waiting = std::pin::pin!(far.read(&mut byte));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("it came through"),
            () = std::future::ready(()) => {}
        }
        fault.send_replace(Fault::default());
        assert_eq!(waiting.await.unwrap(), 1);
        assert_eq!(byte, *b"a");
    }

    #[tokio::test]
    async fn a_hold_leaves_the_connection_and_a_heal_delivers() {
        let relay = Relay::start(LOCAL, echo().await, Duration::ZERO).unwrap();
        relay.hold(Way::Back);
        let mut held = TcpStream::connect(relay.address()).await.unwrap();
        held.write_all(b"x").await.unwrap();
        relay.heal();
        assert_eq!(held.read_u8().await.unwrap(), b'x');
    }
}
