//! A peer that neither reads nor writes.

use selvedge_state::Rung;

use crate::sim::{Tcp, World};
use crate::support::spec;

/// Keys whose changes fill what may wait for one peer.
const KEYS: u32 = 100_000;

/// Heartbeats once went on for a peer that takes nothing, 70 bytes a second.
#[test]
fn what_waits_for_it_does_not_grow() {
    let mut world = World::over_tcp_holding(1, 2, &[spec("t", Rung::S1, Rung::H1)], Tcp::WAN, KEYS as usize);
    world.run(world.now.plus(1_000));
    world.stop(1);
    let count = |world: &World, key: u32| {
        let of = &world.nodes[0];
        of.store.add(of.tables[0], of.store.key(&[&key.to_le_bytes()]), 1, world.now);
    };
    for key in 0..KEYS {
        count(&world, key);
        if key % 1_000 == 0 {
            world.run(world.now.plus(25));
        }
    }
    world.run(world.now.plus(10_000));
    let (process, sockets) = world.held_for(0, 1);
    assert!(process >= 512 * 1024 && sockets > 0, "{process} and {sockets} bytes: not full");
    world.run(world.now.plus(600_000));
    assert_eq!(world.held_for(0, 1), (process, sockets));
    // It goes on, and is heard and told everything.
    world.resume(1);
    world.run(world.now.plus(20_000));
    assert_eq!(world.nodes[0].store.peers(world.now).heard, 2);
    for key in (0..KEYS).step_by(997) {
        let says = |node: usize| {
            let of = &world.nodes[node];
            of.store.counts(of.tables[0], of.store.key(&[&key.to_le_bytes()]), world.now)
        };
        assert_eq!(says(1), says(0), "key {key}");
    }
}
