//! What happens when freshness ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Edge, Origin, Step, WAIT, now, ok};

/// What a 304 does not send is not taken from the response it validates, where it would be out of date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_and_date_of_a_validated_response_are_those_of_the_validation() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok(
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nExpires: Sun, 06 Nov 1994 08:59:37 GMT\r\nAge: 300\r\nETag: \"a\"\r\n",
            b"body",
        ),
        _ => {
            let until = httpdate::fmt_http_date(now() + Duration::from_secs(100));
            vec![Step::Write(format!("HTTP/1.1 304 Not Modified\r\nExpires: {until}\r\n\r\n").into_bytes())]
        }
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    assert_eq!(edge.get("/").await.field("age"), "300");
    edge.expire("/").await;
    edge.get("/").await;
    let hit = edge.get("/").await;
    assert_eq!((hit.cache().as_str(), origin.asked()), ("pop; hit", 2));
    assert!(hit.field("age").parse::<u64>().expect("a number") < 100);
    let ttl = hit.field("cache-status").rsplit("ttl=").next().expect("a time left").parse::<u64>();
    assert!(ttl.expect("a number") <= 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_object_is_validated_and_its_header_renewed() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", b"body"),
        _ => vec![Step::Write(
            b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=90\r\nAge: 40\r\nETag: \"a\"\r\n\r\n".to_vec(),
        )],
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    let validated = edge.get("/").await;
    assert_eq!((validated.status, validated.whole()), (200, &b"body"[..]));
    assert_eq!(validated.cache(), "pop; fwd=stale; fwd-status=304; stored");
    let hit = edge.get("/").await;
    assert_eq!((hit.cache().as_str(), hit.field("cache-control")), ("pop; hit", "max-age=90"));
    assert!((40..50).contains(&hit.field("age").parse::<u64>().expect("a number")), "{}", hit.field("age"));
    assert!(origin.heads.lock().expect("not poisoned")[1].to_ascii_lowercase().contains("if-none-match: \"a\""));
    let not_modified = edge.ask("GET", "/", &[("if-none-match", "\"a\"")]).await;
    assert_eq!((not_modified.status, origin.asked()), (304, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_answers_are_served_as_far_as_they_are_granted() {
    let origin = Origin::start(|_, head| {
        let grant = if head.contains("/error") { "stale-if-error=60" } else { "must-revalidate, stale-if-error=60" };
        if head.to_ascii_lowercase().contains("x-fail") {
            return vec![Step::Write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec())];
        }
        ok(&format!("Cache-Control: s-maxage=60, {grant}\r\n"), b"body")
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    for (path, status) in [("/error", 200), ("/must", 500)] {
        edge.get(path).await;
        edge.expire(path).await;
        assert_eq!(edge.ask("GET", path, &[("x-fail", "1")]).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_answer_is_served_while_one_request_revalidates() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, _| {
        let mut steps = if nth == 1 { vec![] } else { vec![Step::Hold(Arc::clone(&held))] };
        steps.extend(ok("Cache-Control: max-age=60, stale-while-revalidate=60\r\n", format!("body {nth}").as_bytes()));
        steps
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    for _ in 0..3 {
        let stale = edge.get("/").await;
        assert_eq!(
            (stale.whole(), stale.cache().as_str()),
            (&b"body 1"[..], "pop; hit; detail=stale-while-revalidate")
        );
    }
    permits.add_permits(1);
    // The background fill ends when it ends; each look before that is a stale hit.
    let renewed = async { while edge.get("/").await.whole() != b"body 2" {} };
    tokio::time::timeout(Duration::from_secs(60), renewed).await.expect("the new body");
    assert_eq!(origin.asked(), 2);
}

/// RFC 9111 section 3.2: what the 304 brings is what the client gets, and those after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_304_renews_all_fields_and_nothing_of_one_client() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok("Cache-Control: max-age=60\r\nETag: \"a\"\r\nX-Rev: 1\r\nX-Kept: k\r\nX-List: a\r\n", b"body"),
        _ => vec![Step::Write(
            b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nX-Rev: 2\r\nX-List: b\r\nX-List: c\r\nSet-Cookie: id=1\r\n\
              X-RateLimit-Remaining: 3\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 7\r\n\r\n"
                .to_vec(),
        )],
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    for cache in ["pop; fwd=stale; fwd-status=304; stored", "pop; hit"] {
        let got = edge.get("/").await;
        assert_eq!((got.cache().as_str(), got.whole()), (cache, &b"body"[..]));
        assert_eq!((got.field("x-rev"), got.field("x-kept"), got.field("content-length")), ("2", "k", "4"), "{cache}");
        let list: Vec<_> = got.headers.get_all("x-list").iter().collect();
        assert_eq!(list, ["b", "c"], "{cache}");
        for absent in ["set-cookie", "x-ratelimit-remaining", "x-hop"] {
            assert!(!got.headers.contains_key(absent), "{absent} {cache}");
        }
    }
    assert_eq!(origin.asked(), 2);
}

/// RFC 9111 section 4.3.4: old bytes never get a new tag; the next request fetches the new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_304_of_another_response_updates_nothing_and_ends_the_use_of_the_old_one() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok("Cache-Control: max-age=60\r\nETag: \"a\"\r\nX-Rev: 1\r\n", b"old"),
        2 => vec![Step::Write(b"HTTP/1.1 304 Not Modified\r\nETag: \"b\"\r\nX-Rev: 2\r\n\r\n".to_vec())],
        _ => ok("Cache-Control: max-age=60\r\nETag: \"b\"\r\nX-Rev: 2\r\n", b"new"),
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    edge.expire("/").await;
    for (body, tag, rev) in [("old", "\"a\"", "1"), ("new", "\"b\"", "2"), ("new", "\"b\"", "2")] {
        let got = edge.get("/").await;
        assert_eq!((got.whole(), got.field("etag"), got.field("x-rev")), (body.as_bytes(), tag, rev));
    }
    assert_eq!(origin.asked(), 3);
    assert!(!origin.heads.lock().expect("not poisoned")[2].to_ascii_lowercase().contains("if-none-match"));
}

/// RFC 9111 section 4.2.4: an answer that does not come may be stood in for without a grant, an error that comes may not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_answer_stands_in_for_an_origin_that_does_not_answer() {
    let origin = Origin::start(|_, head| {
        let said = ["must-revalidate", "proxy-revalidate", "s-maxage=60", "stale-if-error=0", "public"];
        let said = said.into_iter().find(|said| head.contains(&format!("/{said} "))).unwrap_or("");
        let fails = |how: &str| head.to_ascii_lowercase().contains(&format!("x-fail: {how}"));
        match () {
            () if fails("close") => vec![Step::Close],
            () if fails("503") => vec![Step::Write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec())],
            () if fails("nonsense") => vec![Step::Write(b"nonsense\r\n\r\n".to_vec()), Step::Close],
            () => ok(&format!("Cache-Control: max-age=60, {said}\r\n"), b"body"),
        }
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    for (said, fails, status) in [
        ("public", "close", 200),
        ("public", "503", 503),
        ("public", "nonsense", 502),
        ("must-revalidate", "close", 502),
        ("proxy-revalidate", "close", 502),
        ("s-maxage=60", "close", 502),
        ("stale-if-error=0", "close", 502),
    ] {
        let path = format!("/{said}");
        edge.get(&path).await;
        edge.expire(&path).await;
        let got = edge.ask("GET", &path, &[("x-fail", fails)]).await;
        assert_eq!(got.status, status, "{said} {fails}");
        if status == 200 {
            assert_eq!((got.whole(), got.cache().as_str()), (&b"body"[..], "pop; hit; detail=stale-if-error"));
        }
    }
}

/// Those who wait for one another's tries get what each of them would get alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_ask_together_get_the_stale_answer_of_a_lost_origin() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok("Cache-Control: max-age=60\r\n", b"body"),
        _ => vec![Step::Close],
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    edge.get("/").await;
    edge.expire("/").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    for answer in clients.join_all().await {
        assert_eq!((answer.status, answer.whole()), (200, &b"body"[..]), "{:?}", answer.headers);
    }
}

/// RFC 9111 section 5.2.2.4: validated at each use, and nobody waits for another's validation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cache_is_validated_by_each_request_and_by_all_at_once() {
    const TOGETHER: usize = 12;
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let origin = Origin::start(move |nth, head| {
        if nth == 1 {
            return ok("Cache-Control: no-cache, max-age=60\r\nETag: \"a\"\r\n", b"body");
        }
        let same = head.to_ascii_lowercase().contains("if-none-match: \"a\"");
        let status = if same { "304 Not Modified" } else { "412 Not Conditional" };
        let answer = format!("HTTP/1.1 {status}\r\nETag: \"a\"\r\nContent-Length: 0\r\n\r\n");
        vec![Step::Hold(Arc::clone(&held)), Step::Write(answer.into_bytes())]
    })
    .await;
    let edge = Arc::new(Edge::new(&origin, WAIT));
    edge.get("/").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..TOGETHER {
        let edge = Arc::clone(&edge);
        clients.spawn(async move { edge.get("/").await });
    }
    // No answer is given before all have asked.
    let all = async {
        while origin.asked() < 1 + TOGETHER {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("nobody waits");
    permits.add_permits(TOGETHER);
    for answer in clients.join_all().await {
        assert_eq!((answer.status, answer.whole()), (200, &b"body"[..]));
        assert_eq!(answer.cache(), "pop; fwd=stale; fwd-status=304; stored");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cache_is_no_answer_when_the_origin_is_lost() {
    let origin = Origin::start(|nth, _| match nth {
        1 => ok("Cache-Control: no-cache\r\nETag: \"a\"\r\n", b"body"),
        _ => vec![Step::Close],
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    edge.get("/").await;
    assert_eq!(edge.get("/").await.status, 502);
}

/// What a request with a cookie is told is not kept for others, and keeps nothing from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cache_of_one_client_is_not_shared_and_does_not_end_the_sharing() {
    let origin = Origin::start(|_, head| {
        let head = head.to_ascii_lowercase();
        let who = if head.contains("cookie: id=a") { "a" } else { "all" };
        match head.contains("if-none-match: \"page\"") {
            true => {
                let same = format!("HTTP/1.1 304 Not Modified\r\nCache-Control: no-cache\r\nX-Who: {who}\r\n\r\n");
                vec![Step::Write(same.into_bytes())]
            }
            false => ok(&format!("Cache-Control: no-cache\r\nETag: \"page\"\r\nX-Who: {who}\r\n"), b"page"),
        }
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    let own = edge.ask("GET", "/", &[("cookie", "id=a")]).await;
    assert_eq!(own.cache(), "pop; fwd=uri-miss; detail=no-cache");
    assert_eq!(edge.get("/").await.cache(), "pop; fwd=uri-miss; stored");
    for _ in 0..2 {
        let own = edge.ask("GET", "/", &[("cookie", "id=a")]).await;
        assert_eq!((own.status, own.whole()), (200, &b"page"[..]));
        let other = edge.get("/").await;
        assert_eq!((other.cache().as_str(), other.field("x-who")), ("pop; fwd=stale; fwd-status=304; stored", "all"));
    }
}

/// Neither an error nor what one client's header came to keeps others from what is stored, fresh or stale, of whichever variant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_says_nothing_of_the_next_keeps_nobody_from_what_is_stored() {
    let origin = Origin::start(|_, head| {
        let head = head.to_ascii_lowercase();
        let fail = |status: &str| {
            vec![Step::Write(
                format!("HTTP/1.1 {status} x\r\nVary: Accept-Language\r\nContent-Length: 0\r\n\r\n").into_bytes(),
            )]
        };
        match () {
            () if head.contains("x-fail: close") => vec![Step::Close],
            () if head.contains("x-fail: 500") => fail("500"),
            () if head.contains("x-fail: 400") => fail("400"),
            () if head.contains("x-fail: cookie") => ok("Set-Cookie: a=b\r\nVary: Accept-Language\r\n", b"own"),
            () => ok("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", b"body"),
        }
    })
    .await;
    let edge = Edge::new(&origin, WAIT);
    for fails in ["500", "400", "cookie"] {
        let path = format!("/{fails}");
        edge.ask("GET", &path, &[("accept-language", "de")]).await;
        edge.ask("GET", &path, &[("accept-language", "en"), ("x-fail", fails)]).await;
        let fresh = edge.ask("GET", &path, &[("accept-language", "de")]).await;
        assert_eq!((fresh.whole(), fresh.cache().as_str()), (&b"body"[..], "pop; hit"), "{fails}");
        edge.expire(&path).await;
        let stale = edge.ask("GET", &path, &[("accept-language", "de"), ("x-fail", "close")]).await;
        assert_eq!((stale.status, stale.cache().as_str()), (200, "pop; hit; detail=stale-if-error"), "{fails}");
    }
}
