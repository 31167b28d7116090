//! The cluster's secret is rotated as docs/operating.md says: one POP after another starts again, and nothing is forgotten.

use std::path::Path;

use crate::cluster::plan_of;
use crate::roster::{bans, counted, hears};
use crate::support::edge::Folder;
use crate::support::{Edge, Origin, get, get_from, program};

const NAMES: [&str; 3] = ["one", "two", "three"];
const LIMIT: &str = "[[limit]]\nname = \"few\"\nkey = [\"client.net\"]\nrate = \"9/24h\"\nburst = 9\n";

/// What an operator does to the roster of one POP.
fn edit(folder: &Path, name: &str, file: &str, edit: impl Fn(&str) -> String) {
    let path = folder.join(name).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let new = edit(&text);
    assert_ne!(text, new);
    std::fs::write(path, new).unwrap();
}

fn raised(text: &str, from: u64) -> String {
    text.replace(&format!("revision = {from}"), &format!("revision = {}", from + 1))
}

/// The line of a roster that begins with a word.
fn line<'t>(text: &'t str, word: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(word)).unwrap()
}

/// A page says which secrets there are, and who has the other one in force.
async fn seen(edge: &Edge) {
    let cluster = edge.status().await.cluster.unwrap();
    let beside = cluster.secret_beside.unwrap();
    let others = cluster.peers.iter().filter(|peer| peer.secret.as_ref() == Some(&beside)).count();
    let (_, text, _) = edge.command(&["status"]).await;
    assert!(text.contains(&format!("secret {} in force, {beside} beside it", cluster.secret)), "{text}");
    assert_eq!(text.matches(&format!("  SECRET {beside}")).count(), others, "{text}");
}

/// Each POP gets another roster and starts again, and answers a request when it has heard the others. All count all of them.
async fn step(folder: &Path, mut edges: Vec<Edge>, total: &mut u64, roster: impl Fn(&str) -> String) -> Vec<Edge> {
    for name in NAMES {
        edit(folder, name, "roster.toml", &roster);
        let stopped = edges.remove(0).stop().await;
        edges.push(Edge::start(stopped).await);
        for edge in &edges {
            hears(edge, 3, 3).await;
        }
        seen(&edges[2]).await;
        assert_eq!(get(edges[2].address(), "test", "/").await.status, 200);
        *total += 1;
        for edge in &edges {
            counted(edge, *total).await;
            bans(edge, 1).await;
        }
    }
    edges
}

#[tokio::test]
async fn a_cluster_gets_another_secret_and_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    plan_of(folder, &origin.url(), &NAMES, LIMIT);
    let mut edges = Vec::new();
    for name in NAMES {
        edit(folder, name, "selvedge.toml", |text| text.replace("[storage]\n", "[storage]\nstate = \"state\"\n"));
        edges.push(Edge::start(Folder::Shared(folder.join(name))).await);
    }
    hears(&edges[0], 3, 3).await;
    assert_eq!(get(edges[0].address(), "test", "/").await.status, 200);
    assert_eq!(edges[1].command(&["bans", "add", "127.0.0.9"]).await.0, 0);
    let mut total = 1;

    // The new one is made, and known beside the one in force.
    let made = program().args(["cluster", "secret", "--json", "--out"]).arg(folder.join("one")).output().await.unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let (file, new) = (Path::new(made["file"].as_str().unwrap()), made["id"].as_str().unwrap().to_owned());
    for name in ["two", "three"] {
        std::fs::copy(file, folder.join(name).join(file.file_name().unwrap())).unwrap();
    }
    let beside = made["roster"].as_str().unwrap().to_owned();
    let add = |text: &str| raised(text, 1).replace("\n[[pop]]\nid = 1\n", &format!("{beside}\n\n[[pop]]\nid = 1\n"));
    edges = step(folder, edges, &mut total, add).await;

    // The two are exchanged.
    let exchange = |text: &str| {
        let (force, beside) = (line(text, "secret "), line(text, "secret_beside "));
        let value = |line: &str| line.split_once('=').unwrap().1.to_owned();
        let (new, old) = (format!("secret ={}", value(beside)), format!("secret_beside ={}", value(force)));
        raised(&text.replace(force, "FORCE").replace(beside, &old).replace("FORCE", &new), 2)
    };
    edges = step(folder, edges, &mut total, exchange).await;
    let cluster = edges[0].status().await.cluster.unwrap();
    assert!(
        cluster.secret == new && cluster.peers.iter().all(|peer| peer.secret.as_ref() == Some(&new)),
        "{cluster:?}"
    );

    // What is left of the limit is what was: but for what drains in a slot, and less than a token at each POP.
    let mut more = 0;
    while get(edges[more % 3].address(), "test", "/").await.status == 200 {
        (more, total) = (more + 1, total + 1);
        assert!(total <= 11, "{total} of 9");
        for edge in &edges {
            counted(edge, total).await;
        }
    }
    assert!(total >= 9, "{total} of 9");

    // The former one is dropped.
    let dropped = |text: &str| raised(text, 3).replace(line(text, "secret_beside "), "");
    for name in NAMES {
        edit(folder, name, "roster.toml", dropped);
        let stopped = edges.remove(0).stop().await;
        edges.push(Edge::start(stopped).await);
    }
    for edge in &edges {
        hears(edge, 3, 3).await;
        assert_eq!(get_from(9, edge.address(), "/").await.status, 403);
        assert_eq!(edge.status().await.cluster.unwrap().secret_beside, None);
    }
}
