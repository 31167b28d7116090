//! A cluster under load and in trouble: what a run of it saw.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_state::{Key, Rung, Time};

use crate::world::{DELTA, RANGE};
use crate::{Fabric, Fault, Tcp, Truth, World, spec};

/// Keys that are counted.
const KEYS: u16 = 1_000;

/// Nodes that count one key.
const HOMES: usize = 8;

/// Slots that remember.
const COARSE: Rung = Rung::S10;

/// Links come up, and nobody counts yet, ms.
const QUIET: u64 = 3_000;

/// After a run the cluster is asked this often whether it agrees, ms.
const LOOK_AGAIN: u64 = 2_000;

/// After a run the cluster has so long to agree over links of its own, ms.
const SETTLE_MESH: u64 = 10_000;

/// And over a fabric, where heartbeats tell what was lost last, and questions who knows more of a node that is gone.
const SETTLE_FABRIC: u64 = 40_000;

/// What a changed counter takes on the wire at least: what its columns take when many change at once, bytes.
const FLOOR: u64 = 10;

/// Whether nodes and ways fail on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// None do, beside the loss of segments.
    Fair,
    /// About one fault in 100 ms, in the middle third of the run.
    Foul,
}

/// How nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Each has a TCP connection to each other.
    Mesh,
    /// Over a fabric that they share.
    Fabric,
}

impl Links {
    /// The most nodes that a mesh is meant for.
    pub const MESH_MAX: u16 = 300;

    /// What so many nodes use.
    #[must_use]
    pub fn of(nodes: u16) -> Links {
        if nodes <= Links::MESH_MAX { Links::Mesh } else { Links::Fabric }
    }

    fn settle(self) -> u64 {
        match self {
            Links::Mesh => SETTLE_MESH,
            Links::Fabric => SETTLE_FABRIC,
        }
    }
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Nodes.
    pub nodes: u16,
    /// How they reach each other.
    pub links: Links,
    /// Where everything random comes from.
    pub seed: u64,
    /// For how long nodes count, in virtual seconds.
    pub seconds: u64,
    /// Updates a second, over the whole cluster.
    pub updates: u64,
    /// Whether things fail.
    pub weather: Weather,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Updates that were made.
    pub updates: u64,
    /// Inputs that replicas took.
    pub inputs: u64,
    /// Frames and bytes that left while nodes counted and until they agreed, by the type of the frame.
    pub sent: BTreeMap<u8, (u64, u64)>,
    /// Looks at a counter while the run went on, each no more than the truth.
    pub looks: u64,
    /// Faults that befell the cluster.
    pub faults: u64,
    /// The most bytes that waited in one process to be sent to one peer.
    pub unsent_max: usize,
    /// Messages that a fabric lost because a node did not read.
    pub overrun: u64,
    /// Bytes of changes and repair, over ten bytes for each update and peer, in a hundred. What is published counts once.
    pub payload_over_floor: u64,
    /// How long it took after the end of all trouble until all nodes said the same, ms, in steps of two seconds.
    pub settled: u64,
    /// Counters of a node that do not say what all others say when the cluster had time to agree.
    pub disagreements: u64,
    /// One number for all that nodes know in the end: the same for the same run.
    pub digest: u64,
}

struct Run {
    load: Load,
    world: World,
    truth: Truth,
    keys: Vec<Key>,
    crashed: BTreeSet<usize>,
    seen: Seen,
}

/// Runs it. Progress is told in virtual seconds.
///
/// # Panics
/// When a node reads a count that nobody made, or more than was made.
#[must_use]
pub fn run(load: Load, progress: &mut dyn FnMut(u64, &World)) -> Seen {
    let specs = [spec("load", Rung::Ms100, COARSE)];
    let world = match load.links {
        Links::Mesh => World::over_tcp(load.seed, load.nodes, &specs, Tcp::WAN),
        Links::Fabric => World::over_fabric(load.seed, load.nodes, &specs, Fabric::WAN),
    };
    let keys = (0..KEYS).map(|key| world.key(key)).collect();
    let mut run = Run { load, world, truth: Truth::default(), keys, crashed: BTreeSet::new(), seen: Seen::default() };
    run.world.run(run.world.now.plus(QUIET));
    progress(0, &run.world);
    run.world.sent.clear();
    for second in 0..load.seconds {
        run.second(load.weather == Weather::Foul && (load.seconds / 3..load.seconds * 2 / 3).contains(&second));
        progress(second + 1, &run.world);
    }
    run.world.recover();
    let (healed, settle) = (run.world.now, load.links.settle());
    while run.world.now < healed.plus(settle) && !run.agrees() {
        run.world.run(run.world.now.plus(LOOK_AGAIN));
        progress(load.seconds + run.world.now.since(healed) / 1_000, &run.world);
    }
    run.seen.settled = run.world.now.since(healed);
    run.end()
}

impl Run {
    fn second(&mut self, trouble: bool) {
        let began = self.world.now;
        for nth in 0..self.load.updates {
            self.world.run(began.plus(nth * 1_000 / self.load.updates));
            self.update();
            // Ten draws a second, of which one in five or so is a fault, and as many that end one.
            if trouble && nth % (self.load.updates / 50).max(1) == 0 {
                self.fault();
            }
        }
        self.world.run(began.plus(1_000));
    }

    fn update(&mut self) {
        let key = self.world.rng.u16(..KEYS);
        let home = self.world.rng.usize(..HOMES);
        let nodes = self.world.nodes.len();
        let node = (usize::from(key) * 7 + home * (nodes / HOMES).max(1)) % nodes;
        if !self.world.nodes[node].is_stopped {
            let (now, author) = (self.world.clock(node), self.world.author(node));
            let of = &self.world.nodes[node];
            of.store.add(of.tables[0], self.keys[usize::from(key)], 1, now);
            self.truth.counted(author, key, 1, now);
            self.seen.updates += 1;
        }
        let other = self.world.rng.usize(..nodes);
        self.look(node, key);
        self.look(other, key);
    }

    fn fault(&mut self) {
        let Some(fault) = Fault::draw(&mut self.world.rng, self.world.nodes.len()) else { return };
        if let Fault::Crash(node) = fault {
            self.crashed.insert(node);
        }
        self.seen.faults += 1;
        self.world.suffer(fault);
    }

    fn said(&self, node: usize, key: u16, now: Time) -> Vec<(selvedge_state::Actor, selvedge_state::Incarnation, u64)> {
        let of = &self.world.nodes[node];
        of.store.counts(of.tables[0], self.keys[usize::from(key)], now)
    }

    /// No author above what it counted in slots that live.
    fn look(&mut self, node: usize, key: u16) {
        let now = self.world.clock(node);
        for (actor, life, count) in self.said(node, key, now) {
            let truth = self.truth.live((actor, life), key, COARSE.millis(), now);
            assert!(count <= truth, "seed {}: {actor} counted {truth}, node {node} says {count}", self.load.seed);
        }
        self.seen.looks += 1;
    }

    /// Whether all nodes say the same, and all that was counted by those that never crashed.
    fn agrees(&self) -> bool {
        let now = self.world.now;
        (0..KEYS).all(|key| {
            let first = self.said(0, key, now);
            let all = (1..self.world.nodes.len()).all(|node| self.said(node, key, now) == first);
            all && self.untold(key, &first, now) == 0
        })
    }

    fn end(mut self) -> Seen {
        let now = self.world.now;
        let peers = u64::from(self.load.nodes) - 1;
        for key in 0..KEYS {
            let first = self.said(0, key, now);
            for node in 0..self.world.nodes.len() {
                self.look(node, key);
                let said = self.said(node, key, now);
                self.seen.disagreements += u64::from(said != first);
                for (actor, life, count) in said {
                    for number in [u64::from(actor.pop.0), life.0, count] {
                        self.seen.digest = (self.seen.digest ^ number).wrapping_mul(0x0100_0000_01b3);
                    }
                }
            }
            self.seen.disagreements += self.untold(key, &first, now);
        }
        let sent = |kind: u8| self.world.sent.get(&kind).map_or(0, |(_, bytes)| *bytes);
        let floor = (self.seen.updates * peers * FLOOR).max(1);
        Seen {
            inputs: self.world.inputs,
            unsent_max: self.world.unsent_max,
            overrun: self.world.overrun,
            payload_over_floor: 100 * (sent(DELTA) + sent(RANGE)) / floor,
            sent: self.world.sent,
            ..self.seen
        }
    }

    /// What nodes counted that never crashed and that is not told in full.
    fn untold(&self, key: u16, said: &[(selvedge_state::Actor, selvedge_state::Incarnation, u64)], now: Time) -> u64 {
        let nodes = (0..self.world.nodes.len()).filter(|node| !self.crashed.contains(node));
        let missing = nodes.filter(|node| {
            let author = self.world.author(*node);
            let truth = self.truth.live(author, key, COARSE.millis(), now);
            truth > 0 && !said.iter().any(|(actor, life, count)| (*actor, *life) == author && *count == truth)
        });
        missing.count() as u64
    }
}
