//! What a node poisoned, and how the roster takes it back.

use selvedge_state::{Event, Incarnation, Input, PopId, Reading, Rung, Snapshot, SnapshotHead, Time, Void};

use crate::sim::{Network, World};
use crate::support::{actor, replica, spec, store_of};

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 10) };

/// A life that began at an instant.
fn life(at: Time) -> u64 {
    at.0 << 16
}

/// Four nodes; the third one is hostile. Counts, a ban and an element of a list of its, and of the first one's.
fn poisoned() -> World {
    let mut world = World::new(3, 4, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.run(world.now.plus(500));
    for (node, n) in [(0, 5), (2, 1_000_000)] {
        let of = &world.nodes[node];
        of.store.add(of.tables[0], world.key(7), n, world.now);
        of.store.ban(&format!("192.0.2.{node}/32"), world.now.plus(600_000), 0, "test", world.now).unwrap();
        of.store.list_set(of.list, &format!("198.51.100.{node}"), true, world.now.plus(600_000), world.now).unwrap();
    }
    world.run(world.now.plus(500));
    assert_eq!(count(&world, 1), 1_000_005);
    world
}

fn count(world: &World, node: usize) -> u64 {
    let of = &world.nodes[node];
    of.store.count(of.tables[0], world.key(7), 3_600_000, world.now)
}

fn void(until: Time) -> Void {
    Void { actor: actor(3), from: Incarnation(1), to: Incarnation(life(until)) }
}

/// The roster that voids what the third one said until an instant; the store hears of the void first.
fn roster(world: &World, node: usize, until: Time) -> Input {
    let me = world.nodes[node].pop;
    let pops = (1..=4).filter(|pop| *pop != me).map(PopId).collect();
    world.nodes[node].store.set_voids(&[void(until)]);
    Input::Roster { revision: 2, pops }
}

/// Whether a node knows what the third one said, and what the first one said.
fn knows(world: &World, node: usize) -> (bool, bool) {
    let of = &world.nodes[node];
    let said = |by: usize| {
        let banned = of.store.banned(&format!("192.0.2.{by}/32"), world.now).is_some();
        let listed = of.store.listed(of.list, &format!("198.51.100.{by}"), world.now).is_some();
        assert_eq!(banned, listed);
        banned
    };
    (said(2), said(0))
}

#[test]
fn what_it_poisoned_is_as_if_it_had_never_been() {
    let mut world = poisoned();
    let until = world.now.plus(1);
    for node in [0, 1, 3] {
        let input = roster(&world, node, until);
        world.feed(node, input);
        assert_eq!((count(&world, node), knows(&world, node)), (5, (false, true)));
    }
    // It goes on, and its peers have repaired from it and from each other.
    let of = &world.nodes[2];
    of.store.add(of.tables[0], world.key(7), 9, world.now);
    world.run(world.now.plus(10_000));
    for node in [0, 1, 3] {
        assert_eq!((count(&world, node), knows(&world, node)), (5, (false, true)), "node {node}");
    }
    // The others compare as if nothing had happened; it hears that it has to start again.
    let input = roster(&world, 2, until);
    world.feed(2, input);
    assert!(world.nodes[2].events.iter().any(|event| matches!(event, Event::Void { .. })));
    assert!(world.nodes[2].store.is_void() && !world.nodes[0].store.is_void());
    // Its next life counts.
    world.run(world.now.plus(10));
    world.nodes[2].life = life(world.now);
    world.crash(2);
    let input = roster(&world, 2, until);
    world.feed(2, input);
    world.run(world.now.plus(500));
    let of = &world.nodes[2];
    assert!(!of.store.is_void());
    of.store.add(of.tables[0], world.key(7), 3, world.now);
    world.run(world.now.plus(500));
    assert!((0..4).all(|node| count(&world, node) == 8));
}

/// A node that slept with the roster of before brings nothing back, and comes clean when it hears of it.
#[test]
fn a_node_with_the_old_roster_brings_nothing_back() {
    let mut world = poisoned();
    let until = world.now.plus(1);
    for node in [0, 1] {
        let input = roster(&world, node, until);
        world.feed(node, input);
    }
    world.run(world.now.plus(20_000));
    assert_eq!((count(&world, 0), count(&world, 1), count(&world, 3)), (5, 5, 1_000_005));
    // Those that know better name it, once, and go on listening.
    for node in [0, 1] {
        let named =
            |event: &&Event| matches!(event, Event::VoidAuthor { pop: PopId(4), void } if void.actor == actor(3));
        assert_eq!(world.nodes[node].events.iter().filter(named).count(), 1, "node {node}");
        assert!(world.is_linked(node, 3));
        let status = world.nodes[node].replica.status(world.now);
        let peer = status.peers.iter().find(|peer| peer.actor == actor(4)).unwrap();
        assert!(peer.last_error.as_deref().is_some_and(|said| said.contains("which the roster voids")));
    }
    let input = roster(&world, 3, until);
    world.feed(3, input);
    assert_eq!((count(&world, 3), knows(&world, 3)), (5, (false, true)));
}

#[test]
fn a_snapshot_does_not_bring_it_back() {
    let world = poisoned();
    let of = &world.nodes[1];
    let head = SnapshotHead {
        cluster: "test".to_owned(),
        secret_id: 7,
        actor: actor(2),
        incarnation: Incarnation(1),
        at: world.now,
    };
    let frames: Vec<_> = Snapshot::new(&of.store, head).collect();
    let mut reading = Reading::default();
    frames.iter().for_each(|frame| reading.frame(frame).unwrap());
    reading.finish().unwrap();
    let store = store_of(2, life(world.now), 4, 10_000, 1_000);
    let table = store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    let mut replica = replica(2, life(world.now), 9, 4, &store);
    store.set_voids(&[void(world.now.plus(1))]);
    replica.handle(roster(&world, 1, world.now.plus(1)), world.now);
    frames.iter().for_each(|frame| {
        store.restore(frame, world.now);
    });
    assert_eq!(store.count(table, world.key(7), 3_600_000, world.now), 5);
    assert!(store.banned("192.0.2.2/32", world.now).is_none() && store.banned("192.0.2.0/32", world.now).is_some());
}

#[test]
fn a_roster_brings_pops_and_takes_them_away() {
    let mut world = poisoned();
    let pops = |pops: &[u16]| pops.iter().copied().map(PopId).collect();
    world.feed(0, Input::Roster { revision: 2, pops: pops(&[2, 4, 5]) });
    assert!(!world.is_linked(0, 2), "the third POP left");
    let status = world.nodes[0].replica.status(world.now);
    let actors: Vec<String> = status.peers.iter().map(|peer| peer.actor.to_string()).collect();
    assert_eq!(actors, ["2/0", "4/0", "5/0"]);
    let peers = world.nodes[0].store.peers(world.now);
    assert_eq!((peers.roster, peers.heard), (4, 3));
    assert_eq!(count(&world, 0), 1_000_005, "what it counted stays until its time is over");
    world.run(world.now.plus(100));
    let theirs = world.nodes[1].replica.status(world.now).peers[0].roster_revision;
    assert_eq!(theirs, Some(2), "the others hear of the revision");
}
