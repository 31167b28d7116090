//! Nodes, the network between them, and time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use selvedge_state::{
    Estate, FRAME_MAX, Incarnation, Inheritance, Input, Key, Key64, LinkId, Output, PopId, Rung, Snapshot,
    SnapshotHead, Store, TableSpec, Time,
};

use crate::CITIES;
use crate::crew::{self, Given};
use crate::fabric::{Fabric, Routes, city};
use crate::make;
use crate::network::{Model, Network, Tcp};
use crate::node::{Calls, Kind, Node};
use crate::queue::{Event, Queue, Timers};
use crate::wire::{Wire, far, near, place};

/// The type of a frame of changes, its first byte.
pub const DELTA: u8 = 2;
/// Of a frame of repair.
pub const RANGE: u8 = 4;
/// Of a frame of digests.
pub const DIGEST: u8 = 5;

/// Keys that a table of a node holds, if nothing else is said.
const KEYS_MAX: usize = 10_000;

/// A cluster of nodes, the network between them, and the time.
#[derive(Debug)]
pub struct World {
    /// The time that has come. A node's clock may be ahead of it.
    pub now: Time,
    /// Where everything random comes from.
    pub rng: fastrand::Rng,
    /// The nodes. A node's number is its place here, its POP one more, but for [successors](World::succeed).
    pub nodes: Vec<Node>,
    /// How datagrams fare.
    pub network: Network,
    /// Frames and bytes that left, by the type of the frame.
    pub sent: BTreeMap<u8, (u64, u64)>,
    /// The most bytes that ever waited in one node's process to be sent to one peer.
    pub unsent_max: usize,
    /// Inputs that replicas were given.
    pub inputs: u64,
    /// Messages that a fabric had for nodes that did not read, and no room for.
    pub overrun: u64,
    pub(crate) model: Model,
    kind: Kind,
    /// Ways that nothing passes: from, to. Of a fabric, cities.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) routes: Routes,
    pub(crate) queue: Queue,
    timers: Timers,
    heard: Vec<usize>,
}

impl World {
    /// The slots of distinct counts.
    pub const SLOT: Rung = Rung::S10;

    /// Nodes that are all linked to one another, over datagrams.
    #[must_use]
    pub fn new(seed: u64, nodes: u16, specs: &[TableSpec], network: Network) -> World {
        World::with(seed, nodes, specs, (network, Model::Datagrams), KEYS_MAX)
    }

    /// Nodes that are all linked to one another, over TCP. They stand in the [`CITIES`] in turn.
    #[must_use]
    pub fn over_tcp(seed: u64, nodes: u16, specs: &[TableSpec], tcp: Tcp) -> World {
        World::over_tcp_holding(seed, nodes, specs, tcp, KEYS_MAX)
    }

    /// The same, with tables that hold so many keys.
    #[must_use]
    pub fn over_tcp_holding(seed: u64, nodes: u16, specs: &[TableSpec], tcp: Tcp, keys_max: usize) -> World {
        let network = Network { lost: 0, doubled: 0, delay: (1, 1) };
        World::with(seed, nodes, specs, (network, Model::Tcp(tcp)), keys_max)
    }

    /// Nodes that all reach one another over a fabric that they share. They stand in the [`CITIES`] in turn.
    #[must_use]
    pub fn over_fabric(seed: u64, nodes: u16, specs: &[TableSpec], fabric: Fabric) -> World {
        let network = Network { lost: 0, doubled: 0, delay: (1, 1) };
        World::with(seed, nodes, specs, (network, Model::Fabric(fabric)), KEYS_MAX)
    }

    fn with(seed: u64, nodes: u16, specs: &[TableSpec], links: (Network, Model), keys_max: usize) -> World {
        let (network, model) = links;
        println!("seed {seed}: replay with SELVEDGE_SEED={seed}");
        let kind = Kind { specs: specs.to_vec(), roster: nodes, keys_max, calls: Calls::default(), newest: None };
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World {
            now: make::START,
            nodes: (1..=nodes)
                .map(|pop| kind.node((usize::from(pop) - 1, pop), (1, make::Secrets::ONE), rng.u64(..)))
                .collect(),
            rng,
            network,
            sent: BTreeMap::new(),
            unsent_max: 0,
            inputs: 0,
            overrun: 0,
            model,
            kind,
            cut: BTreeSet::new(),
            wires: Vec::new(),
            routes: Routes::default(),
            queue: Queue::default(),
            timers: Timers::default(),
            heard: Vec::new(),
        };
        for a in 0..world.nodes.len() {
            for b in a + 1..world.nodes.len() {
                world.link(a, b);
            }
        }
        world
    }

    /// The time on a node's clock.
    #[must_use]
    pub fn clock(&self, node: usize) -> Time {
        self.now.plus(self.nodes[node].ahead)
    }

    /// Sets how far a node's clock is ahead, ms. A clock that a node reads never goes back.
    pub fn set_ahead(&mut self, node: usize, ms: u64) {
        self.nodes[node].ahead = self.nodes[node].ahead.max(ms);
        self.set_timer(node);
    }

    /// A key by its number.
    #[must_use]
    pub fn key(&self, key: u16) -> Key {
        self.nodes[0].store.key(&[&key.to_le_bytes()])
    }

    /// The same for rights and shares.
    #[must_use]
    pub fn lasting_key(&self, key: u16) -> Key64 {
        self.nodes[0].store.lasting_key(&[&key.to_le_bytes()])
    }

    /// Who a node is now.
    #[must_use]
    pub fn author(&self, node: usize) -> (selvedge_state::Actor, Incarnation) {
        (make::actor(self.nodes[node].pop), Incarnation(self.nodes[node].life))
    }

    /// What a frame takes at least from one node to another over TCP, ms.
    #[must_use]
    pub fn one_way(&self, a: usize, b: usize) -> u64 {
        CITIES[a % CITIES.len()].one_way(&CITIES[b % CITIES.len()])
    }

    /// Links two nodes, beside whatever link they have.
    pub fn link(&mut self, a: usize, b: usize) {
        let wire = self.wires.len();
        self.wires.push(Wire::new([a, b], self.one_way(a, b)));
        for (side, here, there) in [(0, a, b), (1, b, a)] {
            self.nodes[here].links[there].push(near(wire, side));
        }
        for (side, here, there) in [(0, a, b), (1, b, a)] {
            let (link, peer) = (near(wire, side), PopId(self.nodes[there].pop));
            self.feed(
                here,
                match self.model {
                    Model::Datagrams | Model::Tcp(_) => Input::Connected { link, peer },
                    Model::Fabric(_) => Input::Reached { link, peer },
                },
            );
        }
    }

    /// Whether two nodes are linked.
    #[must_use]
    pub fn is_linked(&self, a: usize, b: usize) -> bool {
        !self.nodes[a].links[b].is_empty()
    }

    fn links_between(&self, a: usize, b: usize) -> Vec<LinkId> {
        self.nodes[a].links[b].clone()
    }

    /// Ends all links between two nodes, seen by both.
    pub fn unlink(&mut self, a: usize, b: usize) {
        for link in self.links_between(a, b) {
            self.take_down(link);
            self.feed(a, Input::Disconnected { link });
            self.feed(b, Input::Disconnected { link: far(link) });
        }
    }

    /// What is on its way there is lost.
    fn take_down(&mut self, link: LinkId) {
        let (wire, _) = place(link);
        let ends = self.wires[wire].ends;
        self.wires[wire] = Wire { is_up: false, ..Wire::new(ends, 0) };
        for (side, here, there) in [(0, ends[0], ends[1]), (1, ends[1], ends[0])] {
            self.nodes[here].links[there].retain(|link| *link != near(wire, side));
        }
    }

    /// From now on nothing passes between two nodes, and nobody is told.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.cut_way(a, b);
        self.cut_way(b, a);
    }

    /// From now on nothing passes from one node to another, and nobody is told.
    pub fn cut_way(&mut self, from: usize, to: usize) {
        match self.model {
            Model::Datagrams | Model::Tcp(_) => self.cut.insert((from, to)),
            // Routes are what breaks there. Nodes of one city share a broker.
            Model::Fabric(_) => city(from) != city(to) && self.cut.insert((city(from), city(to))),
        };
    }

    /// Nothing is cut any more. What TCP holds is said again.
    pub fn heal(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        if let Model::Fabric(_) = self.model {
            return;
        }
        for (from, to) in cut {
            // What came through while acknowledgements did not is acknowledged now, too.
            for link in self.links_between(from, to).into_iter().flat_map(|link| [link, far(link)]) {
                let (wire, side) = place(link);
                let due = self.now.plus(self.wires[wire].delay);
                self.wires[wire].ways[side].again(due);
                self.queue.push(due, Event::Arrival(link));
            }
        }
    }

    /// A node loses its memory and starts again, with the clock it had; its links are made anew.
    pub fn crash(&mut self, node: usize) {
        self.start_again(node, self.nodes[node].secrets, &[]);
    }

    /// A node stops, and starts again with a snapshot of what it knew and other secrets.
    pub fn restart(&mut self, node: usize, secrets: make::Secrets) {
        let frames = self.snapshot(node);
        self.start_again(node, secrets, &frames);
    }

    /// What a node knows, to outlive it.
    #[must_use]
    pub fn snapshot(&self, node: usize) -> Vec<Bytes> {
        let (of, now) = (&self.nodes[node], self.clock(node));
        let (cluster, secret_id) = ("test".to_owned(), of.secrets.now);
        let (actor, incarnation) = self.author(node);
        let head = SnapshotHead { cluster, secret_id, actor, incarnation, at: now };
        Snapshot::new(&of.store, head).collect()
    }

    /// A node ends in order: it says what it leaves, as the next life reads it, beside what it knows. What it said last goes to its peers.
    pub fn end_in_order(&mut self, node: usize) -> (Vec<Bytes>, Estate) {
        let now = self.clock(node);
        self.nodes[node].store.close_rights(None, now);
        self.feed(node, Input::Dirty);
        let estate = self.nodes[node].store.estate(now).and_then(|estate| estate.encode());
        let estate = estate.and_then(|bytes| Estate::decode(&bytes)).expect("it is closed");
        (self.snapshot(node), estate)
    }

    /// A node ends in order and starts again; `begin` makes its tables before anything comes back. Its next life inherits.
    pub fn restart_in_order(&mut self, node: usize, begin: impl Fn(&Store)) -> Inheritance {
        let (frames, estate) = self.end_in_order(node);
        self.crash(node);
        self.go_on(node, &begin, (&frames, estate))
    }

    /// A life that has just begun takes over from one that ended in order.
    pub fn go_on(&mut self, node: usize, begin: impl Fn(&Store), (frames, estate): (&[Bytes], Estate)) -> Inheritance {
        let (store, now) = (&self.nodes[node].store, self.clock(node));
        begin(store);
        for frame in frames {
            let _ = store.restore(frame, now);
        }
        store.inherit(estate, now)
    }

    /// A process has handed over to its successor and takes no more work: what it has left is the other one's.
    pub fn leave_to(&mut self, node: usize, successor: usize) {
        let (now, heir) = (self.clock(node), Incarnation(self.nodes[successor].life));
        let store = &self.nodes[node].store;
        store.close_rights(Some(heir), now);
        let estate = store.estate(now).expect("it is closed");
        let frames = self.snapshot(node);
        self.go_on(successor, |_| {}, (&frames, estate));
    }

    /// From now on nodes begin with this roster.
    pub fn begin_with(&mut self, revision: u64, pops: &[u16]) {
        self.kind.newest = Some((revision, pops.to_vec()));
    }

    fn start_again(&mut self, node: usize, secrets: make::Secrets, frames: &[Bytes]) {
        let others: Vec<usize> =
            (0..self.nodes.len()).filter(|other| self.nodes[*other].pop != self.nodes[node].pop).collect();
        let (life, ahead) = (self.next_life(node), self.nodes[node].ahead);
        for other in &others {
            self.unlink(*other, node);
        }
        let pop = self.nodes[node].pop;
        self.nodes[node] = Node { ahead, ..self.kind.node((node, pop), (life, secrets), self.rng.u64(..)) };
        self.make_room();
        for frame in frames {
            let _ = self.nodes[node].store.restore(frame, self.clock(node));
        }
        for other in others {
            self.link(node, other);
        }
    }

    /// A life that begins is named as real ones are: the clock's ms in the high bits, and random low ones.
    fn next_life(&mut self, node: usize) -> u64 {
        let (now, last, low) = (self.clock(node), self.nodes[node].life, self.rng.u16(..));
        Incarnation::next(now, Some(Incarnation(last)), None, low).0
    }

    /// A successor of a node starts beside it: another life of the same POP, with links of its own. Its number is the last one.
    pub fn succeed(&mut self, node: usize) -> usize {
        let (index, pop, ahead) = (self.nodes.len(), self.nodes[node].pop, self.nodes[node].ahead);
        let secrets = self.nodes[node].secrets;
        let life = self.next_life(node);
        let boot = self.rng.u64(..);
        self.nodes.push(Node { ahead, ..self.kind.node((index, pop), (life, secrets), boot) });
        self.make_room();
        let others: Vec<usize> = (0..index).filter(|other| self.nodes[*other].pop != pop).collect();
        for other in others {
            self.link(other, index);
        }
        index
    }

    /// Each node may have links to any; there are more nodes than POPs where one has a successor.
    fn make_room(&mut self) {
        let nodes = self.nodes.len();
        self.nodes
            .iter_mut()
            .filter(|node| node.links.len() < nodes)
            .for_each(|node| node.links.resize(nodes, Vec::new()));
    }

    /// A node neither reads nor writes from now on, and its time stands still.
    pub fn stop(&mut self, node: usize) {
        self.nodes[node].is_stopped = true;
        self.timers.set(node, None);
    }

    /// A stopped node goes on, with what its sockets hold.
    pub fn resume(&mut self, node: usize) {
        if !std::mem::take(&mut self.nodes[node].is_stopped) {
            return;
        }
        if let Model::Fabric(_) = self.model {
            // All that waited is there at once.
            self.nodes[node].inbox.iter_mut().for_each(|(due, _, _)| *due = self.now.min(*due));
            self.queue.push(self.now, Event::Inbox(node));
            return self.feed(node, Input::Dirty);
        }
        let mut links = self.nodes[node].links.concat();
        links.sort_unstable();
        for link in links {
            self.queue.push(self.now, Event::Arrival(far(link)));
            self.pump(link);
        }
        self.feed(node, Input::Dirty);
    }

    /// Gives a replica an input, and does what it says. A stopped node takes nothing.
    pub fn feed(&mut self, node: usize, input: Input) {
        self.feed_many(vec![(node, vec![input])]);
    }

    /// Gives replicas what each of them gets at this instant, and does what they say.
    pub(crate) fn feed_many(&mut self, given: Given) {
        self.inputs += given.iter().map(|(_, inputs)| inputs.len() as u64).sum::<u64>();
        let Model::Tcp(_) = self.model else {
            for (node, outputs) in crew::take(&mut self.nodes, given, self.now) {
                outputs.into_iter().for_each(|output| self.obey(node, output));
                self.set_timer(node);
            }
            return;
        };
        for (node, inputs) in given {
            for input in inputs {
                let now = self.clock(node);
                self.nodes[node].replica.handle(input, now);
                while let Some(output) = self.nodes[node].replica.poll_output() {
                    self.obey(node, output);
                }
            }
            self.set_timer(node);
        }
    }

    /// Does what a replica says.
    fn obey(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { link, frame } => self.say(node, link, frame),
            Output::Publish { frame } => self.publish(node, &frame),
            Output::Close { link, .. } => {
                let (wire, side) = place(link);
                if self.wires[wire].is_up {
                    let other = self.wires[wire].ends[1 - side];
                    self.take_down(link);
                    self.feed(other, Input::Disconnected { link: far(link) });
                }
            }
            Output::Event(event) => self.nodes[node].events.push(event),
        }
    }

    fn set_timer(&mut self, node: usize) {
        let of = &self.nodes[node];
        let due = of.replica.poll_timeout().filter(|_| !of.is_stopped).map(|at| at.minus(of.ahead));
        self.timers.set(node, due);
    }

    pub(crate) fn note_sent(&mut self, frame: &Bytes) {
        assert!(frame.len() <= FRAME_MAX, "a frame of {} bytes", frame.len());
        let sent = self.sent.entry(frame[0]).or_default();
        *sent = (sent.0 + 1, sent.1 + frame.len() as u64);
    }

    fn say(&mut self, node: usize, link: LinkId, frame: Bytes) {
        self.note_sent(&frame);
        let (wire, side) = place(link);
        if !self.wires[wire].is_up {
            return;
        }
        match self.model {
            Model::Datagrams => self.datagram(link, &frame),
            Model::Fabric(_) => self.carry_over(node, link, frame),
            Model::Tcp(_) => {
                let way = &mut self.wires[wire].ways[side];
                way.unsent_bytes += frame.len();
                way.unsent.push_back(frame);
                let bytes = self.pump(link);
                let way = &self.wires[wire].ways[side];
                self.unsent_max = self.unsent_max.max(way.unsent_bytes);
                if bytes > 0 {
                    let now = self.clock(node);
                    self.nodes[node].replica.handle(Input::Sent { link, bytes }, now);
                }
            }
        }
    }

    fn datagram(&mut self, link: LinkId, frame: &Bytes) {
        let (wire, side) = place(link);
        let ends = self.wires[wire].ends;
        if self.cut.contains(&(ends[side], ends[1 - side])) {
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
            let takes = self.rng.u64(least..=most) + self.nodes[ends[1 - side]].slow;
            self.queue.push(self.now.plus(takes), Event::Datagram(far(link), frame.clone()));
        }
    }

    /// Moves what this end of a link says from its process to its socket, as far as there is room. Says how many bytes went.
    fn pump(&mut self, link: LinkId) -> usize {
        let (wire, side) = place(link);
        let Model::Tcp(tcp) = self.model else { return 0 };
        let (delay, ends) = (self.wires[wire].delay, self.wires[wire].ends);
        let mut bytes = 0;
        while !self.nodes[ends[side]].is_stopped
            && let Some(frame) = self.wires[wire].ways[side].next(tcp.socket)
        {
            bytes += frame.len();
            let takes = tcp.takes(delay, frame.len(), &mut self.rng) + self.nodes[ends[1 - side]].slow;
            let due = self.wires[wire].ways[side].fly(frame, self.now.plus(takes));
            self.queue.push(due, Event::Arrival(link));
        }
        bytes
    }

    /// Something that this end of a link said may have come to the other.
    fn arrive(&mut self, link: LinkId) {
        let (wire, side) = place(link);
        let [from, to] = [self.wires[wire].ends[side], self.wires[wire].ends[1 - side]];
        loop {
            if self.nodes[to].is_stopped || self.cut.contains(&(from, to)) {
                return;
            }
            let acknowledged = !self.cut.contains(&(to, from));
            let Some(bytes) = self.wires[wire].ways[side].arrived(self.now, acknowledged) else { break };
            self.take_in(to, far(link), bytes);
        }
        let bytes = self.pump(link);
        if bytes > 0 {
            self.feed(from, Input::Sent { link, bytes });
        }
    }

    /// Something comes to a node.
    pub(crate) fn hears(&mut self, node: usize) {
        self.heard.push(node);
    }

    /// A node gets a frame.
    pub(crate) fn take_in(&mut self, node: usize, link: LinkId, bytes: Bytes) {
        self.hears(node);
        self.feed(node, Input::Frame { link, bytes });
    }

    /// Lets time pass up to `until`, with all that is due on the way.
    pub fn run(&mut self, until: Time) {
        while self.step(until) {}
    }

    /// Goes on to the next instant at which something is due, and does that; `until` comes first if nothing is due before.
    /// False when that has come.
    pub fn step(&mut self, until: Time) -> bool {
        self.heard.clear();
        self.wake();
        let next = self.queue.next().into_iter().chain(self.timers.next()).min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        let mut carried = Vec::new();
        for event in self.queue.take(self.now).unwrap_or_default() {
            match event {
                Event::Arrival(link) => self.arrive(link),
                Event::Datagram(link, bytes) => {
                    let (wire, side) = place(link);
                    let node = self.wires[wire].ends[side];
                    if self.wires[wire].is_up && !self.nodes[node].is_stopped {
                        self.take_in(node, link, bytes);
                    }
                }
                Event::Carried(one) => carried.push(one),
                Event::Inbox(node) => self.read(node),
            }
        }
        self.hand_out(carried);
        let due = self.timers.take(self.now);
        self.feed_many(due.iter().map(|node| (*node, vec![Input::Timeout])).collect());
        for node in due {
            let again = self.nodes[node].replica.poll_timeout();
            assert!(again.is_none_or(|at| at > self.clock(node)), "node {node} would spin: due {again:?}");
        }
        self.wake();
        true
    }

    /// The nodes that frames came to in the last step, as often as they came.
    #[must_use]
    pub fn heard(&self) -> &[usize] {
        &self.heard
    }

    /// What the shell does when the store calls: the replica hears that something waits.
    fn wake(&mut self) {
        let mut called = self.kind.calls.take();
        called.retain(|node| !self.nodes[*node].is_stopped);
        self.feed_many(called.into_iter().map(|node| (node, vec![Input::Dirty])).collect());
    }

    /// Bytes that wait in a node's process and in its sockets to get to a peer.
    #[must_use]
    pub fn held_for(&self, node: usize, peer: usize) -> (usize, usize) {
        let ways =
            self.links_between(node, peer).into_iter().map(place).map(|(wire, side)| &self.wires[wire].ways[side]);
        ways.fold((0, 0), |(process, sockets), way| (process + way.unsent_bytes, sockets + way.socket))
    }
}
