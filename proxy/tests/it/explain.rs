//! `selvedge explain`, `selvedge check --cost` and `selvedge metrics budget`: what is said of a config without running it.

use serde_json::Value;

use crate::support::{Edge, Origin, get, metrics, program};

const RULES: &str = r#"[listen]
http = ["127.0.0.1:0"]
[origin.app]
servers = ["127.0.0.1:1"]
[origin.beta]
servers = ["127.0.0.1:2"]
[site."www.example.com"]
origin = "app"
[[rule]]
name = "wp-probes"
when = 'request.path.startsWith("/wp-")'
do = { deny = 404, tag = "probe" }
[[rule]]
name = "old"
when = 'request.path.startsWith("/old/")'
do = { rewrite = { path = '"/new/" + request.path.substring(5)' }, origin = "beta", cache = { ttl = "1h" } }
[[rule]]
name = "moved"
when = 'request.host == "www.example.com" && request.path == "/moved"'
do = { redirect = { to = '"https://example.org" + request.path', status = 301 } }
[[rule]]
name = "harden"
phase = "response"
do = { set_response_headers = { x-frame-options = '"DENY"' } }
[[limit]]
name = "api"
key = ["client.net"]
rate = "20/1m"
burst = 3
"#;

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

async fn run(words: &[&str]) -> (i32, String, String) {
    let output = program().args(words).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

async fn explained(path: &str, words: &[&str]) -> (String, Value) {
    let words = [&["explain"], words, &["--config", path]].concat();
    let (code, text, error) = run(&words).await;
    assert_eq!(code, 0, "{error}");
    let (_, json, _) = run(&[&words[..], &["--json"]].concat()).await;
    (text, serde_json::from_str(&json).unwrap())
}

#[tokio::test]
async fn the_rule_that_stops_is_named_with_its_line_and_what_comes_after_is_not_reached() {
    let (_folder, path) = file(RULES);
    let (text, found) = explained(&path, &["GET", "https://www.example.com/%77p-login.php"]).await;
    let line = text.lines().find(|line| line.contains("rule   wp-probes")).unwrap();
    assert!(line.contains("edge.toml:9"), "{line}");
    assert!(line.contains(r#"MATCH  request.path.startsWith("/wp-") -> deny 404   [stops]"#), "{line}");
    assert!(text.contains("not reached (rule wp-probes)"), "{text}");
    assert!(text.contains("answer 404 by the edge (rule wp-probes)"), "{text}");
    assert!(text.contains("offline from"), "{text}");
    assert_eq!(found["path"], "/wp-login.php", "rules see the normal form");
    assert_eq!(found["rules"][0]["stops"], true);
    assert_eq!(found["rules"][1]["outcome"], "not_reached");
    assert_eq!(found["limits"][0]["outcome"], "not_reached");
    assert_eq!(found["cache"]["outcome"], "not_reached");
    assert_eq!(
        found["answer"],
        serde_json::json!({
            "by": "edge", "status": 404, "because": "rule wp-probes", "location": null, "origin": null, "path": null,
            "headers": ["x-frame-options: DENY"],
        })
    );
}

#[tokio::test]
async fn what_passes_is_told_with_its_limit_its_cache_key_and_its_origin() {
    let (_folder, path) = file(RULES);
    let (text, found) = explained(&path, &["GET", "https://www.example.com/old/a?b=c", "--status", "200"]).await;
    assert!(text.contains("+ rewrite: /new/a"), "{text}");
    assert!(text.contains("looked up as https://www.example.com/new/a?b=c of origin beta   (ttl 1h)"), "{text}");
    assert_eq!(found["limits"][0]["outcome"], "admits");
    assert_eq!(found["limits"][0]["remaining"], 2);
    assert_eq!(found["answer"]["origin"], "beta");
    assert_eq!(found["answer"]["path"], "/new/a");
    assert_eq!(found["rules"][3]["outcome"], "matched");
    let (_, found) = explained(&path, &["POST", "https://www.example.com/", "--body", "x"]).await;
    assert_eq!((&found["cache"]["outcome"], &found["cache"]["because"]), (&"bypassed".into(), &"method".into()));
    assert_eq!(found["rules"][3]["unreached"], "no response was given");
}

#[tokio::test]
async fn a_redirect_says_where_to_and_a_host_of_no_site_is_404() {
    let (_folder, path) = file(RULES);
    let (_, found) = explained(&path, &["GET", "http://www.example.com/moved"]).await;
    assert_eq!(found["answer"]["location"], "https://example.org/moved");
    assert_eq!(found["answer"]["status"], 301);
    let (text, found) = explained(&path, &["GET", "http://other.example/"]).await;
    assert_eq!(found["answer"]["status"], 404);
    assert!(text.contains("no site serves the host"), "{text}");
}

#[tokio::test]
async fn what_no_edge_would_decide_about_is_said_and_1() {
    let (_folder, path) = file(RULES);
    for (url, why) in [("/a", "is no URL"), ("http://www.example.com/%zz", "hexadecimal")] {
        let (code, _, error) = run(&["explain", "GET", url, "--config", &path]).await;
        assert_eq!(code, 1);
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn the_cost_of_each_condition_is_known_and_the_rules_that_are_always_asked_are_named() {
    let (_folder, path) = file(RULES);
    let (code, text, _) = run(&["check", &path, "--cost"]).await;
    assert_eq!(code, 0);
    assert!(text.contains("index: 1 of 4 rules are asked for every request: harden"), "{text}");
    let (_, text, _) = run(&["check", &path, "--cost", "--json"]).await;
    let found: Value = serde_json::from_str(&text).unwrap();
    let items = found["cost"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 5, "four rules and a limit");
    let sum: u64 = items.iter().map(|item| item["ns"].as_u64().unwrap()).sum();
    assert_eq!(found["cost"]["worst_ns"], sum);
}

#[tokio::test]
async fn no_metric_is_unknown_to_the_budget_or_has_more_series_than_it_says() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "x").await;
    let limit = "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"20/1m\"\nburst = 2\n";
    let edge = Edge::before(&origin.url(), limit).await;
    for path in ["/a", "/a", "/b", "/c"] {
        get(edge.address(), "test", path).await;
    }
    let config = edge.folder.path().join("selvedge.toml");
    let (code, text, error) = run(&["metrics", "budget", config.to_str().unwrap(), "--json"]).await;
    assert_eq!(code, 0, "{error}");
    let budget: Value = serde_json::from_str(&text).unwrap();
    let known =
        |name: &str| budget["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name).cloned();
    let live = metrics(&edge).await;
    for line in live.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        let metric = known(name).unwrap_or_else(|| panic!("{name} is not in the budget"));
        assert_eq!(metric["help"], help, "{name}");
        let series: Vec<&str> = live.lines().filter(|line| belongs(line, name)).collect();
        let most = metric["series"].as_u64().unwrap();
        assert!(!series.is_empty() && series.len() as u64 <= most, "{name}: {} of {most}", series.len());
        for label in metric["labels"].as_array().unwrap() {
            let written = format!("{}=\"", label.as_str().unwrap());
            assert!(series.iter().all(|line| line.contains(&written)), "{name} has no {label}");
        }
    }
    assert!(live.contains("selvedge_limit_decisions_total"), "{live}");
}

/// Whether a line of the text format is a series of this metric.
fn belongs(line: &str, name: &str) -> bool {
    let rest = line.strip_prefix(name).unwrap_or("#");
    let rest = ["_bucket", "_sum", "_count"].iter().find_map(|part| rest.strip_prefix(part)).unwrap_or(rest);
    rest.starts_with(['{', ' '])
}

#[tokio::test]
async fn rules_about_connections_see_who_connects() {
    let closing = format!(
        "{RULES}[[rule]]\nname = \"closed\"\nphase = \"connection\"\nwhen = 'client.ip in [cidr(\"198.51.100.0/24\")]'\ndo = {{ deny = 403 }}\n"
    );
    let (_folder, path) = file(&closing);
    let words = ["GET", "https://www.example.com/", "--client-ip", "192.0.2.1"];
    let (_, found) = explained(&path, &words).await;
    assert_eq!(found["answer"]["by"], "origin");
    let (text, found) = explained(&path, &[&words[..], &["--peer-ip", "198.51.100.7"]].concat()).await;
    assert_eq!(found["answer"]["by"], "closed");
    assert!(text.contains("as client 192.0.2.1 through 198.51.100.7"), "{text}");
    // Whoever is not trusted speaks for nobody: the client is the peer then.
    let (_, found) = explained(&path, &["GET", "https://www.example.com/", "--client-ip", "198.51.100.7"]).await;
    assert_eq!(found["answer"]["by"], "closed");
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_told_to_be_left_undone() {
    let lost = "[[rule]]\nname = \"lost\"\nwhen = 'request.path == \"/lost\"'\ndo = { redirect = { to = 'request.query[\"to\"]' } }\n";
    let (_folder, path) = file(&format!("{RULES}{lost}"));
    let (text, found) = explained(&path, &["GET", "https://www.example.com/lost?to=%0a"]).await;
    assert!(text.contains("redirect 302   [left undone: where to is absent, or no place]"), "{text}");
    let rule = found["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == "lost").unwrap();
    assert_eq!((&rule["stops"], &rule["unanswered"]), (&false.into(), &"where to is absent, or no place".into()));
    assert_eq!(found["answer"]["by"], "origin");
    let (_, found) = explained(&path, &["GET", "https://www.example.com/lost?to=/x"]).await;
    assert_eq!(found["answer"]["location"], "/x");
}

#[tokio::test]
async fn flags_that_do_not_fit_are_refused() {
    let (_folder, path) = file(RULES);
    let (code, _, error) =
        run(&["explain", "GET", "https://www.example.com/", "--pop", "all", "--config", &path]).await;
    assert_eq!((code, error.trim()), (1, "error: --pop says where to look for an --id"));
    let (code, _, error) = run(&["tail", &"x".repeat(20_000), "--socket", "nowhere.sock"]).await;
    assert_eq!((code, error.trim()), (1, "error: an expression of 20000 bytes; at most 16384 are possible"));
}
