//! A shared fabric: what is published reaches everybody, some of it gets lost, and little is said in return.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_state::{
    Actor, Incarnation, Input, Key, LinkId, Output, PopId, Replica, Rung, Store, StoreConfig, TableId, Time,
};

use crate::support::{SECRET, START, actor, config, seeds, spec};

/// ms.
const DELAY: u64 = 5;

struct Node {
    me: Actor,
    /// Nodes on one side reach each other.
    side: u8,
    store: Arc<Store>,
    table: TableId,
    replica: Replica,
}

impl Node {
    fn new(me: Actor, life: u64, pops: u16) -> Node {
        let incarnation = Incarnation(life);
        let store = StoreConfig {
            me,
            incarnation,
            cluster: "test".to_owned(),
            secret: SECRET,
            secret_beside: None,
            salt: 0,
            keys_max: 50_000,
            bans_max: 10,
            roster: pops,
        };
        let store = Arc::new(Store::new(store));
        let table = store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
        let mut config = config(me.pop.0, life, life, pops);
        config.me = me;
        config.seed += u64::from(me.node);
        Node { me, side: 0, replica: Replica::new(config, Arc::clone(&store)), store, table }
    }
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
    /// Of all that was published and sent.
    bytes: u64,
}

impl Fabric {
    fn new(seed: u64, nodes: u16) -> Fabric {
        Fabric::of(seed, &(1..=nodes).map(actor).collect::<Vec<_>>())
    }

    fn of(seed: u64, actors: &[Actor]) -> Fabric {
        Fabric::reached_by(seed, actors, |link, peer| Input::Reached { link, peer })
    }

    fn reached_by(seed: u64, actors: &[Actor], reached: impl Fn(LinkId, PopId) -> Input) -> Fabric {
        println!("seed {seed}: replay with SELVEDGE_SEED={seed}");
        let pops = actors.iter().map(|actor| actor.pop.0).max().unwrap();
        let nodes = actors.iter().map(|me| Node::new(*me, 1, pops)).collect();
        let rng = fastrand::Rng::with_seed(seed);
        let mut fabric =
            Fabric { now: START, nodes, rng, lost: 0, flying: BTreeMap::new(), published: 0, sent: 0, bytes: 0 };
        for (here, there) in fabric.pairs() {
            fabric.feed(here, reached(LinkId(there as u64), fabric.nodes[there].me.pop));
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
                    self.bytes += frame.len() as u64;
                    self.nodes[node].replica.handle(Input::Sent { link, bytes: frame.len() }, self.now);
                    self.fly(node, link.0 as usize, frame);
                }
                Output::Publish { frame } => {
                    self.published += 1;
                    self.bytes += frame.len() as u64;
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
        if to >= self.nodes.len() || self.nodes[to].side != self.nodes[from].side {
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

    /// A node starts anew and meets those of its side.
    fn restart(&mut self, node: usize) {
        let (me, side) = (self.nodes[node].me, self.nodes[node].side);
        let pops = self.nodes.iter().map(|node| node.me.pop.0).max().unwrap();
        self.nodes[node] = Node { side, ..Node::new(me, 2, pops) };
        self.flying.retain(|_, (to, from, _)| *to != node && *from != node);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.feed(other, Input::Disconnected { link: LinkId(node as u64) });
            if self.nodes[other].side == side {
                self.feed(other, Input::Reached { link: LinkId(node as u64), peer: me.pop });
                self.feed(node, Input::Reached { link: LinkId(other as u64), peer: self.nodes[other].me.pop });
            }
        }
    }

    /// A node says to those of its side that it goes, and goes.
    fn leave(&mut self, node: usize) {
        let (me, side) = (self.nodes[node].me, self.nodes[node].side);
        self.nodes[node].side = u8::MAX;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.nodes[other].side == side {
                self.feed(other, Input::Disconnected { link: LinkId(node as u64) });
                self.feed(other, Input::Gone { peer: me });
            }
        }
    }

    /// Whom a node hears, whom it knows, and what part of all is for those it hears.
    fn reach(&self, node: usize) -> (u16, u16, f64) {
        let peers = self.nodes[node].store.peers(self.now);
        (peers.heard, peers.roster, peers.part)
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

/// What found a frame full is in the next one, not left for comparing to find.
#[test]
fn a_change_at_the_edge_of_a_frame_is_in_one() {
    let mut fabric = Fabric::new(8, 2);
    fabric.run(6_000);
    let (keys, from) = ((0..20_000_u16).map(|key| fabric.key(key)).collect::<Vec<_>>(), &fabric.nodes[0]);
    keys.iter().for_each(|key| from.store.add(from.table, *key, 1, fabric.now));
    fabric.feed(0, Input::Dirty);
    fabric.run(200);
    assert!(fabric.published >= 3, "{} frames", fabric.published);
    let lacks = (0..20_000).filter(|key| fabric.count(1, *key) != 1).count();
    assert_eq!(lacks, 0);
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

/// What a node of twenty says in a second, frames and bytes: while nothing happens, and with ten changes a second at each.
fn costs(reached: fn(LinkId, PopId) -> Input) -> [(u64, u64); 2] {
    let mut fabric = Fabric::reached_by(6, &(1..=20).map(actor).collect::<Vec<_>>(), reached);
    fabric.run(20_000);
    [0, 10].map(|changes| {
        let (frames, bytes) = (fabric.published + fabric.sent, fabric.bytes);
        for step in 0..100 {
            (0..20_u16).filter(|_| changes > 0).for_each(|node| fabric.add(node.into(), node * 100 + step));
            fabric.run(100);
        }
        ((fabric.published + fabric.sent - frames) / 200, (fabric.bytes - bytes) / 200)
    })
}

#[test]
fn a_fabric_takes_one_frame_for_all_where_links_take_one_for_each() {
    let links = costs(|link, peer| Input::Connected { link, peer });
    let shared = costs(|link, peer| Input::Reached { link, peer });
    println!(
        "frames and bytes a second and node of twenty, idle and with ten changes: {links:?} over links, {shared:?} over a fabric"
    );
    assert!(shared[0].0 * 5 <= links[0].0 && shared[1].0 * 5 <= links[1].0, "{links:?} {shared:?}");
    assert!(shared[1].1 * 5 <= links[1].1, "{links:?} {shared:?}");
}

/// Nodes that fall silent stay known, one that goes in order does not, and one that starts anew knows the other POPs by the roster alone: whatever
/// happens on one side of a cut, the shares of both are the whole at most.
#[test]
fn the_shares_of_both_sides_of_a_cut_are_the_whole_at_most() {
    let node = |pop: u16, node: u32| Actor { pop: PopId(pop), node };
    let mut fabric = Fabric::of(5, &[node(1, 0), node(1, 1), node(1, 2), node(2, 0), node(2, 1)]);
    fabric.run(6_000);
    assert!((0..5).all(|node| fabric.reach(node) == (5, 5, 1.0)), "{:?}", fabric.reach(0));
    fabric.nodes[3..].iter_mut().for_each(|node| node.side = 1);
    fabric.flying.clear();
    fabric.run(20_000);
    assert!((0..3).all(|node| fabric.reach(node) == (3, 5, 0.5)), "{:?}", fabric.reach(0));
    assert!((3..5).all(|node| fabric.reach(node) == (2, 5, 0.5)), "{:?}", fabric.reach(3));
    fabric.leave(2);
    fabric.run(1_000);
    assert!((0..2).all(|node| fabric.reach(node) == (2, 4, 0.5)), "{:?}", fabric.reach(0));
    assert_eq!(fabric.reach(3), (2, 5, 0.5));
    // It has never heard of the two nodes of the other POP: it knows one place for them.
    fabric.restart(1);
    fabric.run(15_000);
    assert_eq!((fabric.reach(0), fabric.reach(1)), ((2, 4, 0.5), (2, 3, 0.5)));
    // A POP that is cut itself: each side of it has its part of the POP's share.
    fabric.nodes[4].side = 2;
    fabric.flying.clear();
    fabric.run(20_000);
    assert_eq!((fabric.reach(3), fabric.reach(4)), ((1, 5, 0.25), (1, 5, 0.25)));
}
