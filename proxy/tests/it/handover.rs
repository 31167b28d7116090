//! A process takes over from one that runs: nobody is refused, nothing is lost, and one that cannot changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use crate::cluster::plan_of;
use crate::support::{DEADLINE, Edge, Origin, eventually, get, program};

/// Three requests an hour at each of two places.
const LIMITS: &str = r#"
[[limit]]
name = "few"
when = 'request.path == "/few"'
key = []
rate = "3/1h"
burst = 3

[[limit]]
name = "here"
when = 'request.path == "/here"'
key = []
scope = "pop"
rate = "1/1h"
burst = 1
"#;

/// Clients that come one after another, each with a connection of its own, until they are stopped; says how many were answered.
struct Clients {
    over: Arc<AtomicBool>,
    running: Vec<JoinHandle<usize>>,
}

impl Clients {
    fn of(edge: &Edge) -> Clients {
        Clients::asking(edge, &[200])
    }

    /// They get one of these statuses.
    fn asking(edge: &Edge, statuses: &'static [u16]) -> Clients {
        let over = Arc::new(AtomicBool::new(false));
        let address = edge.address();
        let client = |over: Arc<AtomicBool>| async move {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) {
                let status = get(address, "test", "/").await.status;
                assert!(statuses.contains(&status), "{status}");
                answered += 1;
            }
            answered
        };
        let running = (0..4).map(|_| tokio::spawn(client(Arc::clone(&over)))).collect();
        Clients { over, running }
    }

    async fn stop(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for client in self.running {
            answered += client.await.expect("every request is answered");
        }
        answered
    }
}

async fn counts_go_along(more: &str) {
    let (origin, gate) = Origin::gated("Cache-Control: no-store\r\n", "slow").await;
    let quick = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let (slow, quick) = (origin.url(), quick.url());
    let config = format!(
        "[listen]\nhttp = [\"127.0.0.1:0\"]\n\n[origin.slow]\nservers = [\"{slow}\"]\n\n[origin.app]\nservers = [\"{quick}\"]\n\n\
         [site.\"slow\"]\norigin = \"slow\"\n\n[site.\"*\"]\norigin = \"app\"\n{more}{LIMITS}"
    );
    let mut old = Edge::with(&config).await;
    let address = old.address();
    let clients = Clients::of(&old);
    for status in [200, 200] {
        assert_eq!(get(address, "test", "/few").await.status, status);
    }
    assert_eq!(get(address, "test", "/here").await.status, 200);
    // A request that is not over when the successor serves.
    let waiting = tokio::spawn(async move { get(address, "slow", "/few").await });
    eventually(DEADLINE, async || if origin.seen().len() == 1 { Ok(()) } else { Err("not asked yet".to_owned()) })
        .await;
    let new = old.successor().await;
    assert_eq!(new.address(), address);
    for path in ["/few", "/here"] {
        assert_eq!(get(new.address(), "test", path).await.status, 429, "{path}: counted before");
    }
    assert!(old.lives(), "it waits for its last request");
    gate.open();
    assert_eq!(waiting.await.unwrap().text(), "slow");
    assert_eq!(old.ended().await, Some(0));
    assert!(clients.stop().await > 0);
    eventually(DEADLINE, async || {
        let log =
            std::fs::read_to_string(new.folder.path().join("successor.log")).map_err(|error| error.to_string())?;
        if log.contains("the process before has ended, and told all that it knew") { Ok(()) } else { Err(log) }
    })
    .await;
    let took = new.status().await.took_over.expect("what it took over");
    assert!(took.taken >= 2 && took.error.is_none(), "{took:?}");
    let (_, text, _) = new.command(&["status"]).await;
    assert!(text.contains("took over from a running process"), "{text}");
    // And so does the next one.
    let mut new = new;
    let next = new.successor().await;
    assert_eq!(new.ended().await, Some(0));
    assert_eq!(get(next.address(), "test", "/few").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_go_along_without_a_folder() {
    counts_go_along("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_go_along_with_a_folder() {
    counts_go_along("\n[storage]\nstate = \"state\"\nstate_every = \"1s\"\n").await;
}

/// What the process before had of a quota is there when its successor takes the first request. That one refuses what it took before it left its
/// rights and decides about after.
#[tokio::test(flavor = "multi_thread")]
async fn a_successor_refuses_nobody_for_want_of_a_quota() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let quota = "[[limit]]\nname = \"plan\"\nkey = []\nquota = \"1000000000/month\"\n";
    let (mut edge, mut ended) = (Edge::before(&origin.url(), quota).await, Vec::new());
    for _ in 0..3 {
        let clients = Clients::asking(&edge, &[200, 429]);
        let new = edge.successor().await;
        assert_eq!(edge.ended().await, Some(0));
        assert!(clients.stop().await > 0);
        let metrics = crate::support::metrics(&new).await;
        let refused = "selvedge_limit_decisions_total{decision=\"refused\",limit=\"plan\"} 0\n";
        assert!(metrics.contains(refused), "{metrics}");
        // The first one has the folder.
        ended.push(std::mem::replace(&mut edge, new));
    }
}

#[tokio::test]
async fn a_successor_that_cannot_serve_changes_nothing() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let mut edge =
        Edge::before(&origin.url(), &format!("[storage]\nstate = \"state\"\nstate_every = \"1s\"\n{LIMITS}")).await;
    let (path, taken) = (edge.folder.path().join("selvedge.toml"), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let config = std::fs::read_to_string(&path).unwrap();
    // The running process would take this edit for one that needs a restart.
    let more = format!("\"127.0.0.1:0\", \"{}\"", taken.local_addr().unwrap());
    std::fs::write(&path, config.replacen("\"127.0.0.1:0\"", &more, 1)).unwrap();
    let failed = program().arg("run").arg("--config").arg(&path).arg("--take-over").output().await.unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("cannot listen on"), "{said}");
    // One that has the folder and all that was told, and then finds that it cannot write its log.
    std::fs::write(&path, config.replacen("access.log", "none/access.log", 1)).unwrap();
    let failed = program().arg("run").arg("--config").arg(&path).arg("--take-over").output().await.unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("access log"), "{said}");
    // It goes on, keeps its state, and hands over to one that can.
    let since = edge.status().await.now;
    assert_eq!(get(edge.address(), "test", "/here").await.status, 200);
    eventually(DEADLINE, async || match edge.status().await.kept.and_then(|kept| kept.written_at) {
        Some(at) if at > since => Ok(()),
        other => Err(format!("written at {other:?}, and it is {since}")),
    })
    .await;
    std::fs::write(&path, config).unwrap();
    let next = edge.successor().await;
    assert_eq!(edge.ended().await, Some(0));
    assert_eq!(get(next.address(), "test", "/here").await.status, 429);
}

/// A folder is among what a reload cannot bring.
#[tokio::test]
async fn counts_go_along_into_a_folder_that_is_new() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let mut old = Edge::before(&origin.url(), LIMITS).await;
    assert_eq!(get(old.address(), "test", "/here").await.status, 200);
    let path = old.folder.path().join("selvedge.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}\n[storage]\nstate = \"state\"\n")).unwrap();
    let mut new = old.successor().await;
    assert_eq!(old.ended().await, Some(0));
    assert_eq!(get(new.address(), "test", "/here").await.status, 429);
    // And outlive the process there.
    new.signal("TERM").await;
    assert_eq!(new.ended().await, Some(0));
    let next = Edge::start(old.folder).await;
    assert_eq!(get(next.address(), "test", "/here").await.status, 429);
}

/// Several at once: one takes over from the other.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_successors_the_last_one_serves() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let mut old = Edge::before(&origin.url(), LIMITS).await;
    let clients = Clients::of(&old);
    assert_eq!(get(old.address(), "test", "/here").await.status, 200);
    let (mut one, mut other) = tokio::join!(old.successor(), old.successor());
    assert_eq!(old.ended().await, Some(0));
    eventually(DEADLINE, async || match (one.lives(), other.lives()) {
        (true, false) | (false, true) => Ok(()),
        both => Err(format!("{both:?}")),
    })
    .await;
    assert_eq!(get(old.address(), "test", "/here").await.status, 429);
    assert!(clients.stop().await > 0);
}

#[tokio::test]
async fn where_no_process_runs_one_starts_as_ever() {
    let origin = Origin::fixed("", "fine").await;
    let edge = Edge::before(&origin.url(), "").await;
    let folder = edge.kill().await;
    let edge = Edge::begin(folder, &["--take-over"], "log", |_| true).await;
    assert_eq!(get(edge.address(), "test", "/").await.text(), "fine");
    assert!(edge.status().await.took_over.is_none());
}

/// How many of how many each of these hears.
async fn all_hear(edges: &[&Edge], heard: u16) {
    for edge in edges {
        eventually(DEADLINE, async || {
            let cluster = edge.status().await.cluster.unwrap();
            if cluster.heard == heard { Ok(()) } else { Err(format!("{cluster:?}")) }
        })
        .await;
    }
}

/// Waits until each of these knows of so many requests of the limit.
async fn all_count(edges: &[&Edge], count: u64) {
    for edge in edges {
        eventually(DEADLINE, async || {
            let (_, text, _) = edge.command(&["limits", "show", "few", "--json"]).await;
            let limit: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let counted = limit["top"][0]["count"].as_u64();
            if counted == Some(count) { Ok(()) } else { Err(format!("{counted:?}")) }
        })
        .await;
    }
}

/// The one in the middle dials the last and is dialled by the first.
#[tokio::test(flavor = "multi_thread")]
async fn peers_hear_both_processes_until_the_old_one_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (origin, gate) = Origin::gated("Cache-Control: no-store\r\n", "x").await;
    let limit = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"9/24h\"\nburst = 9\n";
    plan_of(folder, &origin.url(), &["one", "two", "three"], limit);
    let one = crate::cluster::start(folder, "one").await;
    let mut two = crate::cluster::start(folder, "two").await;
    let three = crate::cluster::start(folder, "three").await;
    all_hear(&[&one, &two, &three], 3).await;
    let address = two.address();
    let waiting = tokio::spawn(async move { get(address, "test", "/").await });
    all_count(&[&one, &three], 1).await;
    let new = two.successor().await;
    let life = new.status().await.incarnation;
    // The old process waits for its request; its peers hear both lives.
    for edge in [&one, &three] {
        eventually(DEADLINE, async || {
            let cluster = edge.status().await.cluster.unwrap();
            let peer = cluster.peers.iter().find(|peer| peer.pop == "two").cloned();
            match &peer {
                Some(peer) if peer.incarnation == Some(life) && peer.draining.is_some() => Ok(()),
                _ => Err(format!("{peer:?}")),
            }
        })
        .await;
    }
    all_count(&[&new], 1).await;
    gate.open();
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(two.ended().await, Some(0));
    for edge in [&one, &new, &three] {
        assert_eq!(get(edge.address(), "test", "/").await.status, 200);
    }
    all_count(&[&one, &new, &three], 4).await;
    all_hear(&[&one, &new, &three], 3).await;
    for edge in [&one, &three] {
        eventually(DEADLINE, async || {
            let peers = edge.status().await.cluster.unwrap().peers;
            if peers.iter().all(|peer| peer.draining.is_none()) { Ok(()) } else { Err(format!("{peers:?}")) }
        })
        .await;
    }
}
