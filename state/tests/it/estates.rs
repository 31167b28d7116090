//! What a life leaves of quotas to the next one of its node: all of it where it ends in order, once; nothing where it dies.

use std::collections::BTreeMap;

use bytes::Bytes;
use selvedge_state::{
    EPOCH_LONGEST, Epoch, Estate, Incarnation, Inheritance, LedgerSpec, Settled, Snapshot, SnapshotHead, Spent,
    Standing, Store, StoreBounds, StoreConfig, Time, Void,
};

use crate::rights::{QUOTA, head, home, hour, is_home, left, rights, take, world};
use crate::sim::World;
use crate::support::{SECRET, START, actor, seeds, store, store_of};

fn restore(store: &Store, frames: &[Bytes], now: Time) {
    for frame in frames {
        let _ = store.restore(frame, now);
    }
}

/// Who goes on from a life that ended in order opens quotas at once, whoever is away. Who founds a cluster waits for what others say, and a clock
/// that is wrong opens nothing.
#[test]
fn an_heir_opens_quotas_before_it_has_heard_its_peers() {
    let mut world = world(7, 3);
    let begin = |store: &Store| {
        let _ = rights(store);
    };
    let (frames, estate) = world.end_in_order(0);
    world.crash(0);
    assert_eq!(world.go_on(0, begin, (&frames, estate)), Inheritance::default());
    let standing = |world: &World, stands: Standing| {
        assert_eq!(world.nodes[0].store.peers(world.clock(0)).standing, stands);
    };
    standing(&world, Standing::Warming);
    assert!((0..20).all(|key| take(&world, 0, key)));
    world.nodes[0].store.set_standing(Standing::Clock);
    assert!(!(20..40).any(|key| take(&world, 0, key)));
    // Each part is minted once all the same.
    world.run(world.now.plus(2_000));
    standing(&world, Standing::Settled);
    let all = |key: u16| (0..3).map(|node| u64::from(take(&world, node, key)) + left(&world, node, key)).sum::<u64>();
    assert!((1..20).all(|key| all(key) == QUOTA - 1));
    world.crash(0);
    world.go_on(0, begin, (&[], Estate::of_founder(world.now)));
    standing(&world, Standing::Warming);
    assert!(!(40..60).any(|key| take(&world, 0, key)));
}

/// A quota outlives a restart in order: what was left is there again, once, and keys that nobody asked for yet are minted.
#[test]
fn a_restart_in_order_loses_nothing() {
    for seed in seeds(&[1, 2, 3]) {
        let mut world = world(seed, 3);
        let begin = |store: &Store| {
            let _ = rights(store);
        };
        let home = home(&world, 0);
        let node = (home + 1) % 3;
        let mut taken = 3;
        for round in 0..4 {
            for _ in 0..40 {
                taken += u64::from(take(&world, home, 0)) + u64::from(take(&world, node, 0));
                world.run(world.now.plus(50));
            }
            // The home and another one, in turns.
            let who = if round % 2 == 0 { home } else { node };
            world.run(world.now.plus(2_000));
            let before: u64 = (0..3).map(|node| left(&world, node, 0)).sum();
            let had = left(&world, who, 0);
            assert_eq!(world.restart_in_order(who, begin), Inheritance { keys: 1, left: had });
            let after: u64 = (0..3).map(|node| left(&world, node, 0)).sum();
            assert_eq!((after, taken + after), (before, QUOTA), "seed {seed}");
            world.run(world.now.plus(1_000));
        }
        // Of each key one POP is the home, whichever began anew.
        let homes = |key: u16| (0..3).filter(|node| is_home(&world, *node, key)).collect::<Vec<_>>();
        let homes: Vec<Vec<usize>> = (1..20).map(homes).collect();
        assert!(homes.iter().all(|homes| homes.len() == 1) && homes.contains(&vec![home]), "{homes:?}");
        // All know the same of the lives that ended.
        world.run(world.now.plus(20_000));
        let used = |node: usize| {
            let store = &world.nodes[node].store;
            store.rights_used(rights(store), world.lasting_key(0), hour(world.now), world.now)
        };
        assert!(used(0) == used(1) && used(1) == used(2), "seed {seed}");
        assert_eq!(used(0).iter().map(|(_, _, used)| used).sum::<u64>(), taken);
    }
}

/// An epoch that begins while the node is down, or has just come up, is minted by it all the same.
#[test]
fn an_epoch_that_begins_at_a_restart_is_minted() {
    let mut world = world(7, 3);
    let begin = |store: &Store| {
        let _ = rights(store);
    };
    let (node, key) = (home(&world, 0), 0);
    let (frames, estate) = world.end_in_order(node);
    world.stop(node);
    world.run(hour(world.now).ends.plus(60_000));
    world.resume(node);
    world.crash(node);
    assert_eq!(world.go_on(node, begin, (&frames, estate)), Inheritance { keys: 0, left: 0 }, "that epoch is over");
    world.run(world.now.plus(1_000));
    let homes = |key: u16| (0..3).filter(|node| is_home(&world, *node, key)).collect::<Vec<_>>();
    let minted: Vec<Vec<usize>> = (key..20).map(homes).collect();
    assert!(minted.iter().all(|homes| homes.len() == 1) && minted.contains(&vec![node]), "{minted:?}");
}

/// Where the roster changed while a node was down, nobody knows what was minted by which meanwhile.
#[test]
fn another_roster_than_the_one_before_vouches_for_nothing() {
    let mut world = world(8, 3);
    let begin = |store: &Store| {
        let _ = rights(store);
    };
    let node = home(&world, 0);
    let (frames, estate) = world.end_in_order(node);
    world.begin_with(3, &[1, 2, 3]);
    let next = hour(world.now).ends;
    world.run(next.plus(1));
    world.crash(node);
    world.go_on(node, begin, (&frames, estate));
    world.run(world.now.plus(1_000));
    assert!((0..20).all(|key| !take(&world, node, key)));
    // What began before it ended it may still mint.
    let before = hour(next.minus(1));
    assert_eq!(before.ends, next);
}

/// What another life has, or nobody, is not inherited; and a life that ended gives nothing any more.
#[test]
fn an_estate_goes_to_the_heir_alone() {
    let (old, other, now) = (store(), store_of(1, 1 << 17, 1, 10, 10), START);
    let (id, key, epoch) = (rights(&old), old.lasting_key(&[b"k"]), hour(START));
    assert_eq!(old.estate(now), None, "it goes on");
    assert_eq!(old.spend(id, key, epoch, 300, now), Spent::Granted { left: 700 });
    old.close_rights(Some(Incarnation(START.0 << 16)), now);
    assert_eq!(old.spend(id, key, epoch, 1, now), Spent::Short { left: 0 });
    assert_eq!(old.spend(id, old.lasting_key(&[b"l"]), epoch, 1, now), Spent::Short { left: 0 });
    // What comes back is the heir's, too.
    assert_eq!(old.settle(id, key, epoch, (100, 50), now), Settled::Within { left: 50 });
    let (estate, frames) = (old.estate(now).unwrap(), Snapshot::new(&old, head(now)).collect::<Vec<_>>());
    let take_over = |new: &Store| {
        let id = rights(new);
        restore(new, &frames, now);
        (new.inherit(estate.clone(), now), new.spend(id, key, epoch, 1, now))
    };
    assert_eq!(take_over(&other), (Inheritance::default(), Spent::Short { left: 0 }));
    let heir = store_of(1, START.0 << 16, 1, 10, 10);
    let inherited = Inheritance { keys: 1, left: 750 };
    assert_eq!(take_over(&heir), (inherited, Spent::Granted { left: 749 }));
    // To hear it again changes nothing.
    assert_eq!(take_over(&heir).1, Spent::Granted { left: 748 });
    let voided = store_of(1, START.0 << 16, 1, 10, 10);
    let life = Incarnation(1);
    voided.set_voids(&[Void { actor: actor(1), from: life, to: life }]);
    assert_eq!(take_over(&voided), (Inheritance::default(), Spent::Short { left: 0 }));
}

#[test]
fn an_estate_is_what_was_written() {
    let (old, now) = (store(), START.plus(7));
    old.close_rights(None, now);
    assert_eq!(old.settle(rights(&old), old.lasting_key(&[b"k"]), hour(now), (1, 0), now), Settled::OutOfTime);
    let estate = old.estate(now).unwrap();
    let bytes = estate.encode().unwrap();
    assert_eq!(Estate::decode(&bytes), Some(estate.clone()));
    assert!((0..bytes.len()).all(|end| Estate::decode(&bytes[..end]).is_none()));
    let turned = |at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        Estate::decode(&bytes)
    };
    assert!((0..bytes.len()).all(|at| turned(at).is_none()));
    assert!(estate.goes_with(&head(now)) && !estate.goes_with(&head(START)));
    assert!(!estate.goes_with(&SnapshotHead { incarnation: Incarnation(2), ..head(now) }));
    assert_eq!(Estate::of_one_alone(Some(Incarnation(1))).encode(), None, "it is read from the snapshot each time");
}

/// A POP that stands alone goes on from whatever it wrote down last.
#[test]
fn a_pop_alone_goes_on_from_any_snapshot() {
    let (old, now) = (store(), START);
    let (id, epoch) = (rights(&old), hour(START));
    let key = |name: &[u8]| old.lasting_key(&[name]);
    old.spend(id, key(b"k"), epoch, 300, now);
    let frames: Vec<_> = Snapshot::new(&old, head(now)).collect();
    // What was used since then may be used once more.
    old.spend(id, key(b"k"), epoch, 100, now);
    let begin = |life: u64, frames: &[Bytes], before: Option<u64>| {
        let new = store_of(1, life, 1, 10, 10);
        let _ = rights(&new);
        restore(&new, frames, now);
        let inherited = new.inherit(Estate::of_one_alone(before.map(Incarnation)), now);
        (new, inherited)
    };
    // A life that began just now.
    let life = START.0 << 16;
    let (new, inherited) = begin(life, &frames, Some(1));
    assert_eq!(inherited, Inheritance { keys: 1, left: 700 });
    assert_eq!(new.spend(id, key(b"k"), epoch, 200, now), Spent::Granted { left: 500 });
    assert_eq!(new.spend(id, key(b"new"), epoch, 1, now), Spent::Granted { left: QUOTA - 1 });
    let at = SnapshotHead { incarnation: Incarnation(life), ..head(now) };
    let frames: Vec<_> = Snapshot::new(&new, at).collect();
    let (next, inherited) = begin(life + (2 << 16), &frames, Some(life));
    assert_eq!(inherited, Inheritance { keys: 2, left: 500 + QUOTA - 1 });
    assert_eq!(next.spend(id, key(b"k"), epoch, 501, now), Spent::Short { left: 500 });
    // With nothing written down nothing is known.
    let (first, inherited) = begin(life, &[], None);
    assert_eq!(
        (inherited, first.spend(id, key(b"k"), epoch, 1, now)),
        (Inheritance::default(), Spent::Granted { left: QUOTA - 1 })
    );
}

/// Who has no room for all that a life claimed does not know what is new.
#[test]
fn a_table_that_left_something_out_mints_nothing_of_before() {
    let (old, now) = (store(), START);
    let (id, epoch) = (rights(&old), hour(START));
    let key = |n: u8| old.lasting_key(&[&[n]]);
    assert!((0..3).all(|n| old.spend(id, key(n), epoch, 100, now) == Spent::Granted { left: QUOTA - 100 }));
    old.close_rights(None, now);
    let (estate, frames) = (old.estate(now).unwrap(), Snapshot::new(&old, head(now)).collect::<Vec<_>>());
    let (me, incarnation) = (actor(1), Incarnation(START.0 << 16));
    let small = |ledgers_max: usize| {
        let bounds = StoreBounds { ledgers_max, ..StoreBounds::default() };
        let config = StoreConfig {
            me,
            incarnation,
            cluster: "test".to_owned(),
            secret: SECRET,
            secret_beside: None,
            salt: 0,
            keys_max: 10,
            bans_max: 10,
            roster: 1,
        };
        let new = Store::with_bounds(config, bounds);
        let _ = rights(&new);
        restore(&new, &frames, now);
        let inherited = new.inherit(estate.clone(), now);
        // One of them is over soon enough for another key to find room.
        let new_one = (3..9).any(|n| matches!(new.spend(id, key(n), epoch, 1, now), Spent::Granted { .. }));
        (inherited.keys, new_one)
    };
    assert_eq!((small(2), small(9)), ((2, false), (3, true)));
}

/// A clock that was set back: what the life before did last is of the future and is not taken, so nobody knows that it is not new.
#[test]
fn what_was_not_taken_is_not_taken_for_new() {
    let (old, now, later) = (store(), START, START.plus(5_000));
    let (id, epoch) = (rights(&old), hour(START));
    let key = |n: u8| old.lasting_key(&[&[n]]);
    old.spend(id, key(1), epoch, 100, now);
    old.spend(id, key(2), epoch, 100, later);
    old.close_rights(None, later);
    let (estate, frames) = (old.estate(later).unwrap(), Snapshot::new(&old, head(later)).collect::<Vec<_>>());
    let begin = |now: Time| {
        let new = store_of(1, START.0 << 16, 1, 10, 10);
        let _ = rights(&new);
        restore(&new, &frames, now);
        let inherited = new.inherit(estate.clone(), now);
        (inherited.keys, [1, 2, 3].map(|n| matches!(new.spend(id, key(n), epoch, 1, now), Spent::Granted { .. })))
    };
    assert_eq!(begin(later), (2, [true, true, true]));
    assert_eq!(begin(now), (1, [true, false, false]));
}

/// A month is as long as an epoch may be; calendar months follow on each other from no round instant, and are settled for a minute.
#[test]
fn a_calendar_month() {
    const DAY: u64 = 86_400_000;
    let store = store();
    let (id, key) = (rights(&store), store.lasting_key(&[b"k"]));
    let days = [31, 28, 31, 30, 31];
    let begins = days.iter().scan(START.plus(12_345), |begins, days| {
        let epoch = Epoch { begins: *begins, ends: begins.plus(days * DAY) };
        *begins = epoch.ends;
        Some(epoch)
    });
    for epoch in begins {
        assert!(epoch.ends.since(epoch.begins) <= EPOCH_LONGEST);
        let (first, last) = (epoch.begins, epoch.ends.minus(1));
        assert_eq!(store.spend(id, key, epoch, 10, first), Spent::Granted { left: QUOTA - 10 });
        assert_eq!(store.spend(id, key, epoch, 5, last), Spent::Granted { left: QUOTA - 15 });
        (0..16).for_each(|_| store.sweep(epoch.ends.plus(59_999)));
        let settle = |now: Time| store.settle(id, key, epoch, (5, 7), now);
        assert_eq!(settle(epoch.ends.plus(59_999)), Settled::Within { left: QUOTA - 17 });
        (0..16).for_each(|_| store.sweep(epoch.ends.plus(60_000)));
        assert_eq!(settle(epoch.ends.plus(60_000)), Settled::OutOfTime);
    }
}

/// Two lives that end in order, with a table that is there, gone, or new in each: what was minted is minted once, and of what is new all is known.
#[test]
fn tables_that_come_and_go_are_minted_once() {
    let lives = |tables: [&[&str]; 3]| {
        let mut before: Option<(Vec<Bytes>, Estate)> = None;
        let mut granted = BTreeMap::<String, u64>::new();
        for (life, names) in (0_u64..).zip(tables) {
            // Each begins within the hour.
            let now = START.plus(life * 60_000);
            let store = store_of(1, if life == 0 { 1 } else { now.0 << 16 }, 1, 10, 10);
            let spec = |name: &str| LedgerSpec { uid: name.to_owned(), ..crate::rights::spec() };
            let rights = |name: &str| crate::rights::allotted(&store, &spec(name), QUOTA);
            // A name that is marked is in a config that is loaded later.
            names.iter().filter(|name| !name.ends_with('+')).for_each(|name| {
                rights(name);
            });
            if let Some((frames, estate)) = before.take() {
                restore(&store, &frames, now);
                store.inherit(estate, now);
            }
            for name in names {
                let name = name.trim_end_matches('+');
                let spent = store.spend(rights(name), store.lasting_key(&[b"k"]), hour(now), 400, now);
                if let Spent::Granted { .. } = spent {
                    *granted.entry(name.to_owned()).or_default() += 1;
                }
            }
            store.close_rights(None, now);
            let at = SnapshotHead { incarnation: Incarnation(if life == 0 { 1 } else { now.0 << 16 }), ..head(now) };
            before = Some((Snapshot::new(&store, at).collect::<Vec<_>>(), store.estate(now).unwrap()));
        }
        ["a", "b"].map(|name| granted.get(name).copied().unwrap_or(0))
    };
    // Of 1000 twice 400.
    assert_eq!(lives([&["a"], &["a"], &["a"]]), [2, 0]);
    // New in a config, at the start and later.
    assert_eq!(lives([&["a"], &["a", "b"], &["b"]]), [2, 2]);
    assert_eq!(lives([&["a"], &["a", "b+"], &["b"]]), [2, 2]);
    // What was there before and not told is not known.
    assert_eq!(lives([&["a"], &["a+"], &["a"]]), [1, 0]);
    assert_eq!(lives([&["a"], &["b"], &["a"]]), [1, 1]);
    assert_eq!(lives([&["a"], &["b"], &["a+"]]), [1, 1]);
    assert_eq!(lives([&["a", "b"], &["a"], &["b", "a"]]), [2, 1]);
}
