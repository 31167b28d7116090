//! What follows over a limit, what counts, and what clients are told.

use std::time::Duration;

use selvedge::admin::report::Limit;
use tokio::time::Instant;

use crate::support::{DEADLINE, Edge, Origin, eventually, get, get_from, get_with, metrics, ok};

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\n{more}\n")
}

#[tokio::test]
async fn a_limit_says_how_it_refuses() {
    let origin = Origin::fixed("", "x").await;
    let over = "rate = \"1/1h\"\nover = { deny = 503, body = \"<h1>Later</h1>\", type = \"text/html\" }";
    let edge = Edge::before(&origin.url(), &limit(over)).await;
    assert_eq!(get(edge.address(), "test", "/").await.status, 200);
    let refused = get(edge.address(), "test", "/").await;
    assert_eq!((refused.status, refused.text().as_str()), (503, "<h1>Later</h1>"));
    assert_eq!(refused.header("content-type"), "text/html");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait| (2990..=3600).contains(&wait)));
}

#[tokio::test]
async fn requests_wait_for_their_places() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), &limit("rate = \"10/1s\"\nburst = 1\nover = { delay = \"1s\" }")).await;
    let address = edge.address();
    let began = Instant::now();
    let all: Vec<_> =
        (0..6).map(|_| tokio::spawn(async move { (get(address, "test", "/").await, began.elapsed()) })).collect();
    let mut took = Vec::new();
    for one in all {
        let (answer, elapsed) = one.await.unwrap();
        assert_eq!(answer.status, 200);
        took.push(elapsed);
    }
    took.sort();
    // None comes before its place: one token in 100 ms, timed in slots.
    for (place, took) in took.iter().enumerate() {
        let earliest = Duration::from_millis(100 * place as u64).saturating_sub(Duration::from_millis(25));
        assert!(*took >= earliest, "{place}: {took:?}");
    }
    let metrics = metrics(&edge).await;
    let delayed = metrics.lines().find(|line| line.starts_with("selvedge_limit_decisions_total{decision=\"delayed\""));
    assert!(delayed.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

#[tokio::test]
async fn who_has_no_room_may_pass_with_a_tag() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let rule = "[[rule]]\nname = \"say\"\nphase = \"response\"\nwhen = '\"busy\" in request.tags'\ndo = { set_response_headers = { x-busy = '\"yes\"' } }\n";
    let edge =
        Edge::before(&origin.url(), &(rule.to_owned() + &limit("rate = \"1/1h\"\nover = { tag = \"busy\" }"))).await;
    assert_eq!(get(edge.address(), "test", "/").await.header("x-busy"), "");
    let tagged = get(edge.address(), "test", "/").await;
    assert_eq!((tagged.status, tagged.header("x-busy")), (200, "yes"));
}

/// The response decides what counts, and is stored all the same.
#[tokio::test]
async fn what_counts_by_its_response_is_cached_all_the_same() {
    let origin = Origin::start(|request| async move {
        match request.path() {
            "/good" => ok("Cache-Control: max-age=60\r\n", b"x"),
            _ => b"HTTP/1.1 401 Unauthorized\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n".to_vec(),
        }
    })
    .await;
    let edge =
        Edge::before(&origin.url(), &limit("rate = \"2/1h\"\nburst = 2\ncount = 'response.status == 401'")).await;
    for _ in 0..5 {
        assert_eq!(get(edge.address(), "test", "/good").await.status, 200);
    }
    assert_eq!(origin.seen().len(), 1, "one fetch, five answers");
    for status in [401, 401, 429] {
        assert_eq!(get(edge.address(), "test", "/bad").await.status, status);
    }
    assert_eq!(get(edge.address(), "test", "/good").await.status, 429, "who has guessed too often is out");
}

#[tokio::test]
async fn a_quota_counts_what_was_sent() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "0123456789").await;
    let edge = Edge::before(&origin.url(), &limit("quota = \"100B/month\"\nreserve = \"20B\"")).await;
    let used = async || {
        let limit: Limit = selvedge::admin::get(&edge.socket(), "/v1/limits/api?key=127.0.0.1").await.unwrap();
        limit.top[0].count
    };
    for sent in 1..=9 {
        let answer = get(edge.address(), "test", "/").await;
        assert_eq!(answer.status, 200, "{sent}");
        assert!(
            answer.header("ratelimit-policy").contains(";q=100;w=2")
                && answer.header("ratelimit-policy").contains(";qu=\"content-bytes\""),
            "{}",
            answer.head
        );
        eventually(DEADLINE, async || match used().await {
            bytes if bytes == 10 * sent => Ok(()),
            bytes => Err(format!("{bytes} bytes after {sent} answers")),
        })
        .await;
    }
    // Ten bytes are left, and twenty would be reserved.
    assert_eq!(get(edge.address(), "test", "/").await.status, 429);
    assert_eq!(get_from(9, edge.address(), "/").await.status, 200);
    let (_, text, _) = edge.command(&["limits", "show", "api", "127.0.0.1"]).await;
    assert!(text.starts_with("api  100B/month") && text.contains(" 90 "), "{text}");
}

#[tokio::test]
async fn all_limits_are_told_the_tightest_first() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let legacy = "[[limit]]\nname = \"old\"\nkey = []\nrate = \"30/1m\"\nburst = 4\nheaders = [\"x-ratelimit\"]\n";
    let silent = "[[limit]]\nname = \"silent\"\nkey = []\nrate = \"40/1m\"\nburst = 2\nheaders = []\n";
    let text = limit("rate = \"20/100ms\"\nburst = 9")
        + &limit("rate = \"60/1m\"\nburst = 3").replace("api", "minute")
        + legacy
        + silent;
    let edge = Edge::before(&origin.url(), &text).await;
    let answer = get(edge.address(), "test", "/").await;
    let policy: Vec<&str> = answer.header("ratelimit-policy").split(", ").collect();
    assert!(policy[0].starts_with("\"minute\";q=60;w=60;pk=:"), "{}", answer.head);
    assert!(
        policy[1].starts_with("\"api\";q=200;w=1;pk=:"),
        "what is allowed in 100 ms, told for a second: {}",
        answer.head
    );
    assert_eq!(policy.len(), 2);
    let left: Vec<&str> = answer.header("ratelimit").split(", ").collect();
    assert!(
        left[0].starts_with("\"minute\";r=2;t=1;pk=:") && left[1].starts_with("\"api\";r=8;t=1;pk=:"),
        "{}",
        answer.head
    );
    let old = ["limit", "remaining", "reset"].map(|name| answer.header(&format!("x-ratelimit-{name}")).to_owned());
    assert_eq!(old, ["30", "3", "2"]);
    let other = get_from(9, edge.address(), "/").await;
    let partition = |policy: &str| policy.split(";pk=").nth(1).unwrap_or("").split(',').next().unwrap_or("").to_owned();
    assert_ne!(
        partition(answer.header("ratelimit")),
        partition(other.header("ratelimit")),
        "another client is another partition"
    );
}

/// Who is served from the cache is another client, or the same one later.
#[tokio::test]
async fn what_an_origin_tells_of_its_limits_is_not_stored() {
    let fields = "RateLimit: \"o\";r=5\r\nRateLimit-Policy: \"o\";q=9\r\nX-RateLimit-Remaining: 5\r\nX-Kept: yes\r\n";
    let origin = Origin::start(move |request| async move {
        let kept = if request.path() == "/kept" { "max-age=60" } else { "no-store" };
        ok(&format!("Cache-Control: {kept}\r\n{fields}"), b"x")
    })
    .await;
    let edge = Edge::before(&origin.url(), "").await;
    let passed = get(edge.address(), "test", "/").await;
    assert_eq!((passed.header("ratelimit"), passed.header("x-ratelimit-remaining")), ("\"o\";r=5", "5"));
    get(edge.address(), "test", "/kept").await;
    let hit = get(edge.address(), "test", "/kept").await;
    assert_eq!(origin.seen().len(), 2);
    assert_eq!(
        ["ratelimit", "ratelimit-policy", "x-ratelimit-remaining"].map(|name| hit.header(name)),
        ["", "", ""],
        "{}",
        hit.head
    );
    assert_eq!(hit.header("x-kept"), "yes");
}

/// What the first client was told is not what the second one is.
#[tokio::test]
async fn who_is_served_from_the_cache_is_told_of_its_own_limits() {
    let origin = Origin::fixed("Cache-Control: max-age=60\r\n", "x").await;
    let edge =
        Edge::before(&origin.url(), &limit("rate = \"60/1h\"\nburst = 3\nheaders = [\"ratelimit\", \"x-ratelimit\"]"))
            .await;
    let mut partitions = Vec::new();
    for (client, left) in [(7, 2), (7, 1), (8, 2), (8, 1), (7, 0)] {
        let answer = get_from(client, edge.address(), "/").await;
        let told: Vec<&str> =
            answer.head.lines().filter(|line| line.to_lowercase().starts_with("ratelimit: ")).collect();
        assert_eq!(told.len(), 1, "{}", answer.head);
        assert!(answer.header("ratelimit").starts_with(&format!("\"api\";r={left};")), "{client}: {}", answer.head);
        assert_eq!(answer.header("x-ratelimit-remaining"), left.to_string());
        partitions.push(answer.header("ratelimit").split(";pk=").nth(1).unwrap().to_owned());
    }
    assert_eq!(origin.seen().len(), 1, "all but the first are hits");
    assert!(partitions[0] == partitions[1] && partitions[2] == partitions[3] && partitions[0] == partitions[4]);
    assert_ne!(partitions[0], partitions[2]);
    let refused = get_from(7, edge.address(), "/").await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (429, "0"));
    assert_eq!(get_from(9, edge.address(), "/").await.header("x-ratelimit-remaining"), "2", "nor is a refusal stored");
}

#[tokio::test]
async fn who_lacks_a_part_of_the_key_is_told_so() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let keyed = "[[limit]]\nname = \"api\"\nkey = ['request.headers[\"x-key\"]']\nrate = \"9/1h\"\nburst = 9\non_missing = \"deny\"\n";
    let edge = Edge::before(&origin.url(), keyed).await;
    let refused = get(edge.address(), "test", "/").await;
    assert_eq!((refused.status, refused.json()["limit"].as_str()), (403, Some("api")));
    assert_eq!(get_with(edge.address(), "test", "/", "X-Key: a\r\n").await.status, 200);
}
