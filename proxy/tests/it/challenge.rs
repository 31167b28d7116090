//! Challenges: who is asked to solve a puzzle, what a solution is worth at which POP, and a browser that solves one.

use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::cluster::{plan_of, start};
use crate::support::chromium::Chromium;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get_with, metrics, ok, program, talk};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const PATH: &str = "/.well-known/selvedge/challenge";
const HOST: &str = "www.example.com";
const HTML: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

const RULES: &str = r#"
[challenge]
keys = ["FOLDER/challenge.key"]
difficulty = 8

[[rule]]
name = "free"
when = 'request.path.startsWith("/free")'
do = { allow = true }

[[rule]]
name = "watched"
mode = "monitor"
do = { challenge = { difficulty = 26 } }

[[rule]]
name = "hard"
when = 'request.path == "/hard"'
do = { challenge = { difficulty = 10 } }

[[rule]]
name = "all"
do = { challenge = true, tag = "suspicious" }

[[rule]]
name = "policy"
phase = "response"
do = { set_response_headers = { content-security-policy = "\"default-src * 'unsafe-inline'\"", x-frame-options = '"DENY"' } }
"#;

/// A folder with a key, and a config that names it.
fn keyed(more: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("challenge.key"), format!("{KEY}\n")).expect("a key");
    let more = more.replace("FOLDER", &folder.path().to_string_lossy());
    (folder, more)
}

async fn edge(origin: &str, more: &str) -> (tempfile::TempDir, Edge) {
    let (folder, more) = keyed(more);
    (folder, Edge::before(origin, &more).await)
}

#[tokio::test]
async fn a_story_may_be_of_a_client_that_has_a_pass() {
    let (folder, rules) = keyed(RULES);
    let stories = [
        ("/", "challenge = 8", "200"),
        ("/", "challenge = 10", "200"),
        ("/hard", "challenge = 9", "403"),
        ("/", "", "403"),
    ];
    let stories: Vec<String> = stories
        .iter()
        .map(|(path, pass, status)| {
            format!("[[test]]\nname = \"{path} {pass}\"\nexpect = {{ status = {status} }}\n[test.request]\nurl = \"https://{HOST}{path}\"\n{pass}\n")
        })
        .collect();
    let listen = "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"127.0.0.1:1\"]\n[site.\"*\"]\norigin = \"app\"\n";
    let path = folder.path().join("edge.toml");
    std::fs::write(&path, format!("{listen}{rules}{}", stories.concat())).expect("a config");
    let output = program().arg("test").arg(&path).output().await.expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A request of this method and path, with these fields.
async fn ask(edge: &Edge, line: &str, fields: &str) -> Answer {
    let request = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{fields}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let heard = talk(edge.address(), request.as_bytes()).await;
    if line.starts_with("HEAD ") {
        let head = String::from_utf8(heard).expect("text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (head, body) = head.split_once("\r\n\r\n").expect("a header");
        return Answer { status, head: head.to_owned(), body: body.as_bytes().to_vec() };
    }
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

/// Solves the puzzle of a problem document, as a program does.
fn solve(challenged: &Answer) -> String {
    let problem: Value = challenged.json();
    let (puzzle, bits) = (&problem["challenge"]["puzzle"], &problem["challenge"]["difficulty"]);
    let (puzzle, bits) = (puzzle.as_str().expect("a puzzle"), bits.as_u64().expect("bits"));
    let solves = |number: &u32| {
        let hash = digest(&SHA256, &[puzzle.as_bytes(), &number.to_be_bytes()].concat());
        let first = u32::from_be_bytes(hash.as_ref()[..4].try_into().expect("four bytes"));
        u64::from(first.leading_zeros()) >= bits
    };
    format!("{puzzle}.{}", (0..).find(solves).expect("a solution"))
}

async fn send(edge: &Edge, solution: &str) -> Answer {
    ask(edge, &format!("POST {PATH}"), &format!("Selvedge-Solution: {solution}\r\n")).await
}

/// The field that shows the pass which an answer sets.
fn pass(solved: &Answer) -> String {
    let set = solved.header("set-cookie");
    format!("Cookie: {}\r\n", set.split(';').next().expect("a cookie"))
}

#[tokio::test]
async fn who_has_no_pass_gets_a_page_or_a_problem() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "fine").await;
    let (_folder, edge) = edge(&origin.url(), RULES).await;
    let page = get_with(edge.address(), HOST, "/a", HTML).await;
    assert_eq!((page.status, page.header("content-type")), (403, "text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "no-store");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
    assert_eq!((page.header("x-frame-options"), page.head.matches("ontent-").count()), ("DENY", 3), "{}", page.head);
    let text = page.text();
    assert!(text.contains("data-bits=\"8\"") && text.contains("data-again=\"reload\""), "{text}");
    assert!(text.contains(page.header("x-request-id")), "{text}");
    let sent = ask(&edge, "POST /a", HTML).await;
    assert!(
        sent.status == 403 && sent.text().contains("data-again=\"replace\""),
        "nothing that was sent is sent again"
    );
    let head = ask(&edge, "HEAD /a", HTML).await;
    assert_eq!((head.status, head.body.len()), (403, 0));
    assert!(head.header("content-length").parse::<usize>().expect("a length") > 2_000);
    let problem = get_with(edge.address(), HOST, "/hard", "").await;
    assert_eq!((problem.status, problem.header("content-type")), (403, "application/problem+json"));
    let said = problem.json();
    assert_eq!((said["challenge"]["difficulty"].as_u64(), said["challenge"]["path"].as_str()), (Some(10), Some(PATH)));
    assert_eq!(
        said["detail"],
        "A challenge has to be solved first: with the pass that this gives the request may be repeated."
    );
    assert_eq!(get_with(edge.address(), HOST, "/free", "").await.status, 200);
    assert_eq!(origin.seen().len(), 1, "what was challenged was not asked for");
    let counted = metrics(&edge).await;
    for line in [
        "selvedge_challenges_total{outcome=\"posed\"} 4",
        "selvedge_rule_matches_total{action=\"challenge\",mode=\"enforce\",rule=\"all\"} 3",
        "selvedge_rule_matches_total{action=\"challenge\",mode=\"monitor\",rule=\"watched\"} 4",
    ] {
        assert!(counted.contains(line), "{line} is not in {counted}");
    }
    let log = std::fs::read_to_string(edge.folder.path().join("access.log")).expect("a log");
    assert!(log.contains("\"answer\":\"challenged\"") && log.contains("\"rule\":\"hard\""), "{log}");
}

#[tokio::test]
async fn what_is_solved_at_one_pop_passes_at_another() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "fine").await;
    let ((_one, here), (_two, there)) = (edge(&origin.url(), RULES).await, edge(&origin.url(), RULES).await);
    let solution = solve(&get_with(here.address(), HOST, "/a", "").await);
    let solved = send(&there, &solution).await;
    assert_eq!((solved.status, solved.header("cache-control"), solved.body.len()), (204, "no-store", 0));
    let set = solved.header("set-cookie");
    assert!(set.starts_with("__Host-selvedge-pass=") && set.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{set}");
    let max_age = set.split("; ").find_map(|part| part.strip_prefix("Max-Age=")).and_then(|age| age.parse().ok());
    assert!(max_age.is_some_and(|age: u64| (3_400..=3_600).contains(&age)), "{set}");
    let pass = pass(&solved);
    for edge in [&here, &there] {
        assert_eq!(get_with(edge.address(), HOST, "/a", &pass).await.text(), "fine");
        assert_eq!(get_with(edge.address(), HOST, PATH, &pass).await.status, 204);
        assert_eq!(get_with(edge.address(), HOST, PATH, "").await.status, 403);
        let harder = get_with(edge.address(), HOST, "/hard", &pass).await;
        assert_eq!(harder.json()["challenge"]["difficulty"], 10, "a pass is worth what it cost");
    }
    let again = send(&here, &solution).await;
    assert_eq!(self::pass(&again), pass, "a solution gives one pass");
    // What is stored is for those who pass; others are asked before the cache is.
    let stored = get_with(here.address(), HOST, "/a", &pass).await;
    assert!(stored.header("cache-status").contains("hit"), "{}", stored.head);
    assert_eq!(get_with(here.address(), HOST, "/a", "").await.status, 403);
    assert_eq!(get_with(here.address(), "other.example", "/a", &pass).await.status, 403, "a pass is for one host");
}

#[tokio::test]
async fn what_is_no_solution_gives_nothing() {
    let origin = Origin::fixed("", "fine").await;
    let trusting = "[listen]\nhttp = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let (_folder, more) = keyed(RULES);
    let config =
        format!("{trusting}[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n{more}", origin.url());
    let edge = Edge::with(&config).await;
    let far = "X-Forwarded-For: 192.0.2.7\r\n";
    let solution = solve(&get_with(edge.address(), HOST, "/a", far).await);
    let (puzzle, _) = solution.split_once('.').expect("a puzzle");
    let failed = async |fields: String, detail: &str| {
        let answer = ask(&edge, &format!("POST {PATH}"), &fields).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (403, Some(detail)), "{fields}");
        assert_eq!(answer.header("set-cookie"), "");
    };
    let none = "This is no solution of a challenge.";
    failed(String::new(), none).await;
    failed("Selvedge-Solution: junk.1\r\n".to_owned(), none).await;
    failed(format!("{far}Selvedge-Solution: A{}.1\r\n", &puzzle[1..]), none).await;
    failed(format!("{far}Selvedge-Solution: {}.{}\r\n", &puzzle[..100], "1".repeat(60)), none).await;
    failed(format!("{far}Selvedge-Solution: {solution}\r\nSelvedge-Solution: {solution}\r\n"), none).await;
    failed(format!("Selvedge-Solution: {solution}\r\n"), "This challenge was for a client of another network.").await;
    let other = format!(
        "POST {PATH} HTTP/1.1\r\nHost: b.example\r\n{far}Selvedge-Solution: {solution}\r\nConnection: close\r\n\r\n"
    );
    let other = Answer::parse(&talk(edge.address(), other.as_bytes()).await).expect("an answer");
    assert_eq!(other.json()["detail"], "This challenge was for another host.");
    let method = ask(&edge, &format!("DELETE {PATH}"), "").await;
    assert_eq!((method.status, method.header("allow")), (405, "GET, HEAD, POST"));
    let solved = ask(&edge, &format!("POST {PATH}"), &format!("{far}Selvedge-Solution: {solution}\r\n")).await;
    assert_eq!(solved.status, 204);
    let pass = pass(&solved);
    assert_eq!(get_with(edge.address(), HOST, "/a", &format!("{far}{pass}")).await.status, 200);
    assert_eq!(get_with(edge.address(), HOST, "/a", &pass).await.status, 403, "a pass is for one network");
    assert_eq!(origin.seen().len(), 1);
    let counted = metrics(&edge).await;
    for line in ["{outcome=\"failed\"} 7", "{outcome=\"solved\"} 1"] {
        assert!(counted.contains(&format!("selvedge_challenges_total{line}")), "{line} is not in {counted}");
    }
    for line in ["{reason=\"malformed\"} 3", "{reason=\"overlong\"} 1", "{reason=\"network\"} 1", "{reason=\"host\"} 1"]
    {
        assert!(counted.contains(&format!("selvedge_challenges_failed_total{line}")), "{line} is not in {counted}");
    }
}

/// The file of the new key goes before that of the old one; once all passes by that one are over, it goes.
#[tokio::test]
async fn a_key_is_exchanged_for_another_while_passes_stay_good() {
    let origin = Origin::fixed("", "fine").await;
    let (folder, edge) = edge(&origin.url(), RULES).await;
    std::fs::write(folder.path().join("new.key"), KEY.to_uppercase()).expect("a key");
    let solution = solve(&get_with(edge.address(), HOST, "/a", "").await);
    let old = pass(&send(&edge, &solution).await);
    let at = folder.path().display();
    let both = format!("[\"{at}/new.key\", \"{at}/challenge.key\"]");
    edge.edit(&format!("[\"{at}/challenge.key\"]"), &both).await;
    assert_eq!(get_with(edge.address(), HOST, "/a", &old).await.status, 200);
    let new = pass(&send(&edge, &solution).await);
    assert_ne!(new, old, "the new key signs");
    edge.edit(&both, &format!("[\"{at}/new.key\"]")).await;
    assert_eq!(get_with(edge.address(), HOST, "/a", &old).await.status, 403);
    assert_eq!(get_with(edge.address(), HOST, "/a", &new).await.status, 200);
    let short = folder.path().join("short.key");
    std::fs::write(&short, "short").expect("a key");
    let path = edge.folder.path().join("selvedge.toml");
    let config = std::fs::read_to_string(&path).expect("its config");
    std::fs::write(&path, config.replace("new.key", "short.key")).expect("its folder");
    let (code, _, error) = edge.command(&["reload"]).await;
    assert!(code != 0 && error.contains("a secret has 32 bytes or more, and this one has 5"), "{error}");
}

/// Without `[challenge]` the path is the origin's, as all others.
#[tokio::test]
async fn without_challenges_the_path_is_nobodys() {
    let origin = Origin::fixed("", "fine").await;
    let edge = Edge::before(&origin.url(), "").await;
    assert_eq!(get_with(edge.address(), HOST, PATH, "").await.text(), "fine");
}

/// What failed at one POP is known at the other, by an ordinary counter.
#[tokio::test]
async fn failures_are_counted_at_every_pop() {
    const COUNTED: &str = r#"
[challenge]
keys = ["../challenge.key"]

[[counter]]
name = "failed"
key = ["client.net"]
when = 'challenge.result == "failed"'
window = "10m"

[[rule]]
name = "guesses"
when = 'count("failed", client.net, "10m") > 2'
do = { deny = 410 }
"#;
    let folder = tempfile::tempdir().expect("a folder");
    let origin = Origin::fixed("", "fine").await;
    std::fs::write(folder.path().join("challenge.key"), KEY).expect("a key");
    let plan = plan_of(folder.path(), &origin.url(), &["one", "two"], COUNTED);
    assert!(Path::new(&plan.out).exists());
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    for _ in 0..3 {
        assert_eq!(send(&one, "junk").await.status, 403);
    }
    for edge in [&one, &two] {
        eventually(DEADLINE, async || {
            let status = get_with(edge.address(), HOST, "/", "").await.status;
            if status == 410 { Ok(()) } else { Err(format!("{status}")) }
        })
        .await;
    }
}

/// A browser solves the puzzle, keeps the pass, and gets the page, whose script cannot read the pass.
#[tokio::test]
async fn a_browser_solves_it() {
    let origin = Origin::start(|request| async move {
        match request.path() {
            "/page?a=b" => ok(
                "Content-Type: text/html\r\n",
                b"<!doctype html><script>fetch('/seen?' + encodeURIComponent(document.cookie + ' ' + location.hash))</script>",
            ),
            _ => ok("", b""),
        }
    })
    .await;
    let (_folder, edge) = edge(&origin.url(), &RULES.replace("difficulty = 8", "difficulty = 14")).await;
    let mut browser = Chromium::open(&format!("http://{}/page?a=b#part", edge.address()));
    let seen = eventually(DEADLINE, async || {
        let seen = origin.seen().into_iter().find(|request| request.path().starts_with("/seen"));
        seen.ok_or_else(|| browser.state())
    })
    .await;
    assert_eq!(seen.path(), "/seen?%20%23part", "it is where it was going, and the pass is no script's");
    let counted = metrics(&edge).await;
    assert!(counted.contains("selvedge_challenges_total{outcome=\"solved\"} 1"), "{counted}");
    assert!(!counted.contains("selvedge_challenges_failed_total{"), "{counted}");
}
