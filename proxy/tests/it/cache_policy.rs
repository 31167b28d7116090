//! `[[cache]]` from outside: what a policy stores, under what, for whom, and what reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Answer, Edge, Origin, get, get_with, metrics, ok, talk};

const HOST: &str = "www.example.com";

/// An origin whose answers say how many it gave before, with these fields.
async fn numbering(fields: &'static str) -> Origin {
    let answers = Arc::new(AtomicUsize::new(0));
    Origin::start(move |_| {
        let nth = answers.fetch_add(1, Ordering::SeqCst) + 1;
        async move { ok(fields, nth.to_string().as_bytes()) }
    })
    .await
}

async fn text(edge: &Edge, path: &str, more: &str) -> String {
    get_with(edge.address(), HOST, path, more).await.text()
}

#[tokio::test]
async fn parameters_that_do_not_count_share_a_response_and_its_purge() {
    let origin = numbering("Cache-Control: max-age=600\r\n").await;
    let policy =
        "[[cache]]\nname = \"c\"\nwhen = 'request.path == \"/a\"'\nkey = { query = { without = [\"utm_*\"] } }\n";
    let edge = Edge::before(&origin.url(), policy).await;
    assert_eq!(text(&edge, "/a?utm_x=1&id=1", "").await, "1");
    for path in ["/a?id=1", "/a?id=1&utm_y=2"] {
        assert_eq!(text(&edge, path, "").await, "1", "{path}");
    }
    assert_eq!((text(&edge, "/a?id=2", "").await, text(&edge, "/b?utm_x=1", "").await), ("2".into(), "3".into()));
    assert_eq!(text(&edge, "/b", "").await, "4", "for which no policy is");
    assert!(origin.seen()[0].head.starts_with("GET /a?utm_x=1&id=1 "), "the origin gets all of them");
    // A purge of any spelling is about what answers it.
    let mut newest = 4;
    for url in [
        "http://www.example.com/a?id=1",
        "http://www.example.com/a?id=1&utm_z=9",
        "http://www.example.com/a?utm_x=1&id=1",
    ] {
        assert_eq!(edge.command(&["purge", "--url", url]).await.0, 0);
        newest += 1;
        assert_eq!(text(&edge, "/a?utm_q&id=1", "").await, newest.to_string(), "{url}");
        assert_eq!(text(&edge, "/a?id=2", "").await, "2", "{url}");
    }
    // Of a POST it does not count either.
    let post =
        "POST /a?id=1&utm_p=1 HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&talk(edge.address(), post.as_bytes()).await).unwrap().status, 200);
    assert_eq!(text(&edge, "/a?id=1", "").await, (newest + 2).to_string());
}

#[tokio::test]
async fn fields_and_cookies_of_the_key_have_responses_of_their_own() {
    let origin = numbering("Cache-Control: max-age=600\r\nVary: User-Agent\r\nX-Tags: one, two\r\n").await;
    let policy = "[[cache]]\nname = \"c\"\nwhen = 'request.path == \"/a\"'\nkey = { headers = [\"x-device\"], cookies = [\"lang\"] }\n\
        vary = { ignore = [\"user-agent\"] }\ntags = [\"x-tags\"]\n";
    let edge = Edge::before(&origin.url(), policy).await;
    let answers = [
        ("", "1"),
        ("X-Device: a\r\n", "2"),
        ("X-Device: b\r\n", "3"),
        ("X-Device: a\r\nCookie: lang=de\r\n", "4"),
        ("Cookie: session=1; lang=de\r\nX-Device: a\r\nUser-Agent: u\r\n", "4"),
        ("X-Device: a\r\nUser-Agent: v\r\n", "2"),
        ("Cookie: session=1\r\n", "1"),
    ];
    for (fields, expected) in answers {
        let answer = get_with(edge.address(), HOST, "/a", fields).await;
        assert_eq!((answer.text().as_str(), answer.header("x-tags")), (expected, ""), "{fields}");
    }
    // For which no policy is, what the origin says holds, and nothing is shared with those above.
    assert_eq!((text(&edge, "/b", "").await, text(&edge, "/b", "User-Agent: u\r\n").await), ("5".into(), "6".into()));
    assert_eq!(edge.command(&["purge", "--tag", "two"]).await.0, 0);
    for (nth, fields) in ["X-Device: b\r\n", "", "X-Device: a\r\nCookie: lang=de\r\n"].into_iter().enumerate() {
        assert_eq!(text(&edge, "/a", fields).await, (7 + nth).to_string(), "{fields}");
    }
    assert_eq!(text(&edge, "/b", "").await, "5", "there it is no tag");
    let post = "POST /a HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&talk(edge.address(), post.as_bytes()).await).unwrap().text(), "10");
    for (nth, fields) in ["", "X-Device: b\r\n", "X-Device: a\r\nCookie: lang=de\r\n"].into_iter().enumerate() {
        assert_eq!(text(&edge, "/a", fields).await, (11 + nth).to_string(), "{fields}");
    }
}

/// What one policy stored for a cookie is not found by requests for which another is, or none.
#[tokio::test]
async fn what_is_stored_under_one_key_is_not_found_under_another() {
    let origin = numbering("Cache-Control: max-age=600\r\n").await;
    let policy =
        "[[cache]]\nname = \"c\"\nwhen = '\"session\" in request.cookies'\nkey = { cookies = [\"session\"] }\n";
    let edge = Edge::before(&origin.url(), policy).await;
    assert_eq!(text(&edge, "/", "Cookie: session=1\r\n").await, "1");
    assert_eq!(text(&edge, "/", "").await, "2");
    assert_eq!(text(&edge, "/", "Cookie: session=2\r\n").await, "3");
    assert_eq!(text(&edge, "/", "Cookie: session=1\r\n").await, "1");
    assert_eq!(text(&edge, "/", "Cookie: other=1\r\n").await, "2");
}

#[tokio::test]
async fn a_policy_passes_bounds_and_gives_lifetimes() {
    let origin = Origin::start(|request| async move {
        match request.path() {
            "/missing" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone".to_vec(),
            "/wrong" => b"HTTP/1.1 400 Bad Request\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx".to_vec(),
            "/large" => ok("Cache-Control: max-age=600\r\n", &[b'x'; 3000]),
            "/unframed" => [b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nConnection: close\r\n\r\n".as_slice(), &[b'x'; 3000]].concat(),
            "/private" => ok("Cache-Control: private\r\n", b"mine"),
            _ => ok("", b"some"),
        }
    })
    .await;
    let policies = "[[cache]]\nname = \"out\"\nwhen = 'request.path == \"/out\"'\npass = true\n\
        [[cache]]\nname = \"all\"\nttl_default = \"1h\"\nnegative_ttl = \"10s\"\nobject_max = \"2KiB\"\n";
    let edge = Edge::before(&origin.url(), policies).await;
    let status = async |path: &str, more: &str| {
        get_with(edge.address(), HOST, path, more).await;
        get_with(edge.address(), HOST, path, more).await.header("cache-status").to_owned()
    };
    for (path, more, expected) in [
        ("/", "", "hit; ttl=35"),
        ("/missing", "", "hit; ttl="),
        ("/out", "", "fwd=bypass; detail=policy"),
        ("/cookie", "Cookie: a=b\r\n", "detail=no-lifetime"),
        ("/private", "", "fwd="),
        ("/wrong", "", "fwd="),
        ("/large", "", "fwd="),
        // Its length is known only when it is over.
        ("/unframed", "", "uri-miss"),
        ("/override", "X-HTTP-Method-Override: DELETE\r\n", "fwd=bypass; detail=override"),
    ] {
        let said = status(path, more).await;
        assert!(said.contains(expected), "{path}: {said}");
        assert!(!expected.starts_with("fwd") || !said.contains("stored"), "{path}: {said}");
    }
    assert_eq!(text(&edge, "/unframed", "").await.len(), 3000);
    assert!(metrics(&edge).await.contains("selvedge_cache_objects 2\n"), "{}", metrics(&edge).await);
}

#[tokio::test]
async fn on_error_says_what_is_served_when_the_origin_fails() {
    let fails = Arc::new(AtomicUsize::new(0));
    let failing = Arc::clone(&fails);
    let origin = Origin::start(move |_| {
        let fails = failing.load(Ordering::SeqCst) > 0;
        async move {
            if fails {
                return b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy".to_vec();
            }
            ok("Cache-Control: max-age=0, stale-while-revalidate=0\r\nETag: \"e\"\r\n", b"some")
        }
    })
    .await;
    let policies = "[[cache]]\nname = \"stale\"\nwhen = 'request.path == \"/stale\"'\nttl = \"1s\"\non_error = \"stale\"\n\
        [[cache]]\nname = \"error\"\nwhen = 'request.path == \"/error\"'\nttl = \"1s\"\non_error = \"error\"\n";
    let edge = Edge::before(&origin.url(), policies).await;
    for path in ["/stale", "/error"] {
        assert_eq!(text(&edge, path, "").await, "some", "{path}");
    }
    fails.store(1, Ordering::SeqCst);
    // Stale at once, without waiting for the second to pass.
    assert_eq!(edge.command(&["purge", "--all", "--soft"]).await.0, 0);
    let answer = get(edge.address(), HOST, "/stale").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "some"), "{}", answer.header("cache-status"));
    assert!(answer.header("cache-status").contains("detail=stale-if-error"), "{}", answer.header("cache-status"));
    assert_eq!(get(edge.address(), HOST, "/error").await.status, 503);
}

#[tokio::test]
async fn explain_names_the_policy() {
    let policies = "[[cache]]\nname = \"shop\"\nkey = { query = { only = [] }, cookies = [\"lang\"] }\n";
    let edge = Edge::before("127.0.0.1:1", policies).await;
    let (code, page, _) = edge.command(&["explain", "GET", "http://www.example.com/a?x=1"]).await;
    let expected = "  cache  looked up as http://www.example.com/a by cookie:lang   by policy shop (";
    assert!(code == 0 && page.contains(expected), "{page}");
}
