//! Nodes that reach each other over NATS, with real servers: cut in two, slow, and bound to their own name.

use std::sync::mpsc;
use std::time::Duration;

use selvedge::cli::demo::relay::Relay;
use selvedge_conf::Nats;

use crate::link::{Cluster, LOCAL, Node, year};
use crate::support::{DEADLINE, NatsServer, eventually};

fn over(server: &NatsServer) -> Nats {
    Nats { servers: vec![server.url()], credentials: None, ca: None }
}

/// One of two servers. Neither tells the other's address, so that the one route between them is the one that is written.
async fn clustered(routes: &str) -> NatsServer {
    NatsServer::start(&format!(
        "cluster {{ name: c, host: 127.0.0.1, port: -1, no_advertise: true, routes: [{routes}] }}"
    ))
    .await
}

#[tokio::test]
async fn both_sides_of_a_cut_go_on_with_their_shares_and_agree_again() {
    let left = clustered("").await;
    let wire = Relay::start(LOCAL, left.servers.expect("routes"), Duration::from_millis(2)).unwrap();
    let right = clustered(&format!("\"nats://{}\"", wire.address())).await;
    let cluster = Cluster::new(2);
    let fra = [cluster.start_over(0, 0, &over(&left)), cluster.start_over(0, 1, &over(&left))];
    let iad = cluster.start_over(1, 0, &over(&right));
    for node in fra.iter().chain([&iad]) {
        node.hears(3, 3).await;
    }
    fra[0].add(1);
    iad.counts(1).await;
    wire.cut();
    for (node, heard) in [(&fra[0], 2), (&fra[1], 2), (&iad, 1)] {
        node.hears(heard, 3).await;
        assert_eq!(node.part(), 0.5, "each of two POPs is on one side, whatever nodes it has");
        assert!(node.links.status().fabric.unwrap().connected.is_some(), "its own server is there");
    }
    fra[0].add(10);
    iad.add(100);
    fra[1].counts(11).await;
    assert_eq!((fra[0].count(), iad.count()), (11, 101));
    wire.heal();
    for node in fra.iter().chain([&iad]) {
        node.counts(111).await;
        node.hears(3, 3).await;
    }
}

/// A node on a thread of its own, which can be stopped: nothing of it runs then, nothing is read.
struct Stoppable {
    stop: tokio::sync::mpsc::UnboundedSender<mpsc::Receiver<()>>,
    node: std::sync::Arc<Node>,
}

impl Stoppable {
    fn start(start: impl FnOnce() -> Node + Send + 'static) -> Stoppable {
        let (stop, mut stops) = tokio::sync::mpsc::unbounded_channel::<mpsc::Receiver<()>>();
        let (told, hear) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                told.send(std::sync::Arc::new(start())).unwrap();
                while let Some(go_on) = stops.recv().await {
                    let _ = go_on.recv();
                }
            });
        });
        Stoppable { stop, node: hear.recv().unwrap() }
    }

    /// Stops it until what this gives is dropped.
    fn stop(&self) -> mpsc::Sender<()> {
        let (hold, go_on) = mpsc::channel();
        self.stop.send(go_on).unwrap();
        hold
    }
}

#[tokio::test]
async fn a_node_that_was_too_slow_for_nats_has_everything_afterwards() {
    const KEYS: u32 = 20_000;
    // What waits for one client is little here, so that it is lost soon.
    let server = NatsServer::start("max_payload: 131072\nmax_pending: 262144\nwrite_deadline: \"1s\"").await;
    let cluster = Cluster::new(3);
    let (fra, iad) = (cluster.start_over(0, 0, &over(&server)), cluster.start_over(1, 0, &over(&server)));
    let nats = over(&server);
    let syd = Stoppable::start(move || cluster.start_over(2, 0, &nats));
    for node in [&fra, &iad, &syd.node] {
        node.hears(3, 3).await;
    }
    let hold = syd.stop();
    let mut rounds = 0;
    eventually(DEADLINE, async || {
        // Each round changes everything once more, and waits until the others have it: no more than frames of one round are under way.
        fra.add_many(KEYS);
        rounds += 1;
        eventually(3 * DEADLINE, async || {
            let count = iad.count_of(KEYS - 1);
            if count == rounds { Ok(()) } else { Err(format!("{count} of {rounds}")) }
        })
        .await;
        let log = server.log();
        if log.contains("Slow Consumer") {
            Ok(())
        } else {
            Err(format!("nobody was too slow in {rounds} rounds: {log}"))
        }
    })
    .await;
    assert_eq!(syd.node.count_of(0), 0, "it is stopped");
    drop(hold);
    for node in [&iad, &syd.node] {
        eventually(DEADLINE, async || {
            let lacks = (0..KEYS).filter(|n| node.count_of(*n) != rounds).count();
            if lacks == 0 { Ok(()) } else { Err(format!("{lacks} of {KEYS} keys are not at {rounds}")) }
        })
        .await;
    }
}

/// The permissions that docs/operating.md gives, with keys for the two POPs that it names.
fn documented(keys: [&nkeys::KeyPair; 2]) -> String {
    let block = documented_block("authorization {", "edge");
    let [fra, iad] = keys.map(nkeys::KeyPair::public_key);
    assert!(block.contains("UFRA") && block.contains("UIAD"), "{block}");
    block.replace("UFRA", &fra).replace("UIAD", &iad)
}

/// A block of docs/operating.md, for a cluster.
pub(crate) fn documented_block(begin: &str, cluster: &str) -> String {
    let text = include_str!("../../../docs/operating.md");
    let start = text.find(&format!("\n{begin}")).expect("the block in the documentation") + 1;
    let block = &text[start..start + text[start..].find("```").expect("its end")];
    block.replace("selvedge.CLUSTER.", &format!("selvedge.{cluster}."))
}

#[tokio::test]
async fn a_credential_speaks_for_its_own_pop_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(3);
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let issued = cluster.authority.issue("localhost", year()).unwrap();
    let (certificate, key) = (write("nats.pem", &issued.certificate), write("nats.key", &issued.key));
    let (one, two) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let tls = format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}\n", certificate.display(), key.display());
    let server = NatsServer::start(&(tls + &documented([&one, &two]))).await;
    let nats = |credentials: Option<&nkeys::KeyPair>| Nats {
        servers: vec![format!("tls://localhost:{}", server.clients.port())],
        credentials: credentials.map(|key| write("pop.seed", &key.seed().unwrap())),
        ca: Some(write("ca.pem", cluster.authority.certificate())),
    };
    let fra = cluster.start_over(0, 0, &nats(Some(&one)));
    let iad = cluster.start_over(1, 0, &nats(Some(&two)));
    fra.add(1);
    iad.add(10);
    fra.counts(11).await;
    iad.counts(11).await;
    // A third node says that it is of POP 3, and has the credential of POP 2.
    let syd = cluster.start_over(2, 0, &nats(Some(&two)));
    syd.add(100);
    let trouble = eventually(DEADLINE, async || {
        let status = syd.links.status().fabric.unwrap();
        status.trouble.filter(|trouble| trouble.contains("Permissions Violation")).ok_or("no trouble".to_owned())
    })
    .await;
    assert!(trouble.to_lowercase().contains("selvedge.edge."), "{trouble}");
    // Nobody is another POP by saying so, and who has no credential is nobody.
    let stranger = cluster.start_over(2, 1, &nats(None));
    let refused = eventually(DEADLINE, async || {
        let status = stranger.links.status().fabric.unwrap();
        assert_eq!(status.connected, None);
        status.trouble.ok_or("no trouble".to_owned())
    })
    .await;
    assert!(refused.contains("authorization"), "{refused}");
    iad.add(20);
    fra.counts(31).await;
    assert_eq!(fra.links.status().fabric.unwrap().members, 1);
    assert_eq!((fra.count(), iad.count()), (31, 31), "nothing of POP 3 was heard");
}
