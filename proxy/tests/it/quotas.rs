//! Quotas and what is shared out: there at their first start, never more than they say, and still there after a process has ended in order, after another
//! one took over from it, and for other numbers.

use std::path::Path;

use crate::cluster;
use crate::overrides::{json, shown};
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

/// Two POPs that give a client of each what they open with.
async fn both(folder: &Path, origin: &Origin) -> (Edge, Edge) {
    cluster::plan_kept(folder, &origin.url(), &["fra", "ams"], (Some("state"), QUOTA));
    let (fra, ams) = (start(folder, "fra").await, start(folder, "ams").await);
    eventually(DEADLINE, async || {
        let passed = passes(&fra, 7).await && passes(&ams, 7).await;
        if passed { Ok(()) } else { Err("they have not heard of each other".to_owned()) }
    })
    .await;
    (fra, ams)
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
async fn the_first_request_of_a_client_is_admitted_at_each_pop() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let (fra, ams) = both(folder.path(), &origin).await;
    // One of the two is the home of each.
    for client in 20..30 {
        for edge in [&fra, &ams] {
            assert_eq!(get_from(client, edge.address(), "/").await.status, 200, "{client}");
        }
    }
}

/// Its peer is away, and it may not hear it for long.
#[tokio::test]
async fn a_pop_that_starts_again_alone_admits_first_requests_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let (fra, ams) = both(folder.path(), &origin).await;
    drop((fra.stop().await, ams.stop().await));
    let fra = start(folder.path(), "fra").await;
    for client in 20..30 {
        assert_eq!(get_from(client, fra.address(), "/").await.status, 200, "{client}");
    }
    assert_eq!(json(&fra, &["status"]).await["cluster"]["standing"], "warming");
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

/// How many requests of a client pass, until one is refused.
async fn run(edge: &Edge, client: u8) -> usize {
    let mut passed = 0;
    while get_from(client, edge.address(), "/").await.status == 200 {
        passed += 1;
    }
    passed
}

#[tokio::test]
async fn what_was_used_counts_for_another_number() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let edge = Edge::before(&origin.url(), QUOTA).await;
    assert_eq!(run(&edge, 7).await, 20);
    for (from, to, more) in [(20, 23, 3), (23, 10, 0), (10, 24, 1), (24, 20, 0)] {
        edge.edit(&format!("{from}/month"), &format!("{to}/month")).await;
        assert_eq!(run(&edge, 7).await, more, "{from} to {to}");
        assert_eq!(run(&edge, to).await, usize::from(to), "another client has all of it");
    }
    let used = json(&edge, &["limits", "show", "plan", "127.0.0.7"]).await;
    assert_eq!(used["class"], "strict");
    assert_eq!((&used["top"][0]["count"], &used["top"][0]["refused"]), (&24.into(), &true.into()));
}

#[tokio::test]
async fn what_was_used_goes_along_to_a_process_that_takes_over() {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    let strict = "[[limit]]\nname = \"few\"\nkey = [\"client.net\"]\nwhen = 'request.path == \"/few\"'\nrate = \"4/1h\"\nburst = 5\nclass = \"strict\"\n";
    let mut old = Edge::before(&origin.url(), &format!("{}{strict}", QUOTA.replace("20", "9"))).await;
    let few = async |edge: &Edge| get_from(7, edge.address(), "/few").await.status;
    assert_eq!((few(&old).await, few(&old).await, few(&old).await), (200, 200, 200));
    let new = old.successor().await;
    assert_eq!(old.ended().await, Some(0));
    assert_eq!((few(&new).await, few(&new).await, few(&new).await), (200, 200, 429));
    assert_eq!(run(&new, 7).await, 4, "nine less five");
}

/// Until nothing more passes anywhere, and what that comes to.
async fn all(edges: &[&Edge], client: u8, expected: usize) -> usize {
    let mut spent = 0;
    eventually(DEADLINE, async || {
        for edge in edges {
            while get_from(client, edge.address(), "/").await.status == 200 {
                spent += 1;
            }
        }
        if spent >= expected { Ok(()) } else { Err(format!("{spent} of {expected}")) }
    })
    .await;
    for edge in edges {
        for _ in 0..20 {
            spent += usize::from(get_from(client, edge.address(), "/").await.status == 200);
        }
    }
    spent
}

#[tokio::test]
async fn one_of_two_pops_is_upgraded_edited_and_a_client_is_reset() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    cluster::plan_kept(folder.path(), &origin.url(), &["fra", "ams"], (Some("state"), QUOTA));
    let (mut fra, ams) = (start(folder.path(), "fra").await, start(folder.path(), "ams").await);
    eventually(DEADLINE, async || {
        if passes(&fra, 7).await || passes(&ams, 7).await { Ok(()) } else { Err("nothing passes".to_owned()) }
    })
    .await;
    let new = fra.successor().await;
    assert_eq!(fra.ended().await, Some(0));
    let both = [&new, &ams];
    assert_eq!(all(&both, 7, 19).await, 19, "twenty less one");
    // Another number, first at one POP and then at the other.
    for edge in both {
        edge.edit("20/month", "24/month").await;
    }
    assert_eq!(all(&both, 7, 4).await, 4);
    json(&new, &["limits", "reset", "plan", "127.0.0.7"]).await;
    shown(&ams, &["limits", "show", "plan"], |limit| limit["resets"][0]["key"][0] == "127.0.0.7").await;
    assert_eq!(all(&both, 7, 24).await, 24);
}
