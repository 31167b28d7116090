//! Requests at one time: each is counted while it lasts, and no longer, whatever way it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use selvedge::admin::report::Limit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::{DEADLINE, Edge, Origin, eventually, get, ok};
use crate::tls;

const LIMIT: &str = "[[limit]]\nname = \"open\"\nkey = [\"client.net\"]\nin_flight = 2\n";

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    head
}

/// How many there are at once.
async fn at_once(edge: &Edge) -> u64 {
    let limit: Limit = selvedge::admin::get(&edge.socket(), "/v1/limits/open?key=127.0.0.1").await.unwrap();
    limit.top[0].count
}

async fn until(edge: &Edge, count: u64) {
    eventually(DEADLINE, async || match at_once(edge).await {
        found if found == count => Ok(()),
        found => Err(format!("{found} at once, not {count}")),
    })
    .await;
}

#[tokio::test]
async fn one_too_many_is_refused_and_told_so() {
    let (origin, gate) = Origin::gated("Cache-Control: no-store\r\n", "x").await;
    let edge = Arc::new(Edge::before(&origin.url(), LIMIT).await);
    let address = edge.address();
    let two: Vec<_> =
        (0..2).map(|at| tokio::spawn(async move { get(address, "test", &format!("/{at}")).await })).collect();
    until(&edge, 2).await;
    let refused = get(address, "test", "/2").await;
    assert_eq!((refused.status, refused.json()["limit"].as_str()), (429, Some("open")));
    assert_eq!(refused.header("retry-after"), "", "nobody knows when one of them ends");
    assert!(
        refused.header("ratelimit-policy").starts_with("\"open\";q=2;qu=\"concurrent-requests\";pk=:"),
        "{}",
        refused.head
    );
    assert!(refused.header("ratelimit").starts_with("\"open\";r=0;pk=:"), "{}", refused.head);
    assert_eq!(at_once(&edge).await, 2, "the refused one is none of them");
    gate.open();
    for one in two {
        assert_eq!(one.await.unwrap().status, 200);
    }
    until(&edge, 0).await;
    assert_eq!(get(address, "test", "/3").await.status, 200);
}

#[tokio::test]
async fn hits_misses_and_failures_end() {
    let origin = Origin::start(|request| async move {
        match request.path() {
            "/kept" => ok("Cache-Control: max-age=60\r\n", b"x"),
            "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".to_vec(),
            _ => Vec::new(),
        }
    })
    .await;
    let rule = "[[rule]]\nname = \"no\"\nwhen = 'request.path == \"/denied\"'\ndo = { deny = 403 }\n";
    let edge = Edge::before(&origin.url(), &format!("{rule}{LIMIT}")).await;
    for (path, status) in [("/kept", 200), ("/kept", 200), ("/failed", 502), ("/denied", 403)] {
        assert_eq!(get(edge.address(), "test", path).await.status, status, "{path}");
        until(&edge, 0).await;
    }
    // Its body breaks off, so there is no whole answer.
    let ask = b"GET /cut HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    assert!(!crate::support::talk(edge.address(), ask).await.is_empty());
    until(&edge, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let (origin, gate) = Origin::gated("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    let leaves = async |method: &str| {
        let mut client = TcpStream::connect(edge.address()).await.unwrap();
        client
            .write_all(format!("{method} / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        until(&edge, 1).await;
    };
    leaves("POST").await;
    until(&edge, 0).await;
    // What may be stored goes on at the origin for whoever asks next, and is in flight as long.
    leaves("GET").await;
    gate.open();
    until(&edge, 0).await;
}

/// One in ten seconds, and those that come before wait so long.
const WAITS: &str = "[[limit]]\nname = \"slow\"\nkey = [\"client.net\"]\nwhen = 'request.path == \"/slow\"'\nrate = \"6/1m\"\nburst = 1\n\
    over = { delay = \"10s\" }\n";

/// Gives its place back at once, and not when its turn comes.
#[tokio::test]
async fn a_client_that_leaves_while_it_waits_has_no_place_any_more() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), &format!("{LIMIT}{WAITS}")).await;
    let began = Instant::now();
    assert_eq!(get(edge.address(), "test", "/slow").await.status, 200);
    until(&edge, 0).await;
    let mut client = TcpStream::connect(edge.address()).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until(&edge, 1).await;
    drop(client);
    until(&edge, 0).await;
    assert!(began.elapsed() < Duration::from_secs(9), "it may have had its turn: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_that_is_reset_while_it_waits_has_no_place_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let authority = tls::certificates(folder.path(), &["a.example"]);
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let config = tls::config(folder.path(), &["a.example"], &origin.url());
    let edge = Edge::with(&format!("{config}{LIMIT}{WAITS}")).await;
    let stream = tls::connect(&edge, &authority, "a.example", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let began = Instant::now();
    let ask = || hyper::Request::get("https://a.example/slow").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(ask()).await.unwrap().status(), 200);
    until(&edge, 0).await;
    let second = tokio::spawn(sender.send_request(ask()));
    until(&edge, 1).await;
    second.abort();
    until(&edge, 0).await;
    assert!(began.elapsed() < Duration::from_secs(9), "it may have had its turn: {:?}", began.elapsed());
}

/// A request that is sent before the one that waits is answered does not keep that one from its turn.
#[tokio::test]
async fn a_client_that_sends_more_while_it_waits_is_answered() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), &format!("{LIMIT}{}", WAITS.replace("6/1m", "2/1s"))).await;
    assert_eq!(get(edge.address(), "test", "/slow").await.status, 200);
    let mut client = TcpStream::connect(edge.address()).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until(&edge, 1).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    assert!(read_head(&mut client).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let authority = tls::certificates(folder.path(), &["a.example"]);
    let (origin, _gate) = Origin::gated("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::with(&format!("{}{LIMIT}", tls::config(folder.path(), &["a.example"], &origin.url()))).await;
    let stream = tls::connect(&edge, &authority, "a.example", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let ask = || hyper::Request::post("https://a.example/").body(Empty::<Bytes>::new()).unwrap();
    let first = tokio::spawn(sender.send_request(ask()));
    until(&edge, 1).await;
    first.abort();
    until(&edge, 0).await;
    // The connection goes on.
    let mut two = Vec::new();
    for _ in 0..2 {
        two.push(tokio::spawn(sender.send_request(ask())));
    }
    until(&edge, 2).await;
    let refused = sender.send_request(ask()).await.unwrap();
    assert_eq!(refused.status(), 429);
    refused.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn a_web_socket_is_one_request_until_it_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let close = Arc::new(Notify::new());
    let closed = Arc::clone(&close);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(SWITCH.as_bytes()).await.unwrap();
        closed.notified().await;
    });
    let edge = Edge::before(&origin, LIMIT).await;
    let mut client = TcpStream::connect(edge.address()).await.unwrap();
    client.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(read_head(&mut client).await.starts_with(b"HTTP/1.1 101"));
    assert_eq!(at_once(&edge).await, 1);
    close.notify_one();
    until(&edge, 0).await;
}

/// A body that nobody asked for may take its time; the request that brings it is refused, and not in flight.
#[tokio::test]
async fn what_is_refused_is_over_at_once_though_its_body_goes_on() {
    let (origin, gate) = Origin::gated("Cache-Control: no-store\r\n", "x").await;
    let deny =
        "[[limit]]\nname = \"none\"\nkey = [\"client.net\"]\nwhen = 'request.method == \"POST\"'\nrate = \"1/1h\"\n";
    let edge = Edge::before(&origin.url(), &format!("{LIMIT}{deny}")).await;
    gate.open();
    let post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    assert!(crate::support::talk(edge.address(), post.as_bytes()).await.starts_with(b"HTTP/1.1 200"));
    until(&edge, 0).await;
    let mut client = TcpStream::connect(edge.address()).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nx").await.unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with(b"HTTP/1.1 429"), "{}", String::from_utf8_lossy(&head));
    assert_eq!(at_once(&edge).await, 0);
}

/// The other way round: the client closes, and the origin is told.
#[tokio::test]
async fn a_web_socket_that_its_client_closes_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let ended = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(SWITCH.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        rest
    });
    let edge = Edge::before(&origin, LIMIT).await;
    let mut client = TcpStream::connect(edge.address()).await.unwrap();
    client.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(read_head(&mut client).await.starts_with(b"HTTP/1.1 101"));
    client.write_all(b"hello").await.unwrap();
    assert_eq!(at_once(&edge).await, 1);
    drop(client);
    until(&edge, 0).await;
    assert_eq!(ended.await.unwrap(), b"hello");
}

/// It has its place while it waits for its turn under another limit, and no longer than until that would have come.
#[tokio::test]
async fn a_client_that_leaves_the_queue_gives_its_place_back() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let turns =
        "[[limit]]\nname = \"turns\"\nkey = [\"client.net\"]\nrate = \"1/2s\"\nburst = 1\nover = { delay = \"10s\" }\n";
    let edge = Edge::before(&origin.url(), &format!("{LIMIT}{turns}")).await;
    assert_eq!(get(edge.address(), "test", "/").await.status, 200);
    until(&edge, 0).await;
    let mut client = TcpStream::connect(edge.address()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until(&edge, 1).await;
    drop(client);
    until(&edge, 0).await;
}
