//! Clients that keep to one server of an origin.

use std::collections::BTreeSet;

use crate::support::{Answer, Edge, Origin, get, get_with, ok, program};

const NEVER: &str = "Cache-Control: no-store\r\n";

/// A server that answers with its name.
async fn named(name: &'static str) -> Origin {
    Origin::fixed(NEVER, name).await
}

async fn three() -> [Origin; 3] {
    [named("a").await, named("b").await, named("c").await]
}

/// The config of an origin with these servers.
fn config(servers: &[Origin], more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [{}]\n{more}\n[site.\"*\"]\norigin = \"app\"\n",
        servers.join(", ")
    )
}

const COOKIE: &str = "affinity = { cookie = \"server\", keys = [\"affinity.key\"] }";
const SECRET: &str = "0123456789abcdef0123456789abcdef\n";

/// An edge whose servers are named by a cookie.
async fn edge(servers: &[Origin], more: &str) -> Edge {
    let edge = Edge::with(&config(servers, "")).await;
    std::fs::write(edge.folder.path().join("affinity.key"), SECRET).unwrap();
    edge.edit("[site", &format!("{COOKIE}\n{more}\n[site")).await;
    edge
}

/// The ticket that an answer brings.
fn ticket(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    let ticket = cookie.strip_prefix("server=").and_then(|rest| rest.split(';').next());
    ticket.unwrap_or_else(|| panic!("no ticket in {cookie:?}")).to_owned()
}

async fn with(edge: &Edge, cookies: &str) -> Answer {
    get_with(edge.address(), "test", "/", &format!("Cookie: {cookies}\r\n")).await
}

#[tokio::test]
async fn a_cookie_names_the_server_and_nobody_behind_the_edge_sees_it() {
    let servers = three().await;
    let edge = edge(&servers, "").await;
    let first = get(edge.address(), "test", "/").await;
    let ticket = ticket(&first);
    let cookie = format!("server={ticket}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(first.header("set-cookie"), cookie);
    for _ in 0..6 {
        let answer = with(&edge, &format!("x=1; server={ticket}; y=2")).await;
        assert_eq!((answer.text(), answer.header("set-cookie")), (first.text(), ""));
    }
    let seen: Vec<_> =
        servers.iter().flat_map(Origin::seen).filter_map(|seen| seen.header("cookie").map(str::to_owned)).collect();
    assert!(seen.len() == 6 && seen.iter().all(|cookies| cookies == "x=1; y=2"), "{seen:?}");
    // One that nobody signed is none.
    let made_up = with(&edge, "server=AAAAAAAAAAAAAAAAAAAAAA").await;
    assert!(made_up.header("set-cookie").starts_with("server="), "{made_up:?}");
}

#[tokio::test]
async fn a_server_that_drains_gets_those_alone_who_have_its_cookie() {
    let servers = three().await;
    let edge = edge(&servers, "").await;
    let first = get(edge.address(), "test", "/").await;
    let ticket = ticket(&first);
    let place = ["a", "b", "c"].iter().position(|name| *name == first.text()).unwrap();
    edge.edit("[site", &format!("drain = [\"{}\"]\n[site", servers[place].url())).await;
    for _ in 0..6 {
        assert_ne!(get(edge.address(), "test", "/").await.text(), first.text());
        assert_eq!(with(&edge, &format!("server={ticket}")).await.text(), first.text());
    }
    let drains: Vec<bool> = edge.status().await.origins[0].servers.iter().map(|server| server.drains).collect();
    assert_eq!(drains.iter().position(|drains| *drains), Some(place));
}

#[tokio::test]
async fn another_server_takes_over_the_clients_of_a_dead_one() {
    let alive = named("alive").await;
    let (gone, servers) = {
        let gone = Origin::start(|_| async { Vec::new() }).await;
        (gone.clone(), [gone, alive])
    };
    let edge = edge(&servers, "eject = { failures = 1, for = \"10m\" }").await;
    // Whichever it was sent to first, the one that is alive answered.
    let answer = get(edge.address(), "test", "/").await;
    let ticket = ticket(&answer);
    for _ in 0..4 {
        let answer = with(&edge, &format!("server={ticket}")).await;
        assert_eq!((answer.text().as_str(), answer.header("set-cookie")), ("alive", ""));
    }
    assert!(gone.seen().len() <= 1, "{}", gone.seen().len());
}

#[tokio::test]
async fn what_is_stored_has_no_cookie() {
    let origin = Origin::start(|_| async { ok("Cache-Control: max-age=60\r\n", b"stored") }).await;
    let edge = edge(std::slice::from_ref(&origin), "").await;
    let miss = get(edge.address(), "test", "/").await;
    let ticket = ticket(&miss);
    assert!(miss.header("cache-control").contains("private=\"set-cookie\""), "{miss:?}");
    for cookies in ["x=1", &format!("server={ticket}")] {
        let hit = with(&edge, cookies).await;
        assert_eq!(
            (hit.text().as_str(), hit.header("set-cookie"), hit.header("cache-control")),
            ("stored", "", "max-age=60")
        );
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn requests_of_one_key_go_to_one_server() {
    let servers = three().await;
    let edge = Edge::with(&config(&servers, "affinity = { key = ['request.headers[\"x-user\"]'] }")).await;
    let mut found = BTreeSet::new();
    for user in 0..12 {
        let user = format!("X-User: {user}\r\n");
        let first = get_with(edge.address(), "test", "/", &user).await.text();
        for _ in 0..3 {
            assert_eq!(get_with(edge.address(), "test", "/", &user).await.text(), first, "{user}");
        }
        found.insert(first);
    }
    assert_eq!(found.len(), 3, "they are spread");
    // Those without one go to each in turn.
    let mut turn = BTreeSet::new();
    for _ in 0..3 {
        turn.insert(get(edge.address(), "test", "/").await.text());
    }
    assert_eq!(turn.len(), 3);
}

#[tokio::test]
async fn a_key_that_is_too_short_is_told() {
    let origin = named("a").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("affinity.key"), "short\n").unwrap();
    let path = folder.path().join("selvedge.toml");
    std::fs::write(&path, config(&[origin], COOKIE)).unwrap();
    let output = program().arg("check").arg(&path).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("a secret has 32 bytes or more, and this one has 5"), "{said}");
}
