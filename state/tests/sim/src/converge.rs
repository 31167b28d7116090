//! How fast a change spreads over a wide area: what the network must take, and what is on top of it.

use selvedge_state::{Dot, FACT_LONGEST, PurgeKey, Revocable, RevocationKey, Rung, TableId, Time};

use crate::{Tcp, World, spec};

/// Links come up, and nobody counts yet, ms.
const QUIET: u64 = 5_000;

/// Between two changes that are watched, ms.
const BETWEEN: u64 = 97;

/// Beyond the slowest way and a round trip of it, a change is to be everywhere within this, ms: one tick.
const TICK: u64 = 25;

/// Keys that others count meanwhile.
const KEYS: u16 = 1_000;

/// Keys above this are each counted once, and watched.
const WATCHED: u16 = 10_000;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Nodes, each linked to all others over TCP.
    pub nodes: u16,
    /// Where everything random comes from.
    pub seed: u64,
    /// Virtual seconds for which changes are watched.
    pub seconds: u64,
    /// Updates a second over the whole cluster beside the changes that are watched.
    pub updates: u64,
    /// What the changes are.
    pub watched: Watched,
}

/// Which changes are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Counts of keys that nobody counted before.
    Counts,
    /// Purges, seen where they are applied.
    Purges,
    /// Revocations of sessions, seen where they are in force.
    Revocations,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Spreads {
    /// Of each change and each node that has to hear it: ms until it was read there, less the way from there to here. Sorted.
    pub over_way: Vec<i64>,
    /// Of each change: ms until the last node read it, less the longest way from where it was made, a round trip of that, and
    /// a tick. Sorted.
    pub last_over_bound: Vec<i64>,
    /// Changes that some node had not read in the end.
    pub lost: usize,
}

/// A change that is watched.
struct Change {
    made: Made,
    from: usize,
    at: Time,
    /// The nodes that have not read it.
    missing: Vec<usize>,
}

/// What was changed.
#[derive(Clone, Copy)]
enum Made {
    Count(u16),
    Purge(PurgeKey, Dot),
    Revocation(RevocationKey),
}

struct Run {
    world: World,
    tables: Vec<TableId>,
    pending: Vec<Change>,
    spreads: Spreads,
}

/// Runs it.
#[must_use]
pub fn run(spread: Spread) -> Spreads {
    let world = World::over_tcp(spread.seed, spread.nodes, &[spec("load", Rung::Ms100, Rung::M1)], Tcp::WAN);
    let tables = world.nodes.iter().map(|node| node.tables[0]).collect();
    let mut run = Run { world, tables, pending: Vec::new(), spreads: Spreads::default() };
    run.go(run.world.now.plus(QUIET));
    let began = run.world.now;
    let mut watched = 0;
    for nth in 0..spread.seconds * spread.updates.max(1) {
        run.go(began.plus(nth * 1_000 / spread.updates.max(1)));
        if spread.updates > 0 {
            let (node, key) = (run.any_node(), run.world.rng.u16(..KEYS));
            run.count(node, key);
        }
        if run.world.now.since(began) / BETWEEN > u64::from(watched) {
            run.watch(WATCHED + watched, spread.watched);
            watched += 1;
        }
    }
    run.go(run.world.now.plus(5_000));
    run.spreads.lost = run.pending.len();
    run.spreads.over_way.sort_unstable();
    run.spreads.last_over_bound.sort_unstable();
    run.spreads
}

impl Run {
    fn any_node(&mut self) -> usize {
        self.world.rng.usize(..self.world.nodes.len())
    }

    fn count(&mut self, node: usize, key: u16) {
        let (key, now) = (self.world.key(key), self.world.now);
        self.world.nodes[node].store.add(self.tables[node], key, 1, now);
    }

    /// Makes a change that nobody made before.
    fn watch(&mut self, key: u16, watched: Watched) {
        let (from, at) = (self.any_node(), self.world.now);
        let made = match watched {
            Watched::Counts => {
                self.count(from, key);
                Made::Count(key)
            }
            Watched::Purges => {
                let store = &self.world.nodes[from].store;
                let name = store.purge_key(&[&key.to_le_bytes()]);
                let dot = store.purge(name, at.plus(FACT_LONGEST), at).expect("a node that may purge");
                Made::Purge(name, dot)
            }
            Watched::Revocations => {
                let store = &self.world.nodes[from].store;
                let name = store.revocation_key(Revocable::Session, &[&key.to_le_bytes()]);
                store.revoke(name, at, at.plus(FACT_LONGEST), at).expect("a name of a session");
                Made::Revocation(name)
            }
        };
        let missing = (0..self.world.nodes.len()).filter(|node| *node != from).collect();
        self.pending.push(Change { made, from, at, missing });
    }

    /// Lets time pass, and looks who reads what.
    fn go(&mut self, until: Time) {
        while self.world.step(until) {
            let mut pending = std::mem::take(&mut self.pending);
            pending.retain_mut(|change| !self.is_everywhere(change));
            self.pending = pending;
        }
    }

    fn is_everywhere(&mut self, change: &mut Change) -> bool {
        let now = self.world.now;
        let heard = self.world.heard();
        let over_way = &mut self.spreads.over_way;
        change.missing.retain(|node| {
            let store = &self.world.nodes[*node].store;
            let reads = heard.contains(node)
                && match change.made {
                    Made::Count(key) => store.count(self.tables[*node], self.world.key(key), 60_000, now) > 0,
                    Made::Purge(key, dot) => store.purge_applied(key, dot).is_some(),
                    Made::Revocation(key) => store.revoked(key, change.at).is_some(),
                };
            if reads {
                over_way.push(now.since(change.at) as i64 - self.world.one_way(change.from, *node) as i64);
            }
            !reads
        });
        if change.missing.is_empty() {
            let ways = (0..self.world.nodes.len()).map(|node| self.world.one_way(change.from, node));
            let bound = 3 * ways.max().unwrap_or(0) + TICK;
            self.spreads.last_over_bound.push(now.since(change.at) as i64 - bound as i64);
        }
        change.missing.is_empty()
    }
}

/// The value below which so many of a thousand lie; none of none.
#[must_use]
pub fn quantile(sorted: &[i64], of_a_thousand: usize) -> Option<i64> {
    sorted.get((sorted.len() * of_a_thousand / 1_000).min(sorted.len().saturating_sub(1))).copied()
}
