//! An origin that does what the test says, byte for byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::client::dechunk;

/// What the origin was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

type Reply = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// A running origin; it ends with the test.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Origin {
    /// An origin that answers each request with the bytes that `reply` makes, then closes the connection.
    pub(crate) async fn start<F>(reply: impl Fn(Request) -> F + Send + Sync + 'static) -> Origin
    where
        F: Future<Output = Vec<u8>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reply: Arc<dyn Fn(Request) -> Reply + Send + Sync> = Arc::new(move |request| Box::pin(reply(request)));
        let origin = Origin { address, seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&reply), Arc::clone(&seen)));
            }
        });
        origin
    }

    /// An origin that answers everything with 200, these header lines (each ended by CRLF) and this body.
    pub(crate) async fn fixed(headers: &'static str, body: &'static str) -> Origin {
        Origin::start(move |_| async move { ok(headers, body.as_bytes()) }).await
    }

    /// An origin that holds every answer back until the gate is opened.
    pub(crate) async fn gated(headers: &'static str, body: &'static str) -> (Origin, Gate) {
        let gate = Gate::closed();
        let held = gate.clone();
        let origin = Origin::start(move |_| {
            let gate = held.clone();
            async move {
                gate.pass().await;
                ok(headers, body.as_bytes())
            }
        });
        (origin.await, gate)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All it was asked, in order.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Arc<dyn Fn(Request) -> Reply + Send + Sync>,
    seen: Arc<Mutex<Vec<Request>>>,
) {
    let Some(request) = read(&mut stream).await else { return };
    seen.lock().expect("no panic").push(request.clone());
    let bytes = reply(request).await;
    // The edge may have gone; the test asks about that elsewhere.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut request = Request { head, body: bytes[end + 4..].to_vec() };
            if request.header("transfer-encoding") == Some("chunked") {
                match dechunk(&request.body) {
                    Some(body) => {
                        request.body = body;
                        return Some(request);
                    }
                    None if stream.read_buf(&mut bytes).await.ok()? == 0 => return None,
                    None => continue,
                }
            }
            let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if request.body.len() >= length {
                return Some(request);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A whole 200 answer.
pub(crate) fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Something that waits until the test lets it go on.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub(crate) async fn pass(&self) {
        let _ = self.0.acquire().await.expect("the gate stands");
    }
}
