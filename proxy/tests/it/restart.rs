//! What outlives the process: counts, bans and lists after a stop and after a crash; what is torn or foreign is told and left.

use std::path::PathBuf;

use selvedge::admin::report::{Kept, Restored};

use crate::support::edge::Folder;
use crate::support::{DEADLINE, Edge, Origin, eventually, get, get_from, program};

/// Three requests an hour, and a list that a rule fills.
const CONFIG: &str = r#"
[storage]
state = "state"
state_every = "1s"

[list.trapped]
kind = "strings"

[[limit]]
name = "few"
when = 'request.path == "/limited"'
key = ["client.net"]
rate = "3/1h"
burst = 3

[[limit]]
name = "here"
when = 'request.path == "/here"'
key = []
scope = "pop"
rate = "1/1h"
burst = 1

[[rule]]
name = "trap"
when = 'request.path == "/trap"'
do = { list_add = { list = "trapped", value = 'request.query["name"]', for = "1h" }, ban = { for = "1h" } }

[[rule]]
name = "trapped"
when = 'request.query["name"] in lists.trapped && request.path == "/where"'
do = { deny = 410 }
"#;

async fn edge(origin: &Origin) -> Edge {
    Edge::before(&origin.url(), CONFIG).await
}

/// Uses up the limits, and has the client 127.0.0.9 banned and `snared` listed.
async fn live(edge: &Edge) {
    for status in [200, 200, 200, 429] {
        assert_eq!(get(edge.address(), "test", "/limited").await.status, status);
    }
    assert_eq!(get(edge.address(), "test", "/here").await.status, 200);
    assert_eq!(get_from(9, edge.address(), "/trap?name=snared").await.status, 200);
}

/// All of it still holds.
async fn remembers(edge: &Edge) {
    assert_eq!(get(edge.address(), "test", "/limited").await.status, 429);
    assert_eq!(get(edge.address(), "test", "/here").await.status, 429, "a limit of this POP alone");
    assert_eq!(get_from(9, edge.address(), "/").await.status, 403);
    assert_eq!(get(edge.address(), "test", "/where?name=snared").await.status, 410);
    assert_eq!(get(edge.address(), "test", "/").await.status, 200);
}

async fn kept(edge: &Edge) -> Kept {
    edge.status().await.kept.expect("a folder")
}

fn snapshot(folder: &Folder) -> PathBuf {
    folder.path().join("state/snapshot")
}

#[tokio::test]
async fn a_stop_loses_nothing() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let edge = edge(&origin).await;
    live(&edge).await;
    let life = edge.status().await.incarnation;
    let edge = Edge::start(edge.stop().await).await;
    remembers(&edge).await;
    let Restored { incarnation, taken, left, .. } = kept(&edge).await.restored.unwrap();
    assert_eq!((incarnation, left), (life, 0));
    assert!(taken >= 4, "{taken}");
    assert!(edge.status().await.incarnation > life);
    let (code, text, _) = edge.command(&["status"]).await;
    assert!(code == 0 && text.contains("things taken over from"), "{text}");
    // And once more, with rows of two lives.
    let edge = Edge::start(edge.stop().await).await;
    remembers(&edge).await;
}

#[tokio::test]
async fn a_crash_loses_what_came_after_the_last_snapshot() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let edge = edge(&origin).await;
    live(&edge).await;
    let now = edge.status().await.now;
    eventually(DEADLINE, async || match kept(&edge).await.written_at {
        Some(at) if at > now => Ok(()),
        other => Err(format!("written at {other:?}, and it is {now}")),
    })
    .await;
    let edge = Edge::start(edge.kill().await).await;
    remembers(&edge).await;
}

#[tokio::test]
async fn what_is_torn_damaged_or_foreign_is_told_and_left() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "fine").await;
    let first = edge(&origin).await;
    live(&first).await;
    let mut folder = first.stop().await;
    let whole = std::fs::read(snapshot(&folder)).unwrap();
    let torn = whole[..whole.len() - 30].to_vec();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (bytes, cause) in [
        (torn, "it is torn"),
        (damaged, "it is damaged in frame"),
        (b"hello".to_vec(), "it is no snapshot"),
        (Vec::new(), "it is no snapshot"),
        (b"selvedge\x01\xff\xff\xff\xff".to_vec(), "it is damaged: a frame of 4294967295 bytes"),
    ] {
        std::fs::write(snapshot(&folder), &bytes).unwrap();
        let edge = Edge::start(folder).await;
        let refused = kept(&edge).await.refused.unwrap();
        assert!(refused.contains(cause), "{refused}");
        assert_eq!(get(edge.address(), "test", "/limited").await.status, 200, "it goes on without");
        let (_, text, _) = edge.command(&["status"]).await;
        assert!(text.contains("NOT TAKEN OVER"), "{text}");
        folder = edge.kill().await;
    }
    // Keys that another secret hashed mean nothing.
    std::fs::write(snapshot(&folder), &whole).unwrap();
    std::fs::write(folder.path().join("state/secret"), "0".repeat(32)).unwrap();
    let edge = Edge::start(folder).await;
    let refused = kept(&edge).await.refused.unwrap();
    assert!(refused.starts_with("its keys are hashed with the secret"), "{refused}");
}

#[tokio::test]
async fn a_folder_is_one_process_s_and_what_cannot_be_used_is_said_at_once() {
    let origin = Origin::fixed("", "fine").await;
    let edge = edge(&origin).await;
    let run = async |state: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("selvedge.toml");
        let config = format!(
            "[listen]\nhttp = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\nlog = \"off\"\n[origin.app]\nservers = [\"{}\"]\n\
             [site.\"*\"]\norigin = \"app\"\n[storage]\nstate = {state:?}\n",
            origin.url()
        );
        std::fs::write(&path, config).unwrap();
        let output = program().args(["run", "--config"]).arg(&path).output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let taken = edge.folder.path().join("state").display().to_string();
    let (code, error) = run(&taken).await;
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("cannot keep state in {taken}: another process does")), "{error}");
    let (code, error) = run("/proc/nowhere").await;
    assert_eq!(code, Some(1));
    assert!(error.contains("cannot keep state in /proc/nowhere: "), "{error}");
    std::fs::write(edge.folder.path().join("secret"), "not hex").unwrap();
    let (code, error) = run(&edge.folder.path().display().to_string()).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("is no secret of 32 hex digits"), "{error}");
}
