//! Rosters and the cluster's certificates that change while POPs run.

use std::path::Path;
use std::time::SystemTime;

use selvedge::link::authority::{Authority, Validity};

use crate::cluster::{plan_of, start};
use crate::support::{DEADLINE, Edge, Origin, eventually, get};

const NAMES: [&str; 3] = ["one", "two", "three"];
const LIMIT: &str = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"9/24h\"\nburst = 9\n";

/// The roster that `init` wrote: what comes before the POPs, and each POP.
fn written(folder: &Path) -> (String, Vec<String>) {
    let text = std::fs::read_to_string(folder.join("one/roster.toml")).unwrap();
    let mut parts = text.split("[[pop]]").map(str::to_owned);
    (parts.next().unwrap(), parts.collect())
}

/// Gives a POP another roster: a revision, the first so many POPs, and more.
pub(crate) fn give(folder: &Path, to: &str, revision: u64, pops: usize, more: &str) {
    let (head, all) = written_once(folder);
    let head = head.replace("revision = 1", &format!("revision = {revision}"));
    assert!(head.contains(&format!("revision = {revision}")), "{head}");
    let pops: String = all.iter().take(pops).map(|pop| format!("[[pop]]{pop}\n")).collect();
    std::fs::write(folder.join(to).join("roster.toml"), format!("{head}{pops}{more}")).unwrap();
}

/// What `init` wrote, kept beside: the files are written over.
fn written_once(folder: &Path) -> (String, Vec<String>) {
    let kept = folder.join("one/roster.toml");
    let beside = folder.join("kept");
    if !beside.exists() {
        std::fs::create_dir_all(beside.join("one")).unwrap();
        std::fs::copy(&kept, beside.join("one/roster.toml")).unwrap();
    }
    written(&beside)
}

pub(crate) async fn reload(edge: &Edge) {
    let (code, text, error) = edge.command(&["reload"]).await;
    assert_eq!(code, 0, "{text}{error}");
    assert!(!text.contains("needs a restart"), "{text}");
}

pub(crate) async fn hears(edge: &Edge, heard: u16, roster: u16) {
    eventually(DEADLINE, async || {
        let cluster = edge.status().await.cluster.unwrap();
        let found = (cluster.heard, cluster.roster, cluster.standing);
        if found == (heard, roster, "settled".to_owned()) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// What all POPs were counted together, as this one knows it.
pub(crate) async fn counted(edge: &Edge, count: u64) {
    eventually(DEADLINE, async || {
        let (_, text, _) = edge.command(&["limits", "show", "few", "--json"]).await;
        let limit: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let found = limit["top"][0]["count"].as_u64().unwrap_or(0);
        if found == count { Ok(()) } else { Err(format!("{found} counted, not {count}")) }
    })
    .await;
}

pub(crate) async fn bans(edge: &Edge, bans: usize) {
    eventually(DEADLINE, async || match edge.status().await.bans {
        found if found == bans => Ok(()),
        found => Err(format!("{found} bans")),
    })
    .await;
}

#[tokio::test]
async fn pops_come_and_go_and_are_voided_while_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("", "x").await;
    plan_of(folder, &origin.url(), &NAMES, LIMIT);
    // One begins in a roster of its own.
    give(folder, "one", 1, 1, "");
    let one = start(folder, "one").await;
    assert_eq!(get(one.address(), "test", "/").await.status, 200);
    // Another one comes, and then a third. What was counted before is known to them, and what is counted after.
    give(folder, "one", 2, 2, "");
    give(folder, "two", 2, 2, "");
    reload(&one).await;
    let two = start(folder, "two").await;
    hears(&one, 2, 2).await;
    hears(&two, 2, 2).await;
    counted(&two, 1).await;
    assert_eq!(get(one.address(), "test", "/").await.status, 200);
    counted(&two, 2).await;
    NAMES.iter().for_each(|name| give(folder, name, 3, 3, ""));
    reload(&two).await;
    reload(&one).await;
    let three = start(folder, "three").await;
    for edge in [&one, &two, &three] {
        hears(edge, 3, 3).await;
    }
    assert_eq!(one.status().await.cluster.unwrap().peers[1].pop, "three");
    assert_eq!(get(two.address(), "test", "/").await.status, 200);
    counted(&three, 3).await;
    for passes in [200, 200, 200, 200, 200, 200, 429] {
        assert_eq!(get(three.address(), "test", "/").await.status, passes);
    }
    // The third one poisons, and is voided.
    assert_eq!(three.command(&["bans", "add", "192.0.2.1"]).await.0, 0);
    bans(&one, 1).await;
    bans(&two, 1).await;
    // A life's number is when it began, and what it said in its time is void up to when the next one begins.
    let next = three.status().await.incarnation + (60_000 << 16);
    let void = format!("[[void]]\npop = 3\nfrom = 1\nbefore = {next}\n");
    for (name, edge) in [("one", &one), ("two", &two)] {
        give(folder, name, 4, 3, &void);
        reload(edge).await;
        bans(edge, 0).await;
    }
    // And it leaves.
    for (name, edge) in [("one", &one), ("two", &two)] {
        give(folder, name, 5, 2, &void);
        reload(edge).await;
        hears(edge, 2, 2).await;
    }
}

#[tokio::test]
async fn a_roster_that_cannot_follow_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("", "x").await;
    plan_of(folder, &origin.url(), &NAMES, "");
    give(folder, "one", 1, 3, "");
    let one = start(folder, "one").await;
    // The revision was forgotten.
    give(folder, "one", 1, 2, "");
    let (code, _, error) = one.command(&["reload"]).await;
    assert_eq!(code, 78);
    assert!(error.contains("its revision must be greater than 1, which is in force; it is 1"), "{error}");
    assert_eq!(one.status().await.cluster.unwrap().roster, 3);
    // This POP has another id: only a start can change that.
    let path = folder.join("one/roster.toml");
    give(folder, "one", 2, 3, "");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("id = 1\n", "id = 7\n", 1)).unwrap();
    let (code, text, _) = one.command(&["reload"]).await;
    assert!(code == 0 && text.contains("needs a restart: cluster.roster"), "{text}");
    // It is not named at all.
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replacen("\"one\"", "\"uno\"", 1)).unwrap();
    let (code, _, error) = one.command(&["reload"]).await;
    assert!(code == 78 && error.contains("no POP is called one"), "{error}");
    assert_eq!(one.status().await.cluster.unwrap().roster, 3);
    give(folder, "one", 2, 2, "");
    reload(&one).await;
    assert_eq!(one.status().await.cluster.unwrap().roster, 2);
}

/// Two roots overlap, certificates are exchanged, the old root goes: nobody restarts.
#[tokio::test]
async fn authorities_and_certificates_are_exchanged_while_pops_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = Origin::fixed("", "x").await;
    plan_of(folder, &origin.url(), &NAMES[..2], "");
    let (one, two) = (start(folder, "one").await, start(folder, "two").await);
    hears(&one, 2, 2).await;
    let authority = Authority::new("test", Validity::days(SystemTime::now(), 30)).unwrap();
    let old = std::fs::read_to_string(folder.join("one/ca.pem")).unwrap();
    let both = format!("{old}\n{}", authority.certificate());
    let edges = [("one", &one), ("two", &two)];
    for (name, edge) in edges {
        std::fs::write(folder.join(name).join("ca.pem"), &both).unwrap();
        reload(edge).await;
    }
    for (name, edge) in edges {
        let issued = authority.issue(&format!("{name}.test.selvedge"), Validity::days(SystemTime::now(), 30)).unwrap();
        std::fs::write(folder.join(name).join("pop.pem"), &issued.certificate).unwrap();
        std::fs::write(folder.join(name).join("pop.key"), &issued.key).unwrap();
        reload(edge).await;
    }
    for (name, edge) in edges {
        std::fs::write(folder.join(name).join("ca.pem"), authority.certificate()).unwrap();
        reload(edge).await;
    }
    // A link made anew goes by the new root alone.
    assert_eq!(one.command(&["cluster", "apart"]).await.0, 0);
    hears(&two, 1, 2).await;
    assert_eq!(one.command(&["cluster", "join"]).await.0, 0);
    hears(&two, 2, 2).await;
}
