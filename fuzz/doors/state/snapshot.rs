//! What stands in a snapshot file: frames that were written by anybody. Reading them is total, what is whole is taken within the
//! bounds, and what a node then writes itself is whole.

use selvedge_state::{Incarnation, Reading, Snapshot, SnapshotHead, Store, Time};

use super::node::{KEYS_MAX, Node, START, actor, node};

pub(crate) fn run(input: &[u8]) {
    let (frames, now) = (super::framed::frames(input), START.plus(1_000));
    let near = node(1);
    let whole = read(&frames);
    if let Ok(head) = &whole {
        // Whether it is this node's is for the caller to ask; either answer is fine here.
        let _ = head.check(&mine(now), None);
    }
    // Whoever skips the reading is no worse off than with a hostile peer.
    for frame in &frames {
        near.store.restore(frame, now);
    }
    bounded(&near, now);
    let again = written(&near.store, now);
    assert_eq!(read(&again), Ok(mine(now)), "what this node writes is whole");
    // And nothing is lost on the way.
    let far = node(1);
    for frame in &again {
        far.store.restore(frame, now);
    }
    assert_eq!(written(&far.store, now), again);
}

fn read(frames: &[Vec<u8>]) -> Result<SnapshotHead, String> {
    let mut reading = Reading::default();
    frames.iter().try_for_each(|frame| reading.frame(frame)).map_err(|error| error.to_string())?;
    reading.finish().map_err(|error| error.to_string())
}

fn mine(now: Time) -> SnapshotHead {
    SnapshotHead { cluster: "test".to_owned(), secret_id: 7, actor: actor(1), incarnation: Incarnation(1), at: now }
}

fn written(store: &Store, now: Time) -> Vec<Vec<u8>> {
    Snapshot::new(store, mine(now)).map(|frame| frame.to_vec()).collect()
}

fn bounded(node: &Node, now: Time) {
    assert!(node.store.keys(node.table) <= KEYS_MAX);
    assert!(node.store.uniques_keys(node.uniques) <= KEYS_MAX);
    assert!(node.store.bans(now).len() <= KEYS_MAX);
    assert!(node.store.list_entries(node.list, now).len() <= KEYS_MAX);
}
