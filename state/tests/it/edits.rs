//! Edits of limits and counters: a table with other slots starts beside the one before, and what was counted stays.

use proptest::prelude::*;
use selvedge_state::{Bucket, Charge, KIN_MAX, Rung, Store, TableId, TableSpec, Time};

use crate::sim::{Network, World};
use crate::support::{START, spec, store};

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 10) };

/// Slots as edits of a burst and a period make them, in no order.
const SLOTS: [(Rung, Rung); 5] = [
    (Rung::Ms100, Rung::S10),
    (Rung::S1, Rung::M1),
    (Rung::Ms10, Rung::M1),
    (Rung::S10, Rung::H1),
    (Rung::S1, Rung::M10),
];

fn tables(store: &Store) -> Vec<TableId> {
    SLOTS.iter().map(|(fine, coarse)| store.table(&spec("edited", *fine, *coarse)).unwrap()).collect()
}

fn admits(store: &Store, table: TableId, bucket: &Bucket, cost: u32, now: Time) -> bool {
    matches!(store.charge(table, store.key(&[b"k"]), bucket, cost, now), Charge::Admitted { .. })
}

/// Gaps, costs, and which table the config counts in from there on, if it is edited.
fn loads() -> impl Strategy<Value = Vec<(u64, u32, Option<usize>)>> {
    let gap = prop_oneof![4 => 0..100_u64, 3 => 0..3_000_u64, 1 => 0..60_000_u64];
    let edit = prop_oneof![4 => Just(None), 1 => (0..SLOTS.len()).prop_map(Some)];
    prop::collection::vec((gap, 1..12_u32, edit), 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// However often a limit is edited, back and forth, a client that a real bucket admits is not refused.
    #[test]
    fn an_edit_refuses_nobody_wrongly(load in loads(), burst in 12..60_u32) {
        let (store, bucket) = (store(), Bucket::new(0.005, f64::from(burst)));
        let tables = tables(&store);
        let (mut at, mut now, mut real) = (0, START, 0.0_f64);
        for (gap, cost, edit) in load {
            now = now.plus(gap);
            at = edit.unwrap_or(at);
            real = (real - bucket.rate_per_ms * gap as f64).max(0.0);
            if real + f64::from(cost) <= bucket.burst {
                prop_assert!(admits(&store, tables[at], &bucket, cost, now), "refused at level {real}");
                real += f64::from(cost);
            }
            let said = store.level(tables[at], store.key(&[b"k"]), &bucket, now);
            prop_assert!(said <= real + 1e-6, "said {said}, is {real}");
        }
    }

    /// A client that takes all it gets has no more of an edit than what drains in one slot, and a token.
    #[test]
    fn an_edit_gives_nobody_a_fresh_budget(load in loads(), burst in 12..60_u32) {
        let (store, bucket) = (store(), Bucket::new(0.005, f64::from(burst)));
        let tables = tables(&store);
        let (mut at, mut now, mut edits, mut admitted) = (0, START, 0, 0);
        for (gap, cost, edit) in load {
            now = now.plus(gap);
            edits += u32::from(edit.is_some_and(|edit| edit != at));
            at = edit.unwrap_or(at);
            while admits(&store, tables[at], &bucket, cost, now) {
                admitted += cost;
            }
        }
        let slots = f64::from(edits + 1) * (bucket.rate_per_ms * 10_000.0 + 1.0);
        let bound = bucket.burst + bucket.rate_per_ms * now.since(START) as f64 + slots;
        prop_assert!(f64::from(admitted) <= bound, "{admitted} after {edits} edits, bound {bound}");
    }

    /// What was counted is the sum, in whichever table it was counted and is read.
    #[test]
    fn counts_are_those_of_all_tables(load in loads()) {
        let store = store();
        let (tables, key) = (tables(&store), store.key(&[b"k"]));
        let (mut at, mut sum, mut now) = (0, 0, START);
        for (gap, n, edit) in load {
            // All of it stays within what the shortest of them remembers.
            now = now.plus(gap / 300);
            at = edit.unwrap_or(at);
            store.add(tables[at], key, n, now);
            sum += u64::from(n);
            prop_assert_eq!(store.count(tables[at], key, now.since(START) + 10, now), sum);
            prop_assert_eq!(store.counts(tables[at], key, now).iter().map(|(_, _, n)| n).sum::<u64>(), sum);
            prop_assert_eq!(store.top(tables[at], 2, now), [(key, sum)]);
        }
    }
}

/// The same twice in a row, once to narrower and once to wider slots, at a client that is at its limit.
#[test]
fn a_limit_that_is_exhausted_stays_so() {
    let (store, bucket) = (store(), Bucket::new(0.001, 50.0));
    let key = store.key(&[b"k"]);
    let [wide, narrow, wider] = [(Rung::S10, Rung::M1), (Rung::Ms100, Rung::S10), (Rung::M1, Rung::H1)]
        .map(|(fine, coarse)| move |store: &Store| store.table(&spec("edited", fine, coarse)).unwrap());
    assert!(admits(&store, wide(&store), &bucket, 50, START));
    let now = START.plus(200);
    assert!(!admits(&store, narrow(&store), &bucket, 2, now));
    assert!((48.0..=50.0).contains(&store.level(narrow(&store), key, &bucket, now)));
    // Not touched while the third one is there; and the first one again.
    assert!(!admits(&store, wider(&store), &bucket, 2, now.plus(200)));
    assert!(!admits(&store, wide(&store), &bucket, 2, now.plus(400)));
    // A look says the same as a charge, and changes nothing.
    let peek = store.peek(narrow(&store), key, &bucket, 2, now.plus(600));
    assert_eq!(peek, store.charge(narrow(&store), key, &bucket, 2, now.plus(600)));
}

fn limit(fine: Rung, coarse: Rung) -> TableSpec {
    spec("limit", fine, coarse)
}

fn level(world: &World, node: usize, table: TableId, bucket: &Bucket) -> f64 {
    world.nodes[node].store.level(table, world.key(1), bucket, world.now)
}

fn total(world: &World, node: usize, table: TableId) -> u64 {
    world.nodes[node].store.counts(table, world.key(1), world.now).iter().map(|(_, _, n)| n).sum()
}

/// One node has the new config, the other one not yet: the first one sees all, and in the end both do.
fn nodes_are_edited_one_after_another(before: (Rung, Rung), after: (Rung, Rung)) {
    let mut world = World::new(9, 2, &[limit(before.0, before.1)], NET);
    world.run(world.now.plus(500));
    let bucket = Bucket::new(0.0001, 60.0);
    let charge = |world: &World, node: usize, table: TableId, cost: u32| {
        let charge = world.nodes[node].store.charge(table, world.key(1), &bucket, cost, world.now);
        assert!(matches!(charge, Charge::Admitted { .. }), "{charge:?}");
    };
    let old = world.nodes[0].tables[0];
    charge(&world, 0, old, 20);
    charge(&world, 1, old, 10);
    world.run(world.now.plus(200));
    let new = world.nodes[0].store.table(&limit(after.0, after.1)).unwrap();
    charge(&world, 0, new, 5);
    let near = |level: f64, is: f64| (is - 2.0..=is).contains(&level);
    assert!(near(level(&world, 0, new, &bucket), 35.0), "{}", level(&world, 0, new, &bucket));
    charge(&world, 1, old, 15);
    world.run(world.now.plus(200));
    assert!(near(level(&world, 0, new, &bucket), 50.0), "{}", level(&world, 0, new, &bucket));
    // The other node follows, and hears what the first one counted in the table that it did not know.
    assert_eq!(world.nodes[1].store.table(&limit(after.0, after.1)), Ok(new));
    charge(&world, 1, new, 3);
    world.run(world.now.plus(4_000));
    for node in 0..2 {
        assert_eq!(total(&world, node, new), 53);
        assert!(near(level(&world, node, new, &bucket), 53.0), "{node}: {}", level(&world, node, new, &bucket));
    }
}

#[test]
fn nodes_go_to_narrower_slots() {
    nodes_are_edited_one_after_another((Rung::S10, Rung::M10), (Rung::S1, Rung::M1));
}

#[test]
fn nodes_go_to_wider_slots() {
    nodes_are_edited_one_after_another((Rung::S1, Rung::M1), (Rung::S10, Rung::M10));
}

/// What is over in the table of before is swept, and then nodes compare without it.
#[test]
fn a_table_that_was_left_is_given_back() {
    let mut world = World::new(9, 2, &[limit(Rung::Ms100, Rung::S1)], NET);
    world.run(world.now.plus(500));
    let store = std::sync::Arc::clone(&world.nodes[0].store);
    let old = world.nodes[0].tables[0];
    store.add(old, world.key(1), 1, world.now);
    let new = store.table(&limit(Rung::S1, Rung::M1)).unwrap();
    world.nodes[1].store.table(&limit(Rung::S1, Rung::M1)).unwrap();
    assert_eq!((store.keys(old), store.count(new, world.key(1), 900, world.now)), (1, 1));
    world.run(world.now.plus(10_000));
    for node in &world.nodes {
        (0..16).for_each(|_| node.store.sweep(world.now));
        assert_eq!(node.store.keys(old), 0);
    }
    // A node that never knew it compares with one that did.
    let fresh = World::new(9, 1, &[limit(Rung::S1, Rung::M1)], NET);
    assert_eq!(fresh.nodes[0].store.count(fresh.nodes[0].tables[0], world.key(1), 900, world.now), 0);
}

#[test]
fn kin_that_are_read() {
    let (store, key) = (store(), store().key(&[b"k"]));
    let tables: Vec<_> = (1..=KIN_MAX as u64 + 1)
        .map(|n| {
            let table = store.table(&spec("edited", Rung::Ms(n * 1_000), Rung::M10)).unwrap();
            store.add(table, key, 1, START);
            table
        })
        .collect();
    let sums: Vec<u64> = tables.iter().map(|table| store.count(*table, key, 60_000, START)).collect();
    // All that know of one another, and the one that they no longer know knows them.
    assert!(sums[1..].iter().filter(|sum| **sum == KIN_MAX as u64).count() >= KIN_MAX - 1, "{sums:?}");
    assert!(sums.iter().all(|sum| *sum <= KIN_MAX as u64 + 1), "{sums:?}");
}
