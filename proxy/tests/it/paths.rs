//! One spelling of a path: a rule, a limit, the cache and the origin see the same, however the client writes it.

use crate::support::{Answer, Edge, Origin, get, ok, talk};

/// `/login`, as clients may write it.
const SPELLINGS: [&str; 9] = [
    "/login",
    "/%6Cogin",
    "/%6c%6f%67%69%6e",
    "/a/../login",
    "//login",
    "/./login",
    "/%2e/login",
    "/x/%2E%2e/login",
    "/../../login",
];

/// An origin that answers with the path it was asked for, to be stored.
async fn echo() -> Origin {
    Origin::start(|request| async move { ok("Cache-Control: max-age=60\r\n", request.path().as_bytes()) }).await
}

#[tokio::test]
async fn all_spellings_are_one_object_and_one_path_at_the_origin() {
    let origin = echo().await;
    let edge = Edge::before(&origin.url(), "").await;
    for spelling in SPELLINGS {
        assert_eq!(get(edge.address(), "test", spelling).await.text(), "/login", "{spelling}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_rule_sees_all_spellings_and_how_they_came() {
    let origin = echo().await;
    let rules = r#"
[[rule]]
name = "no-login"
when = 'request.path == "/login"'
do = { deny = 403, set_response_headers = { x-came-as = 'request.raw_path' } }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    for spelling in SPELLINGS {
        let answer = get(edge.address(), "test", spelling).await;
        assert_eq!((answer.status, answer.header("x-came-as")), (403, spelling));
    }
    let absolute = b"GET http://test/a/%2e./%6Cogin?x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let answer = Answer::parse(&talk(edge.address(), absolute).await).unwrap();
    assert_eq!((answer.status, answer.header("x-came-as")), (403, "/a/%2e./%6Cogin"));
    assert!(origin.seen().is_empty());
    assert_eq!(get(edge.address(), "test", "/Login").await.status, 200, "paths have cases");
}

#[tokio::test]
async fn a_limit_counts_all_spellings_together() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let limit = "[[limit]]\nname = \"login\"\nwhen = 'request.path == \"/login\"'\nkey = [\"client.net\"]\n\
                 rate = \"1/1h\"\nburst = 3\n";
    let edge = Edge::before(&origin.url(), limit).await;
    let mut statuses = Vec::new();
    for spelling in &SPELLINGS[..5] {
        statuses.push(get(edge.address(), "test", spelling).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn nothing_is_decoded_twice_and_a_query_stays_as_it_came() {
    let origin = echo().await;
    let edge = Edge::before(&origin.url(), "").await;
    for (asked, seen) in [
        ("/%252e%252e/x", "/%252e%252e/x"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/a?x=%6c&y=/../z//", "/a?x=%6c&y=/../z//"),
        ("/b?", "/b?"),
        ("/%7Euser/", "/~user/"),
    ] {
        assert_eq!(get(edge.address(), "test", asked).await.text(), seen, "{asked}");
    }
}

#[tokio::test]
async fn a_path_without_a_normal_form_is_refused_with_the_reason() {
    let origin = echo().await;
    let edge = Edge::before(&origin.url(), "").await;
    for (path, reason) in [
        ("/%", "The path has a % without two hexadecimal digits."),
        ("/a%zz", "The path has a % without two hexadecimal digits."),
        ("/a%00.php", "The path has a zero byte."),
    ] {
        let answer = get(edge.address(), "test", path).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str().unwrap()), (400, reason), "{path}");
    }
    assert!(origin.seen().is_empty());
    let any = b"OPTIONS * HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&talk(edge.address(), any).await).unwrap().status, 200);
    assert_eq!(origin.seen()[0].path(), "*");
}

#[tokio::test]
async fn the_refusal_of_a_path_is_an_answer_of_its_site() {
    let origin = echo().await;
    let rules = r#"
[[rule]]
name = "harden"
phase = "response"
do = { set_response_headers = { x-frame-options = '"DENY"', x-came-as = 'request.raw_path + "|" + request.path' } }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    for path in ["/%00", "/..%2fx", "/bad%"] {
        let answer = get(edge.address(), "test", path).await;
        assert_eq!((answer.status, answer.header("x-frame-options")), (400, "DENY"), "{path}");
        assert_eq!(answer.header("x-came-as"), format!("{path}|"));
    }
    assert!(origin.seen().is_empty());
    let metrics = crate::support::metrics(&edge).await;
    assert!(metrics.contains(r#"selvedge_http_requests_total{site="*",status_class="4xx"} 3"#), "{metrics}");
}
