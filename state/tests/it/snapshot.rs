//! What outlives a process: all that a node knew is there again, once, and what is torn or foreign is none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use selvedge_state::{
    Bucket, Charge, Incarnation, PopId, Reading, Restored, Rung, Snapshot, SnapshotError, SnapshotHead, Store, TableId,
    TableSpec, Time, UniquesId,
};

use crate::support::{START, actor, spec, store_of, uniques_spec};

const BUCKET: Bucket = Bucket::new(0.001, 5.0);

struct Node {
    store: Arc<Store>,
    shared: TableId,
    local: TableId,
    users: UniquesId,
}

impl Node {
    fn new(life: u64) -> Node {
        let store = store_of(1, life, 2, 100_000, 1_000);
        let local = TableSpec { replicated: false, ..spec("local", Rung::S1, Rung::M1) };
        Node {
            shared: store.table(&spec("shared", Rung::S1, Rung::M1)).unwrap(),
            local: store.table(&local).unwrap(),
            users: store.uniques(&uniques_spec(Rung::S10)).unwrap(),
            store,
        }
    }

    fn head(&self, life: u64, at: Time) -> SnapshotHead {
        SnapshotHead { cluster: "test".to_owned(), secret_id: 7, actor: actor(1), incarnation: Incarnation(life), at }
    }

    fn frames(&self, life: u64, at: Time) -> Vec<Bytes> {
        Snapshot::new(&self.store, self.head(life, at)).collect()
    }

    fn restore(&self, frames: &[Bytes], now: Time) -> Restored {
        let mut restored = Restored::default();
        frames.iter().for_each(|frame| restored.add(self.store.restore(frame, now)));
        restored
    }
}

fn read(frames: &[Bytes]) -> Result<SnapshotHead, SnapshotError> {
    let mut reading = Reading::default();
    frames.iter().try_for_each(|frame| reading.frame(frame))?;
    reading.finish()
}

fn window(node: &Node, table: TableId, key: &[u8], now: Time) -> u64 {
    node.store.count(table, node.store.key(&[key]), 60_000, now)
}

/// What a bucket owes beyond what its cells tell is there again, once, less what has drained, and also in the life after the next one.
#[test]
fn what_a_bucket_owes_is_there_again() {
    let (old, mut now) = (Node::new(1), START);
    let key = old.store.key(&[b"k"]);
    let passes = |node: &Node, now: Time| {
        (0..20)
            .filter(|_| matches!(node.store.charge(node.shared, key, &BUCKET, 1, now), Charge::Admitted { .. }))
            .count()
    };
    // At its limit for longer than the slots reach.
    for _ in 0..1_200 {
        passes(&old, now);
        now = now.plus(500);
    }
    let mut frames = old.frames(1, now);
    for (life, wait) in [(2, 0), (3, 1_500), (4, 1_000)] {
        now = now.plus(wait);
        let new = Node::new(life);
        new.store.drains(new.shared, BUCKET.rate_per_ms);
        let level = |node: &Node| node.store.level(node.shared, key, &BUCKET, now);
        for _ in 0..2 {
            new.restore(&frames, now);
            let (had, has) = (level(&old), level(&new));
            assert!(has <= had && has > had - 1.1 * (life - 1) as f64, "life {life}: {has} of {had}");
        }
        frames = new.frames(life, now);
    }
    // When all has drained nothing of it is left.
    let late = Node::new(9);
    late.store.drains(late.shared, BUCKET.rate_per_ms);
    late.restore(&frames, now.plus(60_000));
    assert_eq!(passes(&late, now.plus(60_000)), 5);
}

#[test]
fn all_that_a_node_knew_is_there_again() {
    let old = Node::new(1);
    let list = old.store.list("blocked").unwrap();
    for n in 0..3_000_u32 {
        old.store.add(old.shared, old.store.key(&[&n.to_le_bytes()]), n + 1, START);
        old.store.add(old.local, old.store.key(&[&n.to_le_bytes()]), 2, START);
    }
    (0..200_u32).for_each(|n| old.store.observe(old.users, old.store.key(&[b"net"]), &n.to_le_bytes(), START));
    old.store.ban("192.0.2.9/32", START.plus(600_000), 2, "limit:login", START).unwrap();
    old.store.list_set(list, "198.51.100.7/32", true, START.plus(600_000), START).unwrap();
    let later = START.plus(1_000);
    let frames = old.frames(1, later);
    assert_eq!(read(&frames).unwrap(), old.head(1, later));

    let new = Node::new(2);
    let restored = new.restore(&frames, later);
    assert_eq!((restored.left, new.restore(&frames, later)), (0, restored), "to read it twice changes nothing");
    for n in [0, 7, 2_999_u32] {
        assert_eq!(window(&new, new.shared, &n.to_le_bytes(), later), u64::from(n) + 1);
        assert_eq!(window(&new, new.local, &n.to_le_bytes(), later), 2);
    }
    let rows = new.store.counts(new.shared, new.store.key(&[&7_u32.to_le_bytes()]), later);
    assert_eq!(rows, [(actor(1), Incarnation(1), 8)], "rows of the life that counted them");
    let users = old.store.distinct(old.users, old.store.key(&[b"net"]), 60_000, later);
    assert_eq!(new.store.distinct(new.users, new.store.key(&[b"net"]), 60_000, later), users);
    let ban = new.store.banned("192.0.2.9/32", later).unwrap();
    assert_eq!((&*ban.reason, ban.level, ban.made_at), ("limit:login", 2, START));
    let list = new.store.list("blocked").unwrap();
    assert_eq!(new.store.listed(list, "198.51.100.7/32", later), Some(true));
}

/// Peers may know of a life greater than the writer's: the wall clock went back, and the snapshot of before was lost.
#[test]
fn the_greatest_life_that_counted_is_seen() {
    let seen = |node: &Node| {
        let mut reading = Reading::default();
        node.frames(1, START).iter().for_each(|frame| reading.frame(frame).unwrap());
        (reading.seen(), reading.finish().unwrap().incarnation)
    };
    let greater = Node::new(9 << 16);
    greater.store.add(greater.shared, greater.store.key(&[b"k"]), 1, START);
    let node = Node::new(1);
    assert_eq!(seen(&node), (None, Incarnation(1)));
    node.store.add(node.shared, node.store.key(&[b"k"]), 1, START);
    assert_eq!(seen(&node), (Some(Incarnation(1)), Incarnation(1)));
    node.restore(&greater.frames(9 << 16, START), START);
    assert_eq!(seen(&node), (Some(Incarnation(9 << 16)), Incarnation(1)));
}

#[test]
fn a_limit_that_was_exhausted_is_so_after_a_restart_and_drains_as_before() {
    let old = Node::new(1);
    let key = old.store.key(&[b"client"]);
    while matches!(old.store.charge(old.shared, key, &BUCKET, 1, START), Charge::Admitted { .. }) {}
    let frames = old.frames(1, START);
    let new = Node::new(2);
    new.restore(&frames, START.plus(2_000));
    assert!(matches!(new.store.charge(new.shared, key, &BUCKET, 1, START.plus(500)), Charge::Refused { .. }));
    assert!(matches!(new.store.charge(new.shared, key, &BUCKET, 1, START.plus(2_000)), Charge::Admitted { .. }));
}

#[test]
fn what_is_over_stays_over() {
    let old = Node::new(1);
    old.store.add(old.shared, old.store.key(&[b"k"]), 9, START);
    old.store.ban("192.0.2.9/32", START.plus(1_000), 0, "short", START).unwrap();
    let frames = old.frames(1, START);
    let (new, later) = (Node::new(2), START.plus(10 * 60_000));
    let restored = new.restore(&frames, later);
    assert_eq!((restored.left > 0, window(&new, new.shared, b"k", later), new.store.keys(new.shared)), (true, 0, 0));
    assert_eq!(new.store.banned("192.0.2.9/32", later), None);
}

#[test]
fn what_nothing_counts_in_any_more_is_left() {
    let old = Node::new(1);
    let gone = old.store.table(&spec("gone", Rung::S1, Rung::M1)).unwrap();
    old.store.add(gone, old.store.key(&[b"k"]), 9, START);
    assert_eq!(Node::new(2).restore(&old.frames(1, START), START), Restored { taken: 0, left: 1 });
}

#[test]
fn a_torn_one_and_one_with_a_hole_are_none() {
    let old = Node::new(1);
    (0..9_000_u32).for_each(|n| old.store.add(old.shared, old.store.key(&[&n.to_le_bytes()]), 1, START));
    let frames = old.frames(1, START);
    assert!(frames.len() > 4, "{}", frames.len());
    let states = frames.len() as u64 - 2;
    for cut in 0..frames.len() {
        let torn = SnapshotError::Torn { frames: (cut as u64).saturating_sub(1) };
        assert_eq!(read(&frames[..cut]), Err(torn));
    }
    let without = |gone: usize| [&frames[..gone], &frames[gone + 1..]].concat();
    assert_eq!(read(&without(0)), Err(SnapshotError::Order));
    assert_eq!(read(&without(2)), Err(SnapshotError::Incomplete { says: states, has: states - 1 }));
    assert_eq!(read(&[frames.clone(), frames.clone()].concat()), Err(SnapshotError::Order));
}

#[test]
fn a_foreign_one_is_refused_by_name() {
    let node = Node::new(1);
    let mine = node.head(1, START);
    let refused = |change: fn(&mut SnapshotHead)| {
        let mut theirs = mine.clone();
        change(&mut theirs);
        theirs.check(&mine, None).unwrap_err().to_string()
    };
    assert_eq!(mine.check(&node.head(9, START.plus(5)), None), Ok(()), "another life of the same node");
    assert_eq!(
        refused(|head| head.cluster = "other".to_owned()),
        "it belongs to cluster \"other\", this node to \"test\""
    );
    assert_eq!(
        refused(|head| head.secret_id = 8),
        "its keys are hashed with the secret 0000000000000008, this node's with 0000000000000007"
    );
    let former = SnapshotHead { secret_id: 8, ..mine.clone() };
    assert_eq!(former.check(&mine, Some(8)), Ok(()), "of the secret that is known beside");
    assert!(matches!(former.check(&mine, Some(9)), Err(SnapshotError::OtherSecret { theirs: 8, ours: 7 })));
    assert_eq!(refused(|head| head.actor.pop = PopId(2)), "it was written by 2/0, this node is 1/0");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Any bytes give an error or a snapshot, and a flipped bit is never one.
    #[test]
    fn any_damage_is_seen(at in any::<prop::sample::Index>(), bit in 0..8_u32, frame in any::<prop::sample::Index>()) {
        let old = Node::new(1);
        (0..50_u32).for_each(|n| old.store.add(old.shared, old.store.key(&[&n.to_le_bytes()]), n + 1, START));
        let mut frames: Vec<Vec<u8>> = old.frames(1, START).iter().map(|frame| frame.to_vec()).collect();
        let spoilt = frame.index(frames.len());
        let at = at.index(frames[spoilt].len());
        frames[spoilt][at] ^= 1 << bit;
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        prop_assert!(read(&frames).is_err());
        let _ = Node::new(2).restore(&frames, START.plus(Duration::from_secs(1).as_millis() as u64));
    }
}
