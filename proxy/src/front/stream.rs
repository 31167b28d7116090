//! A client's connection as Pingora sees it: plain or TLS underneath, with the deadlines that Pingora does not keep.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use selvedge_state::PopId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::deadline::{Deadline, Expired, Limits};
use super::newcomer::Newcomer;
use super::stall::Stall;

/// One client's connection.
#[derive(Debug)]
pub struct ClientStream {
    transport: Transport,
    deadline: Deadline,
    /// Bytes of HTTP/2's preface that are still to come: once it is there, Pingora's own idle timeout holds. None on HTTP/1.
    preface: Option<usize>,
    stall: Stall,
    tls: Option<Arc<SslDigest>>,
    newcomer: Newcomer,
    /// The POP at its other end, which fetches through this one; none where that is a client.
    child: Option<PopId>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "Pingora boxes the whole stream; a box inside would be a second one")]
enum Transport {
    Plain(Socket),
    Tls(TlsStream<Socket>),
}

/// Bytes of the client's connection preface (RFC 9113 section 3.4).
const PREFACE: usize = 24;

impl ClientStream {
    pub(super) fn plain(socket: Socket, limits: Limits, newcomer: Newcomer) -> ClientStream {
        ClientStream::new(Transport::Plain(socket), limits, None, None, newcomer)
    }

    pub(super) fn tls(stream: TlsStream<Socket>, limits: Limits, newcomer: Newcomer) -> ClientStream {
        let (_, session) = stream.get_ref();
        let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
        let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("unknown");
        let digest = SslDigest::new(cipher, version, None, None, Vec::new());
        let preface = (session.alpn_protocol() == Some(b"h2")).then_some(PREFACE);
        ClientStream::new(Transport::Tls(stream), limits, preface, Some(Arc::new(digest)), newcomer)
    }

    fn new(
        transport: Transport,
        limits: Limits,
        preface: Option<usize>,
        tls: Option<Arc<SslDigest>>,
        newcomer: Newcomer,
    ) -> ClientStream {
        let (deadline, stall) = (Deadline::new(limits), Stall::new(limits.write));
        ClientStream { transport, deadline, preface, stall, tls, newcomer, child: None }
    }

    /// The same, from another POP.
    pub(super) fn of(self, child: PopId) -> ClientStream {
        ClientStream { child: Some(child), ..self }
    }

    /// The POP at its other end, if it is none of a client.
    pub fn child(&self) -> Option<PopId> {
        self.child
    }

    /// Tells the connection that the header of its request has arrived whole.
    pub fn head_complete(&self) {
        self.deadline.head_complete();
        self.newcomer.is_served();
    }

    /// Tells the connection that its request has been answered: from now on it is idle.
    pub fn request_over(&self) {
        self.deadline.request_over();
    }

    fn received(&mut self, bytes: usize) -> Result<(), Expired> {
        self.deadline.received(bytes)?;
        if let Some(left) = &mut self.preface {
            *left = left.saturating_sub(bytes);
            if *left == 0 {
                // From here on many requests share the connection, and none of them is told to it.
                self.head_complete();
            }
        }
        Ok(())
    }

    /// Passes a write's outcome on, and ends one that has made no progress for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(outcome) => {
                self.stall.over();
                Poll::Ready(outcome)
            }
            Poll::Pending => self.stall.poll_expired(context).map(|()| {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing in within the write timeout"))
            }),
        }
    }

    fn socket(&self) -> &Socket {
        match &self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_ref().0,
        }
    }

    fn socket_mut(&mut self) -> &mut Socket {
        match &mut self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.transport).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().len() - before;
                Poll::Ready(this.received(bytes).map_err(refused))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let expired = ready!(this.deadline.poll_expired(context));
                Poll::Ready(Err(refused(expired)))
            }
        }
    }
}

fn refused(expired: Expired) -> io::Error {
    match expired {
        Expired::Idle => io::Error::new(io::ErrorKind::TimedOut, "no request within the idle timeout"),
        Expired::Head => {
            io::Error::new(io::ErrorKind::TimedOut, "request header not complete within the header timeout")
        }
        Expired::HeadSize => io::Error::new(io::ErrorKind::InvalidData, "request header too large"),
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_write(context, data);
        this.watch(context, outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_flush(context);
        this.watch(context, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_shutdown(context);
        this.watch(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_write_vectored(context, data);
        this.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_write(context, data),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_write_vectored(context, data),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, data),
        }
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        // The client may be gone already; there is nobody left to tell.
        let _ = AsyncWriteExt::shutdown(&mut self.transport).await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.socket().id()
    }
}

impl Ssl for ClientStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => match stream.get_ref().1.alpn_protocol()? {
                b"h2" => Some(ALPN::H2),
                // Only these two are offered.
                _ => Some(ALPN::H1),
            },
        }
    }
}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.socket().get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.socket().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.socket().get_write_pending_time()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.socket().get_proxy_digest()
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.socket().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.socket_mut().set_socket_digest(digest);
    }
}

impl Peek for ClientStream {}
