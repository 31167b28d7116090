//! Clusters in trouble: at every step nothing is read that was not counted, after it all nodes read the same.

use selvedge_state::{Bucket, Event, FRAME_MAX, Rung, Time};

use crate::sim::{DELTA, DIGEST, Fault, Network, Node, RANGE, Tcp, Truth, World};
use crate::support::{seeds, spec};

const KEYS: u16 = 12;
const WIDTHS: [(Rung, Rung); 2] = [(Rung::Ms100, Rung::S10), (Rung::Ms10, Rung::Ms100)];
const BUCKET: Bucket = Bucket::new(0.05, 40.0);

/// Which links the nodes have.
#[derive(Debug, Clone, Copy)]
enum Links {
    Datagrams(Network),
    Tcp(Tcp),
}

struct Run {
    world: World,
    /// One for each table.
    truth: [Truth; 2],
    crashed: Vec<bool>,
}

impl Run {
    fn new(seed: u64, nodes: u16, links: Links) -> Run {
        let specs = [spec("slow", WIDTHS[0].0, WIDTHS[0].1), spec("quick", WIDTHS[1].0, WIDTHS[1].1)];
        let world = match links {
            Links::Datagrams(network) => World::new(seed, nodes, &specs, network),
            Links::Tcp(tcp) => World::over_tcp(seed, nodes, &specs, tcp),
        };
        Run { crashed: vec![false; world.nodes.len()], world, truth: Default::default() }
    }

    /// Something a request or an operator does at a node.
    fn act(&mut self) {
        let world = &mut self.world;
        let node = world.rng.usize(..world.nodes.len());
        if world.nodes[node].is_stopped {
            return;
        }
        let (now, author) = (world.clock(node), world.author(node));
        let (table, key) = (world.rng.usize(..2), world.rng.u16(..KEYS));
        let (id, hash) = (world.nodes[node].tables[table], world.key(key));
        let store = std::sync::Arc::clone(&world.nodes[node].store);
        let subject = format!("192.0.2.{}/32", world.rng.u8(..6));
        match world.rng.u8(..26) {
            20 => {
                let (present, until) = (world.rng.bool(), now.plus(world.rng.u64(0..20_000)));
                store.list_set(world.nodes[node].list, &subject, present, until, now).unwrap();
                self.truth[0].listed(&subject, present, until);
            }
            21.. => {
                // Few values of most keys, and of some more than a small sketch holds.
                let (most, times) = if key < 3 { (1_000, 60) } else { (60, 3) };
                for _ in 0..times {
                    let value = world.rng.u16(..most);
                    store.observe(world.nodes[node].uniques, hash, &value.to_le_bytes(), now);
                    self.truth[0].saw(author, key, value, now);
                }
            }
            0 => {
                let until = now.plus(world.rng.u64(1..20_000));
                let level = world.rng.u8(..3);
                let held = store.ban(&subject, until, level, "limit:test", now).unwrap();
                self.truth[0].banned(&subject, held.until);
            }
            1 => drop(store.unban(&subject, now)),
            2..=9 => {
                let n = world.rng.u32(1..5);
                store.add(id, hash, n, now);
                self.truth[table].counted(author, key, n, now);
            }
            _ => {
                let cost = world.rng.u32(1..4);
                if let selvedge_state::Charge::Admitted { .. } = store.charge(id, hash, &BUCKET, cost, now) {
                    self.truth[table].counted(author, key, cost, now);
                }
            }
        }
    }

    /// A fault, now and then; and a clock that goes ahead, up to `ahead_max` ms.
    fn trouble(&mut self, ahead_max: u64) {
        let world = &mut self.world;
        let nodes = world.nodes.len();
        if let Some(fault) = Fault::draw(&mut world.rng, nodes) {
            if let Fault::Crash(node) = fault {
                self.crashed[node] = true;
            }
            world.suffer(fault);
        }
        if ahead_max > 0 && world.rng.u8(..20) == 0 {
            let (node, ahead) = (world.rng.usize(..nodes), world.rng.u64(..ahead_max));
            world.set_ahead(node, ahead);
        }
    }

    /// One node, all it says: no author above what it counted in slots that live, no ban that is over or was never made.
    fn check(&mut self) {
        let node = self.world.rng.usize(..self.world.nodes.len());
        let now = self.world.clock(node);
        let of = &self.world.nodes[node];
        for (table, truth) in self.truth.iter().enumerate() {
            for key in 0..KEYS {
                let sums = of.store.counts(of.tables[table], self.world.key(key), now);
                for (actor, incarnation, count) in sums {
                    let true_count = truth.live((actor, incarnation), key, WIDTHS[table].1.millis(), now);
                    assert!(count <= true_count, "{actor} counted {true_count}, node {node} says {count}");
                }
            }
        }
        for ban in of.store.bans(now) {
            assert!(ban.until > now && self.truth[0].was_stated(&ban.subject, ban.until), "{ban:?}");
        }
        for entry in of.store.list_entries(of.list, now) {
            assert!(entry.until > now, "{entry:?}");
            assert!(self.truth[0].was_listed(&entry.element, entry.present, entry.until), "{entry:?}");
        }
        for key in 0..KEYS {
            let said = of.store.distinct(of.uniques, self.world.key(key), 80_000, now);
            let truth = self.truth[0].distinct(key, floor(now), |_| true);
            // Few values are counted, more are estimated.
            assert!(said <= truth + if said > 128 { truth / 5 } else { 0 }, "{truth} seen, node {node} says {said}");
        }
        if self.world.rng.u8(..10) == 0 {
            of.store.sweep(now);
        }
    }

    /// Ends all trouble and lets the cluster settle.
    fn settle(&mut self, ms: u64) {
        self.world.recover();
        self.world.run(self.world.now.plus(ms));
    }

    /// When what was lost has been said again, every node asks every other whether it knows the same: they all do, so nothing
    /// else is said.
    fn be_quiet(&mut self) {
        self.world.network.lost = 0;
        self.world.run(self.world.now.plus(20_000));
        self.world.sent.clear();
        // A question a second and node, up to 1.2 s apart.
        let round = 1_200 * (self.world.nodes.len() as u64 + 1);
        self.world.run(self.world.now.plus(round));
        let sent = |kind: u8| self.world.sent.get(&kind).copied().unwrap_or_default();
        assert_eq!((sent(DELTA), sent(RANGE)), ((0, 0), (0, 0)), "payload while all know the same");
        let (questions, bytes) = sent(DIGEST);
        assert!(questions >= self.world.nodes.len() as u64, "{questions} questions");
        // An answer holds 16 digests, each of up to nine bytes.
        assert!(bytes < questions * 60, "{questions} digests have {bytes} bytes: some are answers");
    }

    /// All nodes have seen the same, and all that the present lives of nodes saw.
    fn agree_on_what_is_seen(&self) {
        let now = self.world.now.plus(1_000);
        let lives: Vec<_> = (0..self.world.nodes.len()).map(|node| self.world.author(node)).collect();
        for key in 0..KEYS {
            let seen = |node: &Node| node.store.distinct(node.uniques, self.world.key(key), 80_000, now);
            let said = seen(&self.world.nodes[0]);
            for (index, node) in self.world.nodes.iter().enumerate() {
                assert_eq!(seen(node), said, "node {index}, key {key}");
            }
            let truth = self.truth[0].distinct(key, floor(now), |author| lives.contains(&author));
            assert!(said >= truth - if said > 128 { truth / 5 } else { 0 }, "{truth} seen, {said} said");
        }
    }

    /// All nodes say the same, and what a node that never crashed counted is known everywhere.
    fn agree(&self) {
        // A moment that is no node's future.
        let now = self.world.now.plus(1_000);
        let first = &self.world.nodes[0];
        for (index, node) in self.world.nodes.iter().enumerate() {
            for table in 0..2 {
                for key in (0..KEYS).map(|key| self.world.key(key)) {
                    let said = node.store.counts(node.tables[table], key, now);
                    assert_eq!(said, first.store.counts(first.tables[table], key, now), "node {index}, table {table}");
                    for window in [150, 700, 5_000, 40_000] {
                        let count = node.store.count(node.tables[table], key, window, now);
                        assert_eq!(count, first.store.count(first.tables[table], key, window, now), "node {index}");
                    }
                }
            }
            let stated = |node: &Node| -> Vec<(String, u64, Time, u8)> {
                let bans = node.store.bans(now).into_iter();
                bans.map(|ban| (ban.subject.to_string(), ban.epoch, ban.until, ban.level)).collect()
            };
            assert_eq!(stated(node), stated(first), "node {index}");
            assert_eq!(
                node.store.list_entries(node.list, now),
                first.store.list_entries(first.list, now),
                "node {index}"
            );
            let broken = node.events.iter().find(|event| {
                matches!(event, Event::Broken { .. } | Event::Undecodable { .. } | Event::ForeignAuthor { .. })
            });
            assert_eq!(broken, None, "node {index}");
        }
        for (index, _) in self.crashed.iter().enumerate().filter(|(_, crashed)| !**crashed) {
            let author = self.world.author(index);
            for key in 0..KEYS {
                let said = first.store.counts(first.tables[0], self.world.key(key), now);
                let said = said.iter().find(|(actor, life, _)| (*actor, *life) == author).map_or(0, |(_, _, n)| *n);
                assert_eq!(said, self.truth[0].live(author, key, WIDTHS[0].1.millis(), now), "node {index}, key {key}");
            }
        }
    }
}

/// The start of the oldest slot of distinct counts that lives.
fn floor(now: Time) -> Time {
    let slot = World::SLOT.millis();
    Time(now.0 / slot * slot).minus(8 * slot)
}

fn run(seed: u64, nodes: u16, links: Links, ahead_max: u64, steps: u32) {
    let mut run = Run::new(seed, nodes, links);
    for _ in 0..steps {
        for _ in 0..run.world.rng.u8(..6) {
            run.act();
        }
        run.trouble(ahead_max);
        let pause = run.world.rng.u64(1..100);
        run.world.run(run.world.now.plus(pause));
        run.check();
    }
    run.settle(40_000);
    run.agree();
    run.agree_on_what_is_seen();
    run.be_quiet();
    assert!(run.world.unsent_max <= UNSENT_MAX, "{} bytes waited for one peer", run.world.unsent_max);
}

/// What may wait in a process to be sent to one peer: half a MiB and the frame that went beyond it.
const UNSENT_MAX: usize = 512 * 1024 + FRAME_MAX;

const ROUGH: Links = Links::Datagrams(Network { lost: 15, doubled: 10, delay: (1, 200) });
const SMOOTH: Links = Links::Datagrams(Network { lost: 0, doubled: 0, delay: (40, 40) });
/// Sockets that hold little, so that they fill.
const STREAM: Links = Links::Tcp(Tcp { lost: 5, jitter: 3, socket: 8 * 1024 });

#[test]
fn twenty_nodes_in_trouble_agree_after_it() {
    for seed in seeds(&[1, 2, 3]) {
        run(seed, 20, ROUGH, 0, 250);
    }
}

#[test]
fn a_few_nodes_in_trouble_agree_after_it() {
    for seed in seeds(&[11, 12, 13, 14, 15, 16, 17, 18, 19, 20]) {
        run(seed, 4, ROUGH, 0, 300);
    }
}

#[test]
fn clocks_that_differ_within_the_bound_do_no_harm() {
    for seed in seeds(&[31, 32, 33, 34]) {
        run(seed, 5, ROUGH, 400, 300);
    }
}

#[test]
fn an_orderly_network_agrees_too() {
    for seed in seeds(&[41, 42]) {
        run(seed, 6, SMOOTH, 0, 200);
    }
}

#[test]
fn streams_agree_too() {
    for seed in seeds(&[51, 52, 53, 54, 55, 56]) {
        run(seed, 5, STREAM, 400, 300);
    }
}
