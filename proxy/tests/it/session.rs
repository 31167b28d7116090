//! Sessions as clients and origins meet them: a cookie that is signed, attributes that rules and origins see and set, and none of it in the cache.

use std::path::Path;
use std::time::Duration;

use selvedge::cli::demo::relay::Relay;

use crate::cluster::{plan_of, plan_over_wires, start};
use crate::support::edge::{Folder, program};
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, get_with, metrics};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) const SESSIONS: &str = r#"
[session.web]
keys = ["session.key"]
attributes = { user = "string", age = "int" }
counters = ["clicks"]
headers = ["user", "age"]

[[rule]]
name = "start"
when = 'request.path.startsWith("/start") || request.path == "/cached"'
do = { session = { start = true, count = ["clicks"] } }

[[rule]]
name = "name"
when = 'request.path == "/name"'
do = { session = { set = { user = 'request.query["user"]' } } }

[[rule]]
name = "login"
phase = "response"
when = 'request.path == "/login" && response.status == 200'
do = { session = { start = true, rotate = true, set = { user = 'request.query["user"]' } } }

[[rule]]
name = "logout"
when = 'request.path == "/logout"'
do = { session = { revoke = true } }

[[rule]]
name = "members"
when = 'request.path.startsWith("/members") && !has(session["user"])'
do = { deny = 403 }

[[rule]]
name = "often"
when = 'request.path == "/members/often" && session.count("clicks") < 2'
do = { deny = 429 }
"#;

/// Writes a secret into a folder.
pub(crate) fn secret(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), format!("{text}\n")).expect("a key");
}

/// An edge with these sections, before an origin.
pub(crate) async fn edge(origin: &Origin, sections: &str) -> Edge {
    let folder = tempfile::tempdir().expect("a folder");
    secret(folder.path(), "session.key", SECRET);
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"{}\"]\n[site.\"*\"]\norigin = \"app\"\n{sections}\n[admin]\nsocket = \"admin.sock\"\nlog = \"access.log\"\n",
        origin.url()
    );
    std::fs::write(folder.path().join("selvedge.toml"), config).expect("a config");
    Edge::start(Folder::Own(folder)).await
}

/// An origin that says of sessions what the query says, and whose responses to `/cached` may be stored.
pub(crate) async fn origin() -> Origin {
    Origin::start(|request| async move {
        let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
        let say: String = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("say-")?.split_once('='))
            .map(|(field, value)| {
                format!("Selvedge-Session-{field}: {}\r\n", value.replace("%20", " ").replace("%3D", "="))
            })
            .collect();
        let kept = if path.starts_with("/cached") { "Cache-Control: max-age=60\r\n" } else { "" };
        crate::support::origin::ok(&format!("{kept}{say}"), b"x")
    })
    .await
}

/// The cookie of a session that an answer brings; empty where it takes one back.
pub(crate) fn cookie_of(answer: &Answer, session: &str) -> Option<String> {
    let (name, rest) = answer.header("set-cookie").split_once('=')?;
    let value = rest.split(';').next().unwrap_or("").to_owned();
    (name.strip_prefix("__Host-") == Some(session)).then_some(value)
}

/// A client that keeps its cookie.
#[derive(Clone, Default)]
struct Browser {
    cookie: Option<String>,
}

impl Browser {
    async fn get(&mut self, edge: &Edge, path: &str) -> Answer {
        self.get_with(edge, path, "").await
    }

    async fn get_with(&mut self, edge: &Edge, path: &str, more: &str) -> Answer {
        let cookie =
            self.cookie.as_ref().map_or(String::new(), |cookie| format!("Cookie: a=b; __Host-web={cookie}\r\n"));
        let answer = get_with(edge.address(), "test", path, &format!("{cookie}{more}")).await;
        if let Some(value) = cookie_of(&answer, "web") {
            self.cookie = Some(value).filter(|value| !value.is_empty());
        }
        answer
    }

    fn with(cookie: &str) -> Browser {
        Browser { cookie: Some(cookie.to_owned()) }
    }

    fn token(&self) -> &str {
        self.cookie.as_deref().expect("a cookie")
    }
}

/// What the origin was told last under a name.
fn told(origin: &Origin, name: &str) -> Option<String> {
    origin.seen().last().expect("a request").header(&format!("selvedge-session-{name}")).map(str::to_owned)
}

#[tokio::test]
async fn what_a_session_holds_is_there_for_rules_and_for_the_origin() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let mut browser = Browser::default();
    assert_eq!(browser.get(&edge, "/members").await.status, 403);
    browser.get(&edge, "/name?user=nobody").await;
    assert!(browser.cookie.is_none(), "nothing is set of nobody");
    assert_eq!(told(&origin, "valid").as_deref(), Some("false"));
    let started = browser.get(&edge, "/start").await;
    let cookie = started.header("set-cookie").to_owned();
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(started.header("cache-control"), "private=\"set-cookie\"");
    assert_eq!(told(&origin, "valid").as_deref(), Some("true"));
    let id = told(&origin, "id").expect("an id");
    browser.get(&edge, "/name?user=ann%20b%25").await;
    assert_eq!((told(&origin, "user").as_deref(), told(&origin, "age")), (Some("ann%20b%25"), None));
    let claims = "Selvedge-Session-User: root\r\nSelvedge_Session_Age: 7\r\nSelvedge-Session-Other: x\r\n";
    assert_eq!(browser.get_with(&edge, "/members", claims).await.status, 200);
    let head = &origin.seen().last().expect("a request").head.to_lowercase();
    assert!(!head.contains("root") && !head.contains("session_age") && !head.contains("session-other"), "{head}");
    assert_eq!((told(&origin, "user").as_deref(), told(&origin, "id")), (Some("ann%20b%25"), Some(id.clone())));
    assert_eq!(browser.get(&edge, "/members/often").await.status, 429, "counted once");
    browser.get(&edge, "/start").await;
    assert_eq!(browser.get(&edge, "/members/often").await.status, 200);
    // Claims are taken off also where nobody has a session.
    get_with(edge.address(), "test", "/", claims).await;
    let head = &origin.seen().last().expect("a request").head.to_lowercase();
    assert!(!head.contains("root") && head.contains("selvedge-session-valid: false"), "{head}");
    let log = std::fs::read_to_string(edge.folder.path().join("access.log")).expect("a log");
    assert!(!log.contains(browser.token()));
    let counted = metrics(&edge).await;
    for line in [
        "selvedge_session_changes_total{change=\"started\"} 1",
        "selvedge_session_requests_total{standing=\"absent\"} 4",
        "selvedge_sessions 1",
    ] {
        assert!(counted.contains(line), "{line} is not in {counted}");
    }
    eventually(DEADLINE, async || {
        let log = std::fs::read_to_string(edge.folder.path().join("access.log")).expect("a log");
        let named = log.contains(&format!("\"session\":\"{id}\"")) && log.contains("\"session_standing\":\"fresh\"");
        if named { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test]
async fn cookies_that_were_not_given_are_not_believed() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let mut browser = Browser::default();
    browser.get(&edge, "/start").await;
    browser.get(&edge, "/name?user=ann").await;
    assert_eq!(browser.get(&edge, "/members").await.status, 200);
    let good = browser.token().to_owned();
    let changed = |at: usize| {
        let mut text = good.clone().into_bytes();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(text).expect("text")
    };
    for (cookie, reason) in [
        (changed(10), "forged"),
        (changed(good.len() - 9), "forged"),
        (changed(2), "key"),
        (good[..good.len() / 4 * 4 - 8].to_owned(), "truncated"),
        ("A".repeat(1000), "overlong"),
        ("made up".to_owned(), "malformed"),
    ] {
        let mut other = Browser::with(&cookie);
        assert_eq!(other.get(&edge, "/members").await.status, 403, "{cookie}");
        assert_eq!(other.token(), cookie, "nothing is given for it");
        let line = format!("selvedge_session_requests_total{{standing=\"{reason}\"}} ");
        let counted = metrics(&edge).await;
        let count = counted.lines().find_map(|known| known.strip_prefix(&line)).unwrap_or("0").to_owned();
        assert_ne!(count, "0", "{reason}");
        other.get(&edge, "/start").await;
        assert_ne!(other.token(), cookie, "who starts one gets another");
    }
    assert_eq!(browser.get(&edge, "/members").await.status, 200);
}

#[tokio::test]
async fn a_session_ends_at_its_end() {
    let origin = origin().await;
    let edge = edge(&origin, &SESSIONS.replace("keys =", "absolute = \"1s\"\nkeys =")).await;
    let mut browser = Browser::default();
    browser.get(&edge, "/start").await;
    eventually(DEADLINE, async || {
        browser.get(&edge, "/").await;
        match told(&origin, "valid").as_deref() {
            Some("false") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(metrics(&edge).await.contains("selvedge_session_requests_total{standing=\"expired\"} 1"));
}

/// Who has somebody log in with a session of his own, or with one that he made up, is not logged in by that.
#[tokio::test]
async fn a_login_leaves_the_session_of_before_behind() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let mut attacker = Browser::default();
    attacker.get(&edge, "/start").await;
    let mut victim = attacker.clone();
    victim.get(&edge, "/login?user=ann").await;
    assert_ne!(victim.token(), attacker.token());
    assert_eq!(victim.get(&edge, "/members").await.status, 200);
    assert_eq!(told(&origin, "user").as_deref(), Some("ann"));
    assert_eq!(attacker.get(&edge, "/members").await.status, 403);
    // What the session held goes on: it was counted before.
    victim.get(&edge, "/start").await;
    assert_eq!(victim.get(&edge, "/members/often").await.status, 200);
    let mut made_up = Browser::with("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    made_up.get(&edge, "/login?user=bob").await;
    assert!(made_up.token().len() > 100);
    assert_eq!(made_up.get(&edge, "/members").await.status, 200);
}

/// What would come of a request with a cookie, and a story whose request has a session.
#[tokio::test]
async fn explanations_and_stories_know_of_sessions() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let mut browser = Browser::default();
    browser.get(&edge, "/start").await;
    browser.get(&edge, "/name?user=ann").await;
    for (cookie, standing, status) in [(browser.token(), "fresh", "200"), ("AAAA", "truncated", "403")] {
        let field = format!("Cookie: __Host-web={cookie}");
        let words = ["explain", "GET", "http://test/members", "-H", &field, "--status", "200"];
        let (code, page, error) = edge.command(&words).await;
        assert!(code == 0 && page.contains(&format!("  session {standing}\n")), "{page}{error}");
        assert!(page.contains(&format!("answer {status}")), "{page}");
    }
    let before = browser.clone();
    assert_eq!(browser.get(&edge, "/members").await.status, 200);
    assert_eq!(browser.token(), before.token(), "nothing came of it");
    let config = edge.folder.path().join("selvedge.toml");
    let text = std::fs::read_to_string(&config).expect("its config");
    let tests = r#"
[[test]]
name = "members see their pages"
request = { url = "https://test/members", session = { user = "ann", clicks = "1" } }
expect = { status = 200, rule = "" }
[[test]]
name = "those who clicked enough see more"
request = { url = "https://test/members/often", session = { user = "ann", clicks = "1" } }
expect = { status = 429, rule = "often" }
[[test]]
name = "others do not"
request = { url = "https://test/members" }
expect = { status = 403, rule = "members" }
[[test]]
name = "a session goes on from step to step"
step = [
    { times = 2, request = { url = "https://test/start" }, expect = { status = 200 } },
    { request = { url = "https://test/members/often" }, expect = { rule = "members" } },
    { request = { url = "https://test/" }, response = { headers = { selvedge-session-set = "user=bob" } }, expect = { status = 200 } },
    { request = { url = "https://test/members/often" }, expect = { rule = "" } },
    { request = { url = "https://test/login?user=ann" }, expect = { status = 200 } },
    { after = "29m", request = { url = "https://test/members/often" }, expect = { rule = "" } },
    { request = { url = "https://test/members/often", client_ip = "192.0.2.9" }, expect = { rule = "members" } },
    { request = { url = "https://test/logout" }, expect = { status = 200 } },
    { request = { url = "https://test/members" }, expect = { rule = "members" } },
    { request = { url = "https://test/members", session = { user = "cid" } }, expect = { rule = "" } },
    { after = "1h", request = { url = "https://test/members" }, expect = { rule = "members" } },
]
"#;
    std::fs::write(&config, format!("{text}{tests}")).expect("its folder");
    let output = program().arg("test").arg(&config).output().await.expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn keys_are_exchanged_and_nobody_is_logged_out() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let mut browser = Browser::default();
    browser.get(&edge, "/start").await;
    browser.get(&edge, "/name?user=ann").await;
    let old = browser.clone();
    secret(edge.folder.path(), "new.key", "another secret, which is as long as the first");
    edge.edit("keys = [\"session.key\"]", "keys = [\"new.key\", \"session.key\"]").await;
    assert_eq!(browser.get(&edge, "/members").await.status, 200);
    assert_ne!(browser.token(), old.token(), "signed anew");
    edge.edit("keys = [\"new.key\", \"session.key\"]", "keys = [\"new.key\"]").await;
    assert_eq!(browser.get(&edge, "/members").await.status, 200);
    assert_eq!(old.clone().get(&edge, "/members").await.status, 403);
    // The same file with another secret in it.
    secret(edge.folder.path(), "new.key", "a secret that nobody's cookie is signed by, yet");
    edge.edit("[session.web]", "[session.web]\nidle = \"1h\"").await;
    assert_eq!(browser.get(&edge, "/members").await.status, 403);
    secret(edge.folder.path(), "new.key", "short");
    let (code, _, error) = edge.command(&["reload"]).await;
    assert!(code == 78 && error.contains("session web: key file") && error.contains("32 bytes or more"), "{error}");
    assert!(!error.contains("short"));
}

#[tokio::test]
async fn an_origin_says_what_becomes_of_a_session() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let mut browser = Browser::default();
    let answer = browser.get(&edge, "/?say-Start=true&say-Set=user%3Dann;%20age%3D42&say-Count=clicks").await;
    assert!(!answer.head.to_lowercase().contains("selvedge-session"), "{}", answer.head);
    browser.get(&edge, "/").await;
    assert_eq!((told(&origin, "user").as_deref(), told(&origin, "age").as_deref()), (Some("ann"), Some("42")));
    let before = browser.clone();
    browser.get(&edge, "/?say-Rotate=true&say-Unset=age").await;
    assert_ne!(browser.token(), before.token());
    browser.get(&edge, "/").await;
    assert_eq!((told(&origin, "user").as_deref(), told(&origin, "age")), (Some("ann"), None));
    // All of it or nothing.
    for wrong in
        ["say-Set=user%3Dbob;%20age%3Dold", "say-Set=user%3Dbob;%20agee%3D1", "say-Set=user%3Dbob&say-Stop=true"]
    {
        let answer = browser.get(&edge, &format!("/?{wrong}")).await;
        assert!(!answer.head.to_lowercase().contains("selvedge-session"), "{}", answer.head);
        browser.get(&edge, "/").await;
        assert_eq!(told(&origin, "user").as_deref(), Some("ann"), "{wrong}");
    }
    assert!(metrics(&edge).await.contains("selvedge_session_changes_total{change=\"refused\"} 3"));
    browser.get(&edge, "/?say-Revoke=true").await;
    assert!(browser.cookie.is_none());
}

/// All that its user has, said by an origin; one that goes on by a login of the same response is not among that.
#[tokio::test]
async fn an_origin_ends_all_that_a_user_has() {
    let origin = origin().await;
    let edge = edge(&origin, &SESSIONS.replace("keys =", "user = \"user\"\nkeys =")).await;
    let [mut one, mut other, mut bob] = [Browser::default(), Browser::default(), Browser::default()];
    for (browser, user) in [(&mut one, "ann"), (&mut other, "ann"), (&mut bob, "bob")] {
        browser.get(&edge, &format!("/login?user={user}")).await;
        assert_eq!(browser.get(&edge, "/members").await.status, 200);
    }
    one.get(&edge, "/?say-Revoke=user&say-Rotate=true&say-Set=user%3Dann").await;
    let statuses =
        [one.get(&edge, "/members").await, other.get(&edge, "/members").await, bob.get(&edge, "/members").await];
    assert_eq!(statuses.map(|answer| answer.status), [200, 403, 200]);
    one.get(&edge, "/?say-Revoke=user").await;
    assert!(one.cookie.is_none());
    // Nothing says of which tenant it is.
    bob.get(&edge, "/?say-Revoke=tenant").await;
    assert_eq!(bob.get(&edge, "/members").await.status, 200);
    let text = metrics(&edge).await;
    for line in [
        "selvedge_revocations_total{by=\"origin\",what=\"user\"} 2",
        "selvedge_session_changes_total{change=\"refused\"} 1",
        "selvedge_session_requests_total{standing=\"revoked_user\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

/// A cookie goes to whom it is for, whoever had the response fetched; and what changes a session is not stored at all.
#[tokio::test]
async fn nothing_of_a_session_is_stored() {
    let origin = origin().await;
    let edge = edge(&origin, SESSIONS).await;
    let [mut one, mut other] = [Browser::default(), Browser::default()];
    let (first, second) = (one.get(&edge, "/cached").await, other.get(&edge, "/cached").await);
    assert!(second.header("cache-status").contains("; hit"), "{}", second.head);
    assert_ne!(one.token(), other.token());
    assert_eq!(second.head.to_lowercase().matches("set-cookie:").count(), 1);
    assert!(first.header("set-cookie").contains(one.token()));
    let again = one.get(&edge, "/cached").await;
    assert!(again.header("cache-status").contains("; hit") && origin.seen().len() == 1, "{}", again.head);
    for n in 1..3 {
        one.get(&edge, "/cached/said?say-Count=clicks").await;
        assert_eq!(origin.seen().len(), 1 + n);
    }
}

/// Each request goes to the other POP, over a wire that takes its time, and finds what was written a moment ago.
#[tokio::test]
async fn a_client_that_roams_finds_what_it_wrote() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = origin().await;
    let sessions = SESSIONS.replace("keys =", "wait = \"0ms\"\nfetch = \"5s\"\nkeys =");
    let wires = plan_over_wires(folder.path(), &origin.url(), &["one", "two"], &sessions, Duration::from_millis(40));
    ["one", "two"].iter().for_each(|name| secret(&folder.path().join(name), "session.key", SECRET));
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    hears(&one, 2).await;
    hears(&two, 2).await;
    let mut browser = Browser::default();
    browser.get(&one, "/start").await;
    for turn in 0..12 {
        let (here, there) = if turn % 2 == 0 { (&one, &two) } else { (&two, &one) };
        browser.get(here, &format!("/name?user=u{turn}")).await;
        browser.get(there, "/").await;
        assert_eq!(told(&origin, "fresh").as_deref(), Some("true"), "{turn}");
        assert_eq!(told(&origin, "user"), Some(format!("u{turn}")));
    }
    let fetched = |text: String| {
        let line = "selvedge_session_waits_total{outcome=\"fetched\"} ";
        text.lines().find_map(|known| known.strip_prefix(line)?.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!(fetched(metrics(&one).await) + fetched(metrics(&two).await) >= 6);
    // Whoever wrote it is not heard any more: nobody waits for that, and it is said.
    wires.iter().for_each(Relay::cut);
    hears(&two, 1).await;
    browser.get(&one, "/name?user=last").await;
    browser.clone().get(&two, "/").await;
    assert_eq!((told(&origin, "fresh").as_deref(), told(&origin, "user").as_deref()), (Some("false"), Some("u11")));
    assert!(metrics(&two).await.contains("selvedge_session_waits_total{outcome=\"unheard\"} 1"));
    wires.iter().for_each(Relay::heal);
    eventually(DEADLINE, async || {
        browser.clone().get(&two, "/").await;
        let seen = (told(&origin, "fresh"), told(&origin, "user"));
        if seen == (Some("true".to_owned()), Some("last".to_owned())) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

/// Nor while others still count it as heard.
#[tokio::test]
async fn who_keeps_apart_gives_no_session_and_takes_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = origin().await;
    plan_of(folder.path(), &origin.url(), &["one", "two"], &SESSIONS.replace("keys =", "fetch = \"5s\"\nkeys ="));
    ["one", "two"].iter().for_each(|name| secret(&folder.path().join(name), "session.key", SECRET));
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    hears(&one, 2).await;
    hears(&two, 2).await;
    let mut browsers = [Browser::default(), Browser::default()];
    browsers[0].get(&one, "/start").await;
    browsers[1].get(&two, "/start").await;
    assert_eq!(one.command(&["cluster", "apart"]).await.0, 0);
    for (browser, here, there) in [(0, &one, &two), (1, &two, &one)] {
        browsers[browser].get(here, "/name?user=ann").await;
        browsers[browser].clone().get(there, "/").await;
        assert_eq!((told(&origin, "fresh").as_deref(), told(&origin, "user")), (Some("false"), None), "{browser}");
    }
    assert_eq!(one.command(&["cluster", "join"]).await.0, 0);
    for (browser, there) in [(0, &two), (1, &one)] {
        eventually(DEADLINE, async || {
            browsers[browser].clone().get(there, "/").await;
            let seen = (told(&origin, "fresh"), told(&origin, "user"));
            if seen == (Some("true".to_owned()), Some("ann".to_owned())) { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }
}

/// Waits until an edge hears so many POPs, itself included.
async fn hears(edge: &Edge, pops: u64) {
    eventually(DEADLINE, async || {
        let heard = edge.status().await.cluster.expect("a cluster").heard;
        if u64::from(heard) == pops { Ok(()) } else { Err(format!("{heard} heard")) }
    })
    .await;
}

#[tokio::test]
async fn pops_know_each_others_sessions() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = origin().await;
    plan_of(folder.path(), &origin.url(), &["one", "two"], SESSIONS);
    ["one", "two"].iter().for_each(|name| secret(&folder.path().join(name), "session.key", SECRET));
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    let mut browser = Browser::default();
    browser.get(&one, "/start").await;
    for (nth, user) in ["ann", "bob", "cid", "dan"].iter().enumerate() {
        let (here, there) = if nth % 2 == 0 { (&one, &two) } else { (&two, &one) };
        browser.get(here, &format!("/name?user={user}")).await;
        // Until it is known there, it is said that it is not.
        let seen = eventually(DEADLINE, async || {
            browser.clone().get(there, "/").await;
            let seen = (told(&origin, "fresh"), told(&origin, "user"));
            if seen.0.as_deref() == Some("true") { Ok(seen) } else { Err(format!("{seen:?}")) }
        })
        .await;
        assert_eq!(seen.1.as_deref(), Some(*user));
    }
    // A copy of the cookie is worth nothing anywhere once it is revoked, whatever it shows.
    let mut copy = browser.clone();
    browser.get(&one, "/logout").await;
    assert!(browser.cookie.is_none());
    assert_eq!(copy.get(&one, "/members").await.status, 403);
    eventually(DEADLINE, async || match copy.clone().get(&two, "/members").await.status {
        403 => Ok(()),
        status => Err(format!("{status}")),
    })
    .await;
    assert!(!metrics(&two).await.contains("selvedge_session_requests_total{standing=\"revoked\"} 0"));
}
