//! A peer that speaks by the frozen codec alone, and a replica.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::frozen::{self, Block, Message};
use crate::identity::PopId;
use crate::maximum::Most;
use crate::replica::{Input, PeerState};
use crate::rung::Rung;
use crate::store::{LedgerSpec, UniquesSpec};
use crate::tests::bounds::{LINK, NOW, Node, node};
use crate::tests::given::author;
use crate::time::Time;

/// The peer's own.
const THEIRS: frozen::Author = (2, 0, 1);

/// A node that speaks version 2 and knows nothing of what came later.
#[derive(Default)]
struct Peer {
    have: u64,
    ranges: u64,
    /// All state that it was told.
    told: Vec<Block>,
    /// The greatest numbers that were acknowledged to it.
    acked: (u64, u64),
    /// Whether it was told the digests of all parts.
    compared: bool,
}

impl Peer {
    /// Reads what it was sent, and answers.
    fn hears(&mut self, frames: &[Bytes], now: Time) -> Vec<Bytes> {
        let mut answers = Vec::new();
        for frame in frames {
            match frozen::read(frame) {
                Message::Hello(hello) => assert!(hello.oldest <= 2),
                Message::Delta { author, from, to, blocks, .. } => {
                    assert_eq!(author, (1, 0, 1));
                    assert!(from <= self.have, "changes after {from}, heard up to {}", self.have);
                    self.have = self.have.max(to);
                    self.told.extend(blocks);
                }
                Message::Range { from, to, blocks, .. } => {
                    assert!(from <= self.ranges, "pieces after {from}, heard up to {}", self.ranges);
                    self.ranges = self.ranges.max(to);
                    self.told.extend(blocks);
                }
                Message::Ack { have, ranges, .. } => self.acked = (have, ranges),
                Message::Digest { parts, answer: true, .. } => self.compared |= parts.len() == 16,
                // It knows something else of each part.
                Message::Digest { tables, prefix, bits, settled, at, .. } => {
                    let parts = (0..16).collect();
                    answers.push(Message::Digest { tables, prefix, bits, parts, answer: false, settled, at });
                }
            }
        }
        answers.push(Message::Ack { have: self.have, ranges: self.ranges, echo: 0, held: 0, at: now.0 });
        answers.iter().map(|message| frozen::write(message).into()).collect()
    }

    /// The count of a key in the name of the node that it talks with, as it was told last.
    fn counted(&self, key: u64) -> Option<u64> {
        let rows = |block: &Block| match block {
            Block::Counters { rows, .. } => rows.clone(),
            _ => Vec::new(),
        };
        let mut rows = self.told.iter().flat_map(rows);
        rows.find(|row| row.key == key && row.author == (1, 0, 1)).map(|row| row.cells[..8].iter().sum())
    }

    fn lists(&self, element: &str) -> bool {
        self.told.iter().any(|block| matches!(block, Block::Listings(of) if of.iter().any(|of| of.element == element)))
    }
}

/// Something of each kind that nodes exchange, of both versions.
fn state(node: &Node, name: &str, now: Time) {
    let (store, key, until) = (&node.store, node.store.key(&[name.as_bytes()]), now.plus(60_000));
    store.add(node.table, key, 3, now);
    store.list_set(store.list("l").unwrap(), name, true, until, now).unwrap();
    let uniques = UniquesSpec { uid: "u".to_owned(), shape: String::new(), slot: Rung::S1, replicated: true };
    store.observe(store.uniques(&uniques).unwrap(), key, b"somebody", now);
    store.register_set(store.registers("r").unwrap(), name.as_bytes(), b"value", until, now).unwrap();
    store.max_raise(store.maxima("m", Most::Value(9), now).unwrap(), name.as_bytes(), 5, until, now).unwrap();
    store.purge(store.purge_key(&[name.as_bytes()]), until, now).unwrap();
    let gauge = store.gauge(&LedgerSpec { uid: "g".to_owned(), shape: String::new(), replicated: true }).unwrap();
    store.raise(gauge, key, 1, 9, now);
}

/// A link to a peer that says hello, and what it gets at once.
fn greeted(near: &mut Node, newest: u16) -> Vec<Bytes> {
    let (mut frames, _) = near.feed(Input::Connected { link: LINK, peer: PopId(2) }, NOW);
    let hello = frozen::Hello {
        oldest: 1,
        newest,
        features: 0,
        cluster: "edge".to_owned(),
        secret_id: 1,
        roster_revision: 1,
        author: THEIRS,
        boot: 2,
        base: 0,
        at: NOW.0,
    };
    frames.extend(near.takes(vec![frozen::write(&Message::Hello(hello)).into()], NOW).0);
    frames
}

#[test]
fn a_peer_of_version_2_is_kept_in_step() {
    let mut near = node(1, 100, 100);
    state(&near, "early", NOW);
    near.store.ban("192.0.2.1/32", NOW.plus(60_000), 1, "early", NOW).unwrap();
    let mut peer = Peer::default();
    let mut frames = greeted(&mut near, 2);
    let key = near.store.key(&[b"theirs"]);
    let mut now = NOW;
    for step in 0..60 {
        let mut answers = peer.hears(&frames, now);
        now = now.plus(50);
        if step == 10 {
            state(&near, "late", now);
            let mut cells = [0; 16];
            (cells[0], cells[8]) = (5, 5);
            let row = frozen::Row { key: key.now.0, author: THEIRS, head: now.0 / 1_000, cells };
            let counters = Block::Counters { table: near.store.identity(near.table).unwrap(), rows: vec![row] };
            let bans = Block::Bans(vec![frozen::Ban {
                subject: "192.0.2.2/32".to_owned(),
                epoch: 0,
                until: now.0 + 60_000,
                kept: now.0 + 120_000,
                level: 1,
                reason: "theirs".to_owned(),
                made_at: now.0,
                by: (2, 0),
            }]);
            let (delta, range) = (vec![counters], vec![bans]);
            answers.push(
                frozen::write(&Message::Delta { author: THEIRS, from: 0, to: 1, at: now.0, blocks: delta }).into(),
            );
            answers.push(frozen::write(&Message::Range { from: 0, to: 1, at: now.0, blocks: range }).into());
        }
        frames = near.takes(answers, now).0;
        frames.extend(near.feed(Input::Timeout, now).0);
    }
    // What it said was taken and acknowledged.
    let counts = near.store.counts(near.table, key, now);
    assert!(counts.iter().any(|(actor, _, count)| (actor.pop, *count) == (PopId(2), 5)), "{counts:?}");
    assert!(near.store.banned("192.0.2.2/32", now).is_some());
    assert_eq!(peer.acked, (1, 1));
    // What it was told it could read, and it is all that it knows of.
    for name in ["early", "late"] {
        assert_eq!(peer.counted(near.store.key(&[name.as_bytes()]).now.0), Some(3), "{name}");
        assert!(peer.lists(name), "{name}");
    }
    assert!(peer.told.iter().any(|block| matches!(block, Block::Bans(of) if of[0].subject == "192.0.2.1/32")));
    assert!(peer.told.iter().any(|block| matches!(block, Block::Sketches { .. })));
    assert!(peer.compared);
    let status = near.replica.status(now);
    let of = status.peers.iter().find(|peer| peer.actor == author(2, 1).actor).unwrap();
    assert_eq!((of.state, of.behind, of.dropped, of.last_error.as_deref()), (PeerState::Up, 0, 0, None));
}

/// The kinds of a frame's blocks.
fn kinds(frame: &Bytes) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut at = 1;
    while at < frame.len() {
        kinds.push(frame[at]);
        at += 9 + u32::from_le_bytes(frame[at + 1..at + 5].try_into().unwrap()) as usize;
    }
    kinds
}

/// The same node tells a peer of version 3 what version 2 does not know.
#[test]
fn what_version_2_does_not_know_is_told_to_version_3_alone() {
    let told = |newest: u16| {
        let mut near = node(1, 100, 100);
        state(&near, "early", NOW);
        near.store.ban("192.0.2.1/32", NOW.plus(60_000), 1, "early", NOW).unwrap();
        let mut frames = greeted(&mut near, newest);
        state(&near, "late", NOW.plus(50));
        frames.extend(near.feed(Input::Dirty, NOW.plus(50)).0);
        frames.extend(near.feed(Input::Timeout, NOW.plus(100)).0);
        frames.iter().flat_map(kinds).collect::<BTreeSet<u8>>()
    };
    assert_eq!(told(2), [1, 3, 4, 5, 6].into());
    assert_eq!(told(3), [1, 3, 4, 5, 6, 8, 9, 10, 16].into());
}
