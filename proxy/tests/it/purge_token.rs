//! Tokens that purge: what each is good for, how often, and at which POP.

use selvedge::admin::report::{Purged, PurgedUrl};
use serde_json::{Value, json};

use crate::cluster::{plan_of, start};
use crate::purge::numbering;
use crate::support::{Answer, DEADLINE, Edge, eventually, get, metrics, talk};

const SECRET: &str = "cms-0123456789abcdef";

/// An edge with these tokens, whose secrets are `SECRET` with a letter behind it, by their files.
async fn edge(origin: &str, more: &str) -> (tempfile::TempDir, Edge) {
    let folder = tempfile::tempdir().expect("a folder");
    for letter in ["a", "b", "c"] {
        std::fs::write(folder.path().join(letter), format!("{SECRET}{letter}\n")).expect("a secret");
    }
    let more = more.replace("FOLDER", &folder.path().to_string_lossy());
    let edge = Edge::before(origin, &format!("[pop]\nname = \"fra\"\n\n{more}")).await;
    (folder, edge)
}

/// A request with this method, path, token and fields.
async fn ask(edge: &Edge, line: &str, token: &str, fields: &str, body: &str) -> Answer {
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: www.example.com\r\n{token}{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    Answer::parse(&talk(edge.address(), request.as_bytes()).await).expect("an answer")
}

async fn text(edge: &Edge, path: &str) -> String {
    get(edge.address(), "www.example.com", path).await.text()
}

const TOKENS: &str = r#"
[purge]
path = "/-/purge"

[[purge.token]]
name   = "cms"
secret = "FOLDER/a"
kinds  = ["url", "tag", "prefix"]
hosts  = ["www.example.com"]
paths  = ["/news"]
tags   = ["news", "front-*"]

[[purge.token]]
name   = "soft"
secret = "FOLDER/b"
kinds  = ["all"]
soft   = true

[[purge.token]]
name   = "slow"
secret = "FOLDER/c"
rate   = "3/1h"
"#;

#[tokio::test]
async fn a_token_purges_what_it_is_for_and_nothing_else() {
    let origin = numbering().await;
    let (_folder, edge) = edge(&origin.url(), TOKENS).await;
    assert_eq!((text(&edge, "/news/1").await, text(&edge, "/other").await), ("1".to_owned(), "2".to_owned()));
    let cms = format!("{SECRET}a");
    let purged = ask(&edge, "PURGE /news/./1", &cms, "", "").await;
    let said: PurgedUrl = serde_json::from_str(&purged.text()).expect("what was purged");
    assert_eq!((purged.status, said.seq, said.by.pop.as_str()), (200, 1, "fra"));
    assert_eq!(text(&edge, "/news/1").await, "3");
    for (line, token, status, challenge, detail) in [
        (
            "PURGE /other",
            cms.as_str(),
            403,
            "Bearer realm=\"purge\", error=\"insufficient_scope\"",
            "This token is not for this path.",
        ),
        (
            "PURGE /newsroom",
            cms.as_str(),
            403,
            "Bearer realm=\"purge\", error=\"insufficient_scope\"",
            "This token is not for this path.",
        ),
        ("PURGE /news", "", 401, "Bearer realm=\"purge\"", "Who purges here shows a token."),
        (
            "PURGE /news",
            "cms-0123456789abcdeX",
            401,
            "Bearer realm=\"purge\", error=\"invalid_token\"",
            "This is no token that may purge.",
        ),
    ] {
        let refused = ask(&edge, line, token, "", "").await;
        let problem: Value = serde_json::from_str(&refused.text()).expect("a problem document");
        assert_eq!((refused.status, refused.header("www-authenticate")), (status, challenge), "{line}");
        assert_eq!(problem["detail"], detail, "{line}");
    }
    let other = format!(
        "PURGE /news/1 HTTP/1.1\r\nHost: other.example\r\nAuthorization: Bearer {cms}\r\nConnection: close\r\n\r\n"
    );
    let other = Answer::parse(&talk(edge.address(), other.as_bytes()).await).expect("an answer");
    assert!(other.status == 403 && other.text().contains("not for this host"), "{}", other.text());
    assert_eq!(text(&edge, "/other").await, "2", "nothing of it was purged");
    let counted = metrics(&edge).await;
    for line in ["{reason=\"scope\"} 3", "{reason=\"token\"} 2"] {
        assert!(counted.contains(&format!("selvedge_purges_refused_total{line}")), "{line} is not in {counted}");
    }
    let log = std::fs::read_to_string(edge.folder.path().join("log")).expect("a log");
    assert!(log.contains("token cms") && !log.contains(SECRET), "{log}");
    let access = std::fs::read_to_string(edge.folder.path().join("access.log")).expect("a log");
    assert!(!access.contains(SECRET));
    assert!(origin.seen().iter().all(|request| !request.head.contains(SECRET)));
}

#[tokio::test]
async fn a_batch_at_the_path_is_made_as_a_whole_or_not() {
    let origin = numbering().await;
    let near = TOKENS.replace("[purge]\n", "[purge]\nfrom = [\"127.0.0.0/8\"]\n");
    let (_folder, edge) = edge(&origin.url(), &near).await;
    assert_eq!(text(&edge, "/news/1").await, "1");
    let (cms, soft) = (format!("{SECRET}a"), format!("{SECRET}b"));
    let batch = async |token: &str, fields: &str, question: &Value| {
        ask(&edge, "POST /-/purge", token, fields, &question.to_string()).await
    };
    let made = json!({"purges": [{"tag": "front-page"}, {"url": "http://www.example.com/news/1"}], "wait_ms": 1_000});
    for (question, status, detail) in [
        (json!({"purges": [{"tag": "news"}, {"tag": "other"}]}), 403, "This token is not for this tag."),
        (json!({"purges": [{"tag": "news"}, {"all": true}]}), 403, "This token purges nothing by all."),
        (json!({"purges": [{"url": "http://other.example/news"}]}), 403, "This token is not for this host."),
        (json!({"purges": [{"prefix": "www.example.com/new"}]}), 403, "This token is not for this path."),
        (
            json!({"purges": [{"tag": ""}]}),
            422,
            "Purges[0]: \"\": a tag has 1 to 256 bytes and no space or comma at its ends.",
        ),
        (
            json!({"purge": []}),
            400,
            "Unknown field `purge`, expected one of `purges`, `soft`, `wait_ms` at line 1 column 8.",
        ),
    ] {
        let refused = batch(&cms, "", &question).await;
        let problem: Value = serde_json::from_str(&refused.text()).expect("a problem document");
        assert_eq!((refused.status, problem["detail"].as_str()), (status, Some(detail)), "{question}");
    }
    assert_eq!(batch("", "", &made).await.status, 401, "an address is not enough");
    let hard = json!({"purges": [{"all": true}]});
    assert!(batch(&soft, "", &hard).await.text().contains("purges softly alone"));
    assert_eq!(text(&edge, "/news/1").await, "1", "nothing was purged");
    let first = batch(&cms, "Idempotency-Key: k\r\n", &made).await;
    let said: Purged = serde_json::from_str(&first.text()).expect("what was purged");
    let receipts: Vec<_> = said.receipts.iter().map(|receipt| receipt.pop.as_str()).collect();
    assert_eq!((first.status, said.purges.len(), receipts), (200, 2, vec!["fra"]));
    assert_eq!(text(&edge, "/news/1").await, "2");
    assert_eq!(batch(&cms, "Idempotency-Key: k\r\n", &made).await.text(), first.text());
    assert_eq!(batch(&cms, "Idempotency-Key: k\r\n", &hard).await.status, 422, "another question's");
    assert_eq!(text(&edge, "/news/1").await, "2", "nothing was purged once more");
    let long = format!("{{\"purges\": [{}{{\"tag\": \"news\"}}]}}", "{\"tag\": \"news\"}, ".repeat(5_000));
    assert_eq!(ask(&edge, "POST /-/purge", &cms, "", &long).await.status, 413);
    let all = json!({"purges": [{"all": true}], "soft": true});
    assert_eq!(batch(&soft, "", &all).await.status, 200);
    assert!(get(edge.address(), "www.example.com", "/news/1").await.header("cache-status").contains("fwd=stale"));
    assert!(origin.seen().iter().all(|request| !request.head.starts_with("POST")), "nothing of it is the origin's");
}

/// A token's rate is one for all POPs, and whoever may purge by address has none.
#[tokio::test]
async fn a_token_purges_as_often_as_it_may_over_all_pops() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}c")).expect("a secret");
    let origin = numbering().await;
    let tokens = format!(
        "[purge]\nfrom = [\"10.0.0.0/8\"]\n[[purge.token]]\nname = \"slow\"\nsecret = {:?}\nrate = \"3/1h\"\n",
        secret.to_string_lossy()
    );
    plan_of(folder.path(), &origin.url(), &["one", "two"], &tokens);
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    for edge in [&one, &two] {
        eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
            2 => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
    }
    let slow = format!("{SECRET}c");
    for nth in 0..3 {
        assert_eq!(ask(&one, "PURGE /", &slow, "", "").await.status, 200, "purge {nth}");
    }
    let refused = ask(&one, "PURGE /", &slow, "", "").await;
    let after: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!(refused.status == 429 && (1..=1_200).contains(&after), "{}", refused.text());
    eventually(DEADLINE, async || match ask(&two, "PURGE /", &slow, "", "").await.status {
        429 => Ok(()),
        status => Err(format!("{status}")),
    })
    .await;
}

#[tokio::test]
async fn a_config_whose_secrets_cannot_be_used_is_refused_and_says_nothing_of_them() {
    let origin = numbering().await;
    let (folder, edge) = edge(&origin.url(), TOKENS).await;
    for (content, expected) in [
        ("tooshort", "line 1 is no secret"),
        ("", "it is empty"),
        (&format!("{SECRET}b"), "two tokens that purge have the same secret"),
    ] {
        std::fs::write(folder.path().join("a"), content).expect("a secret");
        let (code, _, error) = edge.command(&["reload"]).await;
        assert!(code != 0 && error.contains(expected) && !error.contains("tooshort"), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
    // The one in force stays good; while secrets are exchanged both are.
    assert_eq!(ask(&edge, "PURGE /news", &format!("{SECRET}a"), "", "").await.status, 200);
    std::fs::write(folder.path().join("a"), format!("{SECRET}a\n{SECRET}new\n")).expect("a secret");
    assert_eq!(edge.command(&["reload"]).await.0, 0);
    for (secret, status) in [("a", 200), ("new", 200), ("old", 401)] {
        assert_eq!(ask(&edge, "PURGE /news", &format!("{SECRET}{secret}"), "", "").await.status, status, "{secret}");
    }
}
