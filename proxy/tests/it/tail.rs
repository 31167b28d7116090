//! Watching a live edge: `selvedge tail` at one POP and at all of them.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdout};

use crate::cluster;
use crate::support::{DEADLINE, Edge, Origin, eventually, get, get_with, program};

/// A running `selvedge tail --json`.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(edge: &Edge, words: &[&str]) -> Tail {
        let mut child = program()
            .args(["tail", "--json"])
            .args(words)
            .arg("--socket")
            .arg(edge.socket())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Tail { child, lines }
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await.expect("a line").unwrap();
        serde_json::from_str(&line.expect("a line before the end")).unwrap()
    }

    async fn end(mut self) -> i32 {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("an end").unwrap().code().unwrap()
    }
}

/// Asks an edge until a tail shows something: then it has begun, at that POP too.
async fn begun(tail: &mut Tail, edge: &Edge) -> Value {
    let asking = async {
        loop {
            get(edge.address(), "test", "/begin").await;
        }
    };
    tokio::select! {
        line = tail.line() => line,
        () = asking => unreachable!(),
    }
}

/// The next request that was not only made to see whether the tail has begun.
async fn next(tail: &mut Tail) -> Value {
    loop {
        let line = tail.line().await;
        if line["url.path"] != "/begin" {
            return line;
        }
    }
}

#[tokio::test]
async fn requests_are_shown_as_they_are_answered_and_the_tail_ends_after_so_many() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    let mut tail = Tail::start(&edge, &["--limit", "1000000"]);
    begun(&mut tail, &edge).await;
    get(edge.address(), "shop.example", "/a?b").await;
    let line = next(&mut tail).await;
    assert_eq!((&line["server.address"], &line["url.path"]), (&"shop.example".into(), &"/a".into()));
    assert_eq!((&line["pop"], &line["http.response.status_code"]), (&"local".into(), &200.into()));
    let mut tail = Tail::start(&edge, &["--limit", "2"]);
    begun(&mut tail, &edge).await;
    get(edge.address(), "test", "/last").await;
    assert_eq!(tail.end().await, 0);
}

#[tokio::test]
async fn a_filter_is_asked_about_request_and_response() {
    let origin = Origin::start(|request| async move {
        let status = if request.path() == "/gone" { "410 Gone" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nX-Kind: {}\r\nContent-Length: 0\r\n\r\n", request.path()).into_bytes()
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    let filter = r#"request.path == "/begin" || response.status == 410 && request.host == "b.example" || response.headers["x-kind"] == "/kind""#;
    let mut tail = Tail::start(&edge, &[filter]);
    begun(&mut tail, &edge).await;
    get(edge.address(), "a.example", "/gone").await;
    get(edge.address(), "b.example", "/gone").await;
    get(edge.address(), "b.example", "/there").await;
    get(edge.address(), "b.example", "/kind").await;
    let line = next(&mut tail).await;
    assert_eq!((&line["server.address"], &line["url.path"]), (&"b.example".into(), &"/gone".into()));
    assert_eq!(next(&mut tail).await["url.path"], "/kind");
}

#[tokio::test]
async fn a_filter_with_a_mistake_is_answered_with_its_place_and_1() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    let (code, _, error) = edge.command(&["tail", r#"reqest.path == "/""#]).await;
    assert_eq!(code, 1);
    assert!(error.contains(r#"reqest.path == "/""#) && error.contains("───"), "{error}");
    assert!(error.contains("`request`"), "{error}");
    let (code, _, error) = edge.command(&["tail", "client.ip in lists.office"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("there is no list `office`"), "{error}");
    let (code, _, error) = edge.command(&["tail", "--pop", "nowhere"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("there is no POP \"nowhere\"; there are: local"), "{error}");
}

#[tokio::test]
async fn what_rules_said_is_shown_and_may_be_asked_for() {
    let origin = Origin::fixed("", "x").await;
    let rules = r#"
[list.bad]
kind = "addresses"
[[rule]]
name = "wp"
when = 'request.path.startsWith("/wp")'
do = { deny = 404, tag = "probe", set_request_headers = { x-seen = '"yes"' } }
[[rule]]
name = "rewritten"
do = { rewrite = { path = '"/elsewhere"' }, set_request_headers = { user-agent = '"edge"' } }
"#;
    let edge = Edge::before(&origin.url(), rules).await;
    // As the client sent it, whatever rules changed for the origin.
    let filter = r#""probe" in request.tags || request.path == "/plain" && request.headers["user-agent"] == "me" || client.ip in lists.bad"#;
    let mut tail = Tail::start(&edge, &[filter]);
    let asking = async {
        loop {
            get(edge.address(), "test", "/wp-login").await;
        }
    };
    let line = tokio::select! {
        line = tail.line() => line,
        () = asking => unreachable!(),
    };
    assert_eq!((&line["rule"], &line["tags"][0], &line["answer"]), (&"wp".into(), &"probe".into(), &"denied".into()));
    get(edge.address(), "test", "/plain").await;
    get_with(edge.address(), "test", "/plain", "User-Agent: me\r\n").await;
    let line = loop {
        let line = tail.line().await;
        if line["url.path"] != "/wp-login" {
            break line;
        }
    };
    assert_eq!((&line["url.path"], &line["http.response.status_code"]), (&"/plain".into(), &200.into()));
    assert_eq!(edge.command(&["lists", "add", "bad", "127.0.0.1"]).await.0, 0);
    get(edge.address(), "test", "/listed").await;
    let line = loop {
        let line = tail.line().await;
        if line["url.path"] != "/wp-login" {
            break line;
        }
    };
    assert_eq!(line["url.path"], "/listed");
}

/// Opens a tail at the admin socket by hand, as far as its header.
async fn by_hand(edge: &Edge) -> BufReader<UnixStream> {
    let mut stream = BufReader::new(UnixStream::connect(edge.socket()).await.unwrap());
    stream.write_all(b"GET /v1/tail HTTP/1.1\r\nHost: admin\r\n\r\n").await.unwrap();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_what_it_missed() {
    /// More than pipes, sockets and queues hold of lines this long.
    const REQUESTS: u64 = 3000;
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    let mut tail = by_hand(&edge).await;
    let path = format!("/{}", "x".repeat(1900));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (address, path) = (edge.address(), path.clone());
        asking.spawn(async move {
            for _ in 0..REQUESTS / 10 {
                get(address, "test", &path).await;
            }
        });
    }
    asking.join_all().await;
    // Whatever comes next carries what was missed.
    get(edge.address(), "test", "/last").await;
    let (mut shown, mut dropped) = (0, 0);
    while shown + dropped <= REQUESTS {
        let mut line = String::new();
        tokio::time::timeout(DEADLINE, tail.read_line(&mut line)).await.expect("a line").unwrap();
        // Lines between sizes of chunks.
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        match line["dropped"].as_u64() {
            Some(more) => dropped += more,
            None => shown += u64::from(line["v"] == 1),
        }
    }
    assert!(dropped > 0, "all {shown} were shown");
    assert_eq!(shown + dropped, REQUESTS + 1);
}

#[tokio::test]
async fn a_reload_reads_the_filter_anew_or_ends_the_tail_with_its_reason() {
    let origin = Origin::fixed("", "x").await;
    let list = |name: &str| format!("[list.{name}]\nkind = \"addresses\"\nitems = [\"127.0.0.1\"]\n");
    let edge = Edge::before(&origin.url(), &list("here")).await;
    let mut tail = Tail::start(&edge, &["client.ip in lists.here"]);
    begun(&mut tail, &edge).await;
    let file = edge.folder.path().join("selvedge.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace(&list("here"), &format!("{}{}", list("before"), list("here")))).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    get(edge.address(), "test", "/after").await;
    let line = loop {
        let line = next(&mut tail).await;
        // Requests in the moment of the exchange may be missed.
        if line["dropped"].is_null() {
            break line;
        }
    };
    assert_eq!(line["url.path"], "/after");
    std::fs::write(&file, config.replace(&list("here"), &list("gone"))).unwrap();
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    let last = loop {
        let line = next(&mut tail).await;
        if line["error"].is_string() {
            break line["error"].as_str().unwrap().to_owned();
        }
    };
    assert!(last.contains("there is no list `here`") && last.contains("client.ip in lists.here"), "{last}");
    assert_eq!(tail.end().await, 1);
}

#[tokio::test]
async fn one_tail_sees_all_pops_and_says_which_cannot_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    cluster::plan_of(folder.path(), &origin.url(), &["fra", "ams", "nyc"], "");
    let fra = cluster::start(folder.path(), "fra").await;
    let mut tail = Tail::start(&fra, &["--pop", "all", r#"request.path != "/never""#]);
    // Before the others are there.
    let unreachable = loop {
        let line = tail.line().await;
        if line["error"].is_string() {
            break line;
        }
    };
    assert!(["ams", "nyc"].contains(&unreachable["pop"].as_str().unwrap()), "{unreachable}");
    assert!(unreachable["error"].as_str().unwrap().starts_with("unreachable: 127.0.0.1:"), "{unreachable}");
    let ams = cluster::start(folder.path(), "ams").await;
    let nyc = cluster::start(folder.path(), "nyc").await;
    // They are asked again and again until they answer.
    for (edge, name) in [(&fra, "fra"), (&ams, "ams"), (&nyc, "nyc")] {
        let path = format!("/at-{name}");
        let asking = async {
            loop {
                get(edge.address(), "test", "/never").await;
                get(edge.address(), "test", &path).await;
            }
        };
        let seeing = async {
            loop {
                let line = tail.line().await;
                assert_ne!(line["url.path"], "/never");
                if line["url.path"] == *path {
                    return assert_eq!(line["pop"], name);
                }
            }
        };
        tokio::select! {
            () = seeing => {}
            () = asking => unreachable!(),
        }
    }
    // The highest id asks the lowest, which never dials it for the replica.
    let mut tail = Tail::start(&nyc, &["--pop", "fra"]);
    assert_eq!(begun(&mut tail, &fra).await["pop"], "fra");
    // A POP that is lost is named, and the others go on.
    let mut tail = Tail::start(&nyc, &["--pop", "all"]);
    begun(&mut tail, &ams).await;
    ams.kill().await;
    while tail.line().await["pop"] != "ams" {}
    loop {
        let line = tail.line().await;
        if line["error"].is_string() {
            break assert_eq!(line["pop"], "ams", "{line}");
        }
    }
    begun(&mut tail, &fra).await;
}

#[tokio::test]
async fn another_pop_that_does_not_know_a_name_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    cluster::plan_of(folder.path(), &origin.url(), &["fra", "ams"], "");
    let file = folder.path().join("fra").join("selvedge.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{config}\n[list.here]\nkind = \"strings\"\n")).unwrap();
    let fra = cluster::start(folder.path(), "fra").await;
    let _ams = cluster::start(folder.path(), "ams").await;
    let mut tail = Tail::start(&fra, &["--pop", "all", "!(request.path in lists.here)"]);
    let error = eventually(DEADLINE, async || {
        let line = tail.line().await;
        line["error"].as_str().filter(|error| error.contains("list")).map(str::to_owned).ok_or(line.to_string())
    })
    .await;
    assert!(error.contains("there is no list `here`"), "{error}");
}
