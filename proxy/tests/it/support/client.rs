//! A client that says exactly what it is told to, and reads what comes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, as text.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The last value of a header field; `""` when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut found = "";
        for line in self.head.lines().skip(1) {
            if let Some((field, value)) = line.split_once(':')
                && field.eq_ignore_ascii_case(name)
            {
                found = value.trim();
            }
        }
        found
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Reads an answer out of all that came on a connection. None when it is not a whole one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == "chunked" {
            answer.body = dechunk(&answer.body)?;
        } else if let Ok(length) = answer.header("content-length").parse::<usize>() {
            answer.body = answer.body.get(..length)?.to_vec();
        }
        Some(answer)
    }
}

/// The body of chunks (RFC 9112 section 7.1); none before the last one is there.
pub(crate) fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

/// A connection from 127.0.0.`host`: each is another client to the edge.
pub(crate) async fn connect_from(host: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into())?;
    socket.connect(to).await
}

/// Sends bytes and reads until the other side closes.
pub(crate) async fn talk(to: SocketAddr, say: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    stream.write_all(say).await.expect("to be heard");
    let mut heard = Vec::new();
    // A connection that is reset after its answer is still an answer.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("an end");
    heard
}

/// GET over a connection of its own.
pub(crate) async fn get(to: SocketAddr, host: &str, path: &str) -> Answer {
    get_with(to, host, path, "").await
}

/// GET with more header lines, each ended by CRLF.
pub(crate) async fn get_with(to: SocketAddr, host: &str, path: &str, more: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
    let heard = talk(to, request.as_bytes()).await;
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

/// GET as the client 127.0.0.`host`.
pub(crate) async fn get_from(host: u8, to: SocketAddr, path: &str) -> Answer {
    let mut stream = connect_from(host, to).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("to be heard");
    let mut heard = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("an end");
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

/// Says something, stops, and waits until the other side has had enough.
pub(crate) async fn talk_and_leave(to: SocketAddr, say: &[u8]) {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    // The other side may hang up in the middle; that is what is looked for.
    let _ = stream.write_all(say).await;
    let _ = stream.shutdown().await;
    let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end");
}

/// A connection that is used again and again.
pub(crate) struct KeptOpen {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl KeptOpen {
    pub(crate) async fn connect(to: SocketAddr) -> KeptOpen {
        KeptOpen { stream: TcpStream::connect(to).await.expect("a connection"), heard: Vec::new() }
    }

    /// GET, and the whole answer, which must have a length.
    pub(crate) async fn get(&mut self, host: &str, path: &str) -> Answer {
        self.get_with(host, path, "").await
    }

    /// The same with more fields.
    pub(crate) async fn get_with(&mut self, host: &str, path: &str, more: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        self.stream.write_all(request.as_bytes()).await.expect("to be heard");
        self.heard.clear();
        loop {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.heard)).await.expect("an answer in time");
            assert!(read.expect("an answer") > 0, "closed after {:?}", String::from_utf8_lossy(&self.heard));
            if let Some(answer) = Answer::parse(&self.heard) {
                return answer;
            }
        }
    }
}
