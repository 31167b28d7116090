//! Rights: what all nodes take of a quota together is never more than it says, and it gets to where it is asked for.

use std::collections::BTreeMap;

use selvedge_state::{
    EPOCH_LONGEST, Epoch, Incarnation, LedgerSpec, OVERLAP, RightsId, Settled, Snapshot, SnapshotHead, Spent, Store,
    StoreBounds, Time, Void,
};

use crate::sim::{Network, World};
use crate::support::{START, actor, seeds, store, store_bounded, store_of};
use crate::trouble::Trouble;

const NET: Network = Network { lost: 0, doubled: 0, delay: (20, 20) };
const HOUR: u64 = 3_600_000;
pub(crate) const QUOTA: u64 = 1_000;

pub(crate) fn spec() -> LedgerSpec {
    LedgerSpec { uid: "plan".to_owned(), shape: "api.key".to_owned(), replicated: true }
}

pub(crate) fn rights(store: &Store) -> RightsId {
    allotted(store, &spec(), QUOTA)
}

/// The table of an identity, with so many for each key and epoch.
pub(crate) fn allotted(store: &Store, spec: &LedgerSpec, quota: u64) -> RightsId {
    let id = store.rights(spec).unwrap();
    store.allot(id, quota);
    id
}

pub(crate) fn hour(now: Time) -> Epoch {
    Epoch::of(HOUR, now)
}

#[test]
fn it_grants_what_there_is_and_no_more() {
    let store = store();
    let (id, key, epoch) = (rights(&store), store.lasting_key(&[b"k"]), hour(START));
    let spend = |cost| store.spend(id, key, epoch, cost, START);
    assert_eq!(spend(QUOTA + 1), Spent::Short { left: QUOTA });
    assert_eq!(spend(600), Spent::Granted { left: 400 });
    assert_eq!(spend(401), Spent::Short { left: 400 });
    assert_eq!(spend(u64::MAX), Spent::Short { left: 400 });
    assert_eq!(spend(400), Spent::Granted { left: 0 });
    assert_eq!((spend(0), spend(1)), (Spent::Granted { left: 0 }, Spent::Short { left: 0 }));
    // The next epoch and another key have rights of their own.
    let next = hour(epoch.ends);
    assert_eq!(store.spend(id, key, next, 1, epoch.ends), Spent::Granted { left: QUOTA - 1 });
    assert_eq!(store.spend(id, store.lasting_key(&[b"l"]), epoch, 1, START), Spent::Granted { left: QUOTA - 1 });
    assert_eq!(store.rights_left(id, key, epoch), 0);
    for (epoch, now) in [(epoch, epoch.ends), (next, START), (Epoch { begins: START, ends: START }, START)] {
        assert_eq!(store.spend(id, key, epoch, 1, now), Spent::OutOfTime);
    }
    let long = Epoch { begins: START, ends: START.plus(EPOCH_LONGEST + 1) };
    assert_eq!(store.spend(id, key, long, 1, START), Spent::OutOfTime);
}

/// What is taken before it is known what it costs.
#[test]
fn what_was_too_much_comes_back_and_what_was_too_little_is_told() {
    let store = store();
    let (id, key, epoch) = (rights(&store), store.lasting_key(&[b"k"]), hour(START));
    let settle = |taken, actual| store.settle(id, key, epoch, (taken, actual), START);
    assert_eq!(settle(5, 5), Settled::OutOfTime, "nothing was taken");
    store.spend(id, key, epoch, 500, START);
    assert_eq!(settle(500, 200), Settled::Within { left: 800 });
    store.spend(id, key, epoch, 700, START);
    assert_eq!(settle(700, 800), Settled::Within { left: 0 });
    assert_eq!(settle(10, 70), Settled::Beyond(60));
    assert_eq!(store.spend(id, key, epoch, 1, START), Spent::Short { left: 0 });
    // What comes back is taken for what went beyond, first; and nothing goes below zero.
    assert_eq!(settle(50, 0), Settled::Within { left: 0 });
    assert_eq!(settle(20, 0), Settled::Within { left: 10 });
    assert_eq!(settle(u64::MAX, 0), Settled::Within { left: QUOTA });
    assert_eq!(settle(0, u64::MAX), Settled::Beyond(u64::MAX - QUOTA));
    assert_eq!(store.rights_used(id, key, epoch, START), [(actor(1), Incarnation(1), u64::MAX)]);
}

#[test]
fn threads_take_no_more_together() {
    let store = store();
    let (id, key, epoch) = (rights(&store), store.lasting_key(&[b"k"]), hour(START));
    let taken = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..QUOTA {
                    if let Spent::Granted { .. } = store.spend(id, key, epoch, 1, START) {
                        taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(taken.into_inner(), QUOTA);
}

#[test]
fn a_full_table_grants_nothing_new_and_forgets_nothing_that_was_taken() {
    let store = store_bounded(1, StoreBounds { ledgers_max: 2, ..StoreBounds::default() });
    let (id, epoch) = (rights(&store), hour(START));
    let spend = |n: u8, now: Time| store.spend(id, store.lasting_key(&[&[n]]), hour(now), QUOTA, now);
    assert_eq!((spend(1, START), spend(2, START)), (Spent::Granted { left: 0 }, Spent::Granted { left: 0 }));
    assert_eq!((spend(3, START), spend(1, START)), (Spent::Full, Spent::Short { left: 0 }));
    assert_eq!(spend(3, epoch.ends.plus(59_999)), Spent::Full);
    assert_eq!(spend(3, epoch.ends.plus(60_000)), Spent::Granted { left: 0 });
    // A thread that was held up for a minute begins nothing anew.
    assert_eq!(store.rights_keys(id), 2);
    (0..16).for_each(|_| store.sweep(epoch.ends.plus(60_000)));
    assert_eq!((spend(1, START), spend(2, START)), (Spent::OutOfTime, Spent::OutOfTime));
}

/// The quota of an epoch is the one of the home's config.
#[test]
fn another_quota_counts_from_now_on() {
    let store = store();
    let (id, key, epoch) = (rights(&store), store.lasting_key(&[b"k"]), hour(START));
    store.spend(id, key, epoch, 600, START);
    assert_eq!(store.rights(&spec()), Ok(id), "who only finds it changes nothing");
    store.allot(id, 500);
    assert_eq!(store.spend(id, key, epoch, 1, START), Spent::Short { left: 0 });
    store.allot(id, 700);
    assert_eq!(store.spend(id, key, epoch, 101, START), Spent::Short { left: 100 });
    assert_eq!(store.spend(id, key, epoch, 100, START), Spent::Granted { left: 0 });
}

/// Without a word of a roster nobody is at home anywhere.
#[test]
fn who_knows_no_roster_mints_nothing() {
    let store = store_of(1, 1, 2, 10, 10);
    assert_eq!(
        store.spend(rights(&store), store.lasting_key(&[b"k"]), hour(START), 1, START),
        Spent::Short { left: 0 }
    );
}

pub(crate) fn world(seed: u64, nodes: u16) -> World {
    let mut world = World::new(seed, nodes, &[], NET);
    world.nodes.iter().for_each(|node| {
        let _ = rights(&node.store);
    });
    world.run(world.now.plus(1_000));
    world
}

/// Takes one; whether it was there.
pub(crate) fn take(world: &World, node: usize, key: u16) -> bool {
    let (store, now) = (&world.nodes[node].store, world.clock(node));
    matches!(store.spend(rights(store), world.lasting_key(key), hour(now), 1, now), Spent::Granted { .. })
}

pub(crate) fn left(world: &World, node: usize, key: u16) -> u64 {
    let store = &world.nodes[node].store;
    store.rights_left(rights(store), world.lasting_key(key), hour(world.now))
}

/// Whether a node that takes one is at home to the key: then it has more than half of it.
pub(crate) fn is_home(world: &World, node: usize, key: u16) -> bool {
    take(world, node, key);
    left(world, node, key) > QUOTA / 2
}

/// The node that is at home to a key; one was taken at each node that could give it.
pub(crate) fn home(world: &World, key: u16) -> usize {
    let homes: Vec<usize> = (0..world.nodes.len()).filter(|node| is_home(world, *node, key)).collect();
    assert_eq!(homes.len(), 1, "{homes:?}");
    homes[0]
}

#[test]
fn all_of_it_gets_to_where_it_is_asked_for() {
    for seed in seeds(&[1, 2, 3]) {
        let mut world = world(seed, 4);
        let home = home(&world, 0);
        let node = (home + 1) % 4;
        let (mut taken, began) = (4, world.now);
        while world.now < began.plus(60_000) {
            taken += u64::from(take(&world, node, 0));
            world.run(world.now.plus(10));
        }
        let rest: u64 = (0..4).map(|node| left(&world, node, 0)).sum();
        println!("seed {seed}: {taken} of {QUOTA} taken, {rest} left");
        assert!(taken >= QUOTA * 95 / 100 && taken + rest == QUOTA, "seed {seed}: {taken} and {rest}");
    }
}

#[test]
fn the_first_request_is_admitted_wherever_it_comes_to() {
    let mut world = world(1, 4);
    // It asks nobody, so nobody need be there.
    (0..4).for_each(|a| (0..a).for_each(|b| world.cut(a, b)));
    for key in 0..20 {
        assert!((0..4).all(|node| take(&world, node, key)), "{key}");
    }
    // What is less than one for each has one home alone.
    for key in 20..40 {
        let takes = |node: &usize| {
            let (store, now) = (&world.nodes[*node].store, world.now);
            let id = allotted(store, &LedgerSpec { uid: "few".to_owned(), ..spec() }, 3);
            store.spend(id, world.lasting_key(key), hour(now), 1, now) == Spent::Granted { left: 2 }
        };
        assert_eq!((0..4).filter(takes).count(), 1, "{key}");
    }
}

/// What other POPs open with goes there as well, once it is needed; until then they have no part in the key.
#[test]
fn what_all_open_with_gets_to_where_it_is_asked_for() {
    for seed in seeds(&[1, 2, 3]) {
        let mut world = world(seed, 4);
        let (mut taken, began) = (0, world.now);
        let parts = |world: &World| (0..4).filter(|node| left(world, *node, 0) > 0).count();
        for step in 0..6_000 {
            taken += u64::from(take(&world, 0, 0));
            world.run(world.now.plus(10));
            assert!(step > 200 || parts(&world) <= 2, "seed {seed}: {} have a part after {step}", parts(&world));
        }
        let rest: u64 = (0..4).map(|node| left(&world, node, 0)).sum();
        println!("seed {seed}: {taken} of {QUOTA} taken in {} ms, {rest} left", world.now.since(began));
        assert!(taken >= QUOTA * 95 / 100 && taken + rest == QUOTA, "seed {seed}: {taken} and {rest}");
    }
}

/// A POP that lost its memory does not know what it opened with.
#[test]
fn what_a_pop_opened_with_is_there_once() {
    let mut world = world(3, 4);
    assert!((0..4).all(|node| take(&world, node, 0)));
    let (mut taken, mut crashed) = (4, world.now);
    for _ in 0..5 * QUOTA {
        world.run(world.now.plus(20));
        if world.now.since(crashed) > 10_000 {
            crashed = world.now;
            let node = world.rng.usize(..4);
            world.crash(node);
        }
        let node = world.rng.usize(..4);
        taken += u64::from(take(&world, node, 0));
    }
    assert!(taken <= QUOTA, "{taken}");
}

/// A quota that is lowered is heeded by all that minted, each by what it has of it.
#[test]
fn a_lower_quota_is_heeded_by_who_opened() {
    let world = world(2, 4);
    for quota in [1_000, 980, 640] {
        for node in &world.nodes {
            let (id, now) = (allotted(&node.store, &spec(), quota), world.now);
            let spent = node.store.spend(id, world.lasting_key(0), hour(now), u64::from(quota == 1_000), now);
            assert!(matches!(spent, Spent::Granted { .. }), "{quota}: {spent:?}");
        }
        let of =
            |store: &Store| store.rights_left(store.rights(&spec()).unwrap(), world.lasting_key(0), hour(world.now));
        assert_eq!(world.nodes.iter().map(|node| of(&node.store)).sum::<u64>(), quota - 4);
    }
}

/// Whoever is asked goes on with half of it.
#[test]
fn demand_that_hops_is_served() {
    for seed in seeds(&[1, 2, 3]) {
        let mut world = world(seed, 4);
        home(&world, 0);
        let (mut taken, mut asked) = (4, 4);
        // 900 of 1000, at another node every 5 s.
        for step in 0..900_usize {
            let node = step / 90 % 4;
            world.run(world.now.plus(55));
            asked += 1;
            taken += u64::from(take(&world, node, 0));
        }
        println!("seed {seed}: {taken} of {asked} served");
        assert!(taken * 100 >= asked * 95, "seed {seed}: {taken} of {asked}");
    }
}

/// What the last life had used nobody knows: the next one waits for the next epoch.
#[test]
fn a_home_that_begins_anew_mints_nothing_until_the_next_epoch() {
    let mut world = world(4, 3);
    let home = home(&world, 0);
    world.run(world.now.plus(100));
    world.crash(home);
    let _ = rights(&world.nodes[home].store);
    // The others have what they were given before, and no more.
    let had: u64 = (0..3).map(|node| left(&world, node, 0)).sum();
    let mut taken = 0;
    for _ in 0..QUOTA {
        world.run(world.now.plus(100));
        taken += (0..3).filter(|node| take(&world, *node, 0)).count() as u64;
    }
    assert!(taken <= had && had < QUOTA, "{taken} of {had}");
    // Once it has been there for long enough, and its peers have said that they have its roster, it is a home like any other.
    let next = hour(world.now).ends;
    assert!(next.since(world.now) > OVERLAP);
    world.run(next.plus(1));
    assert!((1..9).filter(|key| is_home(&world, home, *key)).count() > 0);
    assert!((1..9).all(|key| (0..3).filter(|node| is_home(&world, *node, key)).count() == 1));
}

/// A home that is cut off keeps what it has not given away; the others have what they were given.
#[test]
fn a_cut_divides_what_there_is() {
    let mut world = world(5, 3);
    let home = home(&world, 0);
    let node = (home + 1) % 3;
    for _ in 0..50 {
        take(&world, node, 0);
        world.run(world.now.plus(10));
    }
    (0..3).filter(|other| *other != home).for_each(|other| world.cut(home, other));
    world.run(world.now.plus(5_000));
    let before: u64 = (0..3).map(|node| left(&world, node, 0)).sum();
    let (mut here, mut there) = (0, 0);
    for _ in 0..QUOTA {
        here += u64::from(take(&world, home, 0));
        there += u64::from(take(&world, node, 0));
    }
    assert!(here > 0 && there > 0 && here + there <= before, "{here} and {there} of {before}");
}

pub(crate) fn head(at: Time) -> SnapshotHead {
    let (cluster, incarnation) = ("test".to_owned(), Incarnation(1));
    SnapshotHead { cluster, secret_id: 7, actor: actor(1), incarnation, at }
}

/// What a snapshot brings back is what another life had.
#[test]
fn a_snapshot_brings_no_rights_back() {
    let old = store();
    let (id, key, epoch) = (rights(&old), old.lasting_key(&[b"k"]), hour(START));
    old.spend(id, key, epoch, 300, START);
    let frames: Vec<_> = Snapshot::new(&old, head(START)).collect();
    let new = store_of(1, 1 << 17, 1, 10, 10);
    let id = rights(&new);
    let restored = new.restore(&frames[1], START);
    assert_eq!((restored.taken, restored.left), (1, 0));
    assert_eq!(new.rights_used(id, key, epoch, START), [(actor(1), Incarnation(1), 300)]);
    // Its incarnation says that it began long ago: only that another life minted holds it back.
    assert_eq!(new.spend(id, key, epoch, 1, START), Spent::Short { left: 0 });
    // An account of an epoch that is over for long, or ends too late, is none.
    let late = store_of(1, 2 << 17, 1, 10, 10);
    let _ = rights(&late);
    assert_eq!(late.restore(&frames[1], epoch.ends.plus(60_000)).left, 1);
    assert_eq!(late.restore(&frames[1], Time(epoch.ends.0 - EPOCH_LONGEST - 501)).left, 1);
}

/// What a voided life gave is taken back.
#[test]
fn what_a_voided_life_gave_is_gone() {
    let mut world = world(6, 2);
    let home = home(&world, 0);
    let node = 1 - home;
    for _ in 0..20 {
        take(&world, node, 0);
        world.run(world.now.plus(50));
    }
    assert!(left(&world, node, 0) > 0);
    let (actor, life) = world.author(home);
    world.nodes[node].store.set_voids(&[Void { actor, from: life, to: life }]);
    assert_eq!(left(&world, node, 0), 0);
    world.run(world.now.plus(5_000));
    assert_eq!(left(&world, node, 0), 0);
}

/// The oracle: of each key and epoch, all that was taken anywhere.
#[test]
fn whatever_happens_no_more_is_taken_than_there_is() {
    const KEYS: u16 = 6;
    const EPOCH: u64 = 20_000;
    const SMALL: u64 = 100;
    let begin = |store: &Store| {
        allotted(store, &spec(), SMALL);
    };
    for seed in seeds(&[1, 2, 3]) {
        let mut trouble = Trouble::new(seed, begin);
        let mut taken: BTreeMap<(u16, u64), u64> = BTreeMap::new();
        let (began, mut beyond) = (trouble.world.now, 0_u64);
        while trouble.world.now < began.plus(25 * 60_000) {
            trouble.suffer();
            let alive = trouble.alive();
            for _ in 0..if alive.is_empty() { 0 } else { 20 } {
                let world = &mut trouble.world;
                let (node, key) = (alive[world.rng.usize(..alive.len())], world.rng.u16(..KEYS));
                let (cost, now) = (world.rng.u64(1..6), world.clock(node));
                let (store, epoch) = (&world.nodes[node].store, Epoch::of(EPOCH, now));
                let (id, of) = (store.rights(&spec()).unwrap(), (key, epoch.ends.0));
                if let Spent::Granted { .. } = store.spend(id, world.lasting_key(key), epoch, cost, now) {
                    *taken.entry(of).or_default() += cost;
                    if world.rng.u8(..4) == 0 {
                        let actual = world.rng.u64(..8);
                        let settled = store.settle(id, world.lasting_key(key), epoch, (cost, actual), now);
                        let more = if let Settled::Beyond(more) = settled { more } else { 0 };
                        beyond += more;
                        *taken.entry(of).or_default() -= cost;
                        *taken.entry(of).or_default() += actual - more;
                    }
                }
                let taken = taken.get(&of).copied().unwrap_or(0);
                assert!(taken <= SMALL, "seed {seed}: {taken} of {SMALL} for {of:?} at {now}");
            }
            let pause = trouble.world.rng.u64(..2_000);
            trouble.world.run(trouble.world.now.plus(pause));
            let now = trouble.world.now;
            trouble.alive().iter().for_each(|node| trouble.world.nodes[*node].store.sweep(now));
        }
        let (sum, all) = (taken.values().sum::<u64>(), u64::from(KEYS) * SMALL * 25 * 60_000 / EPOCH);
        println!("seed {seed}: {sum} of {all} taken, {beyond} beyond by settling");
        assert!(sum > all / 20, "seed {seed}: hardly anything was taken");
    }
}
