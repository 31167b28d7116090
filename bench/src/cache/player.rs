//! A client that plays a list of requests over one connection, one after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::mix::Object;

/// Plays all of them; each must be answered with what it asks for.
pub(super) fn play(port: u16, requests: &[Object]) -> Result<(), String> {
    let mut connection: Option<BufReader<TcpStream>> = None;
    for object in requests {
        let mut open = match connection.take() {
            Some(open) => open,
            None => connect(port).map_err(|error| format!("port {port}: {error}"))?,
        };
        if ask(&mut open, *object).map_err(|error| format!("/{}/{}: {error}", object.id, object.bytes))? == Then::Kept {
            connection = Some(open);
        }
    }
    Ok(())
}

/// What becomes of the connection.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Kept,
    Closed,
}

fn connect(port: u16) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn ask(connection: &mut BufReader<TcpStream>, Object { id, bytes }: Object) -> std::io::Result<Then> {
    let failed = |what: String| std::io::Error::other(what);
    write!(connection.get_mut(), "GET /{id}/{bytes} HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let mut line = String::new();
    connection.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(failed(format!("answered {line:?}")));
    }
    let mut then = Then::Kept;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let field = line.trim().to_ascii_lowercase();
        match field.split_once(':').map(|(name, value)| (name, value.trim())) {
            None if field.is_empty() => break,
            Some(("content-length", length)) if length != bytes.to_string() => return Err(failed(line)),
            Some(("connection", "close")) => then = Then::Closed,
            _ => {}
        }
    }
    let read = std::io::copy(&mut connection.by_ref().take(bytes.into()), &mut std::io::sink())?;
    if read == u64::from(bytes) { Ok(then) } else { Err(failed(format!("{read} bytes came"))) }
}
