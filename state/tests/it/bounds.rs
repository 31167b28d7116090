//! Every bound, hit.

use selvedge_state::{Bucket, Charge, FRAME_MAX, Input, LinkId, Output, PopId, Rung, TABLES_MAX, TableFull};

use crate::sim::{Network, World};
use crate::support::{START, replica, spec, store, store_of};

const NET: Network = Network { lost: 0, doubled: 0, delay: (10, 10) };

#[test]
fn tables() {
    let store = store_of(1, 1, 1, 1, 1);
    let spec = |n: usize| spec(&n.to_string(), Rung::S1, Rung::S1);
    let ids: Vec<_> = (0..TABLES_MAX).map(|n| store.table(&spec(n)).unwrap()).collect();
    assert_eq!(store.table(&spec(TABLES_MAX)), Err(TableFull));
    // Those that are there still are.
    assert_eq!(store.table(&spec(17)), Ok(ids[17]));
}

#[test]
fn a_table_is_its_name_shape_rungs_and_reach() {
    let store = store();
    let one = spec("a", Rung::S1, Rung::M1);
    let id = store.table(&one).unwrap();
    assert_eq!(store.table(&one), Ok(id));
    for other in [
        selvedge_state::TableSpec { shape: "client.net".to_owned(), ..one.clone() },
        selvedge_state::TableSpec { fine: Rung::Ms100, ..one.clone() },
        selvedge_state::TableSpec { coarse: Rung::H1, ..one.clone() },
        selvedge_state::TableSpec { replicated: false, ..one.clone() },
    ] {
        assert_ne!(store.table(&other), Ok(id));
    }
}

#[test]
fn keys_the_least_recently_charged_gives_way() {
    let store = store_of(1, 1, 1, 4, 1);
    let table = store.table(&spec("t", Rung::Ms100, Rung::M1)).unwrap();
    let key = |n: u8| store.key(&[&[n]]);
    for n in 0..4 {
        store.add(table, key(n), 1, START.plus(u64::from(n) * 100));
    }
    // The oldest is touched again; then the second oldest goes.
    store.add(table, key(0), 1, START.plus(400));
    store.add(table, key(9), 1, START.plus(500));
    assert_eq!(store.keys(table), 4);
    let counts: Vec<u64> = [0, 1, 2, 3, 9].map(|n| store.count(table, key(n), 60_000, START.plus(500))).to_vec();
    assert_eq!(counts, [2, 0, 1, 1, 1]);
    // What expired goes before what is only old.
    let later = START.plus(8 * 60_000);
    store.add(table, key(0), 1, later);
    store.add(table, key(10), 1, later);
    assert_eq!((store.keys(table), store.count(table, key(0), 1_000, later)), (4, 1));
}

#[test]
fn keys_that_wait_to_be_sent_stay() {
    let store = store_of(1, 1, 2, 3, 1);
    let table = store.table(&spec("t", Rung::Ms100, Rung::M1)).unwrap();
    let bucket = Bucket::new(0.1, 5.0);
    let charge = |n: u8| store.charge(table, store.key(&[&[n]]), &bucket, 1, START);
    assert!((0..3).all(|n| matches!(charge(n), Charge::Admitted { .. })));
    assert_eq!(charge(3), Charge::Full);
    store.add(table, store.key(&[&[3]]), 1, START);
    assert_eq!(store.count(table, store.key(&[&[3]]), 60_000, START), 0);
    // Once they are sent there is room.
    let mut replica = replica(1, 1, 1, 2, &store);
    replica.handle(Input::Dirty, START);
    assert!(matches!(charge(3), Charge::Admitted { .. }));
}

/// Threads that charge more keys than fit, while the replica takes what changed and expired keys are swept.
#[test]
fn a_full_table_under_many_threads() {
    let max = 500;
    let store = store_of(1, 1, 2, max, 1);
    let table = store.table(&spec("t", Rung::Ms10, Rung::Ms100)).unwrap();
    let bucket = Bucket::new(0.1, 5.0);
    let mut replica = replica(1, 1, 1, 2, &store);
    let work = |seed: u64| {
        let store = &store;
        move || {
            let mut rng = fastrand::Rng::with_seed(seed);
            for step in 0..20_000_u64 {
                let (key, now) = (store.key(&[&rng.u16(..2_000).to_le_bytes()]), START.plus(step / 10));
                match rng.u8(..4) {
                    0 => store.add(table, key, 1, now),
                    1 => store.sweep(now),
                    _ => drop(store.charge(table, key, &bucket, 1, now)),
                }
                assert!(store.keys(table) <= max);
            }
        }
    };
    std::thread::scope(|scope| {
        (1..=4).for_each(|seed| drop(scope.spawn(work(seed))));
        for step in 0..200 {
            replica.handle(Input::Dirty, START.plus(step * 10));
        }
    });
    // The number of keys was kept right: it is 0 when all are gone.
    assert!(store.keys(table) > 0);
    (0..16).for_each(|_| store.sweep(START.plus(3_600_000)));
    assert_eq!(store.keys(table), 0);
}

#[test]
fn a_local_table_goes_nowhere() {
    let local = selvedge_state::TableSpec { replicated: false, ..spec("t", Rung::S1, Rung::M1) };
    let mut world = World::new(1, 2, &[local], NET);
    world.run(world.now.plus(500));
    let (of, key) = (&world.nodes[0], world.key(1));
    of.store.add(of.tables[0], key, 1, world.now);
    world.run(world.now.plus(5_000));
    assert_eq!(world.nodes[1].store.keys(world.nodes[1].tables[0]), 0);
}

/// A link that takes nothing: what waits for it stays bounded, the others go on, and it catches up with what is then true.
#[test]
fn a_link_that_does_not_move() {
    let store = store_of(1, 1, 2, 100_000, 1);
    let table = store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    let (mut near, far_store) = (replica(1, 1, 1, 2, &store), store_of(2, 1, 2, 100_000, 1));
    far_store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    let mut far = replica(2, 1, 2, 2, &far_store);
    let link = selvedge_state::LinkId(1);
    near.handle(Input::Connected { link, peer: PopId(2) }, START);
    far.handle(Input::Connected { link, peer: PopId(1) }, START);
    let mut now = START;
    let mut stuck = Vec::new();
    let mut peak = 0;
    for round in 0..200_u32 {
        for n in 0..2_000_u32 {
            store.add(table, store.key(&[&(n + round * 200).to_le_bytes()]), 1, now);
        }
        near.handle(Input::Dirty, now);
        while let Some(output) = near.poll_output() {
            if let Output::Send { frame, .. } = output {
                stuck.push(frame);
            }
        }
        far.handle(Input::Timeout, now);
        while let Some(output) = far.poll_output() {
            if let Output::Send { frame, .. } = output {
                near.handle(Input::Frame { link, bytes: frame }, now);
            }
        }
        let waiting: usize = stuck.iter().map(|frame| frame.len()).sum();
        peak = peak.max(waiting);
        now = now.plus(25);
    }
    // Deltas and repair have a window of 512 KiB each at most; heartbeats are small.
    assert!(peak <= 1024 * 1024 + 2 * FRAME_MAX, "{peak} bytes wait");
    // It moves again.
    for _ in 0..400 {
        for frame in std::mem::take(&mut stuck) {
            near.handle(Input::Sent { link, bytes: frame.len() }, now);
            far.handle(Input::Frame { link, bytes: frame }, now);
        }
        near.handle(Input::Timeout, now);
        while let Some(output) = near.poll_output() {
            if let Output::Send { frame, .. } = output {
                assert!(frame.len() <= FRAME_MAX);
                stuck.push(frame);
            }
        }
        far.handle(Input::Timeout, now);
        while let Some(output) = far.poll_output() {
            if let Output::Send { frame, .. } = output {
                near.handle(Input::Frame { link, bytes: frame }, now);
            }
        }
        now = now.plus(10);
    }
    assert_eq!(near.status(now).peers[0].behind, 0);
    let table_there = far_store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    for n in (0..41_800_u32).step_by(97) {
        let key = store.key(&[&n.to_le_bytes()]);
        assert_eq!(far_store.counts(table_there, key, now), store.counts(table, key, now), "{n}");
    }
}

/// Loss on the way of many changes is made up by their acknowledgements: in the end nothing waits for one.
#[test]
fn losses_are_made_up_soon() {
    losses_are_made_up(9, 3_000);
    (1..=20).for_each(|seed| losses_are_made_up(seed, 5_000));
}

fn losses_are_made_up(seed: u64, within: u64) {
    let lossy = Network { lost: 30, doubled: 10, delay: (10, 60) };
    let mut world = World::new(seed, 2, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.run(world.now.plus(500));
    world.network = lossy;
    let keys = 9_000_u16;
    for key in 0..keys {
        let of = &world.nodes[0];
        of.store.add(of.tables[0], world.key(key), u32::from(key) + 1, world.now);
        if key % 100 == 0 {
            world.run(world.now.plus(5));
        }
    }
    world.run(world.now.plus(within));
    let (near, far) = (&world.nodes[0], &world.nodes[1]);
    assert_eq!(near.replica.status(world.now).peers[0].behind, 0, "seed {seed}");
    for key in (0..keys).map(|key| world.key(key)) {
        let said = far.store.counts(far.tables[0], key, world.now);
        assert_eq!(said, near.store.counts(near.tables[0], key, world.now), "seed {seed}");
    }
}

/// One tick is encoded once: every peer gets the same bytes, not a copy.
#[test]
fn peers_share_one_frame() {
    let store = store_of(1, 1, 5, 100, 1);
    let table = store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    let mut near = replica(1, 1, 1, 5, &store);
    for pop in 2..=5_u16 {
        let link = selvedge_state::LinkId(u64::from(pop));
        let mut far = replica(pop, 1, 9, 5, &store_of(pop, 1, 5, 1, 1));
        far.handle(Input::Connected { link, peer: PopId(1) }, START);
        near.handle(Input::Connected { link, peer: PopId(pop) }, START);
        while let Some(output) = far.poll_output() {
            if let Output::Send { frame, .. } = output {
                near.handle(Input::Frame { link, bytes: frame }, START);
            }
        }
    }
    while near.poll_output().is_some() {}
    let now = START.plus(100);
    store.add(table, store.key(&[b"k"]), 1, now);
    near.handle(Input::Dirty, now);
    let mut frames = Vec::new();
    while let Some(output) = near.poll_output() {
        if let Output::Send { frame, .. } = output {
            frames.push(frame);
        }
    }
    assert_eq!(frames.len(), 4);
    assert!(frames.iter().all(|frame| frame.as_ptr() == frames[0].as_ptr()));
}

/// After a silence a change leaves at once; in a storm it waits for the tick.
#[test]
fn ticks() {
    let mut world = World::new(4, 2, &[spec("t", Rung::S1, Rung::H1)], NET);
    world.run(world.now.plus(500));
    let count = |world: &World, node: usize| {
        let of = &world.nodes[node];
        of.store.count(of.tables[0], world.key(1), 1_000_000, world.now)
    };
    let add = |world: &World| {
        let of = &world.nodes[0];
        of.store.add(of.tables[0], world.key(1), 1, world.now);
    };
    let start = world.now;
    add(&world);
    world.run(start.plus(2));
    add(&world);
    world.run(start.plus(10));
    assert_eq!(count(&world, 1), 1, "the first one left at once");
    world.run(start.plus(29));
    assert_eq!(count(&world, 1), 1, "the second one waits for the tick, which comes after 20 to 25 ms");
    world.run(start.plus(35));
    assert_eq!(count(&world, 1), 2);
}

/// While most links are congested, changes gather for a round trip instead of a tick, so that fewer frames say more.
#[test]
fn a_congested_network_gets_fewer_frames() {
    let frames = |stuck: bool| {
        let (store, far) = (store_of(1, 1, 2, 10_000, 100), store_of(2, 1, 2, 10_000, 100));
        let (mut near, mut peer) = (replica(1, 1, 1, 2, &store), replica(2, 1, 1, 2, &far));
        let (table, link, mut now) = (store.table(&spec("t", Rung::S1, Rung::H1)).unwrap(), LinkId(1), START);
        near.handle(Input::Connected { link, peer: PopId(2) }, now);
        peer.handle(Input::Connected { link, peer: PopId(1) }, now);
        let (mut ways, mut deltas) = (std::collections::VecDeque::new(), 0);
        for step in 0..2_000_u64 {
            store.add(table, store.key(&[&(step % 4_000).to_le_bytes()]), 1, now);
            near.handle(if step % 10 == 0 { Input::Dirty } else { Input::Timeout }, now);
            while let Some(output) = near.poll_output() {
                if let Output::Send { frame, .. } = output {
                    deltas += u64::from(step > 1_000 && frame[0] == 2);
                    // What does not leave stays on the way out: here most of a window, for the second half of the time.
                    if !stuck || step < 1_000 {
                        near.handle(Input::Sent { link, bytes: frame.len() }, now);
                    }
                    ways.push_back((now.plus(100), true, frame));
                }
            }
            peer.handle(Input::Timeout, now);
            while let Some(output) = peer.poll_output() {
                if let Output::Send { frame, .. } = output {
                    ways.push_back((now.plus(100), false, frame));
                }
            }
            while ways.front().is_some_and(|(at, ..)| *at <= now) {
                let Some((_, out, bytes)) = ways.pop_front() else { break };
                let to = if out { &mut peer } else { &mut near };
                to.handle(Input::Frame { link, bytes }, now);
            }
            now = now.plus(1);
            if stuck && step == 1_000 {
                // As much as a congested link holds back.
                let filler = u32::try_from(step).unwrap();
                (0..9_000).for_each(|n| store.add(table, store.key(&[b"fill", &(filler + n).to_le_bytes()]), 1, now));
            }
        }
        deltas
    };
    let (free, stuck) = (frames(false), frames(true));
    assert!((30..=60).contains(&free), "{free} frames in a second");
    assert!(stuck <= 15, "{stuck} frames in a second of congestion");
}
