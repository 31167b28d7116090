//! A visitor of the demo: an HTTP client with an address of its own. The whole of 127.0.0.0/8 is this machine, so each visitor
//! connects from another address, and the edge counts it as another client without being told who it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::header::HeaderMap;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    address: Ipv4Addr,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header field as text; `""` when it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

impl Visitor {
    /// The visitor 127.0.`net`.`host`.
    pub(super) fn new(net: u8, host: u8) -> Visitor {
        Visitor { address: Ipv4Addr::new(127, 0, net, host) }
    }

    /// Its address as text.
    pub(super) fn name(self) -> String {
        self.address.to_string()
    }

    /// Asks one POP for one path, over a connection of its own.
    ///
    /// # Errors
    /// When the POP cannot be reached or breaks off.
    pub(super) async fn get(self, pop: SocketAddr, path: &str) -> io::Result<Answer> {
        timeout(PATIENCE, self.exchange(pop, path)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn exchange(self, pop: SocketAddr, path: &str) -> io::Result<Answer> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(self.address), 0))?;
        let stream = socket.connect(pop).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let request = Request::builder().uri(path).header("host", "demo").header("connection", "close");
        let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}
