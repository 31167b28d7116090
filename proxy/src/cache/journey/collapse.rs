//! Many requests for one thing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Edge, Origin, Step, WAIT, chunked, ok};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_misses_are_one_fetch() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_, _| {
        let mut steps = vec![Step::Hold(Arc::clone(&held))];
        steps.extend(chunked("Cache-Control: max-age=60\r\n", &[7; 300_000]));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    permits.add_permits(200);
    while let Some(reply) = clients.join_next().await {
        let reply = reply.expect("no panic");
        assert_eq!((reply.status, reply.whole()), (200, &[7; 300_000][..]));
    }
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_wait_for_a_slow_origin_are_two_fetches() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_, _| {
        let mut steps = vec![Step::Hold(Arc::clone(&held))];
        steps.extend(ok("Cache-Control: max-age=60\r\n", b"late"));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, Duration::from_secs(3)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    // All but the two leaders are refused; then the origin answers.
    for _ in 0..998 {
        let reply = clients.join_next().await.expect("a client").expect("no panic");
        assert_eq!((reply.status, reply.field("retry-after")), (503, "2"));
    }
    permits.add_permits(2);
    while let Some(reply) = clients.join_next().await {
        assert_eq!(reply.expect("no panic").whole(), b"late");
    }
    assert_eq!(origin.asked(), 2);
    assert_eq!(edge.get("/").await.cache(), "pop; hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_vain_gets_a_stale_answer_if_one_is_allowed() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        let mut steps = if nth == 1 { vec![] } else { vec![Step::Hold(Arc::clone(&held))] };
        steps.extend(ok("Cache-Control: max-age=60, stale-if-error=60\r\nVary: x-v\r\n", b"stored"));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, Duration::from_millis(1500)));
    edge.get("/").await;
    edge.expire("/").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    // All but the two leaders.
    for _ in 0..4 {
        let reply = clients.join_next().await.expect("a client").expect("no panic");
        assert_eq!((reply.status, reply.whole()), (200, &b"stored"[..]));
        assert!(reply.cache().ends_with("detail=stale-if-error"), "{}", reply.cache());
    }
    permits.add_permits(2);
    while let Some(reply) = clients.join_next().await {
        assert_eq!(reply.expect("no panic").whole(), b"stored");
    }
    assert_eq!(origin.asked(), 3);
}

/// What an origin that was down answered is no reason to ask it once for each client when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_an_error_misses_are_one_fetch_as_ever() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        if nth == 1 {
            return vec![Step::Write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec())];
        }
        let mut steps = vec![Step::Hold(Arc::clone(&held))];
        steps.extend(ok("Cache-Control: max-age=60\r\n", b"body"));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    let failed = edge.get("/").await;
    assert_eq!((failed.status, failed.cache().as_str()), (500, "pop; fwd=uri-miss; detail=error"));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    permits.add_permits(30);
    for answer in clients.join_all().await {
        assert_eq!(answer.whole(), b"body");
    }
    assert_eq!(origin.asked(), 2);
}

/// Who waited in vain gets what is stored, as the one who asked does in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_vain_gets_what_is_stale() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        let mut steps = if nth == 1 { Vec::new() } else { vec![Step::Hold(Arc::clone(&held)), Step::Close] };
        steps.extend(ok("Cache-Control: max-age=60\r\n", b"body"));
        steps
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, Duration::from_secs(2)));
    edge.get("/").await;
    edge.expire("/").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    // All but those who ask the origin.
    for _ in 0..8 {
        let answer = clients.join_next().await.expect("a client").expect("no panic");
        assert_eq!((answer.status, answer.whole()), (200, &b"body"[..]));
    }
    permits.add_permits(10);
}
