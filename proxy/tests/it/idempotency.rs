//! Requests that are run once for each key, at one POP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, DEADLINE, Edge, Gate, Origin, eventually, metrics, ok, talk};
use crate::tls;

const CONFIG: &str = r#"
[storage]
state = "state"

[[idempotency]]
name = "payments"
"#;

/// The bytes of a POST with a key.
pub(crate) fn post(path: &str, key: &str, body: &str, more: &str) -> String {
    let key = if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: www.example.com\r\nAuthorization: Bearer a\r\n{key}{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

async fn pay_with(edge: &Edge, key: &str, body: &str, more: &str) -> Answer {
    let heard = talk(edge.address(), post("/pay", key, body, more).as_bytes()).await;
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

async fn pay(edge: &Edge, key: &str, body: &str) -> Answer {
    pay_with(edge, key, body, "").await
}

/// What a client is told of a request with a key: its status, what the edge says of it, and its text.
fn told(answer: &Answer) -> (u16, String, String) {
    (answer.status, answer.header("selvedge-idempotency").to_owned(), answer.text())
}

pub(crate) fn is(answer: &Answer, status: u16, word: &str, text: &str) {
    assert_eq!(told(answer), (status, word.to_owned(), text.to_owned()), "{}", answer.head);
}

/// That the edge itself refused, and why.
pub(crate) fn refused(answer: &Answer, status: u16, detail: &str) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, "application/problem+json"),
        "{}",
        answer.text()
    );
    let problem = answer.json();
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    assert!(answer.header("selvedge-idempotency").is_empty());
}

/// An origin that numbers its answers.
async fn numbering() -> Origin {
    let answers = Arc::new(AtomicUsize::new(0));
    Origin::start(move |request| {
        let nth = answers.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            match request.path() {
                "/refused" => b"HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
                "/none" => b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec(),
                "/busy" => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy".to_vec(),
                "/large" => ok("X-Large: 1\r\n", &vec![b'x'; 200_000]),
                _ => ok(
                    "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nSelvedge-Fence: 1\r\nSelvedge-Idempotency: x\r\nKeep-Alive: 5\r\n",
                    format!("payment {nth}").as_bytes(),
                ),
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_first_runs_and_its_repeats_get_the_same() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let first = pay(&edge, "\"k1\"", "{}").await;
    is(&first, 200, "first", "payment 1");
    for _ in 0..3 {
        let again = pay(&edge, "k1", "{}").await;
        is(&again, 200, "repeat", "payment 1");
        let cookies = again.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie")).count();
        assert_eq!((cookies, again.header("keep-alive"), again.header("selvedge-fence")), (2, "", ""));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        assert!(again.header("via").contains("selvedge-"), "{}", again.head);
    }
    is(&pay(&edge, "k2", "{}").await, 200, "first", "payment 2");
    let seen = origin.seen();
    let fences: Vec<u64> =
        seen.iter().map(|request| request.header("selvedge-fence").unwrap().parse().unwrap()).collect();
    assert!(fences.len() == 2 && fences[0] < fences[1], "{fences:?}");
    assert_eq!(seen[0].header("idempotency-key"), Some("\"k1\""));
    assert_eq!((seen[0].body.as_slice(), seen[0].header("selvedge-idempotency")), (&b"{}"[..], None));
    assert_eq!(seen[0].header("x-forwarded-for"), Some("127.0.0.1"));
    let text = metrics(&edge).await;
    for line in [
        "selvedge_idempotency_requests_total{outcome=\"first\",policy=\"payments\"} 2",
        "selvedge_idempotency_requests_total{outcome=\"repeat\",policy=\"payments\"} 3",
        "selvedge_idempotency_keys 2",
        "selvedge_idempotency_log_broken 0",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    edge.command(&["status"]).await;
    let log = eventually(DEADLINE, async || {
        let log = std::fs::read_to_string(edge.folder.path().join("access.log")).unwrap_or_default();
        if log.lines().count() == 5 { Ok(log) } else { Err(log) }
    });
    let log = log.await;
    assert_eq!(log.matches("\"idempotency\":\"repeat\"").count(), 3, "{log}");
}

#[tokio::test]
async fn another_body_or_target_under_a_key_is_another_request() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    is(&pay(&edge, "k", "{}").await, 200, "first", "payment 1");
    refused(&pay(&edge, "k", "{1}").await, 422, "another request's");
    refused(&pay_with(&edge, "k", "{}", "Content-Type: a/b\r\n").await, 422, "another request's");
    let elsewhere = Answer::parse(&talk(edge.address(), post("/pay?a", "k", "{}", "").as_bytes()).await).unwrap();
    refused(&elsewhere, 422, "another request's");
    // Another client's is another key.
    let other = post("/pay", "k", "{}", "").replace("Bearer a", "Bearer b");
    is(&Answer::parse(&talk(edge.address(), other.as_bytes()).await).unwrap(), 200, "first", "payment 2");
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn while_the_first_runs_its_repeats_are_told_so() {
    let (origin, gate) = Origin::gated("", "paid").await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let (address, request) = (edge.address(), post("/pay", "k", "{}", ""));
    let first = tokio::spawn(async move { talk(address, request.as_bytes()).await });
    asked(&origin, 1).await;
    let again = pay(&edge, "k", "{}").await;
    refused(&again, 409, "still being processed");
    assert_eq!(again.header("retry-after"), "1");
    gate.open();
    is(&Answer::parse(&first.await.unwrap()).unwrap(), 200, "first", "paid");
    is(&pay(&edge, "k", "{}").await, 200, "repeat", "paid");
    assert_eq!(origin.seen().len(), 1);
}

pub(crate) async fn asked(origin: &Origin, times: usize) {
    eventually(DEADLINE, async || match origin.seen().len() {
        seen if seen == times => Ok(()),
        seen => Err(format!("asked {seen} times")),
    })
    .await;
}

#[tokio::test]
async fn a_key_may_be_needed_and_has_to_be_one() {
    let origin = numbering().await;
    let edge =
        Edge::before(&origin.url(), &format!("{CONFIG}when = 'request.path == \"/pay\"'\nrequired = true\n")).await;
    refused(&pay(&edge, "", "{}").await, 400, "needs an Idempotency-Key");
    refused(&pay(&edge, "a b", "{}").await, 400, "is one string");
    refused(&pay(&edge, "\"a", "{}").await, 400, "is one string");
    let free = Answer::parse(&talk(edge.address(), post("/free", "", "{}", "").as_bytes()).await).unwrap();
    is(&free, 200, "", "payment 1");
    assert_eq!(origin.seen()[0].header("selvedge-fence"), None);
}

#[tokio::test]
async fn without_a_key_a_request_goes_on_as_any_other() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    for nth in 1..=2 {
        // What an origin says of it is not the edge's word.
        assert_eq!(pay(&edge, "", "{}").await.text(), format!("payment {nth}"));
    }
    let forged = "Selvedge-Fence: 99\r\nSelvedge-Run: e30=\r\nSelvedge-Idempotency: alone\r\n";
    assert_eq!(pay_with(&edge, "", "{}", forged).await.text(), "payment 3");
    let head = origin.seen()[2].head.to_ascii_lowercase();
    assert!(!head.contains("selvedge-fence") && !head.contains("selvedge-run") && !head.contains("alone"), "{head}");
}

#[tokio::test]
async fn what_the_origin_answers_is_what_repeats_get_whatever_it_is() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), &format!("{CONFIG}not_done = [503]\nresponse_max = \"100KiB\"\n")).await;
    let at = async |path: &str| {
        let heard = talk(edge.address(), post(path, &path[1..], "{}", "").as_bytes()).await;
        Answer::parse(&heard).unwrap()
    };
    for (path, status) in [("/refused", 402), ("/none", 204)] {
        is(&at(path).await, status, "first", "");
        is(&at(path).await, status, "repeat", "");
    }
    assert_eq!(origin.seen().len(), 2);
    // By this one it says that it did nothing.
    is(&at("/busy").await, 503, "first", "busy");
    is(&at("/busy").await, 503, "first", "busy");
    assert_eq!(origin.seen().len(), 4);
    let large = at("/large").await;
    assert_eq!((large.status, large.body.len(), large.header("x-large")), (200, 200_000, "1"));
    assert_eq!(large.header("selvedge-idempotency"), "first");
    refused(&at("/large").await, 409, "answered with 200");
    assert_eq!(origin.seen().len(), 5);
}

#[tokio::test]
async fn bodies_are_bounded_and_come_whole_in_whichever_way() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), &format!("{CONFIG}body_max = \"100KiB\"\n")).await;
    refused(&pay(&edge, "long", &"x".repeat(100 * 1024 + 1)).await, 413, "102400 bytes at most");
    let body = "x".repeat(100 * 1024);
    is(&pay(&edge, "k", &body).await, 200, "first", "payment 1");
    assert_eq!(origin.seen()[0].body, body.as_bytes());
    // In chunks, and after leave to send it.
    let head = "POST /pay HTTP/1.1\r\nHost: www.example.com\r\nAuthorization: Bearer a\r\nIdempotency-Key: c\r\nConnection: close\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    is(&Answer::parse(&talk(edge.address(), chunked.as_bytes()).await).unwrap(), 200, "first", "payment 2");
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    stream.write_all(format!("{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n").as_bytes()).await.unwrap();
    let mut leave = vec![0; 25];
    stream.read_exact(&mut leave).await.unwrap();
    assert_eq!(leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    is(&Answer::parse(&heard).unwrap(), 200, "repeat", "payment 2");
    let too_long =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", 102_401, "x".repeat(102_401));
    refused(&Answer::parse(&talk(edge.address(), too_long.as_bytes()).await).unwrap(), 413, "at most");
    assert_eq!((origin.seen().len(), origin.seen()[1].body.as_slice()), (2, &b"{}"[..]));
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_its_request() {
    let (origin, gate) = Origin::gated("", "paid").await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    stream.write_all(post("/pay", "k", "{}", "").as_bytes()).await.unwrap();
    asked(&origin, 1).await;
    drop(stream);
    refused(&pay(&edge, "k", "{}").await, 409, "still being processed");
    gate.open();
    let again = eventually(DEADLINE, async || match pay(&edge, "k", "{}").await {
        answer if answer.status == 200 => Ok(answer),
        answer => Err(answer.text()),
    })
    .await;
    is(&again, 200, "repeat", "paid");
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn what_was_run_is_known_after_a_stop_and_after_a_crash() {
    let origin = numbering().await;
    let mut edge = Edge::before(&origin.url(), CONFIG).await;
    is(&pay(&edge, "k", "{}").await, 200, "first", "payment 1");
    for crash in [false, true] {
        let folder = if crash { edge.kill().await } else { edge.stop().await };
        edge = Edge::start(folder).await;
        is(&pay(&edge, "k", "{}").await, 200, "repeat", "payment 1");
    }
    is(&pay(&edge, "l", "{}").await, 200, "first", "payment 2");
    let fences: Vec<u64> =
        origin.seen().iter().map(|request| request.header("selvedge-fence").unwrap().parse().unwrap()).collect();
    assert!(fences[0] < fences[1], "{fences:?}");
}

#[tokio::test]
async fn killed_while_it_runs_it_is_in_doubt_and_not_run_again() {
    let (origin, gate) = Origin::gated("", "paid").await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let mut stream = TcpStream::connect(edge.address()).await.unwrap();
    stream.write_all(post("/pay", "k", "{}", "").as_bytes()).await.unwrap();
    asked(&origin, 1).await;
    let mut edge = Edge::start(edge.kill().await).await;
    gate.open();
    for _ in 0..2 {
        let again = pay(&edge, "k", "{}").await;
        refused(&again, 409, "what became of it is not known");
        assert_eq!(again.header("retry-after"), "");
        refused(&pay(&edge, "k", "{1}").await, 422, "another request's");
        edge = Edge::start(edge.stop().await).await;
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn an_origin_that_breaks_off_leaves_its_key_in_doubt_and_one_that_is_not_there_does_not() {
    let broken = Origin::start(|_| async { b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_vec() }).await;
    let edge = Edge::before(&broken.url(), CONFIG).await;
    for _ in 0..2 {
        let silent = Answer::parse(&talk(edge.address(), post("/a", "k", "", "").as_bytes()).await).unwrap();
        assert!(matches!(silent.status, 502 | 409), "{}", silent.head);
    }
    assert_eq!(broken.seen().len(), 1);
    // A port that nobody listens at, and then somebody does.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let edge = Edge::before(&address.to_string(), CONFIG).await;
    for _ in 0..2 {
        let answer = pay(&edge, "k", "{}").await;
        assert_eq!(answer.status, 502, "{}", answer.text());
    }
    let text = metrics(&edge).await;
    assert!(text.contains("selvedge_idempotency_requests_total{outcome=\"not-run\",policy=\"payments\"} 2"), "{text}");
}

#[tokio::test]
async fn in_a_hand_over_each_key_is_run_by_one_of_the_two() {
    let held = Gate::closed();
    let gate = held.clone();
    let origin = Origin::start(move |request| {
        let gate = gate.clone();
        async move {
            if request.path() == "/slow" {
                gate.pass().await;
            }
            ok("", b"paid")
        }
    })
    .await;
    let mut old = Edge::before(&origin.url(), CONFIG).await;
    is(&pay(&old, "k", "{}").await, 200, "first", "paid");
    let address = old.address();
    let slow = tokio::spawn(async move { talk(address, post("/slow", "slow", "{}", "").as_bytes()).await });
    asked(&origin, 2).await;
    let new = old.successor().await;
    is(&pay(&new, "k", "{}").await, 200, "repeat", "paid");
    let again = Answer::parse(&talk(new.address(), post("/slow", "slow", "{}", "").as_bytes()).await).unwrap();
    refused(&again, 409, "not known");
    held.open();
    is(&Answer::parse(&slow.await.unwrap()).unwrap(), 200, "first", "paid");
    let again = Answer::parse(&talk(new.address(), post("/slow", "slow", "{}", "").as_bytes()).await).unwrap();
    is(&again, 200, "repeat", "paid");
    assert_eq!(old.ended().await, Some(0));
    is(&pay(&new, "l", "{}").await, 200, "first", "paid");
    assert_eq!(origin.seen().len(), 3);
}

#[tokio::test]
async fn a_process_that_is_asked_to_end_brings_its_runs_to_theirs() {
    let (origin, gate) = Origin::gated("", "paid").await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let address = edge.address();
    let first = tokio::spawn(async move { talk(address, post("/pay", "k", "{}", "").as_bytes()).await });
    asked(&origin, 1).await;
    edge.signal("TERM").await;
    gate.open();
    is(&Answer::parse(&first.await.unwrap()).unwrap(), 200, "first", "paid");
    let mut edge = edge;
    assert_eq!(edge.ended().await, Some(0));
    let edge = Edge::start(edge.folder).await;
    is(&pay(&edge, "k", "{}").await, 200, "repeat", "paid");
    assert_eq!(origin.seen().len(), 1);
}

/// What is too long to be kept, and does not say how long it is.
#[tokio::test]
async fn a_long_response_in_chunks_reaches_the_client_whole() {
    let origin = Origin::start(|_| async {
        let chunk = format!("{:x}\r\n{}\r\n", 50_000, "y".repeat(50_000));
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(6)).into_bytes()
    })
    .await;
    let edge = Edge::before(&origin.url(), CONFIG).await;
    let answer = pay(&edge, "k", "{}").await;
    assert_eq!((answer.status, answer.body.len()), (200, 300_000), "{}", answer.head);
    refused(&pay(&edge, "k", "{}").await, 409, "answered with 200");
}

#[tokio::test]
async fn over_http_2_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let authority = tls::certificates(folder.path(), &["a.example"]);
    let origin = numbering().await;
    let config = format!("{}{CONFIG}", tls::config(folder.path(), &["a.example"], &origin.url()));
    let edge = Edge::with(&config).await;
    let stream = tls::connect(&edge, &authority, "a.example", "h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, key, word, length) in
        [("/pay", "a", "first", 9), ("/pay", "a", "repeat", 9), ("/large", "b", "first", 200_000)]
    {
        let request = hyper::Request::post(format!("https://a.example{path}"))
            .header("idempotency-key", key)
            .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["selvedge-idempotency"]),
            (200, &word.parse().unwrap())
        );
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), length);
    }
    assert_eq!((origin.seen().len(), origin.seen()[0].body.as_slice()), (2, &b"{}"[..]));
}

#[tokio::test]
async fn rules_and_limits_come_first() {
    let origin = numbering().await;
    let limit = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"1/1h\"\nburst = 2\n[[rule]]\nname = \"no\"\nwhen = 'request.path == \"/no\"'\ndo = { deny = 403 }\n\
        [[rule]]\nname = \"field\"\nphase = \"response\"\ndo = { set_response_headers = { \"x-rule\" = '\"1\"' } }\n";
    let edge = Edge::before(&origin.url(), &format!("{CONFIG}{limit}")).await;
    let denied = Answer::parse(&talk(edge.address(), post("/no", "k", "{}", "").as_bytes()).await).unwrap();
    assert_eq!(denied.status, 403);
    assert_eq!(pay(&edge, "k", "{}").await.header("x-rule"), "1");
    let again = pay(&edge, "k", "{}").await;
    assert_eq!((again.header("x-rule"), again.header("selvedge-idempotency")), ("1", "repeat"));
    assert_eq!(pay(&edge, "k", "{}").await.status, 429, "a repeat is a request");
}
