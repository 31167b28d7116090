//! Quotas of two POPs: there at their first start, never more than they say, and still there after one has ended in order.

use std::path::Path;

use crate::cluster;
use crate::support::{DEADLINE, Edge, Origin, eventually, get_from, program};

const QUOTA: &str = "[[limit]]\nname = \"plan\"\nkey = [\"client.net\"]\nquota = \"20/month\"\n";

async fn start(folder: &Path, name: &str) -> Edge {
    cluster::start(folder, name).await
}

/// The next request of a client, at a POP, that passes before so many were refused; POPs give each other what is asked for within some round trips.
async fn passes(edge: &Edge, client: u8) -> bool {
    for _ in 0..50 {
        if get_from(client, edge.address(), "/").await.status == 200 {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn two_pops_spend_one_quota_and_a_stop_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    cluster::plan_kept(folder.path(), &origin.url(), &["fra", "ams"], (Some("state"), QUOTA));
    let (fra, ams) = (start(folder.path(), "fra").await, start(folder.path(), "ams").await);
    // Whichever is its home has it when both have heard of each other.
    let mut spent = 0;
    eventually(DEADLINE, async || {
        if passes(&fra, 7).await || passes(&ams, 7).await { Ok(()) } else { Err("nothing passes".to_owned()) }
    })
    .await;
    spent += 1;
    for _ in 0..4 {
        spent += u8::from(passes(&fra, 7).await) + u8::from(passes(&ams, 7).await);
    }
    assert!((5..=9).contains(&spent), "{spent}");
    // One ends in order and comes back.
    drop(fra.stop().await);
    let fra = start(folder.path(), "fra").await;
    eventually(DEADLINE, async || {
        for edge in [&fra, &ams] {
            while get_from(7, edge.address(), "/").await.status == 200 {
                spent += 1;
            }
        }
        if spent >= 20 { Ok(()) } else { Err(format!("{spent} of 20")) }
    })
    .await;
    assert_eq!(spent, 20);
    for edge in [&fra, &ams] {
        assert!(!passes(edge, 7).await);
    }
}

#[tokio::test]
async fn a_quota_of_two_pops_needs_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    cluster::plan_of(folder.path(), "http://127.0.0.1:9", &["fra", "ams"], QUOTA);
    let config = folder.path().join("fra/selvedge.toml");
    let output = program().args(["check", config.to_str().unwrap()]).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && text.contains("limit plan: a quota over several POPs has to outlive a restart"),
        "{text}"
    );
}
