//! What rules do to a request and its response, each action on the live path.

use crate::support::{DEADLINE, Edge, Origin, eventually, get, get_with, metrics, ok, talk};

async fn edge(origin: &Origin, rules: &str) -> Edge {
    Edge::before(&origin.url(), rules).await
}

/// The access log's lines, once there are as many.
pub(crate) async fn log(edge: &Edge, lines: usize) -> Vec<serde_json::Value> {
    let path = edge.folder.path().join("access.log");
    eventually(DEADLINE, async || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let found: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if found.len() >= lines { Ok(found) } else { Err(text) }
    })
    .await
}

#[tokio::test]
async fn a_denied_request_gets_a_problem_document_that_tells_no_rule() {
    let origin = Origin::fixed("", "x").await;
    let rules = r#"
[[rule]]
name = "wp-probes"
when = 'request.path.startsWith("/wp-")'
do = { deny = 404, tag = "probe", log = true }
"#;
    let edge = edge(&origin, rules).await;
    let answer = get(edge.address(), "test", "/wp-login.php").await;
    assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"));
    let problem = answer.json();
    assert_eq!((&problem["title"], &problem["status"]), (&"Not Found".into(), &404.into()));
    assert_eq!(problem["request_id"], answer.header("x-request-id"));
    assert!(!answer.text().contains("wp-probes") && !answer.head.contains("wp-probes"), "{answer:?}");
    assert_eq!(get(edge.address(), "test", "/about").await.status, 200);
    assert_eq!(origin.seen().len(), 1);
    let line = &log(&edge, 2).await[0];
    assert_eq!((&line["answer"], &line["rule"]), (&"denied".into(), &"wp-probes".into()));
    assert_eq!((&line["tags"][0], &line["logged_by"][0]), (&"probe".into(), &"wp-probes".into()));
    let text = metrics(&edge).await;
    assert!(text.contains(r#"selvedge_rule_matches_total{action="deny",mode="enforce",rule="wp-probes"} 1"#), "{text}");
}

#[tokio::test]
async fn a_redirect_says_where_to_for_get_and_head() {
    let origin = Origin::fixed("", "x").await;
    let rules = r#"
[[rule]]
name = "moved"
when = 'request.path.startsWith("/old/")'
do = { redirect = { to = '"https://" + request.host + "/new/" + request.path.substring(5)', status = 308 } }
"#;
    let edge = edge(&origin, rules).await;
    let answer = get(edge.address(), "a.example", "/old/page").await;
    assert_eq!((answer.status, answer.header("location")), (308, "https://a.example/new/page"));
    assert_eq!(answer.text(), "What was asked for is at https://a.example/new/page\n");
    let head = talk(edge.address(), b"HEAD /old/b HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n").await;
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 308 ") && head.contains("https://b.example/new/b") && head.ends_with("\r\n\r\n")
    );
    assert_eq!(log(&edge, 1).await[0]["rule"], "moved");
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn allow_ends_rules_and_limits_but_no_ban() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rules = r#"
[[rule]]
name = "health"
when = 'request.path == "/health"'
do = { allow = true }
[[rule]]
name = "closed"
when = 'request.path != "/"'
do = { deny = 403 }
[[limit]]
name = "all"
key = ["client.net"]
rate = "1/1h"
burst = 1
"#;
    let edge = edge(&origin, rules).await;
    for _ in 0..3 {
        assert_eq!(get(edge.address(), "test", "/health").await.status, 200);
    }
    assert_eq!(get(edge.address(), "test", "/").await.status, 200, "nothing was charged");
    assert_eq!(get(edge.address(), "test", "/").await.status, 429);
    assert_eq!(get(edge.address(), "test", "/other").await.status, 403);
    assert_eq!(edge.command(&["bans", "add", "127.0.0.1", "--for", "1h"]).await.0, 0);
    assert_eq!(get(edge.address(), "test", "/health").await.status, 403);
}

#[tokio::test]
async fn a_rewrite_is_what_cache_and_origin_see_and_no_rule() {
    let origin =
        Origin::start(|request| async move { ok("Cache-Control: max-age=60\r\n", request.path().as_bytes()) }).await;
    let rules = r#"
[[rule]]
name = "languages"
when = 'request.path.startsWith("/de/")'
do = { rewrite = { path = 'request.path.substring(3)', query = '"lang=de"' } }
[[rule]]
name = "later"
when = 'request.path.startsWith("/de/")'
do = { set_response_headers = { x-path = 'request.path + "?" + request.raw_query' } }
[[rule]]
name = "no-query"
when = 'request.path == "/plain"'
do = { rewrite = { query = '""' } }
[[rule]]
name = "responses"
phase = "response"
do = { set_response_headers = { x-asked = 'request.path' } }
"#;
    let edge = edge(&origin, rules).await;
    let answer = get(edge.address(), "test", "/de/a?b").await;
    assert_eq!(
        (answer.text().as_str(), answer.header("x-path"), answer.header("x-asked")),
        ("/a?lang=de", "/de/a?b", "/de/a")
    );
    assert_eq!(get(edge.address(), "test", "/a?lang=de").await.text(), "/a?lang=de");
    assert_eq!(origin.seen().len(), 1, "one object");
    assert_eq!(get(edge.address(), "test", "/plain?x=1").await.text(), "/plain");
    let lines = log(&edge, 3).await;
    assert_eq!(lines[0]["url.path"], "/de/a");
}

#[tokio::test]
async fn request_headers_are_changed_before_cache_and_origin() {
    let origin = Origin::start(|request| async move {
        let text = format!("{:?} {:?}", request.header("x-plan"), request.header("cookie"));
        ok("Cache-Control: max-age=60\r\nVary: X-Plan\r\n", text.as_bytes())
    })
    .await;
    let rules = r#"
[[rule]]
name = "plans"
do = { set_request_headers = { x-plan = 'request.cookies["plan"]', x-real-ip = 'string(client.ip)' }, remove_request_headers = ["cookie"] }
[[rule]]
name = "sees-the-client"
when = 'request.headers["x-plan"] == "forged"'
do = { deny = 403 }
[[rule]]
name = "later"
phase = "response"
do = { set_response_headers = { x-cookie = 'request.headers["cookie"]' } }
"#;
    let edge = edge(&origin, rules).await;
    let with = async |plan: &str| {
        get_with(edge.address(), "test", "/", &format!("Cookie: plan={plan}\r\nX-Real-IP: 192.0.2.1\r\n")).await
    };
    for _ in 0..2 {
        for plan in ["free", "paid"] {
            let answer = with(plan).await;
            assert_eq!(answer.text(), format!("Some({plan:?}) None"));
            assert_eq!(answer.header("x-cookie"), format!("plan={plan}"), "rules see what the client sent");
        }
    }
    assert_eq!(origin.seen().len(), 2, "a variant for each plan");
    assert_eq!(origin.seen()[0].header("x-real-ip"), Some("127.0.0.1"), "the rule's, not the client's");
    assert_eq!(get_with(edge.address(), "test", "/", "X-Plan: forged\r\n").await.status, 403);
}

#[tokio::test]
async fn response_headers_are_changed_on_every_answer_and_never_stored() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\nServer: secret\r\n", "x").await;
    let rules = r#"
[[rule]]
name = "by-request"
do = { set_response_headers = { x-one = '"of " + request.headers["x-who"]', x-both = '"request"' } }
[[rule]]
name = "by-response"
phase = "response"
do = { set_response_headers = { x-from = 'response.from + " " + cache.status', x-both = 'response.headers["x-both"] + "+response"' }, remove_response_headers = ["server"] }
[[rule]]
name = "closed"
when = 'request.path == "/closed"'
do = { deny = 403 }
"#;
    let edge = edge(&origin, rules).await;
    for (path, who, from) in [
        ("/", "ann", "origin miss"),
        ("/", "bob", "cache hit"),
        ("/closed", "cy", "edge"),
        ("/none", "di", "origin miss"),
    ] {
        let answer = get_with(edge.address(), "test", path, &format!("X-Who: {who}\r\n")).await;
        assert_eq!(answer.header("x-one"), format!("of {who}"));
        assert_eq!((answer.header("x-from").trim(), answer.header("x-both")), (from, "request+response"), "{path}");
        assert_eq!(answer.header("server"), "");
    }
    let text = metrics(&edge).await;
    assert!(text.contains(r#"{action="effect",mode="enforce",rule="by-response"} 4"#), "once a request: {text}");
}

#[tokio::test]
async fn another_origin_answers_and_has_objects_of_its_own() {
    let app = Origin::fixed("Cache-Control: max-age=60\r\n", "app").await;
    let canary = Origin::fixed("Cache-Control: max-age=60\r\n", "canary").await;
    let rules = format!(
        "[origin.canary]\nservers = [\"{}\"]\n[[rule]]\nname = \"canary\"\nwhen = 'request.cookies[\"canary\"] == \"1\"'\ndo = {{ origin = \"canary\" }}\n",
        canary.url()
    );
    let edge = edge(&app, &rules).await;
    for _ in 0..2 {
        assert_eq!(get(edge.address(), "test", "/").await.text(), "app");
        assert_eq!(get_with(edge.address(), "test", "/", "Cookie: canary=1\r\n").await.text(), "canary");
    }
    assert_eq!((app.seen().len(), canary.seen().len()), (1, 1));
    assert_eq!(log(&edge, 2).await[1]["origin"], "canary");
}

#[tokio::test]
async fn the_cache_is_passed_by_or_told_a_lifetime() {
    let origin = Origin::start(|request| async move {
        match request.path() {
            "/private" => ok("Cache-Control: private\r\n", b"x"),
            "/own" => ok("Cache-Control: max-age=60\r\n", b"x"),
            "/failing" => b"HTTP/1.1 500 No\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx".to_vec(),
            _ => ok("", b"x"),
        }
    })
    .await;
    let rules = r#"
[[rule]]
name = "assets"
when = 'request.path != "/own"'
do = { cache = { ttl = "1h" } }
[[rule]]
name = "live"
when = 'request.path == "/own"'
do = { cache = { pass = true } }
"#;
    let edge = edge(&origin, rules).await;
    for (path, fetched, status) in
        [("/asset", 1, "hit; ttl=3"), ("/own", 2, "detail=rule"), ("/private", 2, ""), ("/failing", 2, "")]
    {
        let before = origin.seen().len();
        get(edge.address(), "test", path).await;
        let answer = get(edge.address(), "test", path).await;
        assert_eq!(origin.seen().len() - before, fetched, "{path}");
        assert!(answer.header("cache-status").contains(status), "{path}: {}", answer.header("cache-status"));
    }
}

#[tokio::test]
async fn sites_modes_and_tags() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rules = r#"
[site."shop.example"]
origin = "app"
[[rule]]
name = "shop-only"
sites = ["shop.example"]
do = { tag = "shop" }
[[rule]]
name = "watched"
mode = "monitor"
when = '"shop" in request.tags'
do = { deny = 403 }
[[rule]]
name = "off"
mode = "off"
do = { deny = 403 }
[[rule]]
name = "tagged"
when = '"shop" in request.tags && request.path == "/x"'
do = { deny = 410, log = true }
"#;
    let edge = edge(&origin, rules).await;
    assert_eq!(get(edge.address(), "other.example", "/x").await.status, 200);
    assert_eq!(get(edge.address(), "shop.example", "/").await.status, 200);
    assert_eq!(get(edge.address(), "shop.example", "/x").await.status, 410);
    let lines = log(&edge, 3).await;
    assert!(lines[0].get("tags").is_none() && lines[0].get("monitored").is_none());
    assert_eq!((&lines[1]["tags"][0], &lines[1]["monitored"][0]), (&"shop".into(), &"watched".into()));
    assert_eq!((&lines[2]["rule"], &lines[2]["logged_by"][0]), (&"tagged".into(), &"tagged".into()));
    let text = metrics(&edge).await;
    assert!(text.contains(r#"{action="deny",mode="monitor",rule="watched"} 2"#), "{text}");
    assert!(!text.contains(r#"rule="off""#), "{text}");
}

#[tokio::test]
async fn an_effect_that_cannot_be_carried_out_is_counted() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rules = r#"
[[rule]]
name = "numbers"
do = { set_response_headers = { x-n = 'string(int(request.query["n"]))' }, tag = "seen" }
"#;
    let edge = edge(&origin, rules).await;
    assert_eq!(get(edge.address(), "test", "/?n=7").await.header("x-n"), "7");
    assert_eq!(get(edge.address(), "test", "/?n=x").await.header("x-n"), "");
    let text = metrics(&edge).await;
    assert!(text.contains(r#"selvedge_rule_effects_undone_total{rule="numbers"} 1"#), "{text}");
}
