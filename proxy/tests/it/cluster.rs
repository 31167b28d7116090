//! Three POPs as processes: strangers at the peer port, and a config that does not fit.

use std::path::Path;
use std::time::SystemTime;

use selvedge::cli::demo::relay::Relay;
use selvedge::cli::init::{InitPlan, PopPlan, init};
use selvedge::link::authority::{Authority, Validity};

use crate::support::edge::Folder;
use crate::support::{DEADLINE, Edge, Noise, Origin, eventually, get, talk_and_leave};

/// An address that nobody listens at. Its port is below those that connections, and listeners that do not care, get from the system, so that none of
/// them takes it before the one that it is for.
pub(crate) fn free_port() -> std::net::SocketAddr {
    loop {
        let address = (std::net::Ipv4Addr::LOCALHOST, fastrand::u16(10_000..32_000));
        if let Ok(listener) = std::net::TcpListener::bind(address) {
            return listener.local_addr().unwrap();
        }
    }
}

/// Writes a cluster of two into a folder.
fn plan(folder: &Path, origin: &str) -> InitPlan {
    plan_of(folder, origin, &["one", "two"], "")
}

/// Writes a cluster of these POPs into a folder, with more config after it.
pub(crate) fn plan_of(folder: &Path, origin: &str, names: &[&str], more: &str) -> InitPlan {
    plan_kept(folder, origin, names, (None, more))
}

/// The same, whose state outlives its process in a folder, if one is named.
pub(crate) fn plan_kept(folder: &Path, origin: &str, names: &[&str], (state, more): (Option<&str>, &str)) -> InitPlan {
    let pop = |name: &str| {
        let listen = free_port();
        PopPlan {
            name: name.to_owned(),
            region: None,
            http: "127.0.0.1:0".parse().unwrap(),
            listen,
            address: listen.to_string(),
            admin: "admin.sock".into(),
        }
    };
    let plan = InitPlan {
        out: folder.to_owned(),
        cluster: "test".to_owned(),
        pops: names.iter().map(|name| pop(name)).collect(),
        origin: origin.to_owned(),
        state: state.map(Into::into),
        limits: more.to_owned(),
    };
    init(&plan).unwrap();
    plan
}

/// Writes a cluster of these POPs into a folder, each reached by a wire that takes so long, with more config after it.
pub(crate) fn plan_over_wires(
    folder: &Path,
    origin: &str,
    names: &[&str],
    more: &str,
    delay: std::time::Duration,
) -> Vec<Relay> {
    let mut wires = Vec::new();
    let pops = names.iter().map(|name| {
        let listen = free_port();
        let wire = Relay::start((std::net::Ipv4Addr::LOCALHOST, 0).into(), listen, delay).unwrap();
        let address = wire.address().to_string();
        wires.push(wire);
        PopPlan {
            name: (*name).to_owned(),
            region: None,
            http: "127.0.0.1:0".parse().unwrap(),
            listen,
            address,
            admin: "admin.sock".into(),
        }
    });
    let pops = pops.collect();
    let (out, cluster) = (folder.to_owned(), "test".to_owned());
    init(&InitPlan { out, cluster, pops, origin: origin.to_owned(), state: None, limits: more.to_owned() }).unwrap();
    wires
}

pub(crate) async fn start(folder: &Path, name: &str) -> Edge {
    Edge::start(Folder::Shared(folder.join(name))).await
}

#[tokio::test]
async fn random_bytes_on_the_peer_port_never_stop_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "fine").await;
    let plan = plan(folder.path(), &origin.url());
    let mut edge = start(folder.path(), "one").await;
    let mut noise = Noise::new();
    for _ in 0..50 {
        let bytes = noise.bytes(2048);
        talk_and_leave(plan.pops[0].listen, &bytes).await;
    }
    assert!(edge.lives());
    assert_eq!(get(edge.address(), "test", "/").await.text(), "fine");
    let refused = edge.status().await.cluster.unwrap().refused;
    assert!(refused.iter().any(|refused| refused.address.starts_with("127.0.0.1")), "{refused:?}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_named_in_status() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    plan(folder.path(), &origin.url());
    let now = SystemTime::now();
    let long_ago = now - std::time::Duration::from_secs(90 * 86_400);
    // Another authority for both, so that it can issue what no operator would.
    let authority = Authority::new("test", Validity::days(long_ago, 365)).unwrap();
    for (name, validity) in [("one", Validity::days(long_ago, 30)), ("two", Validity::days(now, 30))] {
        let issued = authority.issue(&format!("{name}.test.selvedge"), validity).unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(name).join(file), text).unwrap();
        write("ca.pem", authority.certificate());
        write("pop.pem", &issued.certificate);
        write("pop.key", &issued.key);
    }
    let mut one = start(folder.path(), "one").await;
    let two = start(folder.path(), "two").await;
    let cause = eventually(DEADLINE, async || {
        let cluster = two.status().await.cluster.unwrap();
        let refused = cluster.refused.into_iter().find(|refused| refused.cause.contains("expired"));
        refused.map(|refused| refused.cause).ok_or(format!("heard {}", cluster.heard))
    })
    .await;
    assert!(cause.contains("expired"), "{cause}");
    assert_eq!(two.status().await.cluster.unwrap().heard, 1);
    assert!(one.lives(), "it serves alone");
    assert_eq!(get(one.address(), "test", "/").await.status, 200);
}

#[tokio::test]
async fn two_pops_hear_each_other_and_a_new_life_has_a_greater_incarnation() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    plan(folder.path(), &origin.url());
    let one = start(folder.path(), "one").await;
    assert_eq!(one.status().await.cluster.unwrap().standing, "warming", "it has heard nobody yet");
    assert!(one.command(&["status"]).await.1.contains("\nwarming: "));
    let two = start(folder.path(), "two").await;
    let heard = async |edge: &Edge| edge.status().await.cluster.unwrap().heard;
    eventually(DEADLINE, async || {
        if heard(&one).await == 2 && heard(&two).await == 2 { Ok(()) } else { Err("alone".to_owned()) }
    })
    .await;
    let cluster = one.status().await.cluster.unwrap();
    assert_eq!(
        (cluster.standing.as_str(), cluster.peers[0].clock.as_str(), cluster.offset_ms),
        ("settled", "agrees", 0)
    );
    let offset = cluster.peers[0].offset_ms.expect("measured");
    assert!(offset.abs() < 500, "two processes of one machine, {offset} ms apart");
    let before = two.status().await.incarnation;
    let folder = two.kill().await;
    eventually(DEADLINE, async || if heard(&one).await == 1 { Ok(()) } else { Err("still heard".to_owned()) }).await;
    let two = Edge::start(folder).await;
    assert!(two.status().await.incarnation > before);
    eventually(DEADLINE, async || if heard(&one).await == 2 { Ok(()) } else { Err("alone".to_owned()) }).await;
}

#[tokio::test]
async fn a_pop_that_keeps_apart_exchanges_nothing_until_it_joins_again() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::fixed("", "x").await;
    let limit = "[[limit]]\nname = \"few\"\nkey = []\nrate = \"4/1h\"\nburst = 4\n";
    plan_of(folder.path(), &origin.url(), &["one", "two"], limit);
    let (one, two) = (start(folder.path(), "one").await, start(folder.path(), "two").await);
    let hears = async |edge: &Edge, pops: u16| {
        eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
            heard if heard == pops => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
    };
    hears(&one, 2).await;
    let (code, text, _) = one.command(&["cluster", "apart"]).await;
    assert_eq!(
        (code, text.trim()),
        (0, "this POP keeps apart: it exchanges nothing with the others, and limits go by its share")
    );
    hears(&one, 1).await;
    hears(&two, 1).await;
    let (_, text, _) = one.command(&["status"]).await;
    assert!(text.contains("KEEPS APART"), "{text}");
    // Each goes by half of the limit, and a ban stays where it was made.
    let passes = async |edge: &Edge| {
        let mut passed = 0;
        for _ in 0..4 {
            passed += usize::from(get(edge.address(), "test", "/").await.status == 200);
        }
        passed
    };
    assert_eq!((passes(&one).await, passes(&two).await), (2, 2));
    assert_eq!(two.command(&["bans", "add", "127.0.0.9"]).await.0, 0);
    assert!(one.status().await.cluster.unwrap().apart && one.status().await.bans == 0);
    let (code, text, _) = one.command(&["cluster", "join"]).await;
    assert_eq!((code, text.trim()), (0, "this POP exchanges with the others"));
    eventually(DEADLINE, async || if one.status().await.bans == 1 { Ok(()) } else { Err("no ban".to_owned()) }).await;
    hears(&two, 2).await;
    assert_eq!(get(one.address(), "test", "/").await.status, 429, "what two admitted is known here now");
}

#[tokio::test]
async fn a_pop_alone_has_nobody_to_keep_apart_from() {
    let edge = Edge::before("127.0.0.1:1", "").await;
    let (code, _, error) = edge.command(&["cluster", "apart"]).await;
    assert_eq!((code, error.trim()), (1, "error: this POP is alone: its config has no [cluster]"));
}
