//! Processes that reach each other over NATS: they decide together, go on alone without it, and come and go.

use std::path::Path;

use crate::cluster::{free_port, plan_of};
use crate::support::edge::Folder;
use crate::support::{DEADLINE, Edge, NatsServer, Origin, eventually, get, metrics};

const LIMIT: &str = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"5/1h\"\nburst = 6\n";

/// The nodes of one test: those that run, and the files of all.
pub(crate) struct Fleet {
    pub(crate) folder: tempfile::TempDir,
    _origin: Origin,
}

impl Fleet {
    /// POPs one and two.
    pub(crate) async fn new() -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin::fixed("", "x").await;
        plan_of(folder.path(), &origin.url(), &["one", "two"], LIMIT);
        Fleet { folder, _origin: origin }
    }

    /// Starts a node of a POP.
    pub(crate) async fn start(&self, server: &NatsServer, pop: &str, node: u32) -> Edge {
        self.start_with(server, "", pop, node).await
    }

    /// Starts a node of a POP that NATS knows by these credentials.
    pub(crate) async fn start_as(&self, server: &NatsServer, credentials: &Path, pop: &str, node: u32) -> Edge {
        self.start_with(server, &format!(", credentials = \"{}\"", credentials.display()), pop, node).await
    }

    async fn start_with(&self, server: &NatsServer, more: &str, pop: &str, node: u32) -> Edge {
        let folder = self.folder.path().join(format!("{pop}-{node}"));
        copy(&self.folder.path().join(pop), &folder);
        let config = std::fs::read_to_string(folder.join("selvedge.toml")).unwrap();
        let url = server.url();
        let nats = format!("node = {node}\nfabric = \"nats\"\nnats = {{ servers = [\"{url}\"]{more} }}\n");
        let (before, cluster) = config.split_once("[cluster]\n").unwrap();
        let (_, rest) = cluster.split_once('\n').unwrap();
        let listen = format!("listen = \"{}\"\n", free_port());
        std::fs::write(folder.join("selvedge.toml"), format!("{before}[cluster]\n{listen}{nats}{rest}")).unwrap();
        Edge::start(Folder::Shared(folder)).await
    }

    /// Two nodes of one POP and one of the other, that hear each other.
    async fn three(&self, server: &NatsServer) -> [Edge; 3] {
        let edges = [
            self.start(server, "one", 0).await,
            self.start(server, "one", 1).await,
            self.start(server, "two", 0).await,
        ];
        for edge in &edges {
            hears(edge, 3, 3).await;
        }
        edges
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Waits until a node hears so many of so many that it knows, itself among them.
pub(crate) async fn hears(edge: &Edge, heard: u16, known: u16) {
    eventually(DEADLINE, async || {
        let cluster = edge.status().await.cluster.unwrap();
        if (cluster.heard, cluster.roster) == (heard, known) { Ok(()) } else { Err(format!("{cluster:?}")) }
    })
    .await;
}

/// Waits until a node has counted so many requests, whoever took them.
pub(crate) async fn counts(edge: &Edge, count: u64) {
    eventually(DEADLINE, async || {
        let (_, text, _) = edge.command(&["limits", "show", "few", "--json"]).await;
        let limits: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let counted = limits.pointer("/top/0/count").or(limits.pointer("/0/top/0/count"));
        if counted.and_then(serde_json::Value::as_u64) == Some(count) { Ok(()) } else { Err(text) }
    })
    .await;
}

/// Waits until a node knows so many bans.
pub(crate) async fn bans(edge: &Edge, bans: usize) {
    eventually(DEADLINE, async || {
        let known = edge.status().await.bans;
        if known == bans { Ok(()) } else { Err(format!("{known} bans, not {bans}")) }
    })
    .await;
}

/// How many of so many requests are admitted.
pub(crate) async fn asks(edge: &Edge, times: usize) -> usize {
    let mut passed = 0;
    for _ in 0..times {
        passed += usize::from(get(edge.address(), "test", "/").await.status == 200);
    }
    passed
}

#[tokio::test]
async fn three_nodes_of_two_pops_count_and_ban_together() {
    let server = NatsServer::start("").await;
    let fleet = Fleet::new().await;
    let edges = fleet.three(&server).await;
    assert_eq!(asks(&edges[0], 2).await, 2);
    assert_eq!(asks(&edges[1], 3).await, 3);
    counts(&edges[2], 5).await;
    assert_eq!(asks(&edges[2], 3).await, 1, "one is left of six");
    for edge in &edges {
        counts(edge, 6).await;
        assert_eq!(asks(edge, 1).await, 0);
    }
    assert_eq!(edges[1].command(&["bans", "add", "127.0.0.9"]).await.0, 0);
    for edge in &edges {
        bans(edge, 1).await;
    }
    let (_, text, _) = edges[1].command(&["status"]).await;
    assert!(text.contains("cluster  3 of 3 nodes heard") && text.contains("this is node 1, 2 others there"), "{text}");
    assert!(text.contains("one/0") && text.contains("two/0"), "{text}");
}

#[tokio::test]
async fn without_nats_each_goes_on_alone_says_so_and_loses_nothing() {
    let server = NatsServer::start("").await;
    let fleet = Fleet::new().await;
    let edges = fleet.three(&server).await;
    let server = server.kill().await;
    // Each POP has half of six, and each of two nodes half of that: 1.5 is enough for one.
    for (edge, part) in edges.iter().zip([1, 1, 3]) {
        hears(edge, 1, 3).await;
        let cluster = edge.status().await.cluster.unwrap();
        assert_eq!(cluster.nats.expect("NATS").connected_at, None);
        let (code, text, _) = edge.command(&["status"]).await;
        assert_eq!(code, 0);
        assert!(text.contains("NO NATS: this node goes on alone"), "{text}");
        assert!(metrics(edge).await.contains("\nselvedge_nats_connected 0\n"));
        let log = std::fs::read_to_string(edge.folder.path().join("log")).unwrap();
        assert!(log.contains("no NATS; this node counts alone"), "{log}");
        assert_eq!(asks(edge, 4).await, part);
    }
    assert_eq!(edges[0].command(&["bans", "add", "127.0.0.9"]).await.0, 0);
    let _server = server.restart().await;
    for edge in &edges {
        counts(edge, 5).await;
        hears(edge, 3, 3).await;
        let status = edge.status().await;
        assert_eq!((status.bans, status.cluster.unwrap().nats.unwrap().connected_at.is_some()), (1, true));
        assert!(metrics(edge).await.contains("\nselvedge_nats_connected 1\n"));
    }
    assert_eq!(asks(&edges[0], 2).await, 1, "one is left of six");
    counts(&edges[2], 6).await;
    assert_eq!(asks(&edges[2], 1).await, 0);
}

#[tokio::test]
async fn nodes_come_and_go_without_an_edit_elsewhere() {
    let server = NatsServer::start("").await;
    let fleet = Fleet::new().await;
    let [first, second, third] = fleet.three(&server).await;
    assert_eq!(asks(&second, 2).await, 2);
    second.stop().await;
    // It said that it goes, so nobody waits for it; what it counted stays.
    for edge in [&first, &third] {
        hears(edge, 2, 2).await;
        counts(edge, 2).await;
    }
    let fourth = fleet.start(&server, "one", 7).await;
    for edge in [&first, &third, &fourth] {
        hears(edge, 3, 3).await;
    }
    counts(&fourth, 2).await;
    assert_eq!(asks(&fourth, 5).await, 4);
    counts(&third, 6).await;
    // One that is killed says nothing: it is not heard, and still known.
    fourth.kill().await;
    hears(&third, 2, 3).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_nothing_is_lost() {
    let server = NatsServer::start("").await;
    let fleet = Fleet::new().await;
    let edges = [fleet.start(&server, "one", 0).await, fleet.start(&server, "two", 0).await];
    for edge in &edges {
        hears(edge, 2, 2).await;
    }
    // It keeps its connections, and takes more; it answers nobody.
    server.signal("STOP").await;
    for edge in &edges {
        eventually(DEADLINE, async || {
            let nats = edge.status().await.cluster.unwrap().nats.unwrap();
            if nats.connected_at.is_none() { Ok(()) } else { Err(format!("{nats:?}")) }
        })
        .await;
        hears(edge, 1, 2).await;
        assert_eq!(asks(edge, 4).await, 3);
    }
    server.signal("CONT").await;
    for edge in &edges {
        counts(edge, 6).await;
        hears(edge, 2, 2).await;
        assert_eq!(asks(edge, 1).await, 0);
    }
}
