//! A node and peers whose clocks agree with one another and not with its own.

use crate::cluster::{plan_of, start};
use crate::hostile::{met, met_with};
use crate::support::peer::{LIMIT, Peer, Role};
use crate::support::{DEADLINE, Edge, Origin, eventually, get, metrics};

/// How far the peers' clocks are away, ms.
const AWAY: i64 = 3_000;

async fn stands(edge: &Edge, standing: &str, heard: u16) {
    eventually(DEADLINE, async || {
        let cluster = edge.status().await.cluster.unwrap();
        let is = cluster.standing == standing && cluster.heard == heard;
        if is { Ok(()) } else { Err(format!("{cluster:?}")) }
    })
    .await;
}

/// What the limit counted here of all POPs.
async fn counts(edge: &Edge, count: u64) {
    eventually(DEADLINE, async || {
        let (_, text, _) = edge.command(&["limits", "show", "few", "--json"]).await;
        let limit: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let found = limit["top"][0]["count"].as_u64().unwrap_or(0);
        if found == count { Ok(()) } else { Err(format!("{found} counted, not {count}")) }
    })
    .await;
}

/// The number that a metric without labels has.
fn value(text: &str, metric: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric)).unwrap_or_default();
    line.trim().parse().unwrap_or_else(|_| panic!("no {metric} in {text}"))
}

#[tokio::test]
async fn a_node_whose_clock_is_not_that_of_most_says_so_and_counts_for_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    plan_of(folder, &origin.url(), &["one", "two", "three"], LIMIT);
    let three = start(folder, "three").await;
    let mut peers = Vec::new();
    for name in ["one", "two"] {
        let role = Role { ahead_ms: -AWAY, ..Role::new(folder, name, "three") };
        peers.push(Peer::join(role).await);
    }
    stands(&three, "clock", 1).await;
    // Links stay up, and nothing that is counted passes.
    peers[0].add(5);
    assert_eq!(get(three.address(), "test", "/").await.status, 200);
    let is_off = |ms: i64| (ms + AWAY).abs() < 500;
    let cluster = three.status().await.cluster.unwrap();
    assert!(is_off(cluster.offset_ms), "{cluster:?}");
    for peer in &cluster.peers {
        assert!(peer.clock == "differs" && peer.offset_ms.is_some_and(is_off) && peer.state == "up", "{peer:?}");
    }
    let (_, text, _) = three.command(&["status"]).await;
    assert!(text.contains("\nCLOCK: most POPs are -"), "{text}");
    assert_eq!(text.matches("  CLOCK DIFFERS").count(), 2, "{text}");
    let text = metrics(&three).await;
    assert!(is_off(value(&text, "selvedge_clock_offset_ms ")), "{text}");
    assert_eq!((value(&text, "selvedge_cluster_settled "), value(&text, "selvedge_cluster_heard ")), (0, 1));
    for name in ["one", "two"] {
        met(&three, name, "clocks_differ").await;
    }
    met_with(&three, "clock_wrong").await;
    counts(&three, 1).await;
    // Somebody sets their clocks. Links begin anew, with what was counted meanwhile.
    for peer in &peers {
        peer.set_ahead(0);
    }
    eventually(DEADLINE, async || {
        for peer in peers.iter().filter(|peer| !peer.is_linked()) {
            peer.join_again().await;
        }
        let cluster = three.status().await.cluster.unwrap();
        let is = cluster.standing == "settled" && cluster.heard == 3;
        if is { Ok(()) } else { Err(format!("{cluster:?}")) }
    })
    .await;
    for name in ["one", "two"] {
        met(&three, name, "clocks_agree").await;
    }
    met_with(&three, "clock_right").await;
    counts(&three, 6).await;
    let (_, text, _) = three.command(&["status"]).await;
    assert!(!text.contains("CLOCK"), "{text}");
}

/// Two alone do not know which is wrong.
#[tokio::test]
async fn of_two_pops_neither_says_that_its_clock_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("", "x").await;
    plan_of(folder, &origin.url(), &["one", "two"], LIMIT);
    let two = start(folder, "two").await;
    let _one = Peer::join(Role { ahead_ms: AWAY, ..Role::new(folder, "one", "two") }).await;
    met(&two, "one", "clocks_differ").await;
    stands(&two, "settled", 1).await;
    let peer = two.status().await.cluster.unwrap().peers.remove(0);
    assert!(peer.clock == "differs" && peer.offset_ms.is_some_and(|ms| (ms - AWAY).abs() < 500), "{peer:?}");
    let (_, text, _) = two.command(&["status"]).await;
    let line = text.lines().find(|line| line.starts_with("  one ")).unwrap();
    assert!(line.ends_with("  CLOCK DIFFERS"), "{text}");
}
