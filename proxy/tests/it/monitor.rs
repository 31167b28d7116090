//! Limits in monitor mode: nothing is refused, delayed or tagged; what would have been is counted apart, and holds once the limit is enforced.

use selvedge::admin::report::Limit;

use crate::support::{DEADLINE, Edge, Gate, Origin, eventually, get, get_with, metrics};

/// A limit of each kind, each for a path.
const LIMITS: &str = r#"
[[rule]]
name = "say"
phase = "response"
when = '"busy" in request.tags'
do = { set_response_headers = { x-busy = '"yes"' } }

[[limit]]
name = "waits"
when = 'request.path == "/waits"'
key = ["client.net"]
rate = "1/10s"
burst = 1
over = { delay = "10s" }
mode = "monitor"

[[limit]]
name = "tags"
when = 'request.path == "/tags"'
key = ["client.net"]
rate = "1/1h"
burst = 1
over = { tag = "busy" }
mode = "monitor"

[[limit]]
name = "plan"
when = 'request.path == "/plan"'
key = ["client.net"]
quota = "1/month"
mode = "monitor"

[[limit]]
name = "open"
when = 'request.path == "/open"'
key = ["client.net"]
in_flight = 1
mode = "monitor"

[[limit]]
name = "keyed"
when = 'request.path == "/keyed"'
key = ['request.headers["x-key"]']
rate = "9/1h"
burst = 9
on_missing = "deny"
mode = "monitor"
"#;

async fn counted(edge: &Edge, limit: &str, decision: &str) -> u64 {
    let name = format!("selvedge_limit_decisions_total{{decision=\"{decision}\",limit=\"{limit}\"}} ");
    let metrics = metrics(edge).await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no {name}: {metrics}"))
}

/// What is counted of a limit: what would have been refused, and nothing else.
async fn only_watched(edge: &Edge, limit: &str, would_refuse: u64) {
    for (decision, count) in
        [("would_refuse", would_refuse), ("refused", 0), ("delayed", 0), ("tagged", 0), ("uncounted", 0)]
    {
        assert_eq!(counted(edge, limit, decision).await, count, "{limit}: {decision}");
    }
}

async fn enforce(edge: &Edge) {
    let path = edge.folder.path().join("selvedge.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("\"monitor\"", "\"enforce\"")).unwrap();
    let (code, _, error) = edge.command(&["reload"]).await;
    assert_eq!(code, 0, "{error}");
}

/// Waits until so many requests for `/open` are counted.
async fn open(edge: &Edge, count: u64) {
    eventually(DEADLINE, async || {
        let limit: Limit = selvedge::admin::get(&edge.socket(), "/v1/limits/open?key=127.0.0.1").await.unwrap();
        if limit.top[0].count == count { Ok(()) } else { Err(limit.top[0].count.to_string()) }
    })
    .await;
}

async fn edge() -> (Origin, Gate, Edge) {
    let gate = Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |request| {
        let gate = held.clone();
        async move {
            if request.path().starts_with("/open") {
                gate.pass().await;
            }
            crate::support::ok("Cache-Control: no-store\r\n", b"x")
        }
    })
    .await;
    let edge = Edge::before(&origin.url(), LIMITS).await;
    (origin, gate, edge)
}

#[tokio::test]
async fn what_only_watches_neither_refuses_nor_delays_nor_tags() {
    let (_origin, _gate, edge) = edge().await;
    for (path, limit, would_refuse) in
        [("/waits", "waits", 2), ("/tags", "tags", 3), ("/plan", "plan", 3), ("/keyed", "keyed", 4)]
    {
        for _ in 0..4 {
            let answer = get(edge.address(), "test", path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(
                ["x-busy", "ratelimit", "ratelimit-policy"].map(|name| answer.header(name)),
                ["", "", ""],
                "{path}"
            );
        }
        // Of those that would wait, one has a place in the queue.
        only_watched(&edge, limit, would_refuse).await;
    }
}

#[tokio::test]
async fn what_was_counted_holds_once_it_is_enforced() {
    let (_origin, _gate, edge) = edge().await;
    for path in ["/waits", "/waits", "/tags", "/plan"] {
        assert_eq!(get(edge.address(), "test", path).await.status, 200, "{path}");
    }
    enforce(&edge).await;
    for (path, status) in [("/waits", 429), ("/tags", 200), ("/plan", 429), ("/keyed", 403)] {
        assert_eq!(get(edge.address(), "test", path).await.status, status, "{path}");
    }
    assert_eq!(get(edge.address(), "test", "/tags").await.header("x-busy"), "yes");
    assert_eq!(get_with(edge.address(), "test", "/keyed", "X-Key: a\r\n").await.status, 200);
    for (limit, decision, count) in
        [("waits", "refused", 1), ("tags", "tagged", 2), ("plan", "refused", 1), ("keyed", "refused", 1)]
    {
        assert_eq!((counted(&edge, limit, decision).await, counted(&edge, limit, "would_refuse").await), (count, 0));
    }
}

/// One that would have been refused has no place, before and after.
#[tokio::test]
async fn places_are_counted_while_they_are_watched() {
    let (origin, gate, edge) = edge().await;
    let address = edge.address();
    let held: Vec<_> =
        (0..3).map(|at| tokio::spawn(async move { get(address, "test", &format!("/open?{at}")).await })).collect();
    eventually(DEADLINE, async || match origin.seen().len() {
        3 => Ok(()),
        seen => Err(format!("{seen} of 3")),
    })
    .await;
    only_watched(&edge, "open", 2).await;
    open(&edge, 1).await;
    enforce(&edge).await;
    assert_eq!(get(address, "test", "/open").await.status, 429);
    open(&edge, 1).await;
    gate.open();
    for one in held {
        assert_eq!(one.await.unwrap().status, 200);
    }
    open(&edge, 0).await;
    assert_eq!(get(address, "test", "/open").await.status, 200);
    assert_eq!(counted(&edge, "open", "refused").await, 1);
}
