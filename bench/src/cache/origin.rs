//! An origin that counts what it is asked for: `GET /ID/BYTES` is answered with so many bytes that may be stored for a day.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The largest body, bytes.
const LARGEST: usize = 1 << 20;

/// A running origin; it ends with the process.
pub(super) struct Counting {
    pub(super) port: u16,
    asked: Arc<AtomicU64>,
}

impl Counting {
    pub(super) fn start() -> Result<Counting, String> {
        let failed = |error: std::io::Error| format!("the origin cannot start: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // A connection that breaks off ends its thread.
                thread::spawn(move || drop(serve(&stream, &counter)));
            }
        });
        Ok(Counting { port, asked })
    }

    /// Requests so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn serve(stream: &TcpStream, asked: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut lines, mut out) = (BufReader::new(stream), stream);
    let body = vec![b'x'; LARGEST];
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let bytes = bytes(&line).unwrap_or(0).min(LARGEST);
        while line.trim() != "" {
            line.clear();
            lines.read_line(&mut line)?;
        }
        asked.fetch_add(1, Ordering::Relaxed);
        write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nCache-Control: max-age=86400\r\n\r\n")?;
        out.write_all(body.get(..bytes).unwrap_or_default())?;
    }
}

/// The size that a request line asks for.
fn bytes(line: &str) -> Option<usize> {
    line.split(' ').nth(1)?.rsplit('/').next()?.parse().ok()
}
