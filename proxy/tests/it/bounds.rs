//! What clients can do to the edge: nothing that lasts.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Edge, Noise, Origin, get, ok, talk, talk_and_leave};

fn config(origin: &Origin, listen: &str) -> String {
    format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n{listen}\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n",
        origin.url()
    )
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::with(&config(&origin, "body_max = \"10B\"")).await;
    let post = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    let answer = Answer::parse(&talk(edge.address(), post(11).as_bytes()).await).unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().unwrap().contains("10 bytes"));
    assert_eq!(Answer::parse(&talk(edge.address(), post(10).as_bytes()).await).unwrap().status, 200);
}

#[tokio::test]
async fn a_header_that_does_not_end_is_cut_off() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::with(&config(&origin, "header_timeout = \"300ms\"")).await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: te").await.unwrap();
    let mut heard = Vec::new();
    // Ends only because the edge ends it: the client keeps its side open.
    let _ = stream.read_to_end(&mut heard).await;
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_connection_is_not_kept_for_ever_between_requests() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::with(&config(&origin, "idle_timeout = \"300ms\"")).await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert_eq!(Answer::parse(&heard).unwrap().status, 200);
}

#[tokio::test]
async fn a_huge_header_is_cut_off() {
    let origin = Origin::fixed("", "x").await;
    let mut edge = Edge::with(&config(&origin, "")).await;
    let say = format!("GET / HTTP/1.1\r\nHost: test\r\nX-Huge: {}\r\nConnection: close\r\n\r\n", "x".repeat(200_000));
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    let _ = stream.write_all(say.as_bytes()).await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert!(Answer::parse(&heard).is_none_or(|answer| answer.status >= 400));
    assert!(origin.seen().is_empty());
    assert!(edge.lives());
}

#[tokio::test]
async fn random_bytes_on_the_traffic_port_never_stop_the_process() {
    let origin = Origin::start(|_| async { ok("", b"fine") }).await;
    let mut edge = Edge::with(&config(&origin, "header_timeout = \"300ms\"\nidle_timeout = \"300ms\"")).await;
    let mut noise = Noise::new();
    let starts: [&[u8]; 4] = [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for round in 0..100 {
        let mut say = starts[round % starts.len()].to_vec();
        say.extend(noise.bytes(4096));
        talk_and_leave(edge.address(), &say).await;
    }
    assert!(edge.lives());
    assert_eq!(get(edge.address(), "test", "/").await.text(), "fine");
}
