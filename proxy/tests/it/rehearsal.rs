//! `selvedge test`: stories pass and fail as they should, and what they do not reach is named.

use serde_json::Value;

use crate::support::program;

const CONFIG: &str = r#"[listen]
http = ["127.0.0.1:0"]
[origin.app]
servers = ["127.0.0.1:1"]
[site."www.example.com"]
origin = "app"
[list.trapped]
kind = "addresses"
[[counter]]
name = "not-found"
when = 'response.status == 404'
key = ["client.net"]
window = "10m"
[[unique]]
name = "users"
of = 'request.form("user")'
when = 'request.path == "/login"'
key = ["client.net"]
window = "10m"
[[rule]]
name = "trapped"
when = 'client.ip in lists.trapped'
do = { deny = 410 }
[[rule]]
name = "scan"
when = 'count("not-found", client.net, "10m") > 2'
do = { deny = 403, ban = { for = "15m" } }
[[rule]]
name = "stuffing"
when = 'uniques("users", client.net, "10m") > 2'
do = { deny = 403 }
[[rule]]
name = "late"
when = 'peers.lag > duration("3s") && peers.heard < peers.roster'
do = { tag = "late" }
[[rule]]
name = "night"
mode = "monitor"
when = 'request.time.getHours() < 6'
do = { deny = 503 }
[[rule]]
name = "harden"
phase = "response"
do = { set_response_headers = { x-frame-options = '"DENY"' }, remove_response_headers = ["server"] }
[[limit]]
name = "all"
key = ["client.net"]
rate = "20/1m"
burst = 3
headers = ["ratelimit", "x-ratelimit"]
"#;

async fn run(tests: &str, words: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.toml");
    std::fs::write(&path, format!("{CONFIG}{tests}")).unwrap();
    let output = program().arg("test").arg(&path).args(words).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), text)
}

/// A story of one request to `/`.
fn story(given: &str, expect: &str) -> String {
    format!(
        "[[test]]\nname = \"t\"\ngiven = [{given}]\nrequest = {{ url = \"https://www.example.com/\", client_ip = \"192.0.2.9\" }}\n\
         expect = {{ {expect} }}\n"
    )
}

#[tokio::test]
async fn state_that_is_given_is_found_by_rules_and_limits() {
    let stories = [
        story(
            r#"{ count = "not-found", key = ["192.0.2.9"], n = 3 }"#,
            r#"status = 403, rule = "scan", banned = true"#,
        ),
        story(r#"{ count = "not-found", key = ["192.0.2.9"], n = 2 }"#, r#"status = 200, rule = "", banned = false"#),
        story(r#"{ count = "not-found", key = ["192.0.2.8"], n = 9 }"#, r#"rule = """#),
        story(r#"{ unique = "users", key = ["192.0.2.9"], n = 3 }"#, r#"rule = "stuffing""#),
        story(r#"{ list = "trapped", add = "192.0.2.9", for = "1h" }"#, r#"status = 410, rule = "trapped""#),
        story(
            r#"{ ban = "192.0.2.9", for = "10m" }"#,
            r#"status = 403, banned = true, headers = { retry-after = "600" }"#,
        ),
        story(r#"{ count = "all", key = ["192.0.2.9"], n = 3 }"#, r#"status = 429, limit = "all""#),
        story(r#"{ peers = 2, of = 3, lag = "5s" }"#, r#"tags = ["late"]"#),
        story("", r#"monitored = ["night"], headers = { x-frame-options = "DENY" }, origin = "app", path = "/""#),
    ];
    let named = |(number, story): (usize, String)| story.replace("name = \"t\"", &format!("name = \"{number}\""));
    let stories: String = stories.into_iter().enumerate().map(named).collect();
    let (code, text) = run(&stories, &[]).await;
    assert_eq!((code, text.as_str()), (0, "9 tests: 9 passed, 0 failed\n"), "{text}");
}

#[tokio::test]
async fn the_clock_moves_on_and_each_story_starts_anew() {
    let steps = r#"
[[test]]
name = "a bucket drains"
[[test.step]]
times = 3
request = { url = "http://www.example.com/" }
expect = { limit = "" }
[[test.step]]
request = { url = "http://www.example.com/" }
expect = { status = 429, limit = "all", headers = { retry-after = "3", x-ratelimit-limit = "20", x-ratelimit-remaining = "0" } }
[[test.step]]
after = "3s"
request = { url = "http://www.example.com/" }
expect = { limit = "" }
[[test]]
name = "nothing is left of it"
request = { url = "http://www.example.com/" }
expect = { limit = "" }
[[test]]
name = "what is not there is counted, and so are users"
[[test.step]]
times = 3
request = { url = "http://www.example.com/" }
response = { status = 404 }
expect = { status = 404 }
[[test.step]]
request = { url = "http://www.example.com/" }
expect = { rule = "scan" }
[[test.step]]
after = "16m"
request = { url = "http://www.example.com/" }
expect = { rule = "", banned = false }
"#;
    let (code, text) = run(steps, &[]).await;
    assert_eq!(code, 0, "{text}");
}

#[tokio::test]
async fn a_failure_says_where_what_and_why_and_3() {
    let wrong = story("", r#"status = 404, rule = "scan", headers = { server = "x" }"#);
    let (code, text) = run(&wrong, &[]).await;
    assert_eq!(code, 3);
    let place = format!("edge.toml:{}", CONFIG.lines().count() + 1);
    for part in [
        "FAIL  t  ",
        place.as_str(),
        "status: expected 404, came 200",
        "rule: expected scan, came none",
        "header server: expected x, came none",
        "| GET https://www.example.com/",
        "rule   scan",
        "1 tests: 0 passed, 1 failed",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let (code, text) = run(&wrong, &["--json"]).await;
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &found["failed"]), (3, &1.into()));
    assert_eq!(found["tests"][0]["failure"]["explanation"]["answer"]["origin"], "app");
}

#[tokio::test]
async fn what_no_story_reaches_is_named() {
    let (code, text) = run(&story("", "status = 200"), &["--coverage", "-v"]).await;
    assert_eq!(code, 0);
    assert!(text.contains("ok    t"), "{text}");
    let missed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("never reached: ")).collect();
    let names: Vec<String> = missed.iter().map(|line| line.split("  ").next().unwrap().to_owned()).collect();
    let expected = ["rule trapped", "rule scan", "rule stuffing", "rule late", "counter not-found", "unique users"];
    assert_eq!(names, expected);
    assert!(text.contains("coverage: 3 of 9 rules, limits, counters and uniques, 33 %"), "{text}");
}

#[tokio::test]
async fn the_worked_example_of_the_docs_passes() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/testing.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let example = docs.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.toml");
    std::fs::write(&path, example).unwrap();
    let output = program().arg("test").arg(&path).args(["--coverage", "-v"]).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace(&path.display().to_string(), "edge.toml");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let shown = docs.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(text, shown);
}
