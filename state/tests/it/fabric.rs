//! A shared fabric: what is published reaches everybody, some of it gets lost, and little is said in return.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_state::{Input, Key, LinkId, Output, PopId, Replica, Rung, Store, TableId, Time};

use crate::support::{START, actor, replica, seeds, spec, store_of};

/// ms.
const DELAY: u64 = 5;

struct Node {
    store: Arc<Store>,
    table: TableId,
    replica: Replica,
}

/// Nodes that all reach each other over one fabric. A node calls its link to another by that one's number.
struct Fabric {
    now: Time,
    nodes: Vec<Node>,
    rng: fastrand::Rng,
    /// Of published frames, in a hundred.
    lost: u8,
    /// Frames on their way: to whom, from whom.
    flying: BTreeMap<(Time, u64), (usize, usize, Bytes)>,
    published: u64,
    sent: u64,
}

impl Fabric {
    fn new(seed: u64, nodes: u16) -> Fabric {
        println!("seed {seed}: replay with SELVEDGE_SEED={seed}");
        let node = |pop: u16| {
            let store = store_of(pop, 1, nodes, 1_000, 10);
            let table = store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
            Node { replica: replica(pop, 1, 1, nodes, &store), store, table }
        };
        let (nodes, rng) = ((1..=nodes).map(node).collect(), fastrand::Rng::with_seed(seed));
        let mut fabric = Fabric { now: START, nodes, rng, lost: 0, flying: BTreeMap::new(), published: 0, sent: 0 };
        for (here, there) in fabric.pairs() {
            fabric.feed(here, Input::Reached { link: LinkId(there as u64), peer: PopId(there as u16 + 1) });
        }
        fabric
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.nodes.len();
        all.clone().flat_map(|here| all.clone().filter(move |there| *there != here).map(move |to| (here, to))).collect()
    }

    fn key(&self, key: u16) -> Key {
        self.nodes[0].store.key(&[&key.to_le_bytes()])
    }

    fn add(&mut self, node: usize, key: u16) {
        let Node { store, table, .. } = &self.nodes[node];
        store.add(*table, self.key(key), 1, self.now);
        self.feed(node, Input::Dirty);
    }

    fn feed(&mut self, node: usize, input: Input) {
        self.nodes[node].replica.handle(input, self.now);
        while let Some(output) = self.nodes[node].replica.poll_output() {
            match output {
                Output::Send { link, frame } => {
                    self.sent += 1;
                    self.nodes[node].replica.handle(Input::Sent { link, bytes: frame.len() }, self.now);
                    self.fly(node, link.0 as usize, frame);
                }
                Output::Publish { frame } => {
                    self.published += 1;
                    for to in (0..self.nodes.len()).filter(|to| *to != node) {
                        if self.rng.u8(..100) >= self.lost {
                            self.fly(node, to, frame.clone());
                        }
                    }
                }
                Output::Close { link, reason } => panic!("node {node} closed {link:?}: {reason}"),
                Output::Event(_) => {}
            }
        }
    }

    fn fly(&mut self, from: usize, to: usize, frame: Bytes) {
        if to >= self.nodes.len() {
            return;
        }
        let nth = self.flying.len() as u64 + self.published * 1_000 + self.sent * 1_000_000;
        self.flying.insert((self.now.plus(DELAY), nth), (to, from, frame));
    }

    fn run(&mut self, ms: u64) {
        let until = self.now.plus(ms);
        loop {
            let timeout = self.nodes.iter().filter_map(|node| node.replica.poll_timeout()).min();
            let next = self.flying.keys().map(|(at, _)| *at).next().into_iter().chain(timeout).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, from, bytes) = entry.remove();
                self.feed(to, Input::Frame { link: LinkId(from as u64), bytes });
            }
            for node in 0..self.nodes.len() {
                if self.nodes[node].replica.poll_timeout().is_some_and(|at| at <= self.now) {
                    self.feed(node, Input::Timeout);
                }
            }
        }
        self.now = until;
    }

    fn count(&self, node: usize, key: u16) -> u64 {
        let Node { store, table, .. } = &self.nodes[node];
        store.count(*table, self.key(key), 3_600_000, self.now)
    }
}

#[test]
fn a_change_is_published_once_for_all() {
    let mut fabric = Fabric::new(1, 20);
    fabric.run(6_000);
    assert!(fabric.nodes.iter().all(|node| node.store.peers(fabric.now).heard == 20));
    let (published, sent) = (fabric.published, fabric.sent);
    fabric.add(3, 7);
    fabric.run(DELAY + 1);
    assert_eq!(fabric.published - published, 1);
    assert!((0..20).all(|node| fabric.count(node, 7) == 1));
    assert!(fabric.sent - sent <= 20, "{} frames in answer to one", fabric.sent - sent);
}

#[test]
fn little_is_said_while_all_is_well() {
    let mut fabric = Fabric::new(2, 20);
    fabric.run(20_000);
    let sent = fabric.sent;
    fabric.run(10_000);
    // A heartbeat in five seconds for each of 19 peers, and a question a second.
    let each = (fabric.sent - sent) / 20;
    assert!(each <= 19 * 2 + 20, "{each} frames a node in ten seconds");
}

#[test]
fn what_is_lost_is_missed_and_said_again() {
    for seed in seeds(&[1, 2, 3]) {
        let mut fabric = Fabric::new(seed, 10);
        fabric.run(6_000);
        fabric.lost = 20;
        for n in 0..300_u16 {
            let node = fabric.rng.usize(..10);
            fabric.add(node, n % 50);
            fabric.run(10);
        }
        fabric.lost = 0;
        // The next frame of each shows what was lost before it.
        for node in 0..10 {
            fabric.add(node, 60);
        }
        fabric.run(1_000);
        for (node, key) in (0..10).flat_map(|node| (0..50).map(move |key| (node, key))) {
            assert_eq!(fabric.count(node, key), 6, "seed {seed}: node {node}, key {key}");
        }
        let behind: u64 =
            fabric.nodes.iter().flat_map(|node| node.replica.status(fabric.now).peers).map(|p| p.behind).sum();
        fabric.run(10_000);
        let after: u64 =
            fabric.nodes.iter().flat_map(|node| node.replica.status(fabric.now).peers).map(|p| p.behind).sum();
        assert!(after == 0, "seed {seed}: {behind} changes were not acknowledged, {after} are not");
    }
}

#[test]
fn a_silent_node_is_missed_after_twelve_seconds() {
    let mut fabric = Fabric::new(4, 3);
    fabric.run(6_000);
    assert_eq!(fabric.nodes[0].store.peers(fabric.now).heard, 3);
    // The third falls silent: nothing of it is carried any more.
    drop(fabric.nodes.pop());
    fabric.flying.retain(|_, (to, _, _)| *to < 2);
    for (seconds, heard) in [(6, 3), (14, 2)] {
        let until = fabric.now.plus(seconds * 1_000);
        while fabric.now < until {
            fabric.run(100);
        }
        assert_eq!(fabric.nodes[0].store.peers(fabric.now).heard, heard);
    }
    let lost = fabric.nodes[0].replica.status(fabric.now).peers;
    assert_eq!((lost[1].actor, lost[1].state), (actor(3), selvedge_state::PeerState::Down));
}
