//! One limit of three POPs under a crowd that hops from POP to POP: what clients count as admitted stays below what was computed before.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use selvedge::admin::report::{Bound, Limit};

use crate::cluster::{plan_of, start};
use crate::support::{DEADLINE, Edge, KeptOpen, Origin, eventually, get};

const POPS: [&str; 3] = ["one", "two", "three"];

/// 50 a second, and a second's worth at once, so that a machine that stands still for a moment costs nobody anything.
const LIMIT: &str = "[[limit]]\nname = \"all\"\nkey = []\nrate = \"180000/1h\"\nburst = 50\n";

/// Clients, each at another POP than the others.
const CLIENTS: usize = 3;

/// A client stays so long at a POP.
const STAY: Duration = Duration::from_millis(500);

/// How long they all ask.
const LOAD: Duration = Duration::from_secs(4);

/// Charges are known elsewhere after this, on a machine that has much else to do.
const LAG: Duration = Duration::from_millis(500);

/// What one client was answered.
#[derive(Default)]
struct Answers {
    admitted: u32,
    refused: u32,
}

/// Asks one POP after the other as fast as it is answered.
async fn hop(first: usize, pops: [SocketAddr; 3], began: Instant) -> Answers {
    let mut answers = Answers::default();
    for pop in pops.iter().cycle().skip(first) {
        let arrived = Instant::now();
        let mut client = KeptOpen::connect(*pop).await;
        while arrived.elapsed() < STAY && began.elapsed() < LOAD {
            match client.get("test", "/").await.status {
                200 => answers.admitted += 1,
                429 => answers.refused += 1,
                status => panic!("status {status}"),
            }
        }
        if began.elapsed() >= LOAD {
            break;
        }
    }
    answers
}

async fn limit(edge: &Edge) -> Limit {
    selvedge::admin::get(&edge.socket(), "/v1/limits/all").await.expect("the limit")
}

#[tokio::test]
async fn a_crowd_that_hops_gets_no_more_than_was_computed_before_and_no_less_than_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("Cache-Control: max-age=600\r\n", "x").await;
    plan_of(folder.path(), &origin.url(), &POPS, LIMIT);
    let (one, two, three) =
        tokio::join!(start(folder.path(), "one"), start(folder.path(), "two"), start(folder.path(), "three"));
    let edges = [one, two, three];
    for edge in &edges {
        eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
            3 => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
        // Into the cache; it is counted as all others.
        assert_eq!(get(edge.address(), "test", "/").await.status, 200);
    }

    // What POPs admit that have not heard of one another for that long: each of the two others its own burst and rate.
    let Bound { rate_per_s, burst, slots, .. } = limit(&edges[0]).await.bound.expect("a limit of a rate has one");
    let apart = (edges.len() - 1) as f64 * (burst + rate_per_s * LAG.as_secs_f64());
    let at_most = |time: Duration| burst + rate_per_s * time.as_secs_f64() + slots + apart;

    let began = Instant::now();
    let pops = [0, 1, 2].map(|pop: usize| edges[pop].address());
    let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(hop(client, pops, began))).collect();
    let (mut admitted, mut refused) = (0, 0);
    for client in clients {
        let answers = client.await.unwrap();
        admitted += answers.admitted;
        refused += answers.refused;
    }
    let time = began.elapsed();

    assert!(f64::from(admitted) <= at_most(time), "{admitted} in {time:?}, at most {}", at_most(time));
    let by_rate = rate_per_s * LOAD.as_secs_f64();
    assert!(f64::from(admitted) >= 0.9 * by_rate, "{admitted} in {time:?}, the rate gives {by_rate}");
    assert!(refused > admitted, "only {refused} too many: no load for a limit");

    // Clients and POPs counted the same.
    let counted = u64::from(admitted) + edges.len() as u64;
    for edge in &edges {
        eventually(DEADLINE, async || match limit(edge).await.top.first().map_or(0, |key| key.count) {
            count if count == counted => Ok(()),
            count => Err(format!("{count} counted, {counted} admitted")),
        })
        .await;
    }
}
