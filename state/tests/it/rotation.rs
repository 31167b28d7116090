//! The secret is rotated, one node after another: whoever hashes by which of the two, what was counted, stated and seen is one thing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use selvedge_state::{Bucket, Charge, GaugeId, LedgerSpec, MaxId, Most, Raised, RegistersId, Rung, TableSpec, Time};

use crate::sim::{Network, Node, Secrets, World};
use crate::support::{is_purged, spec};

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 40) };
const LOSSY: Network = Network { lost: 10, doubled: 10, delay: (5, 60) };

const OLD: Secrets = Secrets { now: 7, beside: Some(8) };
const NEW: Secrets = Secrets { now: 8, beside: Some(7) };

fn limit() -> TableSpec {
    spec("t", Rung::S1, Rung::M10)
}

/// Nodes that all know both secrets, and have the former one in force.
fn prepared(seed: u64, nodes: u16, specs: &[TableSpec], network: Network) -> World {
    let mut world = World::new(seed, nodes, specs, network);
    (0..usize::from(nodes)).for_each(|node| world.restart(node, OLD));
    world.run(world.now.plus(500));
    world
}

fn run(world: &mut World, ms: u64) {
    world.run(world.now.plus(ms));
}

fn total(world: &World, node: usize, key: u8) -> u64 {
    let of = &world.nodes[node];
    of.store.counts(of.tables[0], of.store.key(&[&[key]]), world.now).iter().map(|(_, _, n)| n).sum()
}

fn spaces(node: &Node, now: Time) -> (RegistersId, MaxId) {
    (node.store.registers("sessions").unwrap(), node.store.maxima("revoked", Most::Value(1 << 40), now).unwrap())
}

/// What a node is to do.
#[derive(Debug, Clone)]
enum Op {
    Count(u8, u32),
    See(u8, u8),
    Ban(u8),
    Set(u8, Option<u8>),
    Raise(u8, u64),
    /// It starts again, with the secrets of the next step if the others are as far.
    Restart,
    Wait(u64),
}

fn ops() -> impl Strategy<Value = Vec<(usize, Op)>> {
    let op = prop_oneof![
        6 => (0..4_u8, 1..20_u32).prop_map(|(key, n)| Op::Count(key, n)),
        3 => (0..2_u8, 0..40_u8).prop_map(|(key, value)| Op::See(key, value)),
        1 => (0..4_u8).prop_map(Op::Ban),
        2 => (0..3_u8, prop::option::of(any::<u8>())).prop_map(|(key, value)| Op::Set(key, value)),
        1 => (0..3_u8, 0..1_000_u64).prop_map(|(key, value)| Op::Raise(key, value)),
        2 => Just(Op::Restart),
        4 => (1..400_u64).prop_map(Op::Wait),
    ];
    prop::collection::vec((0..3_usize, op), 1..60)
}

/// What a cluster that hashes nothing would know.
#[derive(Debug, Default)]
struct Truth {
    counted: BTreeMap<u8, u64>,
    seen: BTreeMap<u8, BTreeSet<u8>>,
    banned: BTreeSet<u8>,
    set: BTreeMap<u8, Option<u8>>,
    raised: BTreeMap<u8, u64>,
}

const STEPS: [Secrets; 3] = [Secrets::ONE, OLD, NEW];

/// A step is begun when all nodes have done the one before.
fn next(world: &World, node: usize) -> Secrets {
    let step = |node: &Node| STEPS.iter().position(|secrets| *secrets == node.secrets).unwrap();
    let (mine, least) = (step(&world.nodes[node]), world.nodes.iter().map(step).min().unwrap());
    STEPS[(mine + 1).min(least + 1).min(2).max(mine)]
}

fn act(world: &mut World, truth: &mut Truth, node: usize, op: &Op) {
    let (of, now) = (&world.nodes[node], world.now);
    let (until, (registers, maxima)) = (now.plus(3_600_000), spaces(of, now));
    match *op {
        Op::Count(key, n) => {
            of.store.add(of.tables[0], of.store.key(&[&[key]]), n, now);
            *truth.counted.entry(key).or_default() += u64::from(n);
        }
        Op::See(key, value) => {
            of.store.observe(of.uniques, of.store.key(&[&[key]]), &[value], now);
            truth.seen.entry(key).or_default().insert(value);
        }
        Op::Ban(subject) => {
            of.store.ban(&subject.to_string(), until, 1, "test", now).unwrap();
            truth.banned.insert(subject);
        }
        Op::Set(key, Some(value)) => {
            of.store.register_set(registers, &[key], &[value], until, now).unwrap();
            truth.set.insert(key, Some(value));
        }
        Op::Set(key, None) => {
            of.store.register_remove(registers, &[key], until, now).unwrap();
            truth.set.insert(key, None);
        }
        Op::Raise(key, value) => {
            of.store.max_raise(maxima, &[key], value, until, now).unwrap();
            let known = truth.raised.entry(key).or_default();
            *known = (*known).max(value);
        }
        Op::Restart => {
            let secrets = next(world, node);
            world.restart(node, secrets);
        }
        Op::Wait(ms) => run(world, ms),
    }
    // Statements are made one after another.
    run(world, 2);
}

/// No node knows more than is true.
fn is_below(world: &World, truth: &Truth) -> Result<(), TestCaseError> {
    for (node, of) in world.nodes.iter().enumerate() {
        for key in 0..4 {
            prop_assert!(total(world, node, key) <= truth.counted.get(&key).copied().unwrap_or(0), "node {node}");
        }
        for key in 0..2 {
            let seen = of.store.distinct(of.uniques, of.store.key(&[&[key]]), 60_000, world.now);
            prop_assert!(seen <= truth.seen.get(&key).map_or(0, BTreeSet::len) as u64, "node {node}");
        }
    }
    Ok(())
}

/// Every node knows all that is true.
fn is_known(world: &World, truth: &Truth) -> Result<(), TestCaseError> {
    for (node, of) in world.nodes.iter().enumerate() {
        let (registers, maxima) = spaces(of, world.now);
        for (key, counted) in &truth.counted {
            prop_assert_eq!(total(world, node, *key), *counted, "node {}", node);
        }
        for (key, seen) in &truth.seen {
            let known = of.store.distinct(of.uniques, of.store.key(&[&[*key]]), 60_000, world.now);
            prop_assert_eq!(known, seen.len() as u64, "node {}", node);
        }
        for subject in &truth.banned {
            prop_assert!(of.store.banned(&subject.to_string(), world.now).is_some(), "node {node}");
        }
        for (key, value) in &truth.set {
            let known = of.store.register_get(registers, &[*key], world.now).map(|value| value[0]);
            prop_assert_eq!(known, *value, "node {}, register {}", node, key);
        }
        for (key, value) in &truth.raised {
            prop_assert_eq!(of.store.max_get(maxima, &[*key], world.now), *value, "node {}", node);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order in the middle of a rotation, all nodes come to know what is true, and never more.
    #[test]
    fn a_rotation_loses_nothing_and_doubles_nothing(ops in ops(), seed in any::<u64>()) {
        let (mut world, mut truth) = (World::new(seed, 3, &[limit()], LOSSY), Truth::default());
        world.run(world.now.plus(500));
        for (node, op) in &ops {
            act(&mut world, &mut truth, *node, op);
            is_below(&world, &truth)?;
        }
        run(&mut world, 25_000);
        is_below(&world, &truth)?;
        is_known(&world, &truth)?;
    }

    /// A client that takes all it gets at nodes by either secret has no more than after as many restarts without a rotation, and
    /// one that a real bucket admits is not refused, but for its turns where it was over its limit.
    #[test]
    fn a_limit_holds_across_both_secrets(
        load in prop::collection::vec((0..3_usize, prop::bool::weighted(0.2), 1..9_u32, 100..3_000_u64), 1..60),
        seed in any::<u64>(),
    ) {
        let bucket = Bucket::new(0.001, 40.0);
        let mut world = prepared(seed, 3, &[spec("t", Rung::S1, Rung::S10)], NET);
        let (began, mut real, mut before) = (world.now, 0.0_f64, world.now);
        let (mut admitted, mut restarts, mut over) = (0, 0, [false; 3]);
        for (node, restart, cost, gap) in load {
            if restart {
                let secrets = next(&world, node);
                world.restart(node, secrets);
                restarts += 1;
                over[node] = false;
                // A node that has heard its peers takes what it may.
                run(&mut world, 400);
            }
            let (of, now) = (&world.nodes[node], world.now);
            real = (real - bucket.rate_per_ms * now.since(before) as f64).max(0.0);
            before = now;
            let key = of.store.key(&[b"client"]);
            let peek = of.store.peek(of.tables[0], key, &bucket, cost, now);
            let charge = of.store.charge(of.tables[0], key, &bucket, cost, now);
            prop_assert_eq!(peek, charge);
            let admits = matches!(charge, Charge::Admitted { .. });
            // Whom a node has refused before it may have wait for its turn, in the upper quarter of the room.
            let room = (bucket.burst - f64::from(cost)) * if over[node] { 0.75 } else { 1.0 };
            prop_assert!(admits || real > room, "refused at {real}");
            over[node] |= !admits;
            if admits {
                (real, admitted) = (real + f64::from(cost), admitted + cost);
            }
            let said = of.store.level(of.tables[0], key, &bucket, now);
            prop_assert!(said <= real + 1e-6, "said {said}, is {real}");
            run(&mut world, gap);
        }
        // A restart leaves what the cells tell: of the coarse ones all but what drains in one of them.
        let lost = f64::from(restarts) * (bucket.rate_per_ms * 10_000.0 + 1.0);
        let bound = bucket.burst + bucket.rate_per_ms * (world.now.since(began) as f64 + 10_000.0) + lost;
        prop_assert!(f64::from(admitted) <= bound, "{admitted} after {restarts} restarts, bound {bound}");
    }
}

/// One node by each secret; what is charged at either fills the bucket of both.
#[test]
fn nodes_by_either_secret_fill_one_bucket() {
    let mut world = prepared(3, 2, &[limit()], NET);
    world.restart(1, NEW);
    run(&mut world, 500);
    let bucket = Bucket::new(0.000_1, 60.0);
    let charge = |world: &World, node: usize, cost: u32| {
        let of = &world.nodes[node];
        of.store.charge(of.tables[0], of.store.key(&[b"k"]), &bucket, cost, world.now)
    };
    let level = |world: &World, node: usize| {
        let of = &world.nodes[node];
        of.store.level(of.tables[0], of.store.key(&[b"k"]), &bucket, world.now)
    };
    for (node, cost, sum) in [(0, 20, 20.0), (1, 10, 30.0), (0, 5, 35.0), (1, 15, 50.0), (0, 7, 57.0)] {
        assert!(matches!(charge(&world, node, cost), Charge::Admitted { .. }));
        run(&mut world, 200);
        for node in 0..2 {
            assert!((sum - 1.0..=sum).contains(&level(&world, node)), "{node}: {} of {sum}", level(&world, node));
        }
    }
    assert!((0..2).all(|node| matches!(charge(&world, node, 5), Charge::Refused { .. })));
    // The key is one to whoever looks for the greatest, and a third life by the new secret starts from all of it.
    assert!((0..2).all(|node| {
        let of = &world.nodes[node];
        of.store.top(of.tables[0], 5, world.now) == [(of.store.key(&[b"k"]), 57)]
    }));
    (0..2).for_each(|node| {
        let of = &world.nodes[node];
        of.store.add(of.tables[0], of.store.key(&[b"counted"]), 100, world.now);
    });
    run(&mut world, 200);
    let of = &world.nodes[0];
    assert_eq!(of.store.top(of.tables[0], 1, world.now), [(of.store.key(&[b"counted"]), 200)]);
    world.restart(0, NEW);
    assert!((55.0..=57.0).contains(&level(&world, 0)), "{}", level(&world, 0));
    assert!(matches!(charge(&world, 0, 5), Charge::Refused { .. }));
}

/// With no room to note the names of a key it takes over at each charge.
#[test]
fn a_full_table_still_reads_both_names() {
    let mut world = World::over_tcp_holding(5, 2, &[limit()], crate::sim::Tcp::WAN, 4);
    (0..2).for_each(|node| world.restart(node, OLD));
    run(&mut world, 1_000);
    world.restart(1, NEW);
    run(&mut world, 1_000);
    let bucket = Bucket::new(0.000_1, 60.0);
    let charge = |world: &World, node: usize, key: u8| {
        let of = &world.nodes[node];
        of.store.charge(of.tables[0], of.store.key(&[&[key]]), &bucket, 50, world.now)
    };
    for key in 0..20 {
        assert!(matches!(charge(&world, 0, key), Charge::Admitted { .. }), "{key}");
        run(&mut world, 300);
        assert!(matches!(charge(&world, 1, key), Charge::Refused { .. }), "{key}");
        run(&mut world, 300);
    }
}

#[test]
fn gauges_are_the_sum_over_both_names_and_purges_by_either() {
    let mut world = prepared(9, 2, &[limit()], NET);
    world.restart(1, NEW);
    run(&mut world, 500);
    let spec = LedgerSpec { uid: "in flight".to_owned(), shape: "ip".to_owned(), replicated: true };
    let gauges: Vec<GaugeId> = world.nodes.iter().map(|node| node.store.gauge(&spec).unwrap()).collect();
    let fills: Vec<_> = world.nodes.iter().map(|node| node.store.fill()).collect();
    for (node, by) in [(0, 3), (1, 4)] {
        let of = &world.nodes[node];
        of.store.raise(gauges[node], of.store.key(&[b"k"]), by, 10, world.now);
        of.store.purge(of.store.purge_key(&[b"tag", &[node as u8]]), world.now.plus(60_000), world.now).unwrap();
    }
    run(&mut world, 500);
    for (node, of) in world.nodes.iter().enumerate() {
        let key = of.store.key(&[b"k"]);
        assert_eq!(of.store.height(gauges[node], key, world.now), 7);
        assert_eq!(of.store.heights(gauges[node], key, world.now).len(), 2);
        assert_eq!(of.store.raise(gauges[node], key, 4, 10, world.now), Raised::Over(7));
        let is_purged = |tag: u8| is_purged(&of.store, of.store.purge_key(&[b"tag", &[tag]]), fills[node]);
        assert_eq!([0, 1, 2].map(is_purged), [true, true, false]);
    }
}

/// Nodes by different secrets do not compare, but what one alone heard of a node that is gone reaches the other all the same.
#[test]
fn nodes_by_different_secrets_still_heal_and_walk_in_no_circles() {
    let mut world = prepared(11, 3, &[limit()], NET);
    world.restart(2, NEW);
    run(&mut world, 2_000);
    world.cut(0, 2);
    let of = &world.nodes[0];
    (0..200).for_each(|key| of.store.add(of.tables[0], of.store.key(&[&[key]]), 1, world.now));
    run(&mut world, 100);
    world.crash(0);
    world.cut(0, 2);
    run(&mut world, 20_000);
    assert!((0..200).all(|key| (1..3).all(|node| total(&world, node, key) == 1)));
    world.heal();
    run(&mut world, 5_000);
    world.sent.clear();
    let seconds = 100;
    run(&mut world, seconds * 1_000);
    // Each node asks one peer a second; one that cannot compare says a frame of state.
    let sent = |kind: u8| world.sent.get(&kind).copied().unwrap_or_default().0;
    assert!(sent(crate::sim::RANGE) <= 4 * seconds, "{:?}", world.sent);
    assert!(sent(crate::sim::DIGEST) <= 4 * seconds, "{:?}", world.sent);
}
