//! Several nodes of one POP over links: they come and go without an edit elsewhere.

use std::path::Path;

use crate::cluster::{free_port, plan_of};
use crate::support::edge::Folder;
use crate::support::{DEADLINE, Edge, Origin, eventually, get};

const LIMIT: &str = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"9/24h\"\nburst = 9\n";

/// Starts a node of a POP: a copy of the POP's folder with its number and its own address. Node 0 has the roster's.
pub(crate) async fn start(folder: &Path, pop: &str, node: u32) -> Edge {
    let own = folder.join(format!("{pop}-{node}"));
    std::fs::create_dir(&own).unwrap();
    for entry in std::fs::read_dir(folder.join(pop)).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
    }
    let path = own.join("selvedge.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let (before, cluster) = config.split_once("[cluster]\n").unwrap();
    let (listen, rest) = cluster.split_once('\n').unwrap();
    let of_pop = listen.split('"').nth(1).unwrap().to_owned();
    let address = if node == 0 { of_pop } else { free_port().to_string() };
    let lines = format!("listen = \"{address}\"\naddress = \"{address}\"\nnode = {node}\n");
    std::fs::write(&path, format!("{before}[cluster]\n{lines}{rest}")).unwrap();
    Edge::start(Folder::Shared(own)).await
}

/// Waits until each of these hears so many of so many that it knows, itself among them.
async fn all_hear(edges: &[&Edge], heard: u16, known: u16) {
    for edge in edges {
        eventually(DEADLINE, async || {
            let cluster = edge.status().await.cluster.unwrap();
            if (cluster.heard, cluster.roster) == (heard, known) { Ok(()) } else { Err(format!("{cluster:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn nodes_of_a_pop_come_and_go_without_an_edit_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("", "x").await;
    plan_of(folder, &origin.url(), &["one", "two"], LIMIT);
    let one = crate::cluster::start(folder, "one").await;
    let (first, second) = (start(folder, "two", 0).await, start(folder, "two", 1).await);
    all_hear(&[&one, &first, &second], 3, 3).await;
    // They count and ban together.
    for edge in [&one, &first, &second] {
        assert_eq!(get(edge.address(), "test", "/").await.status, 200);
    }
    assert_eq!(second.command(&["bans", "add", "192.0.2.1"]).await.0, 0);
    for edge in [&one, &first, &second] {
        eventually(DEADLINE, async || {
            let (_, text, _) = edge.command(&["limits", "show", "few", "--json"]).await;
            let limit: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let (count, bans) = (limit["top"][0]["count"].as_u64(), edge.status().await.bans);
            if (count, bans) == (Some(3), 1) { Ok(()) } else { Err(format!("{count:?} {bans}")) }
        })
        .await;
    }
    // One more comes.
    let third = start(folder, "two", 2).await;
    all_hear(&[&one, &first, &second, &third], 4, 4).await;
    // The one at the roster's address dies: it stays known, so nobody takes its share. And it comes back.
    let gone = first.kill().await;
    all_hear(&[&one, &second, &third], 3, 4).await;
    let first = Edge::start(gone).await;
    all_hear(&[&one, &first, &second, &third], 4, 4).await;
    // One stops in order: it is not counted upon any more.
    third.stop().await;
    all_hear(&[&one, &first, &second], 3, 3).await;
    let (_, text, _) = one.command(&["status"]).await;
    assert!(text.contains("two/1"), "{text}");
}
