//! One node that neither reads nor writes while the others go on: what they hold for it.

use selvedge_state::{Key, Rung};

use crate::{Tcp, World, spec};

/// Keys that are counted: more than the index of changes holds.
const KEYS: u64 = 300_000;

/// The nodes that go on.
const OTHERS: usize = 4;

/// Between two rounds of updates, ms.
const ROUND: u64 = 5;

/// A cluster of five, of which the last one is stopped.
#[derive(Debug)]
pub struct Stopped {
    world: World,
    keys: Vec<Key>,
    updates: u64,
}

/// What the others hold for the one that is stopped; of the node that holds most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Bytes of frames in the process.
    pub process: usize,
    /// Bytes in sockets.
    pub sockets: usize,
    /// Changed keys that it has not acknowledged, in the one index that is for all peers.
    pub behind: u64,
}

impl Stopped {
    /// So many updates a second over the cluster. A second of them passes before the node stops.
    #[must_use]
    pub fn new(seed: u64, updates: u64) -> Stopped {
        let mut world = World::over_tcp_holding(
            seed,
            OTHERS as u16 + 1,
            &[spec("load", Rung::S1, Rung::M1)],
            Tcp::WAN,
            KEYS as usize,
        );
        world.run(world.now.plus(2_000));
        let keys = (0..KEYS).map(|key| world.nodes[0].store.key(&[&key.to_le_bytes()])).collect();
        let mut stopped = Stopped { world, keys, updates };
        stopped.pass(1);
        stopped.world.stop(OTHERS);
        stopped
    }

    /// Lets so many seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        let until = self.world.now.plus(seconds * 1_000);
        while self.world.now < until {
            for _ in 0..self.updates * ROUND / 1_000 {
                let (node, key) = (self.world.rng.usize(..OTHERS), self.world.rng.usize(..self.keys.len()));
                let of = &self.world.nodes[node];
                of.store.add(of.tables[0], self.keys[key], 1, self.world.now);
            }
            self.world.run(self.world.now.plus(ROUND));
        }
        for node in &self.world.nodes {
            (0..16).for_each(|_| node.store.sweep(self.world.now));
        }
    }

    /// What the others hold for it now.
    #[must_use]
    pub fn held(&self) -> Held {
        let of = |node: usize| {
            let (process, sockets) = self.world.held_for(node, OTHERS);
            let peers = self.world.nodes[node].replica.status(self.world.now).peers;
            let behind =
                peers.iter().find(|peer| peer.actor == self.world.author(OTHERS).0).map_or(0, |peer| peer.behind);
            Held { process, sockets, behind }
        };
        let all = (0..OTHERS).map(of);
        all.reduce(|a, b| Held {
            process: a.process.max(b.process),
            sockets: a.sockets.max(b.sockets),
            behind: a.behind.max(b.behind),
        })
        .unwrap_or(Held { process: 0, sockets: 0, behind: 0 })
    }

    /// The node goes on; says after how many ms all read the same of a hundred keys, within a minute.
    pub fn resume(&mut self) -> Option<u64> {
        self.world.resume(OTHERS);
        let began = self.world.now;
        let sample: Vec<Key> = self.keys.iter().step_by(self.keys.len() / 100).copied().collect();
        for _ in 0..600 {
            self.world.run(self.world.now.plus(100));
            let says = |node: usize| -> Vec<_> {
                let of = &self.world.nodes[node];
                sample.iter().map(|key| of.store.counts(of.tables[0], *key, self.world.now)).collect()
            };
            if (1..=OTHERS).all(|node| says(node) == says(0)) {
                return Some(self.world.now.since(began));
            }
        }
        None
    }
}
