//! Nodes, the network between them, and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use selvedge_state::{
    Event, FRAME_MAX, Incarnation, Input, Key64, LinkId, ListId, Output, PopId, Replica, Rung, Store, TableId,
    TableSpec, Time, UniquesId,
};

use crate::support;

/// How frames fare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    /// In a hundred.
    pub(crate) lost: u8,
    /// In a hundred.
    pub(crate) doubled: u8,
    /// ms.
    pub(crate) delay: (u64, u64),
}

pub(crate) struct Node {
    pub(crate) pop: u16,
    pub(crate) life: u64,
    pub(crate) store: Arc<Store>,
    pub(crate) replica: Replica,
    pub(crate) tables: Vec<TableId>,
    /// With slots of [`World::SLOT`].
    pub(crate) uniques: UniquesId,
    pub(crate) list: ListId,
    /// How far its clock is ahead, ms.
    pub(crate) ahead: u64,
    pub(crate) events: Vec<Event>,
    /// Links to the other end: the node there and its name for the link.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    woken: Arc<std::sync::atomic::AtomicBool>,
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) rng: fastrand::Rng,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    /// Frames and bytes that left, by the type of the frame.
    pub(crate) sent: BTreeMap<u8, (u64, u64)>,
    specs: Vec<TableSpec>,
    cut: BTreeSet<(usize, usize)>,
    /// Frames on their way, by when they arrive.
    flying: BTreeMap<(Time, u64), (usize, LinkId, Bytes)>,
    next_flight: u64,
    next_link: u64,
}

impl World {
    pub(crate) const SLOT: Rung = Rung::S10;

    /// Nodes that are all linked to one another.
    pub(crate) fn new(seed: u64, nodes: u16, specs: &[TableSpec], network: Network) -> World {
        println!("seed {seed}: replay with SELVEDGE_SEED={seed}");
        let mut world = World {
            now: support::START,
            rng: fastrand::Rng::with_seed(seed),
            nodes: Vec::new(),
            network,
            sent: BTreeMap::new(),
            specs: specs.to_vec(),
            cut: BTreeSet::new(),
            flying: BTreeMap::new(),
            next_flight: 0,
            next_link: 1,
        };
        for pop in 1..=nodes {
            let node = world.node(pop, 1, nodes);
            world.nodes.push(node);
        }
        for a in 0..world.nodes.len() {
            for b in a + 1..world.nodes.len() {
                world.link(a, b);
            }
        }
        world
    }

    fn node(&mut self, pop: u16, life: u64, roster: u16) -> Node {
        let store = support::store_of(pop, life, roster, 10_000, 1_000);
        let tables = self.specs.iter().map(|spec| store.table(spec).unwrap()).collect();
        let woken = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let wake = Arc::clone(&woken);
        store.on_dirty(Box::new(move || wake.store(true, std::sync::atomic::Ordering::Relaxed)));
        let replica = support::replica(pop, life, self.rng.u64(..), roster, &store);
        let (events, links) = (Vec::new(), BTreeMap::new());
        let (uniques, list) =
            (store.uniques(&support::uniques_spec(World::SLOT)).unwrap(), store.list("blocked").unwrap());
        Node { pop, life, store, replica, tables, uniques, list, ahead: 0, events, links, woken }
    }

    /// The time on a node's clock.
    pub(crate) fn clock(&self, node: usize) -> Time {
        self.now.plus(self.nodes[node].ahead)
    }

    pub(crate) fn key(&self, key: u16) -> Key64 {
        self.nodes[0].store.key(&[&key.to_le_bytes()])
    }

    /// Links two nodes, beside whatever link they have.
    pub(crate) fn link(&mut self, a: usize, b: usize) {
        let (at_a, at_b) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.nodes[a].links.insert(at_a, (b, at_b));
        self.nodes[b].links.insert(at_b, (a, at_a));
        let (pop_a, pop_b) = (PopId(self.nodes[a].pop), PopId(self.nodes[b].pop));
        self.feed(a, Input::Connected { link: at_a, peer: pop_b });
        self.feed(b, Input::Connected { link: at_b, peer: pop_a });
    }

    pub(crate) fn is_linked(&self, a: usize, b: usize) -> bool {
        self.nodes[a].links.values().any(|(far, _)| *far == b)
    }

    /// Ends all links between two nodes, seen by both.
    pub(crate) fn unlink(&mut self, a: usize, b: usize) {
        for (near, far) in [(a, b), (b, a)] {
            let gone: Vec<LinkId> =
                self.nodes[near].links.iter().filter(|(_, (other, _))| *other == far).map(|(id, _)| *id).collect();
            for link in gone {
                self.nodes[near].links.remove(&link);
                self.feed(near, Input::Disconnected { link });
            }
        }
    }

    /// From now on nothing passes between two nodes, and nobody is told.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// A node loses its memory and starts again; its links are made anew.
    pub(crate) fn crash(&mut self, node: usize) {
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != node).collect();
        let (pop, life, ahead) = (self.nodes[node].pop, self.nodes[node].life + 1, self.nodes[node].ahead);
        let roster = u16::try_from(self.nodes.len()).unwrap();
        for other in &others {
            self.unlink(*other, node);
        }
        self.nodes[node] = Node { ahead, ..self.node(pop, life, roster) };
        for other in others {
            self.link(node, other);
        }
    }

    /// Who a node is now.
    pub(crate) fn author(&self, node: usize) -> (selvedge_state::Actor, Incarnation) {
        (support::actor(self.nodes[node].pop), Incarnation(self.nodes[node].life))
    }

    pub(crate) fn feed(&mut self, node: usize, input: Input) {
        let now = self.clock(node);
        self.nodes[node].replica.handle(input, now);
        while let Some(output) = self.nodes[node].replica.poll_output() {
            match output {
                Output::Send { link, frame } => self.fly(node, link, frame),
                Output::Publish { .. } => unreachable!("these links are direct"),
                Output::Close { link, .. } => {
                    if let Some((far, there)) = self.nodes[node].links.remove(&link) {
                        self.nodes[far].links.remove(&there);
                        self.feed(far, Input::Disconnected { link: there });
                    }
                }
                Output::Event(event) => self.nodes[node].events.push(event),
            }
        }
    }

    fn fly(&mut self, node: usize, link: LinkId, frame: Bytes) {
        assert!(frame.len() <= FRAME_MAX, "a frame of {} bytes", frame.len());
        let sent = self.sent.entry(frame[0]).or_default();
        *sent = (sent.0 + 1, sent.1 + frame.len() as u64);
        let now = self.clock(node);
        self.nodes[node].replica.handle(Input::Sent { link, bytes: frame.len() }, now);
        let Some((far, there)) = self.nodes[node].links.get(&link).copied() else { return };
        if self.cut.contains(&(node.min(far), node.max(far))) {
            return;
        }
        let copies = if self.rng.u8(..100) < self.network.lost {
            0
        } else if self.rng.u8(..100) < self.network.doubled {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let (least, most) = self.network.delay;
            let arrives = self.now.plus(self.rng.u64(least..=most));
            self.next_flight += 1;
            self.flying.insert((arrives, self.next_flight), (far, there, frame.clone()));
        }
    }

    /// Lets time pass up to `until`, with all that is due on the way.
    pub(crate) fn run(&mut self, until: Time) {
        self.wake();
        loop {
            let flight = self.flying.keys().next().map(|(at, _)| *at);
            let due = |node: &Node| node.replica.poll_timeout().map(|at| at.minus(node.ahead));
            let timeout = self.nodes.iter().filter_map(due).min();
            let next = flight.into_iter().chain(timeout).min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (node, link, bytes) = entry.remove();
                if self.nodes[node].links.contains_key(&link) {
                    self.feed(node, Input::Frame { link, bytes });
                }
            }
            for node in 0..self.nodes.len() {
                if self.nodes[node].replica.poll_timeout().is_some_and(|at| at <= self.clock(node)) {
                    self.feed(node, Input::Timeout);
                    let again = self.nodes[node].replica.poll_timeout();
                    assert!(again.is_none_or(|at| at > self.clock(node)), "node {node} would spin: due {again:?}");
                }
            }
            self.wake();
        }
        self.now = self.now.max(until);
    }

    /// What the shell does when the store calls: the replica hears that something waits.
    fn wake(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].woken.swap(false, std::sync::atomic::Ordering::Relaxed) {
                self.feed(node, Input::Dirty);
            }
        }
    }
}
