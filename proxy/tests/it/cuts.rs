//! Responses that an origin breaks off at a random point: none is stored as a whole one, and no client takes it for that.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, DEADLINE, Edge, Origin, eventually};

const CUTS: usize = 1_000;

/// With so little memory that the larger bodies go to the disk.
const CONFIG: &str = r#"
[storage]
memory = "1MiB"
state = "state"
disk = { path = "cache", size = "64MiB" }
"#;

/// A body of a path: up to some 300,000 bytes, some of them with a length and some in chunks.
fn whole(path: &str) -> Vec<u8> {
    let seed = path.bytes().fold(5_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
    let length = (seed % 5).pow(4) as usize * 1_200 + (seed % 700) as usize + 1;
    path.bytes().cycle().take(length).collect()
}

fn response(path: &str) -> Vec<u8> {
    let body = whole(path);
    let mut said = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\n".to_vec();
    if body.len().is_multiple_of(2) {
        said.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        said.extend_from_slice(&body);
    } else {
        said.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(9_000) {
            said.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            said.extend_from_slice(chunk);
            said.extend_from_slice(b"\r\n");
        }
        said.extend_from_slice(b"0\r\n\r\n");
    }
    said
}

#[tokio::test]
async fn a_thousand_cut_points_leave_nothing_that_is_whole() {
    let seed = std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(fastrand::u64(..));
    println!("SELVEDGE_SEED={seed}");
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    // What was asked for once is cut, and whole from then on; a request without an answer is tried a second time by the edge.
    let healed: Arc<Mutex<HashSet<String>>> = Arc::default();
    let known = Arc::clone(&healed);
    let origin = Origin::start(move |request| {
        let mut said = response(request.path());
        if !known.lock().expect("a lock").contains(request.path()) {
            let end = random.lock().expect("a lock").usize(..said.len());
            said.truncate(end);
        }
        async move { said }
    })
    .await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    for nth in 0..CUTS {
        let path = format!("/{nth}");
        let answer = ask(&edge, &path).await;
        assert!(answer.is_none_or(|answer| answer.status >= 500), "{path}: taken for whole");
        healed.lock().expect("a lock").insert(path.clone());
        // Who comes before the edge has seen the end may still read along.
        let answer = eventually(DEADLINE, async || ask(&edge, &path).await.ok_or("broken off".to_owned())).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body == whole(&path), "{path}");
    }
}

/// The answer, if it is a whole one.
async fn ask(edge: &Edge, path: &str) -> Option<Answer> {
    let said = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(edge.address()).await.expect("a connection");
    stream.write_all(said.as_bytes()).await.expect("asked");
    let mut bytes = Vec::new();
    // It breaks off as it may.
    let _ = stream.read_to_end(&mut bytes).await;
    Answer::parse(&bytes)
}
