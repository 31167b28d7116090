//! What is stored and what only passes.

use std::sync::Arc;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::{Edge, Origin, Step, WAIT, chunked, ok};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_then_a_hit_then_a_range() {
    let origin =
        Origin::start(|_, _| ok("Cache-Control: max-age=60\r\nAge: 7\r\nKeep-Alive: x\r\nX-A: 1\r\n", b"0123456789"))
            .await;
    let edge = Edge::new(&origin, WAIT);
    let miss = edge.get("/").await;
    assert_eq!(
        (miss.status, miss.whole(), miss.cache().as_str()),
        (200, &b"0123456789"[..], "pop; fwd=uri-miss; stored")
    );
    assert_eq!((miss.field("age"), miss.field("x-a")), ("7", "1"));
    let hit = edge.get("/").await;
    assert_eq!((hit.status, hit.whole(), hit.cache().as_str()), (200, &b"0123456789"[..], "pop; hit"));
    assert_eq!((hit.field("x-a"), hit.field("keep-alive")), ("1", ""));
    assert!(hit.field("age").parse::<u64>().expect("a number") >= 7);
    let range = edge.ask("GET", "/", &[("range", "bytes=2-4")]).await;
    assert_eq!((range.status, range.whole(), range.field("content-range")), (206, &b"234"[..], "bytes 2-4/10"));
    let none = edge.ask("GET", "/", &[("range", "bytes=-0")]).await;
    assert_eq!((none.status, none.whole()), (200, &b"0123456789"[..]));
    let head = edge.ask("HEAD", "/", &[]).await;
    assert_eq!((head.status, head.whole(), head.field("content-length")), (200, &b""[..], "10"));
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_breaks_off_is_broken_for_all_and_not_stored() {
    for script in
        [ok("Cache-Control: max-age=60\r\n", &[1; 9000]), chunked("Cache-Control: max-age=60\r\n", &[1; 9000])]
    {
        let Some(Step::Write(text)) = script.into_iter().next() else { panic!("one write") };
        let cut = text[..6000].to_vec();
        let permits = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&permits);
        let origin = Origin::start(move |nth, _| match nth {
            1 => vec![Step::Write(cut.clone()), Step::Hold(Arc::clone(&held)), Step::Close],
            _ => ok("Cache-Control: max-age=60\r\n", b"whole"),
        })
        .await;
        let edge = Edge::new(&origin, WAIT);
        let first = edge.open("GET", "/", &[]).await;
        let second = edge.open("GET", "/", &[]).await;
        permits.add_permits(1);
        assert!(first.into_body().collect().await.is_err() && second.into_body().collect().await.is_err());
        assert_eq!(origin.asked(), 1, "both read the one fill");
        assert_eq!(edge.get("/").await.whole(), b"whole");
        assert_eq!((edge.cache.stats().objects, edge.cache.stats().aborted), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_reaches_the_client_and_not_the_cache() {
    let all: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for known in [true, false] {
        let body = all.clone();
        let make = if known { ok } else { chunked };
        let origin = Origin::start(move |_, _| make("Cache-Control: max-age=60\r\n", &body)).await;
        let edge = Edge::new(&origin, WAIT);
        for _ in 0..3 {
            let reply = edge.get("/").await;
            assert!(reply.whole() == all, "known {known}");
        }
        assert_eq!((origin.asked(), edge.cache.stats().objects, edge.cache.stats().bytes), (3, 0, 0), "known {known}");
    }
}

/// A response that comes to fill the cache by another way than a plain miss may outgrow it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_after_a_stale_or_an_uncacheable_one_is_passed_through() {
    for first in ["max-age=60", "private"] {
        let origin = Origin::start(move |nth, _| match nth {
            1 => ok(&format!("Cache-Control: {first}\r\n"), b"small"),
            _ => chunked("Cache-Control: max-age=60\r\n", &[5; 3_000_000]),
        })
        .await;
        let edge = Edge::new(&origin, WAIT);
        edge.get("/").await;
        edge.expire("/").await;
        assert!(edge.get("/").await.whole() == [5; 3_000_000], "{first}");
        assert_eq!((origin.asked(), edge.cache.stats().outgrown), (2, 1), "{first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_are_stored_apart_and_uncacheable_answers_are_not_shared() {
    let origin = Origin::start(|nth, head| {
        let head = head.to_ascii_lowercase();
        if head.contains("/private") {
            return ok("Cache-Control: private, max-age=60\r\n", format!("{nth}").as_bytes());
        }
        let body = if head.contains("gzip") { "zipped" } else { "plain" };
        ok("Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n", body.as_bytes())
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    for _ in 0..2 {
        assert_eq!(edge.get("/").await.whole(), b"plain");
        assert_eq!(edge.ask("GET", "/", &[("accept-encoding", "br, gzip")]).await.whole(), b"zipped");
        assert_eq!(edge.ask("GET", "/", &[("accept-encoding", "gzip;q=0.5,br")]).await.whole(), b"zipped");
    }
    assert_eq!(origin.asked(), 2);
    let first = edge.get("/private").await;
    assert_eq!((first.whole(), first.cache().as_str()), (&b"3"[..], "pop; fwd=uri-miss; detail=private"));
    let second = edge.get("/private").await;
    assert_eq!((second.whole(), second.cache().as_str()), (&b"4"[..], "pop; fwd=bypass; detail=private"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_goes_on_without_its_client() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |_, _| {
        let Some(Step::Write(text)) = ok("Cache-Control: max-age=60\r\n", &[3; 200_000]).into_iter().next() else {
            panic!("one write")
        };
        let (now, later) = text.split_at(50_000);
        vec![Step::Write(now.to_vec()), Step::Hold(Arc::clone(&held)), Step::Write(later.to_vec())]
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    let mut client = edge.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("written");
    let mut some = [0; 1000];
    client.read_exact(&mut some).await.expect("the beginning");
    drop(client);
    permits.add_permits(1);
    assert_eq!(edge.get("/").await.whole(), [3; 200_000]);
    assert_eq!(origin.asked(), 1);
}
