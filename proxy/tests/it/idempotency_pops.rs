//! Requests that are run once for each key, at POPs that share the keys: each key has one home.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use selvedge::cli::demo::relay::Relay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{free_port, plan_kept, start};
use crate::fleet;
use crate::idempotency::{asked, is, post, refused};
use crate::link::dial_from;
use crate::shield::insert;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, metrics, ok, program, talk};

/// POPs whose homes are reached through relays.
pub(crate) struct Pops {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) relays: Vec<Relay>,
    /// Where each listens for the others.
    listens: Vec<SocketAddr>,
}

impl Pops {
    /// Writes a cluster of these POPs, with more config after it.
    pub(crate) fn write(origin: &str, names: &[&str], more: &str) -> Pops {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan_kept(folder.path(), origin, names, (Some("state"), more));
        let listens: Vec<SocketAddr> = names.iter().map(|_| free_port()).collect();
        let local = "127.0.0.1:0".parse().unwrap();
        let relays: Vec<Relay> =
            listens.iter().map(|listen| Relay::start(local, *listen, Duration::ZERO).unwrap()).collect();
        for (at, name) in names.iter().enumerate() {
            for (pop, relay) in plan.pops.iter().zip(&relays) {
                let roster = folder.path().join(name).join("roster.toml");
                insert(&roster, &format!("address = \"{}\"", pop.listen), &format!("shield = \"{}\"", relay.address()));
            }
            let config = folder.path().join(name).join("selvedge.toml");
            let listen = format!("listen = \"{}\"", plan.pops[at].listen);
            insert(&config, &listen, &format!("shield = \"{}\"", listens[at]));
        }
        Pops { folder, relays, listens }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) async fn all_heard(edges: &[&Edge]) {
    for edge in edges {
        eventually(DEADLINE, async || match edge.status().await.cluster.unwrap().heard {
            heard if usize::from(heard) == edges.len() => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
    }
}

const POLICY: &str = "[[idempotency]]\nname = \"payments\"\n";

async fn pay(edge: &Edge, key: &str) -> Answer {
    let heard = talk(edge.address(), post("/pay", key, "{}", "").as_bytes()).await;
    Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)))
}

async fn numbering() -> Origin {
    Origin::start(|request| async move {
        let key = request.header("idempotency-key").unwrap_or("none").to_owned();
        ok("X-Field: 1\r\n", format!("paid {key}").as_bytes())
    })
    .await
}

/// How many requests of the other POP were run here.
async fn served(edge: &Edge) -> u64 {
    let text = metrics(edge).await;
    let line = "selvedge_idempotency_served_total{outcome=\"first\"} ";
    text.lines().find_map(|found| found.strip_prefix(line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn wherever_a_request_comes_its_key_has_one_home() {
    let origin = numbering().await;
    let pops = Pops::write(&origin.url(), &["one", "two"], POLICY);
    let (one, two) = tokio::join!(start(pops.path(), "one"), start(pops.path(), "two"));
    all_heard(&[&one, &two]).await;
    for nth in 0..20 {
        let (key, text) = (format!("k{nth}"), format!("paid k{nth}"));
        let (first, other) = if nth % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let answer = pay(first, &key).await;
        is(&answer, 200, "first", &text);
        assert_eq!((answer.header("x-field"), answer.header("selvedge-answer")), ("1", ""));
        for edge in [other, first] {
            let again = pay(edge, &key).await;
            is(&again, 200, "repeat", &text);
            assert_eq!((again.header("x-field"), again.header("selvedge-answer")), ("1", ""));
        }
    }
    let words =
        ["explain", "POST", "http://www.example.com/pay", "-H", "idempotency-key: k1", "-H", "authorization: Bearer a"];
    let (_, at_one, _) = one.command(&words).await;
    let (_, at_two, _) = two.command(&words).await;
    let line = |text: &str| {
        text.lines().find(|line| line.contains("by policy payments")).map(str::to_owned).unwrap_or_default()
    };
    assert!(line(&at_one).contains(", its home is ") && line(&at_one).contains("key "), "{at_one}");
    let home = |text: &str| line(text).split("   by").next().map(str::to_owned);
    assert_eq!(home(&at_one), home(&at_two), "both know one home");
    let (at_one, at_two) = (served(&one).await, served(&two).await);
    assert!(at_one > 0 && at_two > 0 && at_one + at_two < 20, "{at_one} and {at_two}");
    let seen = origin.seen();
    assert_eq!(seen.len(), 20);
    for request in &seen {
        let head = request.head.to_ascii_lowercase();
        assert!(!head.contains("selvedge-run") && !head.contains("selvedge-order"), "{head}");
        assert_eq!(
            (request.header("x-forwarded-for"), request.header("host")),
            (Some("127.0.0.1"), Some("www.example.com"))
        );
        assert_eq!((request.body.as_slice(), request.header("authorization")), (&b"{}"[..], Some("Bearer a")));
    }
    // What both have to say of a body that differs, and of rules that only one has.
    let other = Answer::parse(&talk(one.address(), post("/pay", "k1", "{1}", "").as_bytes()).await).unwrap();
    refused(&other, 422, "another request's");
}

#[tokio::test]
async fn while_it_runs_at_its_home_repeats_elsewhere_are_told_so() {
    let (origin, gate) = Origin::gated("", "paid").await;
    let pops = Pops::write(&origin.url(), &["one", "two"], POLICY);
    let (one, two) = tokio::join!(start(pops.path(), "one"), start(pops.path(), "two"));
    all_heard(&[&one, &two]).await;
    let address = one.address();
    let first = tokio::spawn(async move { talk(address, post("/pay", "k", "{}", "").as_bytes()).await });
    asked(&origin, 1).await;
    for edge in [&one, &two] {
        refused(&pay(edge, "k").await, 409, "still being processed");
    }
    gate.open();
    is(&Answer::parse(&first.await.unwrap()).unwrap(), 200, "first", "paid");
    for edge in [&one, &two] {
        is(&pay(edge, "k").await, 200, "repeat", "paid");
    }
    assert_eq!(origin.seen().len(), 1);
}

/// A response that is longer than what is kept reaches the client through both.
#[tokio::test]
async fn what_is_not_kept_passes_whole() {
    let origin = Origin::start(|_| async { ok("", &vec![b'x'; 300_000]) }).await;
    let pops = Pops::write(&origin.url(), &["one", "two"], POLICY);
    let (one, two) = tokio::join!(start(pops.path(), "one"), start(pops.path(), "two"));
    all_heard(&[&one, &two]).await;
    for nth in 0..8 {
        let key = format!("k{nth}");
        let answer = pay(&one, &key).await;
        assert_eq!((answer.status, answer.body.len()), (200, 300_000));
        refused(&pay(&two, &key).await, 409, "answered with 200");
    }
    assert_eq!(origin.seen().len(), 8);
}

#[tokio::test]
async fn without_its_home_a_key_waits() {
    let origin = numbering().await;
    let pops = Pops::write(&origin.url(), &["one", "two"], POLICY);
    let (one, two) = tokio::join!(start(pops.path(), "one"), start(pops.path(), "two"));
    all_heard(&[&one, &two]).await;
    // Known at their homes already.
    for nth in 0..10 {
        is(&pay(&one, &format!("k{nth}")).await, 200, "first", &format!("paid k{nth}"));
    }
    let folder = two.kill().await;
    let mut waiting = Vec::new();
    for nth in 0..20 {
        let key = format!("k{nth}");
        match pay(&one, &key).await {
            answer if answer.status == 200 => {}
            answer => {
                refused(&answer, 503, "cannot be reached");
                assert_eq!(answer.header("retry-after"), "1");
                waiting.push(key);
            }
        }
    }
    assert!((1..20).contains(&waiting.len()), "{waiting:?}");
    let two = Edge::start(folder).await;
    all_heard(&[&one, &two]).await;
    for key in &waiting {
        is(&pay(&one, key).await, 200, if key.len() == 2 { "repeat" } else { "first" }, &format!("paid {key}"));
    }
    // Cut off from each other, both are there and neither does what is the other's.
    pops.relays.iter().for_each(Relay::cut);
    let (mut here, mut there) = (0, 0);
    for nth in 20..40 {
        for edge in [&one, &two] {
            match pay(edge, &format!("k{nth}")).await.status {
                200 => here += 1,
                503 => there += 1,
                status => panic!("{status}"),
            }
        }
    }
    assert_eq!((here, there), (20, 20), "each key at its home alone");
    assert_eq!(origin.seen().len(), 40);
}

#[tokio::test]
async fn where_the_policy_says_so_it_is_run_without_its_home_and_marked() {
    let origin = numbering().await;
    let pops = Pops::write(&origin.url(), &["one", "two"], &format!("{POLICY}mode = \"available\"\n"));
    let (one, two) = tokio::join!(start(pops.path(), "one"), start(pops.path(), "two"));
    all_heard(&[&one, &two]).await;
    let folder = two.kill().await;
    let mut alone = Vec::new();
    for nth in 0..12 {
        let (key, text) = (format!("k{nth}"), format!("paid k{nth}"));
        let answer = pay(&one, &key).await;
        if answer.header("selvedge-idempotency") == "first;alone" {
            is(&answer, 200, "first;alone", &text);
            is(&pay(&one, &key).await, 200, "repeat;alone", &text);
            alone.push(key);
        } else {
            is(&answer, 200, "first", &text);
        }
    }
    assert!((1..12).contains(&alone.len()), "{alone:?}");
    let marked = origin.seen().iter().filter(|request| request.header("selvedge-idempotency") == Some("alone")).count();
    assert_eq!((marked, origin.seen().len()), (alone.len(), 12));
    let two = Edge::start(folder).await;
    all_heard(&[&one, &two]).await;
    // This POP knows what it did; the home does not, and runs it once more.
    is(&pay(&one, &alone[0]).await, 200, "repeat;alone", &format!("paid {}", alone[0]));
    is(&pay(&two, &alone[0]).await, 200, "first", &format!("paid {}", alone[0]));
}

/// Of several nodes of a POP the first one answers for its keys.
#[tokio::test]
async fn of_a_pop_with_several_nodes_one_is_the_home() {
    let origin = numbering().await;
    let pops = Pops::write(&origin.url(), &["one", "two"], POLICY);
    let one = start(pops.path(), "one").await;
    let first = fleet::start(pops.path(), "two", 0).await;
    // Others listen somewhere else.
    let path = pops.path().join("two").join("selvedge.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace(&pops.listens[1].to_string(), &free_port().to_string())).unwrap();
    let second = fleet::start(pops.path(), "two", 1).await;
    let edges = [&one, &first, &second];
    all_heard(&edges).await;
    for nth in 0..15 {
        let key = format!("k{nth}");
        is(&pay(edges[nth % 3], &key).await, 200, "first", &format!("paid {key}"));
        for edge in edges {
            is(&pay(edge, &key).await, 200, "repeat", &format!("paid {key}"));
        }
    }
    assert_eq!((origin.seen().len(), served(&second).await), (15, 0));
    // What the second one does not answer for, the first one keeps from it.
    let gone = first.kill().await;
    let answers = [pay(&second, "k0").await.status, pay(&one, "k0").await.status];
    assert!(answers == [200, 200] || answers == [503, 503], "{answers:?}");
    drop(gone);
}

#[tokio::test]
async fn nobody_but_a_pop_has_anything_run_by_an_order() {
    let origin = numbering().await;
    let pops = Pops::write(&origin.url(), &["one", "two"], POLICY);
    let (one, two) = tokio::join!(start(pops.path(), "one"), start(pops.path(), "two"));
    all_heard(&[&one, &two]).await;
    let request = post("/pay", "k", "{}", "Selvedge-Run: e30=\r\n");
    // In plain text, as a client of another port would.
    assert!(Answer::parse(&talk(pops.listens[1], request.as_bytes()).await).is_none());
    // With a certificate, and an order that is none.
    for name in ["one", "two"] {
        let mut stream = dial_from(&pops.path().join(name), ("two.test.selvedge", pops.listens[1])).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        let answer = Answer::parse(&said).expect("an answer");
        assert_eq!((answer.status, answer.header("selvedge-answer")), (421, ""), "{name}");
    }
    assert!(origin.seen().is_empty());
    // A client's is no order at all.
    for edge in [&one, &two] {
        let heard = talk(edge.address(), request.as_bytes()).await;
        assert_eq!(Answer::parse(&heard).unwrap().text(), "paid k");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_cluster_without_homes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    plan_kept(folder.path(), "127.0.0.1:1", &["one", "two"], (Some("state"), POLICY));
    let config = folder.path().join("one").join("selvedge.toml");
    let checked = program().arg("check").arg(&config).output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(78), "{said}");
    assert!(said.contains("idempotency payments: no POP of the roster answers for keys"), "{said}");
}
