//! What a peer says: frames of all types, into a replica that has greeted it. Nothing it says may stop the node, break a rule of
//! the replica, change what the node counted itself, fill more memory than there is, or make the node say to others
//! what they cannot read.

use std::sync::OnceLock;

use bytes::Bytes;
use selvedge_state::{Event, Input, Output, Time};

use super::node::{KEYS_MAX, Node, OWN, START, node, sent, unbroken};

/// Who is spoken to, who speaks, and who hears of it.
const NEAR: u16 = 1;
const HOSTILE: u16 = 2;
const THIRD: u16 = 3;

/// Between two frames, ms.
const PAUSE: u64 = 20;

/// Rounds in which the third node hears what came of it.
const ROUNDS: u64 = 4;

/// What the hostile peer says first: an honest hello.
fn hello() -> &'static Bytes {
    static HELLO: OnceLock<Bytes> = OnceLock::new();
    HELLO.get_or_init(|| sent(&node(HOSTILE).connect(NEAR, START)).first().cloned().unwrap_or_default())
}

pub(crate) fn run(input: &[u8]) {
    let mut near = node(NEAR);
    near.store.add(near.table, near.own_key(), OWN as u32, START);
    near.connect(HOSTILE, START);
    near.hear(HOSTILE, hello(), START);
    let mut now = START;
    for frame in super::framed::frames(input) {
        unbroken(&near.hear(HOSTILE, &frame, now));
        now = now.plus(PAUSE);
        unbroken(&near.handle(Input::Timeout, now));
    }
    bounded(&near, now);
    // A full table forgets whole keys.
    let full = near.store.keys(near.table) == KEYS_MAX;
    assert!(full || near.own_count(NEAR, now) == OWN, "a peer changed what this node counted itself");
    if knows_more(&near, now) {
        hears(&mut near, now);
    }
}

fn bounded(node: &Node, now: Time) {
    assert!(node.store.keys(node.table) <= KEYS_MAX);
    assert!(node.store.uniques_keys(node.uniques) <= KEYS_MAX);
    assert!(node.store.bans(now).len() <= KEYS_MAX);
    assert!(node.store.list_entries(node.list, now).len() <= KEYS_MAX);
}

/// Whether it knows anything but what it counted itself.
fn knows_more(Node { store, table, uniques, list, .. }: &Node, now: Time) -> bool {
    store.keys(*table) > 1
        || store.uniques_keys(*uniques) > 0
        || !store.bans(now).is_empty()
        || !store.list_entries(*list, now).is_empty()
}

/// Another node reads all that this one then tells it.
fn hears(near: &mut Node, now: Time) {
    let mut third = node(THIRD);
    let (mut to_third, mut to_near) = (near.connect(THIRD, now), third.connect(NEAR, now));
    for round in 0..ROUNDS {
        let now = now.plus(round * PAUSE);
        for frame in sent(&to_third) {
            let outputs = third.hear(NEAR, &frame, now);
            let unread = |output: &Output| matches!(output, Output::Event(Event::Undecodable { .. }));
            assert!(!outputs.iter().any(unread), "this node says what nobody can read: {outputs:?}");
            unbroken(&outputs);
            to_near.extend(outputs);
        }
        to_third = near.handle(Input::Timeout, now);
        for frame in sent(&to_near) {
            to_third.extend(near.hear(THIRD, &frame, now));
        }
        to_near = third.handle(Input::Timeout, now);
    }
    bounded(&third, now);
}
