//! A node that has just started: until its peers have said what they know it is warming, and goes by its share.

use selvedge_state::{Rung, Standing, Time};

use crate::sim::{Network, World};
use crate::support::{START, replica, seeds, spec, store_of};

const QUICK: Network = Network { lost: 0, doubled: 0, delay: (20, 40) };

fn standing(world: &World, node: usize) -> (Standing, u16) {
    let peers = world.nodes[node].store.peers(world.clock(node));
    (peers.standing, peers.heard)
}

fn pass(world: &mut World, ms: u64) {
    let until = world.now.plus(ms);
    world.run(until);
}

#[test]
fn a_node_is_warm_when_each_peer_has_said_what_it_knows() {
    for seed in seeds(&[1, 2]) {
        let mut world = World::new(seed, 3, &[spec("limit", Rung::S1, Rung::M1)], QUICK);
        assert!((0..3).all(|node| standing(&world, node) == (Standing::Warming, 1)));
        pass(&mut world, 500);
        assert!((0..3).all(|node| standing(&world, node) == (Standing::Settled, 3)), "{:?}", standing(&world, 0));

        // So many keys that to say them takes a while.
        let keys: Vec<_> = (0..9_000_u16).map(|key| world.key(key)).collect();
        let (at, now) = (&world.nodes[0], world.now);
        keys.iter().for_each(|key| at.store.add(at.tables[0], *key, 1, now));
        pass(&mut world, 2_000);
        world.crash(2);
        let known = |world: &World| {
            keys.iter()
                .filter(|key| world.nodes[2].store.count(world.nodes[2].tables[0], **key, 60_000, world.now) > 0)
                .count()
        };
        let mut warming = 0;
        while standing(&world, 2).0 == Standing::Warming {
            assert!(standing(&world, 2).1 < 3 || known(&world) == keys.len(), "{} keys known", known(&world));
            pass(&mut world, 5);
            warming += 5;
        }
        assert_eq!((standing(&world, 2), known(&world)), ((Standing::Settled, 3), keys.len()));
        assert!((60..5_000).contains(&warming), "warm after {warming} ms");
        assert_eq!(standing(&world, 0), (Standing::Settled, 3), "those who were there are as they were");
    }
}

#[test]
fn a_peer_that_is_never_heard_keeps_nobody_from_getting_warm() {
    for seed in seeds(&[3]) {
        let mut world = World::new(seed, 3, &[spec("limit", Rung::S1, Rung::M1)], QUICK);
        world.cut(0, 2);
        world.cut(1, 2);
        pass(&mut world, 9_900);
        assert_eq!(standing(&world, 0), (Standing::Warming, 2));
        assert_eq!(standing(&world, 2), (Standing::Warming, 1), "and its share is its own alone");
        pass(&mut world, 200);
        assert_eq!((standing(&world, 0), standing(&world, 2)), ((Standing::Settled, 2), (Standing::Settled, 1)));
    }
}

#[test]
fn a_node_alone_has_nobody_to_wait_for() {
    let store = store_of(1, 1, 1, 10, 10);
    let alone = replica(1, 1, 1, 1, &store);
    assert_eq!((store.peers(START).standing, alone.poll_timeout()), (Standing::Settled, None));
}

/// After a cut the other side is relied on again when it has said what it counted meanwhile.
#[test]
fn a_peer_that_was_cut_off_is_relied_on_when_it_has_said_what_it_knows() {
    for seed in seeds(&[4]) {
        let mut world = World::new(seed, 2, &[spec("limit", Rung::S1, Rung::M1)], QUICK);
        pass(&mut world, 1_000);
        world.cut(0, 1);
        pass(&mut world, 4_000);
        assert_eq!((standing(&world, 0), standing(&world, 1)), ((Standing::Settled, 1), (Standing::Settled, 1)));
        let key = world.key(7);
        for node in [0, 1] {
            let (at, now): (_, Time) = (&world.nodes[node], world.now);
            at.store.add(at.tables[0], key, 5, now);
        }
        world.heal();
        while standing(&world, 0).1 < 2 {
            pass(&mut world, 10);
            assert!(world.now < START.plus(20_000), "heard again");
        }
        let at = &world.nodes[0];
        assert_eq!(at.store.count(at.tables[0], key, 60_000, world.now), 10);
    }
}
