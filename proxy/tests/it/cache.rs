//! What the cache promises, seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get, get_with, ok, talk};

#[tokio::test]
async fn a_stored_answer_is_served_with_its_age_and_status() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "once").await;
    let edge = Edge::before(&origin.url(), "[pop]\nname = \"fra\"\n").await;
    let first = get(edge.address(), "test", "/").await;
    assert!(
        first.header("cache-status").starts_with("selvedge-fra; fwd=uri-miss; stored"),
        "{}",
        first.header("cache-status")
    );
    let second = get(edge.address(), "test", "/").await;
    assert!(second.header("cache-status").starts_with("selvedge-fra; hit; ttl="), "{}", second.header("cache-status"));
    assert!(second.header("age").parse::<u64>().is_ok());
    assert_eq!(second.text(), "once");
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"), "nothing of a request is stored");
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn two_hosts_never_share_an_entry() {
    let origin = Origin::start(|request| async move {
        ok("Cache-Control: max-age=60\r\n", request.header("host").unwrap_or("").as_bytes())
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    for _ in 0..3 {
        for host in ["a.example", "b.example", "a.example.b.example"] {
            assert_eq!(get(edge.address(), host, "/same").await.text(), host);
        }
    }
    assert_eq!(origin.seen().len(), 3);
}

#[tokio::test]
async fn a_port_or_a_spelling_of_the_host_cannot_poison_an_entry() {
    let origin = Origin::start(|request| async move {
        let named =
            format!("{} {}", request.header("host").unwrap_or(""), request.header("x-forwarded-host").unwrap_or(""));
        ok("Cache-Control: max-age=60\r\n", named.as_bytes())
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    assert_eq!(get(edge.address(), "a.example:1337", "/").await.text(), "a.example:1337 a.example:1337");
    assert_eq!(get(edge.address(), "A.example.", "/").await.text(), "a.example a.example");
    assert_eq!(get(edge.address(), "a.example:80", "/").await.text(), "a.example a.example");
    assert_eq!(get(edge.address(), "a.example", "/").await.text(), "a.example a.example");
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn what_must_not_be_stored_is_not() {
    for headers in [
        "",
        "Cache-Control: no-store\r\n",
        "Cache-Control: private, max-age=60\r\n",
        "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n",
        "Cache-Control: max-age=60\r\nVary: *\r\n",
    ] {
        let origin = Origin::start(move |_| async move { ok(headers, b"x") }).await;
        let edge = Edge::before(&origin.url(), "").await;
        get(edge.address(), "test", "/").await;
        get(edge.address(), "test", "/").await;
        assert_eq!(origin.seen().len(), 2, "{headers:?}");
    }
}

#[tokio::test]
async fn two_hundred_misses_at_once_make_one_fetch() {
    let (origin, gate) = Origin::gated("Cache-Control: max-age=60\r\n", "shared").await;
    let edge = Edge::before(&origin.url(), "").await;
    let together = Arc::new(Barrier::new(201));
    let mut clients = JoinSet::new();
    for _ in 0..200 {
        let (together, to) = (Arc::clone(&together), edge.address());
        clients.spawn(async move {
            together.wait().await;
            get(to, "test", "/").await
        });
    }
    together.wait().await;
    eventually(DEADLINE, async || if origin.seen().is_empty() { Err("no fetch".to_owned()) } else { Ok(()) }).await;
    gate.open();
    for answer in clients.join_all().await {
        assert_eq!((answer.status, answer.text().as_str()), (200, "shared"));
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_thousand_waiters_on_a_slow_origin_make_at_most_two_fetches() {
    let (origin, gate) = Origin::gated("Cache-Control: max-age=60\r\n", "late").await;
    let edge = Edge::before(&origin.url(), "[storage]\nfill_wait = \"2s\"\n").await;
    let mut clients = JoinSet::new();
    for _ in 0..1000 {
        let to = edge.address();
        clients.spawn(async move { get(to, "test", "/").await });
    }
    let mut refused = 0;
    // The two that were sent to the origin wait for it; everybody else is told to come back.
    while refused < 998 {
        let answer = clients.join_next().await.expect("a client").expect("an answer");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
        refused += 1;
    }
    assert!(origin.seen().len() <= 2, "{} fetches", origin.seen().len());
    gate.open();
    for answer in clients.join_all().await {
        assert!(answer.status == 200 || answer.status == 503);
    }
    assert!(origin.seen().len() <= 2, "{} fetches", origin.seen().len());
}

#[tokio::test]
async fn a_truncated_answer_is_never_stored() {
    for short in [
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let origin =
            Origin::start(move |_| {
                let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
                async move {
                    if first { short.as_bytes().to_vec() } else { ok("Cache-Control: max-age=60\r\n", b"whole body") }
                }
            })
            .await;
        let edge = Edge::before(&origin.url(), "").await;
        let ask = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        let first = Answer::parse(&talk(edge.address(), ask).await);
        assert!(first.is_none_or(|answer| answer.status >= 500), "a broken answer must not look whole");
        // Whoever comes before the broken fill is gone may read along and is broken off like the first.
        let second =
            eventually(DEADLINE, async || Answer::parse(&talk(edge.address(), ask).await).ok_or("broken off".into()));
        assert_eq!(second.await.text(), "whole body");
        assert_eq!(get(edge.address(), "test", "/").await.text(), "whole body");
    }
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_from_the_cache() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\nETag: \"v1\"\r\n", "0123456789").await;
    let edge = Edge::before(&origin.url(), "").await;
    get(edge.address(), "test", "/").await;
    let part = get_with(edge.address(), "test", "/", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let nothing = get_with(edge.address(), "test", "/", "Range: bytes=-0\r\n").await;
    assert!(matches!(nothing.status, 200 | 416), "{}", nothing.status);
    let same = get_with(edge.address(), "test", "/", "If-None-Match: \"v1\"\r\n").await;
    assert_eq!(same.status, 304);
    let head = talk(edge.address(), b"HEAD / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-length: 10") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn variants_are_kept_apart() {
    let origin = Origin::start(|request| async move {
        let language = request.header("accept-language").unwrap_or("none").to_owned();
        ok("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", language.as_bytes())
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    for _ in 0..2 {
        for language in ["de", "fr"] {
            let more = format!("Accept-Language: {language}\r\n");
            assert_eq!(get_with(edge.address(), "test", "/", &more).await.text(), language);
        }
    }
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn a_hit_with_a_body_leaves_nothing_for_the_next_request() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "stored").await;
    let edge = Edge::before(&origin.url(), "").await;
    get(edge.address(), "test", "/").await;
    // The body of the first request must not be read as a second one.
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let say = format!("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    let _ = talk(edge.address(), format!("{say}GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    assert!(origin.seen().iter().all(|request| request.path() != "/smuggled"));
}

/// Its length is known when it is there, and with that its ranges.
#[tokio::test]
async fn what_came_in_chunks_is_stored_with_its_length() {
    let origin = Origin::start(|_| async move {
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n".to_vec()
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    assert_eq!(get(edge.address(), "test", "/").await.text(), "abcdefg");
    let stored = get(edge.address(), "test", "/").await;
    assert_eq!((stored.header("content-length"), stored.text().as_str()), ("7", "abcdefg"));
    let part = get_with(edge.address(), "test", "/", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status, part.header("content-range"), part.text().as_str()), (206, "bytes 2-4/7", "cde"));
    assert_eq!(origin.seen().len(), 1);
}
