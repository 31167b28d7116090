//! Forms that rules ask for: read before the decision, whole at the origin, and never read when nobody asks.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, talk};
use crate::tls;

/// A user who may not come in.
const RULES: &str = r#"
[[rule]]
name = "no-mallory"
when = 'request.form("user") == "mallory"'
do = { deny = 403 }
"#;

const TYPE: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /login HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{TYPE}{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn answer(edge: &Edge, say: &[u8]) -> Answer {
    let heard = talk(edge.address(), say).await;
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

#[tokio::test]
async fn a_form_is_asked_and_reaches_the_origin_whole() {
    let origin = Origin::fixed("", "welcome").await;
    let edge = Edge::before(&origin.url(), RULES).await;
    assert_eq!(answer(&edge, &post("", "a=b&user=%6Dallory")).await.status, 403);
    assert!(origin.seen().is_empty());
    // As large as is read: more than one read of the socket.
    let body = format!("user=alice&rest={}", "x".repeat(64 * 1024 - 16));
    assert_eq!(body.len(), 64 * 1024);
    assert_eq!(answer(&edge, &post("", &body)).await.text(), "welcome");
    assert_eq!(origin.seen()[0].body, body.as_bytes());
}

#[tokio::test]
async fn however_a_form_is_framed_it_is_seen() {
    let origin = Origin::fixed("", "welcome").await;
    let edge = Edge::before(&origin.url(), RULES).await;
    let head = format!("POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{TYPE}");
    let chunked = |user: &str| {
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nuser=\r\n{:x}\r\n{user}\r\n0\r\n\r\n", user.len())
    };
    assert_eq!(answer(&edge, chunked("mallory").as_bytes()).await.status, 403);
    assert_eq!(answer(&edge, chunked("alice").as_bytes()).await.text(), "welcome");
    assert_eq!(origin.seen()[0].body, b"user=alice");
    let types = post("Content-Type: text/plain\r\n", "user=mallory");
    assert_eq!(answer(&edge, &types).await.status, 403);
    for odd in [&b"; a=\xff"[..], b" x", b", \xff"] {
        let mut request = post("", "user=mallory");
        let end = request.windows(10).position(|part| part == b"urlencoded").unwrap() + 10;
        request.splice(end..end, odd.iter().copied());
        assert_eq!(answer(&edge, &request).await.status, 403, "{}", odd.escape_ascii());
    }
    // Two lengths are one when they agree, and no request when they do not (RFC 9110 section 8.6).
    for (lengths, status) in [("Content-Length: 12\r\n", 403), ("Content-Length: 11\r\n", 400)] {
        assert_eq!(answer(&edge, &post(lengths, "user=mallory")).await.status, status, "{lengths}");
    }
    for lengths in ["12, 12", "12,11"] {
        let request = format!("{head}Content-Length: {lengths}\r\n\r\nuser=mallory");
        let status = answer(&edge, request.as_bytes()).await.status;
        assert!([400, 403].contains(&status), "{lengths}: {status}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_form_that_a_rule_has_to_see_and_is_too_long_is_refused() {
    let origin = Origin::fixed("", "welcome").await;
    let edge = Edge::before(&origin.url(), RULES).await;
    let body = format!("user=mallory&rest={}", "x".repeat(64 * 1024));
    let refused = answer(&edge, &post("", &body)).await;
    assert_eq!(refused.status, 413);
    assert!(refused.text().contains("65536"), "{}", refused.text());
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(answer(&edge, chunked.as_bytes()).await.status, 413);
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_nobody_asks_for_goes_by_unread() {
    let origin = Origin::fixed("", "welcome").await;
    let here = RULES.replace("when = '", "when = 'request.path == \"/login\" && ");
    let watched = here.replace("name = \"no-mallory\"", "name = \"watch\"\nmode = \"monitor\"");
    let edge = Edge::before(&origin.url(), &format!("{here}{watched}")).await;
    let body = format!("user=mallory&rest={}", "x".repeat(64 * 1024));
    let request = String::from_utf8(post("", &body)).unwrap();
    assert_eq!(answer(&edge, request.replace("/login", "/upload").as_bytes()).await.status, 200);
    assert_eq!(origin.seen()[0].body, body.as_bytes());
    let json = "POST /login HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\n\
                Content-Length: 12\r\n\r\nuser=mallory";
    assert_eq!(answer(&edge, json.as_bytes()).await.status, 200);
    // A rule that only watches makes nobody fail that could be told to be too long before it was read.
    let edge = Edge::before(&origin.url(), &watched).await;
    assert_eq!(answer(&edge, request.as_bytes()).await.status, 200);
    let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let seen = origin.seen().len();
    assert_eq!(answer(&edge, request.replace(&length, &chunks).as_bytes()).await.status, 413);
    assert_eq!(origin.seen().len(), seen, "what was read of it is not there for the origin any more");
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it_and_is_seen() {
    let origin = Origin::fixed("", "welcome").await;
    let edge = Edge::before(&origin.url(), RULES).await;
    for (user, status) in [("mallory", 403), ("alice", 200)] {
        let body = format!("user={user}");
        let request = String::from_utf8(post("Expect: 100-continue\r\n", &body)).unwrap();
        let (head, body) = request.split_at(request.len() - body.len());
        let mut stream = TcpStream::connect(edge.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut leave = [0; 25];
        stream.read_exact(&mut leave).await.unwrap();
        assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(Answer::parse(&heard).unwrap().status, status);
    }
    let seen = origin.seen();
    assert_eq!((seen.len(), seen[0].header("expect"), seen[0].body.as_slice()), (1, None, &b"user=alice"[..]));
}

#[tokio::test]
async fn the_connection_goes_on_after_a_form() {
    let origin = Origin::fixed("", "welcome").await;
    let edge = Edge::before(&origin.url(), RULES).await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    for (user, status) in [("mallory", 403), ("alice", 200), ("mallory", 403), ("bob", 200)] {
        let body = format!("user={user}");
        let request = String::from_utf8(post("", &body)).unwrap().replace("Connection: close\r\n", "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while Answer::parse(&heard).is_none() {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "{}", String::from_utf8_lossy(&heard));
        }
        assert_eq!(Answer::parse(&heard).unwrap().status, status);
    }
}

#[tokio::test]
async fn a_form_is_sent_again_to_the_second_server() {
    let origin = Origin::fixed("", "welcome").await;
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"http://{gone}\", \"{}\"]\n[site.\"*\"]\norigin = \"app\"\n{RULES}",
        origin.url()
    );
    let edge = Edge::with(&config).await;
    for round in 0..4 {
        let body = format!("user=alice&round={round}");
        assert_eq!(answer(&edge, &post("", &body)).await.status, 200);
        assert_eq!(origin.seen()[round].body, body.as_bytes());
    }
}

#[tokio::test]
async fn a_form_that_stops_coming_ends_in_408() {
    let origin = Origin::fixed("", "welcome").await;
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\nread_timeout = \"200ms\"\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n{RULES}",
        origin.url()
    );
    let edge = Edge::with(&config).await;
    let say = format!("POST / HTTP/1.1\r\nHost: test\r\n{TYPE}Content-Length: 100\r\n\r\nuser=mal");
    assert_eq!(answer(&edge, say.as_bytes()).await.status, 408);
    assert!(origin.seen().is_empty());
}

/// A body that does not say how long it is.
struct NoLength(Full<Bytes>);

impl Body for NoLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn forms_are_read_over_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let authority = tls::certificates(folder.path(), &["a.example"]);
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "welcome").await;
    let config = format!("{}{RULES}", tls::config(folder.path(), &["a.example"], &origin.url()));
    let edge = Edge::with(&config).await;
    let stream = tls::connect(&edge, &authority, "a.example", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (user, status) in [("alice", 200), ("mallory", 403), ("bob", 200)] {
        let body = format!("user={user}&rest={}", "y".repeat(20_000));
        let request = hyper::Request::post("https://a.example/%6Cogin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(NoLength(Full::new(Bytes::from(body.clone()))))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{user}");
        response.into_body().collect().await.unwrap();
        if status == 200 {
            let seen = eventually(DEADLINE, async || origin.seen().pop().ok_or("nothing".to_owned())).await;
            assert_eq!((seen.path(), seen.body.len()), ("/login", body.len()));
        }
    }
    assert_eq!(origin.seen().len(), 2);
}
