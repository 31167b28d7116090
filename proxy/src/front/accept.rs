//! The accept loop, as a Pingora service: accept, bound, ask at the door, TLS, hand over to Pingora's HTTP proxy.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::GetSocketDigest;
use pingora::protocols::l4::listener::Listener;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::proxy::{HttpProxy, ProxyHttp};
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use rustls::pki_types::CertificateDer;
use selvedge_conf::ClientBounds;
use selvedge_state::PopId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::deadline::Limits;
use super::listen::{Comer, Listening};
use super::newcomer::{Newcomer, Newcomers};
use super::stream::ClientStream;
use crate::stop::Busy;

/// Bytes of one request header, the request line included. Pingora itself would take a megabyte.
const HEAD_MAX: usize = 64 * 1024;

/// The same of another POP, which brings a client's header, an order, and purges.
const CHILD_HEAD_MAX: usize = 2 * HEAD_MAX;

/// How long the loop rests when the kernel has no descriptor or memory left for another connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The service that owns all listening sockets.
pub struct Front<A> {
    listening: Vec<Listening>,
    server: Arc<Server<A>>,
    threads: usize,
    busy: Option<Busy>,
}

struct Server<A> {
    proxy: Arc<HttpProxy<A>>,
    bounds: ClientBounds,
    room: Arc<Semaphore>,
    places: u32,
    newcomers: Newcomers,
    door: Door,
}

/// Whether a client may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Welcome,
    /// Its connection is closed at once.
    Closed,
}

/// What the accept loop asks and tells others.
pub struct Door {
    /// Decides about a connection by its other end, before anything of it is read.
    pub admit: Box<dyn Fn(IpAddr) -> Admission + Send + Sync>,
    /// Hears of failed accepts.
    pub report: Box<dyn Fn(&io::Error) + Send + Sync>,
    /// Turns true when connections may be accepted; until then they wait in the kernel's backlog.
    pub opens: ShutdownWatch,
    /// Tells other POPs from strangers.
    pub gate: Gate,
}

/// Who may fetch through this node.
pub struct Gate {
    /// What POPs are answered with; none while there are no links.
    pub config: Box<dyn Fn() -> Option<Arc<rustls::ServerConfig>> + Send + Sync>,
    /// The POP that a verified certificate is for, if it is another one of the roster.
    pub child: Box<Known>,
}

type Known = dyn Fn(&[CertificateDer<'_>]) -> Option<PopId> + Send + Sync;

impl<A> Front<A> {
    /// A front that serves `listening` through `proxy` on `threads` threads until `busy` is asked to end.
    pub fn new(
        listening: Vec<Listening>,
        proxy: Arc<HttpProxy<A>>,
        bounds: ClientBounds,
        threads: usize,
        busy: Busy,
        door: Door,
    ) -> Front<A> {
        // One more for each address: its loop holds a place while it waits for a connection to give it to.
        let places = u32::try_from(bounds.connections_max.saturating_add(listening.len())).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(places as usize));
        let newcomers = Newcomers::new(places);
        let server = Arc::new(Server { proxy, bounds, room, places, newcomers, door });
        Front { listening, server, threads, busy: Some(busy) }
    }
}

#[async_trait]
impl<A> Service for Front<A>
where
    A: ProxyHttp + Send + Sync + 'static,
    A::CTX: Send + Sync,
{
    async fn start_service(&mut self, _fds: Option<ListenFds>, _shutdown: ShutdownWatch, _listeners_per_fd: usize) {
        let Some(busy) = self.busy.take() else { return };
        let mut loops = tokio::task::JoinSet::new();
        for listening in self.listening.drain(..) {
            loops.spawn(Arc::clone(&self.server).accept_loop(listening, busy.asked()));
        }
        loops.join_all().await;
        self.server.newcomers.served().await;
        self.server.proxy.cleanup().await;
        // Every connection holds one place: all of them back means that the last request is answered.
        let _ = self.server.room.acquire_many(self.server.places).await;
        drop(busy);
    }

    fn name(&self) -> &str {
        "front"
    }

    fn threads(&self) -> Option<usize> {
        Some(self.threads)
    }
}

impl<A> Server<A>
where
    A: ProxyHttp + Send + Sync + 'static,
    A::CTX: Send + Sync,
{
    async fn accept_loop(self: Arc<Self>, listening: Listening, mut shutdown: ShutdownWatch) {
        let listener = match tokio::net::TcpListener::from_std(listening.listener) {
            Ok(listener) => Listener::from(listener),
            Err(error) => return (self.door.report)(&error),
        };
        let mut opens = self.door.opens.clone();
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return,
            opened = opens.wait_for(|open| *open) => if opened.is_err() { return },
        }
        loop {
            // A place is taken before the connection: when all are in use, new clients wait in the kernel's backlog.
            let place = tokio::select! {
                place = Arc::clone(&self.room).acquire_owned() => place,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            let Ok(place) = place else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok(socket) => {
                    let server = Arc::clone(&self);
                    let comer = listening.comer.clone();
                    let entry = (place, self.newcomers.come());
                    let shutdown = shutdown.clone();
                    tokio::spawn(async move { server.serve(socket, comer, entry, shutdown).await });
                }
                Err(error) => {
                    (self.door.report)(&error);
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    /// Whether a connection is served, by the address of its other end.
    fn admission(&self, socket: &Socket) -> Admission {
        let peer = socket.get_socket_digest().and_then(|digest| Some(digest.peer_addr()?.as_inet()?.ip()));
        peer.map_or(Admission::Welcome, |peer| (self.door.admit)(peer))
    }

    async fn serve(
        &self,
        mut socket: Socket,
        comer: Comer,
        (place, newcomer): (OwnedSemaphorePermit, Newcomer),
        shutdown: ShutdownWatch,
    ) {
        // Rules about connections are about clients'.
        if matches!(comer, Comer::Client(_)) && self.admission(&socket) == Admission::Closed {
            return;
        }
        // Without this a small answer may wait for the client's delayed acknowledgement.
        let _ = socket.set_nodelay();
        let limits = Limits {
            idle: self.bounds.idle_timeout,
            head: self.bounds.header_timeout,
            head_max: HEAD_MAX,
            write: self.bounds.write_timeout,
        };
        let within = self.bounds.header_timeout;
        let stream = match comer {
            Comer::Client(None) => Some(ClientStream::plain(socket, limits, newcomer)),
            Comer::Client(Some(certificates)) => {
                let stream = handshake(socket, certificates.config(), within).await;
                stream.map(|stream| ClientStream::tls(stream, limits, newcomer))
            }
            Comer::Child => self.child(socket, (limits, newcomer), within).await,
        };
        if let Some(stream) = stream {
            let mut next: Option<pingora::protocols::Stream> = Some(Box::new(stream));
            while let Some(stream) = next {
                next = self.proxy.process_new(stream, &shutdown).await;
            }
        }
        drop(place);
    }

    /// A POP that shows whose it is.
    async fn child(
        &self,
        socket: Socket,
        (limits, newcomer): (Limits, Newcomer),
        within: Duration,
    ) -> Option<ClientStream> {
        let Gate { config, child } = &self.door.gate;
        let stream = handshake(socket, config()?, within).await?;
        let pop = child(stream.get_ref().1.peer_certificates().unwrap_or_default())?;
        Some(ClientStream::tls(stream, Limits { head_max: CHILD_HEAD_MAX, ..limits }, newcomer).of(pop))
    }
}

/// A TLS handshake; the certificate is chosen by the ClientHello. A client that fails it is simply gone: random
/// bytes and scanners are no event.
async fn handshake(socket: Socket, config: Arc<rustls::ServerConfig>, within: Duration) -> Option<TlsStream<Socket>> {
    timeout(within, TlsAcceptor::from(config).accept(socket)).await.ok()?.ok()
}
