//! Purges, seen from outside: at one POP and at all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use selvedge::admin::report::{Purged, PurgedUrl};
use selvedge::admin::{ClientError, send};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{plan_of, start};
use crate::support::edge::metrics;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get, ok, talk};

/// An origin whose answers say how many it gave before, are fresh for long, and are tagged.
pub(crate) async fn numbering() -> Origin {
    let answers = Arc::new(AtomicUsize::new(0));
    Origin::start(move |_| {
        let nth = answers.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let fields = "Cache-Control: max-age=600\r\nETag: \"e\"\r\nSurrogate-Key: news front\r\nCache-Tag: more\r\nCache-Groups: \"g\"\r\n";
            ok(fields, nth.to_string().as_bytes())
        }
    })
    .await
}

async fn post(edge: &Edge, question: &Value) -> Result<Purged, ClientError> {
    send(&edge.socket(), Method::POST, "/v1/purge", question).await
}

async fn text(edge: &Edge, path: &str) -> String {
    get(edge.address(), "www.example.com", path).await.text()
}

/// RFC 9875: what a POST changed, though neither its target nor what it names.
#[tokio::test]
async fn an_origin_purges_the_groups_that_a_request_changed() {
    let answers = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start(move |request| {
        let nth = answers.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let fields = match request.path() {
                "/save" => "Cache-Group-Invalidation: \"g\"\r\n",
                _ => "Cache-Control: max-age=600\r\nCache-Groups: \"g\"\r\n",
            };
            ok(fields, nth.to_string().as_bytes())
        }
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    assert_eq!((text(&edge, "/a").await, text(&edge, "/a").await), ("1".to_owned(), "1".to_owned()));
    assert_eq!(
        (text(&edge, "/save").await, text(&edge, "/a").await),
        ("2".to_owned(), "1".to_owned()),
        "a GET changes nothing"
    );
    let post =
        |host: &str| format!("POST /save HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    talk(edge.address(), post("other.example.com").as_bytes()).await;
    assert_eq!(text(&edge, "/a").await, "1", "a group is of one authority");
    let answer = Answer::parse(&talk(edge.address(), post("www.example.com").as_bytes()).await).expect("an answer");
    assert_eq!(answer.header("cache-group-invalidation"), "\"g\"", "the client's cache hears of it too");
    assert_eq!(text(&edge, "/a").await, "5");
}

#[tokio::test]
async fn a_purge_holds_when_the_command_ends() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), "[pop]\nname = \"fra\"\n").await;
    let mut stored = 1;
    assert_eq!(text(&edge, "/news?page=2").await, "1");
    for words in [
        &["--tag", "front"][..],
        &["--tag", "other", "--tag", "more"],
        &["--group", "www.example.com/g"],
        &["--url", "http://WWW.example.com/x/../news?page=2"],
        &["--prefix", "www.example.com/news"],
        &["--host", "www.example.com"],
        &["--all"],
    ] {
        let (code, said, error) = edge.command(&[&["purge"][..], words].concat()).await;
        assert_eq!((code, error.as_str()), (0, ""), "{words:?}");
        assert!(said.lines().all(|line| line.starts_with("purged  ") && line.contains(" of fra)")), "{said}");
        stored += 1;
        assert_eq!(text(&edge, "/news?page=2").await, stored.to_string(), "{words:?}");
    }
    for words in
        [&["--tag", "News"][..], &["--url", "http://www.example.com/news"], &["--prefix", "www.example.com/ne"]]
    {
        assert_eq!(edge.command(&[&["purge"][..], words].concat()).await.0, 0);
        assert_eq!(text(&edge, "/news?page=2").await, stored.to_string(), "{words:?}");
    }
    let counted = metrics(&edge).await;
    for line in [
        "selvedge_purges_total{kind=\"tag\",reach=\"hard\"} 4",
        "selvedge_purges_total{kind=\"all\",reach=\"hard\"} 1",
        "selvedge_cache_purged_total{reach=\"hard\"} 7",
    ] {
        assert!(counted.contains(line), "{line} is not in {counted}");
    }
}

#[tokio::test]
async fn a_soft_purge_has_the_origin_asked_whether_it_changed() {
    let origin = Origin::start(|request| async move {
        match request.header("if-none-match") {
            Some(_) => b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\nConnection: close\r\n\r\n".to_vec(),
            None => ok("Cache-Control: max-age=600\r\nETag: \"e\"\r\nSurrogate-Key: news\r\n", b"kept"),
        }
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    text(&edge, "/").await;
    let (code, said, _) = edge.command(&["purge", "--tag", "news", "--soft", "--json"]).await;
    let said: Purged = serde_json::from_str(&said).unwrap();
    assert_eq!((code, said.soft, said.purges[0].seq), (0, true, 1));
    let validated = get(edge.address(), "www.example.com", "/").await;
    assert!(
        validated.header("cache-status").contains("fwd=stale; fwd-status=304"),
        "{:?}",
        validated.header("cache-status")
    );
    assert_eq!((validated.text().as_str(), origin.seen().len()), ("kept", 2));
    // Validated with the same tags: these still reach it.
    assert_eq!(edge.command(&["purge", "--tag", "news"]).await.0, 0);
    text(&edge, "/").await;
    assert_eq!(origin.seen()[2].header("if-none-match"), None);
}

#[tokio::test]
async fn tags_are_for_caches_only() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), "").await;
    for nth in 1..=2 {
        let answer = get(edge.address(), "www.example.com", "/").await;
        let shown = ["surrogate-key", "cache-tag", "cache-groups"].map(|field| answer.header(field).to_owned());
        assert_eq!(shown, ["", "", "\"g\""], "answer {nth}");
    }
    assert_eq!(origin.seen().len(), 1);
}

/// Nothing of a batch is purged if something in it cannot be.
#[tokio::test]
async fn a_batch_is_refused_as_a_whole_with_the_place_of_what_is_wrong() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), "").await;
    text(&edge, "/").await;
    let tags = |count: usize| vec![json!({"tag": "news"}); count];
    for (question, expected) in [
        (json!({"purges": [{"all": true}, {"url": "/relative"}]}), "purges[1]: \"/relative\": a URL is written"),
        (json!({"purges": [{"all": true}, {"prefix": "a/b?c"}]}), "purges[1]: \"a/b?c\": a prefix is a host"),
        (json!({"purges": [{"all": true}, {"tag": ""}]}), "purges[1]: \"\": a tag has 1 to 256 bytes"),
        (json!({"purges": [{"all": false}]}), "purges[0]: all is true or not there"),
        (json!({"purges": [{"group": "g"}]}), "purges[0]: \"g\": a host is written"),
        (json!({"purges": [{"all": true}, {"tags": "news"}]}), "purges[1]"),
        (json!({"purges": [{"all": true}], "hard": true}), "unknown field `hard`"),
        (json!({"purges": []}), "purges: 1 to 10000 at once, not 0"),
        (json!({"purges": tags(10_001)}), "purges: 1 to 10000 at once, not 10001"),
        (json!({"purges": [{"all": true}], "wait_ms": 60_001}), "wait_ms is 60000 at most"),
    ] {
        let Err(error) = post(&edge, &question).await else { panic!("{expected}: taken") };
        assert!(error.to_string().contains(expected), "{error} does not say {expected}");
    }
    assert_eq!(text(&edge, "/").await, "1", "nothing was purged");
    let purged = post(&edge, &json!({"purges": tags(10_000)})).await.unwrap();
    let numbers: Vec<u64> = purged.purges.iter().map(|purge| purge.seq).collect();
    assert_eq!(numbers, (1..=10_000).collect::<Vec<_>>());
    assert_eq!(text(&edge, "/").await, "2");
}

/// What is asked for before a purge at another POP is not served after its receipt, and that names every POP.
#[tokio::test]
async fn a_receipt_says_that_every_pop_serves_something_newer() {
    let folder = tempfile::tempdir().unwrap();
    let origin = numbering().await;
    plan_of(folder.path(), &origin.url(), &["one", "two"], "");
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    let both = [&one, &two];
    for edge in both {
        eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
            2 => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
    }
    let mut newest = 0;
    for round in 0..20 {
        for edge in both {
            let shown: usize = text(edge, "/").await.parse().unwrap();
            assert!(shown > newest, "round {round}: {shown} is from before the purge");
        }
        newest = origin.seen().len();
        let by = both[round % 2];
        let (code, said, error) = by.command(&["purge", "--tag", "news", "--wait", "20s", "--json"]).await;
        assert_eq!((code, error.as_str()), (0, ""), "{said}");
        let purged: Purged = serde_json::from_str(&said).unwrap();
        let pops: Vec<&str> = purged.receipts.iter().map(|receipt| receipt.pop.as_str()).collect();
        assert_eq!((pops, purged.missing), (vec!["one", "two"], vec![]));
        assert!(purged.receipts.iter().all(|receipt| receipt.at > 0 && receipt.incarnation > 0));
    }
    let (code, said, _) = one.command(&["purge", "--url", "http://www.example.com/", "--wait", "20s"]).await;
    assert!(code == 0 && said.contains("\napplied  one  ") && said.contains("\napplied  two  "), "{said}");
}

#[tokio::test]
async fn a_pop_without_receipt_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let origin = numbering().await;
    plan_of(folder.path(), &origin.url(), &["one", "two"], "");
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    eventually(DEADLINE, async || match one.status().await.cluster.unwrap().heard {
        2 => Ok(()),
        heard => Err(format!("{heard} heard")),
    })
    .await;
    // Apart, it can be asked but hears of no purge.
    assert_eq!(two.command(&["cluster", "apart"]).await.0, 0);
    text(&two, "/").await;
    let (code, said, _) = one.command(&["purge", "--all", "--wait", "100ms"]).await;
    assert!(code == 1 && said.contains("\napplied  one  "), "{said}");
    assert!(said.contains("\nMISSING  two  0 of 1 purges are applied there\n"), "{said}");
    assert_eq!(text(&two, "/").await, "1");
    assert_eq!(two.command(&["cluster", "join"]).await.0, 0);
    eventually(DEADLINE, async || match text(&two, "/").await.as_str() {
        "1" => Err("not heard of the purge".to_owned()),
        _ => Ok(()),
    })
    .await;
    drop(two.kill().await);
    let (code, said, _) = one.command(&["purge", "--all", "--wait", "100ms", "--json"]).await;
    let purged: Purged = serde_json::from_str(&said).unwrap();
    assert_eq!((code, purged.receipts.len(), purged.missing[0].pop.as_str()), (1, 1, "two"), "{said}");
}

#[tokio::test]
async fn a_pop_alone_gives_its_own_receipt() {
    let edge = Edge::before("127.0.0.1:1", "[pop]\nname = \"fra\"\n").await;
    let (code, said, _) = edge.command(&["purge", "--all", "--wait"]).await;
    assert!(code == 0 && said.contains("\napplied  fra  ") && !said.contains("MISSING"), "{said}");
    let (code, _, error) = edge.command(&["purge"]).await;
    assert!(code != 0 && error.contains("--tag"), "{error}");
}

/// A request with method PURGE, and this field.
async fn purge_request(edge: &Edge, path: &str, field: &str) -> (u16, String) {
    let request = format!("PURGE {path} HTTP/1.1\r\nHost: www.example.com\r\n{field}Connection: close\r\n\r\n");
    let answer = Answer::parse(&talk(edge.address(), request.as_bytes()).await).expect("an answer");
    (answer.status, answer.text())
}

#[tokio::test]
async fn a_purge_request_of_those_who_may_purges_its_url() {
    let origin = numbering().await;
    let more = "[purge]\nfrom = [\"127.0.0.0/8\"]\n[pop]\nname = \"fra\"\n";
    let edge = Edge::before(&origin.url(), more).await;
    assert_eq!((text(&edge, "/a?q").await, text(&edge, "/b").await), ("1".to_owned(), "2".to_owned()));
    let (status, said) = purge_request(&edge, "/./a?q", "").await;
    let said: PurgedUrl = serde_json::from_str(&said).unwrap();
    assert_eq!((status, said.by.pop.as_str(), said.seq, said.soft), (200, "fra", 1, false));
    assert_eq!((text(&edge, "/a?q").await, text(&edge, "/b").await), ("3".to_owned(), "2".to_owned()));
    for field in ["Selvedge-Soft: 1\r\n", "Fastly-Soft-Purge: 1\r\n"] {
        let (status, said) = purge_request(&edge, "/b", field).await;
        assert!(status == 200 && said.contains("\"soft\":true"), "{said}");
        let validated = get(edge.address(), "www.example.com", "/b").await;
        assert!(validated.header("cache-status").contains("fwd=stale"), "{}", validated.header("cache-status"));
    }
    assert!(origin.seen().iter().all(|request| !request.head.starts_with("PURGE")));
}

#[tokio::test]
async fn a_purge_request_of_others_is_refused() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), "[purge]\nfrom = [\"10.0.0.0/8\"]\n").await;
    assert_eq!(text(&edge, "/").await, "1");
    assert_eq!(purge_request(&edge, "/", "").await.0, 403);
    // Whose word about the client's address is not believed.
    assert_eq!(purge_request(&edge, "/", "X-Forwarded-For: 10.1.2.3\r\n").await.0, 403);
    assert_eq!(text(&edge, "/").await, "1");
    assert_eq!(origin.seen().len(), 1);
}

/// Rules come first, as for every request.
#[tokio::test]
async fn a_rule_may_refuse_a_purge_request() {
    let origin = numbering().await;
    let rule = "[purge]\nfrom = [\"127.0.0.0/8\"]\n[[rule]]\nname = \"no\"\nwhen = 'request.path == \"/kept\"'\ndo = { deny = 451 }\n";
    let edge = Edge::before(&origin.url(), rule).await;
    assert_eq!((purge_request(&edge, "/kept", "").await.0, purge_request(&edge, "/", "").await.0), (451, 200));
}

/// Without [purge] it is a method like others, whose success has the URL not be answered from the cache.
#[tokio::test]
async fn without_the_section_a_purge_request_is_the_origins() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), "").await;
    assert_eq!(text(&edge, "/").await, "1");
    assert_eq!(purge_request(&edge, "/", "").await, (200, "2".to_owned()));
    assert!(origin.seen()[1].head.starts_with("PURGE / "));
}

/// Asks under a key, and gives back status and answer.
async fn keyed(edge: &Edge, key: &str, question: &Value) -> (u16, String) {
    let mut stream = tokio::net::UnixStream::connect(edge.socket()).await.expect("the admin socket");
    let body = question.to_string();
    let head = format!(
        "POST /v1/purge HTTP/1.1\r\nHost: admin\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.expect("to be heard");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.expect("an answer");
    let answer = Answer::parse(&said).expect("an answer");
    (answer.status, answer.text())
}

#[tokio::test]
async fn the_same_question_under_the_same_key_purges_once() {
    let origin = numbering().await;
    let edge = Edge::before(&origin.url(), "").await;
    let question = json!({"purges": [{"tag": "news"}]});
    let first = keyed(&edge, "k1", &question).await;
    assert_eq!((first.0, text(&edge, "/").await.as_str()), (200, "1"));
    assert_eq!(keyed(&edge, "k1", &question).await, first);
    assert_eq!(text(&edge, "/").await, "1", "nothing was purged once more");
    assert_eq!(keyed(&edge, "k1", &json!({"purges": [{"tag": "other"}]})).await.0, 422);
    let second = keyed(&edge, "k2", &question).await;
    assert!(second.0 == 200 && second.1 != first.1 && text(&edge, "/").await == "2");
    assert_eq!(keyed(&edge, "k3", &json!({"purges": []})).await.0, 422);
    assert_eq!(keyed(&edge, "k3", &question).await.0, 200, "what was refused was not asked");
}
