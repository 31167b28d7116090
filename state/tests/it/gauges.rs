//! Gauges at one node and between nodes: what is going on, and no more than that.

use std::collections::BTreeMap;

use selvedge_state::{
    GAUGE_MEMORY, GaugeId, Hearing, Incarnation, LedgerSpec, Raised, Store, StoreBounds, TABLES_MAX, TableFull, Time,
};

use crate::sim::{Network, World};
use crate::support::{START, actor, replica, seeds, store, store_bounded, store_of};

const NET: Network = Network { lost: 0, doubled: 0, delay: (20, 20) };

/// After so long a peer that says nothing is not heard, ms.
const LEASE: u64 = 2_000;

fn spec(uid: &str) -> LedgerSpec {
    LedgerSpec { uid: uid.to_owned(), shape: "client.ip".to_owned(), replicated: true }
}

fn gauge(store: &Store) -> GaugeId {
    store.gauge(&spec("in flight")).unwrap()
}

#[test]
fn it_stands_as_high_as_what_was_raised_and_not_lowered() {
    let store = store();
    let (gauge, key) = (gauge(&store), store.key(&[b"k"]));
    assert_eq!(store.height(gauge, key, START), 0);
    assert_eq!(store.raise(gauge, key, 2, 3, START), Raised::To(2));
    assert_eq!(store.raise(gauge, key, 2, 3, START), Raised::Over(2));
    assert_eq!(store.raise(gauge, key, 1, 3, START), Raised::To(3));
    store.lower(gauge, key, 2, START);
    assert_eq!((store.height(gauge, key, START), store.height(gauge, store.key(&[b"l"]), START)), (1, 0));
    // Never below 0, whatever the caller does.
    store.lower(gauge, key, 9, START);
    store.lower(gauge, store.key(&[b"l"]), 9, START);
    assert_eq!(store.height(gauge, key, START), 0);
    for _ in 0..3 {
        store.raise(gauge, key, u32::MAX, u64::MAX, START);
    }
    assert_eq!(store.height(gauge, key, START), 3 * u64::from(u32::MAX));
}

#[test]
fn threads_raise_and_lower_at_once() {
    let store = store();
    let (gauge, key) = (gauge(&store), store.key(&[b"k"]));
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let store = &store;
            scope.spawn(move || {
                for step in 0..5_000_u32 {
                    let raised = store.raise(gauge, key, 1, 3, START);
                    assert!(matches!(raised, Raised::To(1..=3) | Raised::Over(3)), "{thread} {step}: {raised:?}");
                    if let Raised::To(_) = raised {
                        store.lower(gauge, key, 1, START);
                    }
                }
            });
        }
    });
    assert_eq!(store.height(gauge, key, START), 0);
}

#[test]
fn a_table_is_its_name_and_shape() {
    let store = store();
    let id = gauge(&store);
    assert_eq!(store.gauge(&spec("in flight")), Ok(id));
    assert_ne!(store.gauge(&spec("other")), Ok(id));
    assert_ne!(store.gauge(&LedgerSpec { shape: "host".to_owned(), ..spec("in flight") }), Ok(id));
    for n in 3..TABLES_MAX {
        store.gauge(&spec(&n.to_string())).unwrap();
    }
    assert_eq!(store.gauge(&spec("last")), Err(TableFull));
    assert_eq!(store.gauge(&spec("in flight")), Ok(id));
}

#[test]
fn a_full_table_gives_way_where_nothing_is_going_on() {
    let store = store_bounded(1, StoreBounds { ledgers_max: 2, ..StoreBounds::default() });
    let gauge = gauge(&store);
    let key = |n: u8| store.key(&[&[n]]);
    assert_eq!(store.raise(gauge, key(1), 1, 9, START), Raised::To(1));
    assert_eq!(store.raise(gauge, key(2), 1, 9, START), Raised::To(1));
    assert_eq!(store.raise(gauge, key(3), 1, 9, START), Raised::Full);
    store.lower(gauge, key(2), 1, START);
    assert_eq!(store.raise(gauge, key(3), 1, 9, START), Raised::To(1));
    assert_eq!((store.gauge_keys(gauge), store.height(gauge, key(1), START)), (2, 1));
}

#[test]
fn what_ended_is_swept_and_what_goes_on_stays() {
    let store = store();
    let gauge = gauge(&store);
    let key = |n: u8| store.key(&[&[n]]);
    store.raise(gauge, key(1), 1, 9, START);
    store.raise(gauge, key(2), 1, 9, START);
    store.lower(gauge, key(2), 1, START.plus(5));
    let mut now = START;
    while now < START.plus(10 * GAUGE_MEMORY) {
        assert_eq!(store.gauge_keys(gauge), if now < START.plus(5 + GAUGE_MEMORY) { 2 } else { 1 }, "{now}");
        now = now.plus(1_000);
        (0..16).for_each(|_| store.sweep(now));
    }
    assert_eq!((store.height(gauge, key(1), now), store.height(gauge, key(2), now)), (1, 0));
}

/// What one node limits for itself: peers hear nothing of it, whatever they have themselves, and are not asked whether they know the same.
#[test]
fn a_gauge_that_stays_at_home_goes_nowhere() {
    let mut world = world(1, 2, NET);
    let local = LedgerSpec { replicated: false, ..spec("in flight") };
    let home = |world: &World, node: usize| world.nodes[node].store.gauge(&local).unwrap();
    assert_ne!(home(&world, 0), gauge(&world.nodes[0].store));
    world.run(world.now.plus(500));
    let (key, now) = (world.key(0), world.now);
    let here = home(&world, 0);
    assert_eq!(world.nodes[0].store.raise(here, key, 3, 9, now), Raised::To(3));
    // The other one has a table of that name as well.
    let there = home(&world, 1);
    // A link begins with a repair, which walks all that goes to peers.
    world.unlink(0, 1);
    world.link(0, 1);
    world.run(world.now.plus(1_000));
    assert_eq!(world.nodes[1].store.gauge_keys(there), 0);
    world.run(world.now.plus(2 * GAUGE_MEMORY));
    let sweep = |world: &World| (0..16).for_each(|_| world.nodes.iter().for_each(|node| node.store.sweep(world.now)));
    sweep(&world);
    let stands = |world: &World, node: usize, id: GaugeId| world.nodes[node].store.height(id, key, world.now);
    assert_eq!([stands(&world, 0, here), stands(&world, 1, there)], [3, 0]);
    assert_eq!(world.nodes[1].store.gauge_keys(there), 0);
    assert_eq!(heights(&world), [0, 0]);
    world.nodes[0].store.lower(here, key, 3, world.now);
    assert_eq!(stands(&world, 0, here), 0);
}

fn raise(world: &World, node: usize, by: u32) {
    let store = &world.nodes[node].store;
    store.raise(gauge(store), world.key(0), by, u64::MAX, world.now);
}

fn lower(world: &World, node: usize, by: u32) {
    let store = &world.nodes[node].store;
    store.lower(gauge(store), world.key(0), by, world.now);
}

fn heights(world: &World) -> Vec<u64> {
    let of = |store: &Store| store.height(gauge(store), world.key(0), world.now);
    world.nodes.iter().map(|node| of(&node.store)).collect()
}

fn world(seed: u64, nodes: u16, network: Network) -> World {
    let world = World::new(seed, nodes, &[], network);
    world.nodes.iter().for_each(|node| {
        let _ = gauge(&node.store);
    });
    world
}

#[test]
fn nodes_stand_together() {
    let mut world = world(1, 3, NET);
    world.run(world.now.plus(500));
    raise(&world, 0, 2);
    raise(&world, 1, 3);
    world.run(world.now.plus(100));
    assert_eq!(heights(&world), [5, 5, 5]);
    let third = &world.nodes[2].store;
    assert_eq!(third.raise(gauge(third), world.key(0), 1, 5, world.now), Raised::Over(5));
    lower(&world, 1, 1);
    world.run(world.now.plus(100));
    assert_eq!(heights(&world), [4, 4, 4]);
}

/// Only the latest height travels, however often it changed.
#[test]
fn a_storm_is_one_account_a_tick() {
    let mut world = world(2, 2, NET);
    world.run(world.now.plus(2_000));
    let before = world.nodes[0].replica.status(world.now).peers[0].bytes_out;
    for _ in 0..40 {
        for _ in 0..1_000 {
            raise(&world, 0, 2);
            lower(&world, 0, 1);
        }
        world.run(world.now.plus(25));
    }
    let bytes = world.nodes[0].replica.status(world.now).peers[0].bytes_out - before;
    assert!(bytes < 40 * 90, "{bytes} bytes for 80,000 changes");
    world.run(world.now.plus(100));
    assert_eq!(heights(&world), [40_000, 40_000]);
}

#[test]
fn a_crash_leaves_no_phantom() {
    let mut world = world(3, 3, NET);
    world.run(world.now.plus(500));
    (0..3).for_each(|node| raise(&world, node, 10));
    world.run(world.now.plus(100));
    assert_eq!(heights(&world), [30, 30, 30]);
    // One is gone for good: cut off without a word.
    world.cut(0, 1);
    world.cut(0, 2);
    world.run(world.now.plus(LEASE + 600));
    assert_eq!(heights(&world), [10, 20, 20]);
    // It was only cut off: what goes on there counts again.
    world.heal();
    world.run(world.now.plus(5_000));
    assert_eq!(heights(&world), [30, 30, 30]);
    // It crashes and comes back: its former life is over at once, also where others give it back.
    world.crash(0);
    let _ = gauge(&world.nodes[0].store);
    world.run(world.now.plus(5_000));
    assert_eq!(heights(&world), [20, 20, 20]);
    raise(&world, 0, 1);
    world.run(world.now.plus(100));
    assert_eq!(heights(&world), [21, 21, 21]);
}

/// What a live node says of a long request is not forgotten, and costs little.
#[test]
fn what_goes_on_for_long_is_said_again() {
    let mut world = world(4, 2, NET);
    world.run(world.now.plus(500));
    raise(&world, 0, 7);
    for _ in 0..4 * GAUGE_MEMORY / 1_000 {
        world.run(world.now.plus(1_000));
        world.nodes.iter().for_each(|node| node.store.sweep(world.now));
        assert_eq!(heights(&world)[0], 7);
    }
    assert_eq!(heights(&world), [7, 7]);
}

/// An account that peers give back of a life that nobody hears says nothing, and dies of age.
#[test]
fn old_accounts_are_refused() {
    let (old, new) = (store_of(1, 1, 2, 10, 10), store_of(1, 2, 2, 10, 10));
    let (id, key) = (gauge(&old), old.key(&[b"k"]));
    old.raise(id, key, 5, 9, START);
    let head = selvedge_state::SnapshotHead {
        cluster: "test".to_owned(),
        secret_id: 7,
        actor: actor(1),
        incarnation: Incarnation(1),
        at: START,
    };
    let frames: Vec<_> = selvedge_state::Snapshot::new(&old, head).collect();
    let _ = gauge(&new);
    let restored = new.restore(&frames[1], START.plus(GAUGE_MEMORY - 1));
    assert_eq!((restored.taken, restored.left), (1, 0));
    assert_eq!(new.heights(gauge(&new), key, START), [(actor(1), Incarnation(1), 5)]);
    assert_eq!(new.height(gauge(&new), key, START), 0, "that life is not heard");
    new.hears(actor(1), Incarnation(1), Hearing::Heard);
    assert_eq!(new.height(gauge(&new), key, START), 5);
    assert_eq!(new.height(gauge(&new), key, START.plus(GAUGE_MEMORY)), 0, "it was not said again");
    new.hears(actor(1), Incarnation(1), Hearing::Silent);
    assert_eq!(new.height(gauge(&new), key, START), 0);
    let late = store_of(1, 3, 2, 10, 10);
    let _ = gauge(&late);
    let restored = late.restore(&frames[1], START.plus(GAUGE_MEMORY));
    assert_eq!((restored.taken, restored.left), (0, 1));
}

/// Whatever the network does: a node never stands higher than what its heard peers had going on at some time, and once all is quiet
/// it stands exactly as high as what goes on.
#[test]
fn whatever_happens_there_is_no_phantom() {
    for seed in seeds(&[1, 2, 3, 4, 5, 6, 7, 8]) {
        let mut world = world(seed, 4, Network { lost: 10, doubled: 10, delay: (1, 300) });
        let mut truth: BTreeMap<(usize, u64), u64> = BTreeMap::new();
        for _ in 0..400 {
            let node = world.rng.usize(..4);
            let here = (node, world.nodes[node].life);
            match world.rng.u8(..40) {
                0 => {
                    world.crash(node);
                    let _ = gauge(&world.nodes[node].store);
                }
                1 => world.cut(node, (node + 1) % 4),
                2 | 3 => world.heal(),
                4..=20 => {
                    let by = world.rng.u32(1..5);
                    raise(&world, node, by);
                    *truth.entry(here).or_default() += u64::from(by);
                }
                _ => {
                    let high = truth.entry(here).or_default();
                    let by = world.rng.u32(..5).min(u32::try_from(*high).unwrap());
                    *high -= u64::from(by);
                    lower(&world, node, by);
                }
            }
            let pause = world.rng.u64(..200);
            world.run(world.now.plus(pause));
            let store = &world.nodes[node].store;
            let own = store.heights(gauge(store), world.key(0), world.now);
            let me = (actor(world.nodes[node].pop), Incarnation(world.nodes[node].life));
            let own = own.iter().find(|(actor, life, _)| (*actor, *life) == me).map_or(0, |(.., high)| *high);
            assert_eq!(own, truth.get(&(node, me.1.0)).copied().unwrap_or(0), "seed {seed}");
        }
        world.heal();
        world.network = Network { lost: 5, doubled: 5, delay: (1, 100) };
        for a in 0..4 {
            for b in a + 1..4 {
                if !world.is_linked(a, b) {
                    world.link(a, b);
                }
            }
        }
        world.run(world.now.plus(20_000));
        let live = |(node, life): &(usize, u64)| world.nodes[*node].life == *life;
        let high: u64 = truth.iter().filter(|(who, _)| live(who)).map(|(_, high)| high).sum();
        assert_eq!(heights(&world), [high; 4], "seed {seed}");
    }
}

/// A change that waits to be sent is not forgotten for another key.
#[test]
fn what_waits_stays() {
    let store = store_bounded(2, StoreBounds { ledgers_max: 1, ..StoreBounds::default() });
    let gauge = gauge(&store);
    let key = |n: u8| store.key(&[&[n]]);
    store.raise(gauge, key(1), 1, 9, START);
    store.lower(gauge, key(1), 1, START);
    assert_eq!(store.raise(gauge, key(2), 1, 9, START), Raised::Full);
    replica(1, 1, 1, 2, &store).handle(selvedge_state::Input::Dirty, Time(START.0));
    assert_eq!(store.raise(gauge, key(2), 1, 9, START), Raised::To(1));
}
