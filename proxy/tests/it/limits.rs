//! Limits and bans, seen by clients and operators of one POP.

use selvedge::admin::report::{Ban, Limit};

use crate::support::{Edge, Origin, get, get_from, metrics};

const LIMIT: &str = r#"
[[limit]]
name = "api"
when = 'request.path.startsWith("/api/") && request.method == "GET"'
key = ["client.net"]
rate = "6/1m"
burst = 3
"#;

#[tokio::test]
async fn the_burst_passes_and_the_rest_is_told_when_to_come_back() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    for left in [2, 1, 0] {
        let answer = get(edge.address(), "test", "/api/x").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("ratelimit-policy").starts_with("\"api\";q=6;w=60;pk=:"), "{}", answer.head);
        assert!(
            answer.header("ratelimit").starts_with(&format!("\"api\";r={left};t=")),
            "{}",
            answer.header("ratelimit")
        );
    }
    let answer = get(edge.address(), "test", "/api/x").await;
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "one request in ten seconds: {wait}");
    assert!(answer.header("ratelimit").starts_with(&format!("\"api\";r=0;t={wait};pk=:")), "{}", answer.head);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["limit"], "api");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    // Hits of the cache are counted like anything else: one fetch, three answers.
    assert_eq!(origin.seen().len(), 1);
    assert_eq!(get(edge.address(), "test", "/other").await.status, 200, "the condition does not hold");
    assert_eq!(get(edge.address(), "test", "/other").await.header("ratelimit"), "");
    assert_eq!(get_from(9, edge.address(), "/api/x").await.status, 200, "another client has its own bucket");
}

#[tokio::test]
async fn an_operator_reads_what_was_counted() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), LIMIT).await;
    for _ in 0..5 {
        get(edge.address(), "test", "/api/x").await;
    }
    let limit: Limit = selvedge::admin::get(&edge.socket(), "/v1/limits/api?key=127.0.0.1").await.unwrap();
    assert_eq!(limit.top[0].count, 3, "refused requests are not counted");
    assert!(limit.place.contains("selvedge.toml:"), "{}", limit.place);
    let (code, text, _) = edge.command(&["limits", "show", "api", "127.0.0.1"]).await;
    assert_eq!(code, 0);
    assert!(text.starts_with("api  6/1m burst 3"), "{text}");
    let (code, _, error) = edge.command(&["limits", "show", "apj"]).await;
    assert_eq!(
        (code, error.as_str()),
        (1, "error: there is no limit \"apj\"; there are: api; did you mean \"api\"?\n")
    );
}

#[tokio::test]
async fn its_class_and_what_that_promises_are_told() {
    let origin = Origin::fixed("", "x").await;
    let limit = LIMIT.replace("rate = \"6/1m\"", "rate = \"60/1h\"\nclass = \"bounded(5%)\"");
    let edge = Edge::before(&origin.url(), &limit).await;
    let answers = [200, 200, 200, 429];
    for status in answers {
        assert_eq!(get(edge.address(), "test", "/api/x").await.status, status, "a POP alone has all of it");
    }
    let (_, text, _) = edge.command(&["limits", "show", "api"]).await;
    assert!(text.contains("bounded(5%)") && text.contains("at most 3, whatever is late or lost"), "{text}");
    let limit: Limit = selvedge::admin::get(&edge.socket(), "/v1/limits/api?key=127.0.0.1").await.unwrap();
    assert_eq!(
        (limit.class.as_str(), limit.bound.unwrap().overdraft, limit.top[0].count),
        ("bounded(5%)", Some(3.0), 3)
    );
}

#[tokio::test]
async fn a_limit_in_monitor_mode_refuses_nobody_and_is_counted_apart() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), &LIMIT.replace("burst = 3", "burst = 1\nmode = \"monitor\"")).await;
    for _ in 0..3 {
        assert_eq!(get(edge.address(), "test", "/api/x").await.status, 200);
    }
    let metrics = metrics(&edge).await;
    assert!(metrics.contains("selvedge_limit_decisions_total{decision=\"would_refuse\",limit=\"api\"} 2"), "{metrics}");
    assert!(metrics.contains("selvedge_limit_decisions_total{decision=\"refused\",limit=\"api\"} 0"), "{metrics}");
}

#[tokio::test]
async fn who_runs_into_a_limit_too_often_is_banned() {
    let origin = Origin::fixed("", "x").await;
    let penalty = format!("{LIMIT}penalty = {{ after = 2, within = \"10m\", ban = [\"1m\", \"10m\"] }}\n");
    let edge = Edge::before(&origin.url(), &penalty).await;
    for expected in [200, 200, 200, 429, 429] {
        assert_eq!(get(edge.address(), "test", "/api/x").await.status, expected);
    }
    let answer = get(edge.address(), "test", "/elsewhere").await;
    assert_eq!(answer.status, 429, "a penalty holds for everything");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|wait| (55..=60).contains(&wait)));
    let bans: Vec<Ban> = selvedge::admin::get(&edge.socket(), "/v1/bans").await.unwrap();
    assert_eq!((bans[0].subject.as_str(), bans[0].reason.as_str(), bans[0].level), ("127.0.0.1/32", "limit:api", 0));
}

#[tokio::test]
async fn an_operator_bans_and_lifts_the_ban() {
    let origin = Origin::fixed("", "x").await;
    let edge = Edge::before(&origin.url(), "").await;
    let (code, text, _) = edge.command(&["bans", "add", "127.0.0.7", "--for", "1h", "--reason", "scraper"]).await;
    assert_eq!(code, 0, "{text}");
    let refused = get_from(7, edge.address(), "/").await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("retry-after").parse::<u64>().is_ok());
    assert_eq!(get_from(8, edge.address(), "/").await.status, 200);
    let (_, text, _) = edge.command(&["bans", "ls"]).await;
    assert!(text.starts_with("127.0.0.7/32  by local") && text.contains("(scraper)"), "{text}");
    let (code, ..) = edge.command(&["bans", "rm", "127.0.0.7"]).await;
    assert_eq!(code, 0);
    assert_eq!(get_from(7, edge.address(), "/").await.status, 200);
    let (code, _, error) = edge.command(&["bans", "rm", "127.0.0.7"]).await;
    assert_eq!((code, error.as_str()), (1, "error: 127.0.0.7/32 is not banned\n"));
    let (code, _, error) = edge.command(&["bans", "add", "10.0.0.0/8"]).await;
    assert_eq!(
        (code, error.as_str()),
        (1, "error: bans are on networks as clients are counted: 10.0.0.0/32, not 10.0.0.0/8\n")
    );
}
