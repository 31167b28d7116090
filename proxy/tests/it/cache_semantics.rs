//! What RFC 9111 says beyond storing and finding, seen from outside.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Answer, DEADLINE, Edge, KeptOpen, Origin, eventually, get, ok, talk};

/// Says a request without a body on a connection of its own.
async fn say(edge: &Edge, method: &str, path: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let heard = talk(edge.address(), request.as_bytes()).await;
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

/// Whether a GET is answered from the cache.
async fn is_hit(edge: &Edge, path: &str) -> bool {
    get(edge.address(), "test", path).await.header("cache-status").contains("; hit")
}

/// RFC 9111 section 4.4.
#[tokio::test]
async fn what_a_request_changes_is_not_answered_from_the_cache_any_more() {
    let origin = Origin::start(|request| async move {
        let method = request.head.split(' ').next().unwrap_or("").to_owned();
        match method.as_str() {
            "GET" => ok("Cache-Control: max-age=600\r\nVary: X-A\r\n", b"stored"),
            "PATCH" => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
            _ => ok("Location: made?by=it\r\nContent-Location: //other.example/elsewhere\r\n", b"done"),
        }
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    let places = ["/dir/it", "/dir/made?by=it", "/elsewhere"];
    for (method, gone) in [
        ("OPTIONS", [false, false, false]),
        ("PATCH", [false, false, false]),
        ("DELETE", [true, true, false]),
        ("M-SEARCH", [true, true, false]),
    ] {
        for place in places {
            get(edge.address(), "test", place).await;
            assert!(is_hit(&edge, place).await, "{place} before {method}");
        }
        say(&edge, method, "/dir/it").await;
        for (place, gone) in places.into_iter().zip(gone) {
            assert_eq!(is_hit(&edge, place).await, !gone, "{place} after {method}");
        }
    }
}

/// RFC 9112 section 9.6: a connection that is said to stay open does.
#[tokio::test]
async fn a_stale_answer_says_whether_the_connection_stays() {
    let first = AtomicBool::new(true);
    let origin = Origin::start(move |_| {
        let answers = first.swap(false, Ordering::Relaxed);
        async move { if answers { ok("Cache-Control: max-age=1\r\n", b"stored") } else { Vec::new() } }
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    get(edge.address(), "test", "/").await;
    let mut client = KeptOpen::connect(edge.address()).await;
    let stale = eventually(DEADLINE, async || {
        let answer = client.get("test", "/").await;
        if answer.header("cache-status").contains("stale") { Ok(answer) } else { Err(answer.head) }
    })
    .await;
    assert_eq!((stale.status, stale.text().as_str()), (200, "stored"));
    assert_eq!(stale.header("connection"), "close");
}

/// RFC 9110 section 15.2: an interim response reaches the client, once, whatever becomes of the final one.
#[tokio::test]
async fn interim_responses_reach_the_client_also_when_the_final_one_is_stored() {
    let origin = Origin::start(|request| async move {
        let said = if request.path().starts_with("/stored") { "max-age=60" } else { "no-store" };
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n".to_vec();
        [interim, ok(&format!("Cache-Control: {said}\r\n"), b"final")].concat()
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    let heard = async |path: &str, version: &str| {
        let ask = format!("GET {path} HTTP/{version}\r\nHost: test\r\nConnection: close\r\n\r\n");
        String::from_utf8(talk(edge.address(), ask.as_bytes()).await).expect("text").to_lowercase()
    };
    for nth in 0..20 {
        for path in [format!("/stored/{nth}"), format!("/passed/{nth}")] {
            let text = heard(&path, "1.1").await;
            assert!(text.starts_with("http/1.1 103 early hints\r\n"), "{path}: {text}");
            assert_eq!(text.matches("http/1.1 103").count(), 1, "{path}: {text}");
            assert_eq!(text.matches("link: </a.css>; rel=preload\r\n").count(), 1, "{path}: {text}");
            assert!(text.contains("\r\n\r\nhttp/1.1 200 ok\r\n") && text.ends_with("final"), "{path}: {text}");
        }
    }
    let hit = heard("/stored/0", "1.1").await;
    assert!(hit.starts_with("http/1.1 200") && hit.contains("; hit"), "nothing of it is stored: {hit}");
    let old = heard("/passed/old", "1.0").await;
    assert!(old.starts_with("http/1.") && !old.contains(" 103 ") && old.ends_with("final"), "{old}");
}

/// RFC 9110 section 9.3.3.
#[tokio::test]
async fn the_answer_to_a_post_is_that_of_later_gets_where_it_says_so() {
    let origin = Origin::start(|request| async move {
        let (path, method) = (request.path().to_owned(), request.head.split(' ').next().unwrap_or("").to_owned());
        let said = match path.as_str() {
            "/here" | "/cookie" | "/short" => format!("Cache-Control: max-age=60\r\nContent-Location: {path}\r\n"),
            "/elsewhere" => "Cache-Control: max-age=60\r\nContent-Location: /here\r\n".to_owned(),
            "/unsaid" => format!("Content-Location: {path}\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            _ => format!("Cache-Control: private, max-age=60\r\nContent-Location: {path}\r\n"),
        };
        match (method.as_str(), path.as_str()) {
            ("POST", "/short") => format!("HTTP/1.1 200 OK\r\n{said}Content-Length: 10\r\n\r\nshort").into_bytes(),
            ("POST", _) => ok(&said, b"posted"),
            _ => ok("Cache-Control: no-store\r\n", b"got"),
        }
    })
    .await;
    let edge = Edge::before(&origin.url(), "[storage]\nheuristic_freshness = true\n").await;
    for (path, more, then) in [
        ("/here", "", "posted"),
        ("/elsewhere", "", "got"),
        ("/unsaid", "", "got"),
        ("/private", "", "got"),
        ("/cookie", "Cookie: a=b\r\n", "got"),
        ("/short", "", "got"),
    ] {
        let ask =
            format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nConnection: close\r\n{more}\r\nabc");
        talk(edge.address(), ask.as_bytes()).await;
        assert_eq!(get(edge.address(), "test", path).await.text(), then, "{path}");
    }
    // The next one puts what the last one left out of date, and asks the origin itself.
    say(&edge, "DELETE", "/here").await;
    assert_eq!(get(edge.address(), "test", "/here").await.text(), "got");
}
