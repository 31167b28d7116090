//! Why a request was answered as it was: by the id on its error page, at its POP or through another, and live for one that nobody
//! sent.

use serde_json::Value;

use crate::cluster;
use crate::support::edge::Folder;
use crate::support::{DEADLINE, Edge, Origin, eventually, get, get_with};

const LIMIT: &str = "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"2/1h\"\nburst = 2\n";

async fn json(edge: &Edge, words: &[&str]) -> Value {
    let (code, text, error) = edge.command(&[words, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&text).unwrap()
}

/// Asks until the edge refuses, and gives the id of the refusal.
async fn refused(edge: &Edge, path: &str, more: &str) -> String {
    loop {
        let answer = get_with(edge.address(), "test", path, more).await;
        if answer.status == 429 {
            let page = answer.json();
            assert_eq!(page["request_id"], answer.header("x-request-id"));
            return answer.header("x-request-id").to_owned();
        }
    }
}

#[tokio::test]
async fn the_id_on_an_error_page_tells_what_was_decided_and_what_would_be_now() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    let id = refused(&edge, "/a?b=c", "Authorization: Basic QQ==\r\nCookie: a=b\r\nX-More: yes\r\n").await;
    let found = json(&edge, &["explain", "--id", &id]).await;
    let then = &found["then"];
    assert_eq!((&found["pop"], &then["request_id"]), (&"local".into(), &id.as_str().into()));
    assert_eq!((&then["method"], &then["client"], &then["status"]), (&"GET".into(), &"127.0.0.1".into(), &429.into()));
    assert_eq!((&then["url"], &then["answer"]), (&"http://test/a?b=c".into(), &"limited".into()));
    let why = &then["why"][0];
    assert_eq!((&why["what"], &why["name"]), (&"limit".into(), &"api".into()));
    assert!(why["place"].as_str().unwrap().contains("selvedge.toml:"), "{why}");
    let headers: Vec<_> = then["headers"].as_array().unwrap().iter().map(|field| (&field[0], &field[1])).collect();
    for (name, value) in [("authorization", "[10 bytes]"), ("cookie", "[3 bytes]"), ("x-more", "yes")] {
        assert!(headers.contains(&(&name.into(), &value.into())), "{headers:?}");
    }
    assert_eq!(found["now"]["limits"][0]["outcome"], "refuses");
    let (code, text, _) = edge.command(&["explain", "--id", &id]).await;
    assert_eq!(code, 0);
    assert!(text.contains("was answered 429 (limited)") && text.contains("authorization: [10 bytes]"), "{text}");
    assert!(text.contains("live, as if it came again now") && text.contains("REFUSES"), "{text}");
}

#[tokio::test]
async fn rules_tags_and_bans_that_had_a_part_are_named() {
    let origin = Origin::fixed("", "x").await;
    let rules = r#"
[jwt.users]
keys = "users.key"
algorithms = ["HS256"]
from = "header:x-token"
[[rule]]
name = "marked"
when = 'request.path == "/wp"'
do = { tag = "probe" }
[[rule]]
name = "watched"
mode = "monitor"
do = { deny = 403 }
[[rule]]
name = "wp"
when = '"probe" in request.tags'
do = { deny = 404 }
[[rule]]
name = "moved"
when = 'request.path == "/old"'
do = { redirect = { to = '"/new"', status = 301 } }
"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.key"), "a secret of thirty-two bytes and more").unwrap();
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n{rules}\n\
         [admin]\nsocket = \"admin.sock\"\nlog = \"access.log\"\n",
        origin.url()
    );
    std::fs::write(folder.path().join("selvedge.toml"), config).unwrap();
    let edge = Edge::start(Folder::Own(folder)).await;
    let why = async |path: &str, status: u16| {
        let answer = get_with(edge.address(), "test", path, "X-Token: a.b.c\r\n").await;
        assert_eq!(answer.status, status);
        let then = json(&edge, &["explain", "--id", answer.header("x-request-id")]).await["then"].clone();
        let headers = then["headers"].as_array().unwrap();
        assert!(headers.iter().any(|field| field[0] == "x-token" && field[1] == "[5 bytes]"), "{headers:?}");
        let why: Vec<_> =
            then["why"].as_array().unwrap().iter().map(|why| format!("{} {}", why["what"], why["name"])).collect();
        why.join(", ").replace('"', "")
    };
    assert_eq!(why("/wp", 404).await, "rule wp, tag probe, monitored watched");
    assert_eq!(why("/old", 301).await, "rule moved, monitored watched");
    let (code, _, error) = edge.command(&["bans", "add", "127.0.0.1", "--reason", "probes"]).await;
    assert_eq!(code, 0, "{error}");
    assert_eq!(why("/wp", 403).await, "ban probes");
}

#[tokio::test]
async fn what_the_edge_did_not_answer_itself_is_not_remembered() {
    let origin = Origin::start(|_| async { b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec() }).await;
    let edge = Edge::before(&origin.url(), "").await;
    let answer = get(edge.address(), "test", "/").await;
    assert_eq!(answer.status, 404);
    let (code, _, error) = edge.command(&["explain", "--id", answer.header("x-request-id")]).await;
    assert_eq!(code, 1);
    assert!(error.contains("is not remembered"), "{error}");
    let (code, _, error) = edge.command(&["explain", "--id", "xyz"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("16 hex digits"), "{error}");
}

#[tokio::test]
async fn a_request_that_nobody_sent_is_explained_live_and_changes_nothing() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    get(edge.address(), "test", "/").await;
    let words = ["explain", "GET", "http://test/x", "--client-ip", "127.0.0.1"];
    for _ in 0..5 {
        let explained = json(&edge, &words).await;
        let limit = &explained["limits"][0];
        assert_eq!((&limit["outcome"], &limit["remaining"]), (&"admits".into(), &0.into()), "{limit}");
        assert!(limit["level"].as_f64().unwrap() > 0.5, "{limit}");
    }
    let (_, text, _) = edge.command(&words).await;
    assert!(text.contains("live at "), "{text}");
    let other = json(&edge, &["explain", "GET", "http://test/x", "--client-ip", "192.0.2.1"]).await;
    assert_eq!(other["limits"][0]["remaining"], 1);
    assert_eq!(get(edge.address(), "test", "/").await.status, 200, "one was left all the time");
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn an_id_of_another_pop_is_found_through_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    cluster::plan_of(folder.path(), &origin.url(), &["fra", "ams", "nyc"], LIMIT);
    let fra = cluster::start(folder.path(), "fra").await;
    let nyc = cluster::start(folder.path(), "nyc").await;
    let id = refused(&nyc, "/", "").await;
    // The peers' ports are open before they are ready, but a slow machine may take longer than a question waits.
    let found = eventually(DEADLINE, async || {
        let (code, text, error) = fra.command(&["explain", "--id", &id, "--pop", "all", "--json"]).await;
        if code == 0 { Ok(serde_json::from_str::<Value>(&text).unwrap()) } else { Err(error) }
    })
    .await;
    assert_eq!((&found["pop"], &found["then"]["why"][0]["name"]), (&"nyc".into(), &"api".into()));
    assert_eq!(json(&fra, &["explain", "--id", &id, "--pop", "nyc"]).await["pop"], "nyc");
    let (code, _, error) = fra.command(&["explain", "--id", &id]).await;
    assert_eq!(code, 1, "this one was not asked to look elsewhere: {error}");
    let (code, _, error) = fra.command(&["explain", "--id", "00000000000000ff", "--pop", "all"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("is not remembered") && error.contains("ams: unreachable"), "{error}");
}
