//! NATS of several sites, as superclusters and leaf nodes, and nodes that NATS knows by tokens that an operator stands for.

use std::path::PathBuf;

use crate::nats::documented_block;
use crate::nats_fleet::{Fleet, asks, bans, counts, hears};
use crate::support::{DEADLINE, Edge, NatsServer, Operator, Permissions, eventually};

/// Two POPs count and ban together.
async fn agree(one: &Edge, two: &Edge) {
    for edge in [one, two] {
        hears(edge, 2, 2).await;
        assert_eq!(asks(edge, 1).await, 1);
    }
    assert_eq!(two.command(&["bans", "add", "127.0.0.9"]).await.0, 0);
    for edge in [one, two] {
        counts(edge, 2).await;
        bans(edge, 1).await;
    }
}

/// They were cut; each goes on by its half of six, of which two are taken.
async fn go_on(one: &Edge, two: &Edge) {
    for edge in [one, two] {
        hears(edge, 1, 2).await;
        assert_eq!(asks(edge, 3).await, 1);
    }
    assert_eq!(one.command(&["bans", "add", "127.0.0.8"]).await.0, 0);
}

/// What each did alone is known to both, and no more is admitted than if they had never been cut. Both have refused the client, so near its limit
/// they take turns: whose it is depends on the time, and the last one's may be an hour away.
async fn agree_again(one: &Edge, two: &Edge) {
    for edge in [one, two] {
        hears(edge, 2, 2).await;
        is_settled(edge).await;
        counts(edge, 4).await;
        bans(edge, 2).await;
    }
    let first = asks(one, 3).await;
    counts(two, 4 + first as u64).await;
    let both = first + asks(two, 3).await;
    assert!((1..=2).contains(&both), "two are left of six: {both}");
    for edge in [one, two] {
        counts(edge, 4 + both as u64).await;
        assert_eq!(asks(edge, 1).await, 0);
    }
}

/// Waits until all have told an edge what they know: until then it goes by its share.
async fn is_settled(edge: &Edge) {
    eventually(DEADLINE, async || {
        let cluster = edge.status().await.cluster.unwrap();
        if cluster.standing == "settled" { Ok(()) } else { Err(format!("{cluster:?}")) }
    })
    .await;
}

async fn is_connected(edge: &Edge) -> bool {
    edge.status().await.cluster.unwrap().nats.unwrap().connected_at.is_some()
}

/// The servers of a supercluster, one for each POP, and a node at each, which NATS holds to its POP.
struct Supercluster {
    first: NatsServer,
    second: NatsServer,
    one: Edge,
    two: Edge,
    _fleet: Fleet,
}

impl Supercluster {
    /// The second cluster dials the first.
    async fn start() -> Supercluster {
        let (fleet, operator) = (Fleet::new().await, Operator::new());
        let gateway = |name: &str, gateways: &str| {
            let gateway = format!("gateway {{ name: {name}, host: 127.0.0.1, port: -1, gateways: [{gateways}] }}");
            operator.config() + &gateway
        };
        let first = NatsServer::start(&gateway("one", "")).await;
        let known = format!("{{ name: one, urls: [\"nats://{}\"] }}", first.servers.expect("a gateway"));
        let second = NatsServer::start(&gateway("two", &known)).await;
        let ours = credentials(&fleet, &operator, "ours");
        let one = fleet.start_as(&first, &ours[0], "one", 0).await;
        let two = fleet.start_as(&second, &ours[1], "two", 0).await;
        agree(&one, &two).await;
        Supercluster { first, second, one, two, _fleet: fleet }
    }
}

#[tokio::test]
async fn pops_of_a_supercluster_count_together_and_agree_after_a_cluster_was_gone() {
    let Supercluster { first: _first, second, one, two, _fleet } = Supercluster::start().await;
    let second = second.kill().await;
    go_on(&one, &two).await;
    assert!(is_connected(&one).await && !is_connected(&two).await);
    let _second = second.restart().await;
    agree_again(&one, &two).await;
}

#[tokio::test]
async fn a_supercluster_finds_together_when_the_cluster_that_others_dial_was_gone() {
    let Supercluster { first, second: _second, one, two, _fleet } = Supercluster::start().await;
    let first = first.kill().await;
    go_on(&one, &two).await;
    assert!(!is_connected(&one).await && is_connected(&two).await);
    let _first = first.restart().await;
    agree_again(&one, &two).await;
}

/// The lists of subjects that follow on a word in a block of the documentation.
fn lists(block: &str, word: &str) -> Vec<Vec<String>> {
    let lists = block.lines().filter_map(|line| line.trim().strip_prefix(word));
    lists.map(|list| serde_json::from_str(list).unwrap()).collect()
}

/// Writes the credentials of each of the two POPs, with the permissions that the documentation gives their nodes.
fn credentials(fleet: &Fleet, operator: &Operator, whose: &str) -> [PathBuf; 2] {
    let block = documented_block("authorization {", "test");
    let (publish, subscribe) = (lists(&block, "publish:"), lists(&block, "subscribe:"));
    [0, 1].map(|pop: usize| {
        let (publish, subscribe) = (publish[pop].clone(), subscribe[pop].clone());
        write(fleet, operator, &format!("{whose}-{pop}"), &Permissions { publish, never: vec![], subscribe })
    })
}

/// Writes the credentials of the second POP's leaf node, with the permissions that the documentation gives it.
fn leaf_credentials(fleet: &Fleet, operator: &Operator) -> PathBuf {
    let block = documented_block("permissions {", "test");
    let [publish, never, subscribe] = ["allow:", "deny:", "subscribe:"].map(|word| lists(&block, word).remove(0));
    write(fleet, operator, "leaf", &Permissions { publish, never, subscribe })
}

fn write(fleet: &Fleet, operator: &Operator, name: &str, permissions: &Permissions) -> PathBuf {
    let path = fleet.folder.path().join(format!("{name}.creds"));
    std::fs::write(&path, operator.user(permissions)).unwrap();
    path
}

#[tokio::test]
async fn pops_at_a_hub_and_a_leaf_node_count_together_and_the_leaf_speaks_for_its_own_alone() {
    let (fleet, operator) = (Fleet::new().await, Operator::new());
    let [first, _] = credentials(&fleet, &operator, "ours");
    let ours = leaf_credentials(&fleet, &operator);
    let hub = NatsServer::start(&format!("{}leafnodes {{ host: 127.0.0.1, port: -1 }}", operator.config())).await;
    let at = hub.servers.expect("a port for leaf nodes");
    let remote = format!("{{ url: \"nats://{at}\", credentials: \"{}\" }}", ours.display());
    let leaf = NatsServer::start(&format!("leafnodes {{ remotes: [{remote}] }}")).await;
    let one = fleet.start_as(&hub, &first, "one", 0).await;
    let two = fleet.start(&leaf, "two", 0).await;
    agree(&one, &two).await;
    let leaf = leaf.kill().await;
    go_on(&one, &two).await;
    assert!(is_connected(&one).await && !is_connected(&two).await);
    let leaf = leaf.restart().await;
    agree_again(&one, &two).await;
    // Whoever is at the leaf says there what it likes; beyond, it is of POP two or nobody.
    let _other = fleet.start(&leaf, "one", 1).await;
    hears(&two, 3, 3).await;
    assert_eq!(two.command(&["bans", "add", "127.0.0.7"]).await.0, 0);
    bans(&one, 3).await;
    assert_eq!(one.status().await.cluster.unwrap().nats.unwrap().nodes, 1);
}

/// Waits until NATS has complained so to a node, and gives back its log.
async fn troubled(edge: &Edge, trouble: &str) -> String {
    eventually(DEADLINE, async || {
        let nats = edge.status().await.cluster.unwrap().nats.unwrap();
        if nats.error.iter().any(|error| error.contains(trouble)) { Ok(()) } else { Err(format!("{nats:?}")) }
    })
    .await;
    let (_, page, _) = edge.command(&["status"]).await;
    assert!(page.lines().any(|line| line.contains("last trouble: ") && line.contains(trouble)), "{page}");
    std::fs::read_to_string(edge.folder.path().join("log")).unwrap()
}

#[tokio::test]
async fn a_node_is_known_by_the_token_of_its_account_and_speaks_for_its_pop_alone() {
    let (fleet, operator) = (Fleet::new().await, Operator::new());
    let [first, second] = credentials(&fleet, &operator, "ours");
    let server = NatsServer::start(&operator.config()).await;
    let one = fleet.start_as(&server, &first, "one", 0).await;
    let two = fleet.start_as(&server, &second, "two", 0).await;
    agree(&one, &two).await;
    // A token of POP two, in the hands of a node that says it is of POP one.
    let false_one = fleet.start_as(&server, &second, "one", 1).await;
    let log = troubled(&false_one, "Permissions Violation").await;
    assert!(log.contains("NATS complains") && log.to_lowercase().contains("selvedge.test."), "{log}");
    // A token of an account that the servers' operator does not vouch for.
    let [foreign, _] = credentials(&fleet, &Operator::new(), "foreign");
    let stranger = fleet.start_as(&server, &foreign, "one", 2).await;
    let log = troubled(&stranger, "authorization violation").await;
    assert!(log.contains("NATS complains") && log.contains("authorization violation"), "{log}");
    let (_, page, _) = stranger.command(&["status"]).await;
    assert!(page.contains("NO NATS: this node goes on alone"), "{page}");
    assert_eq!(two.command(&["bans", "add", "127.0.0.8"]).await.0, 0);
    bans(&one, 2).await;
    for edge in [&one, &two] {
        assert_eq!(edge.status().await.cluster.unwrap().nats.unwrap().nodes, 1);
    }
}
