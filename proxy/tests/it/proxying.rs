//! What passes through: requests to the origin with the right marks, responses back, and nothing that should stay out.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Edge, Origin, get, get_with, talk};

#[tokio::test]
async fn a_request_reaches_the_origin_with_its_host_and_the_edge_s_marks() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "from the origin").await;
    let edge = Edge::before(&origin.url(), "[pop]\nname = \"fra\"\n").await;
    let answer = get_with(
        edge.address(),
        "www.example.com:8080",
        "/a?b=c",
        "X-Real-IP: 9.9.9.9\r\nX-Forwarded-For: 9.9.9.9\r\nX_Forwarded_For: 9.9.9.9\r\nX-Original-URL: /admin\r\n",
    )
    .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "from the origin"));
    assert_eq!(answer.header("via"), "1.1 selvedge-fra");
    assert_eq!(answer.header("x-request-id").len(), 16);
    let seen = origin.seen().remove(0);
    assert_eq!(seen.path(), "/a?b=c");
    assert_eq!(seen.header("host"), Some("www.example.com:8080"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "a stranger's claim is not passed on");
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("www.example.com:8080"));
    for claim in ["x-real-ip", "x_forwarded_for", "x-original-url"] {
        assert_eq!(seen.header(claim), None, "{claim}");
    }
    assert_eq!(seen.header("via"), Some("1.1 selvedge-fra"));
    assert_eq!(seen.header("cdn-loop"), Some("selvedge-fra"));
    assert_eq!(seen.header("x-request-id"), Some(answer.header("x-request-id")));
}

/// RFC 9110 section 7.6.2.
#[tokio::test]
async fn nobody_passes_on_what_may_go_no_further() {
    let origin = Origin::fixed("Allow: GET\r\n", "").await;
    let edge = Edge::before(&origin.url(), "").await;
    let said = |method: &str, left: u8| {
        format!("{method} / HTTP/1.1\r\nHost: test\r\nMax-Forwards: {left}\r\nConnection: close\r\n\r\n")
    };
    for (method, left, status, seen) in
        [("OPTIONS", 0, 204, 0), ("TRACE", 0, 501, 0), ("GET", 0, 200, 1), ("OPTIONS", 3, 200, 2)]
    {
        let answer = Answer::parse(&talk(edge.address(), said(method, left).as_bytes()).await).expect("an answer");
        assert_eq!((answer.status, origin.seen().len()), (status, seen), "{method} {left}");
    }
    let fields: Vec<_> = origin.seen().iter().map(|seen| seen.header("max-forwards").map(str::to_owned)).collect();
    assert_eq!(fields, [Some("0".to_owned()), Some("2".to_owned())]);
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let origin = Origin::fixed("", "x").await;
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n",
        origin.url()
    );
    let edge = Edge::with(&config).await;
    get_with(edge.address(), "test", "/", "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n").await;
    let seen = origin.seen().remove(0);
    assert_eq!(seen.header("x-forwarded-for"), Some("192.0.2.9, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn only_configured_hosts_are_served() {
    let origin = Origin::fixed("", "x").await;
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"{}\"]\n[site.\"www.example.com\"]\norigin = \"app\"\n",
        origin.url()
    );
    let edge = Edge::with(&config).await;
    assert_eq!(get(edge.address(), "WWW.example.com.", "/").await.status, 200);
    let refused = get(edge.address(), "other.example.com", "/").await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json()["request_id"], refused.header("x-request-id"));
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_body_passes_and_two_requests_share_a_connection() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "thanks").await;
    let edge = Edge::before(&origin.url(), "").await;
    let say = "POST /one HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello\
               GET /two HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    let (first, second) = say.split_at(say.find("GET").unwrap());
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while Answer::parse(&heard).is_none() {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
    }
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(Answer::parse(&rest).unwrap().text(), "thanks");
    let seen = origin.seen();
    assert_eq!(seen[0].body, b"hello");
    assert_eq!(seen[1].path(), "/two");
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_never_reach_the_origin() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    for (say, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400),
        ("GET foo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n", 405),
    ] {
        let heard = talk(edge.address(), say.as_bytes()).await;
        let answer = Answer::parse(&heard).unwrap_or_else(|| panic!("{say:?}: {}", String::from_utf8_lossy(&heard)));
        assert_eq!(answer.status, expected, "{say:?}");
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn an_absolute_target_reaches_the_origin_as_a_path() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    let say = b"GET http://a.example/b?c HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&talk(edge.address(), say).await).unwrap().status, 200);
    assert_eq!(origin.seen()[0].path(), "/b?c");
    assert_eq!(origin.seen()[0].header("host"), Some("a.example"));
}

#[tokio::test]
async fn a_refused_upload_gets_its_answer_and_the_connection_goes_on() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), "[pop]\nname = \"fra\"\n").await;
    let body = "x".repeat(200_000);
    let head = format!(
        "POST /loop HTTP/1.1\r\nHost: test\r\nCDN-Loop: selvedge-fra\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while Answer::parse(&heard).is_none() {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
    }
    assert_eq!(Answer::parse(&heard).unwrap().status, 508);
    stream.write_all(b"GET /next HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(Answer::parse(&rest).unwrap().status, 200);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_request_that_went_round_is_stopped() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "[pop]\nname = \"fra\"\n").await;
    assert_eq!(get_with(edge.address(), "test", "/", "CDN-Loop: selvedge-fra\r\n").await.status, 508);
    assert_eq!(get_with(edge.address(), "test", "/", "CDN-Loop: selvedge-ams\r\n").await.status, 200);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_web_socket_passes_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(String::from_utf8_lossy(&head).to_lowercase().contains("upgrade: websocket"));
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        stream.write_all(switch.as_bytes()).await.unwrap();
        let mut said = [0; 4];
        stream.read_exact(&mut said).await.unwrap();
        said.reverse();
        stream.write_all(&said).await.unwrap();
    });
    let edge = Edge::before(&origin, "").await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    let ask = "GET /chat HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"gnip");
}
