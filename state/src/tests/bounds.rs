//! Bounds that need a hostile or a very slow peer.

use std::sync::Arc;

use bytes::Bytes;

use super::given::{author, even};
use crate::counter::{Bounds, CONTRIBUTORS_MAX, Joined, Row, SlotCounter};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::Key64;
use crate::replica::{Event, Input, LinkId, Output, Replica, ReplicaConfig};
use crate::rung::Rung;
use crate::store::{Store, StoreConfig, TableId, TableSpec};
use crate::time::Time;
use crate::wire::{Builder, DeltaHead, RangeHead, Room};

const LINK: LinkId = LinkId(1);
const NOW: Time = Time(1_800_000_000_000);

fn row(head: u64) -> Row {
    Row { head, fine: [1, 0, 0, 0, 0, 0, 0, 0], coarse: [1, 0, 0, 0, 0, 0, 0, 0] }
}

#[test]
fn a_counter_holds_so_many_authors_and_forgets_the_dead_first() {
    let mut counter = SlotCounter::new(0);
    for life in 0..CONTRIBUTORS_MAX as u64 {
        assert_eq!(counter.join(even(), author(1, life), &row(100), None), Joined::Raised);
    }
    assert_eq!(counter.join(even(), author(2, 1), &row(100), None), Joined::Crowded);
    assert_eq!(counter.join(even(), author(1, 0), &row(101), None), Joined::Raised);
    // Slot 100 leaves the ring with 108; all but the first author are empty then.
    assert_eq!(counter.join(even(), author(1, 0), &row(108), None), Joined::Raised);
    assert_eq!(counter.join(even(), author(2, 1), &row(108), None), Joined::Raised);
    assert_eq!(counter.all_rows(even(), author(9, 9)).len(), 2);
}

#[test]
fn cells_too_far_ahead_or_past_the_floor_are_refused() {
    let bounds = Bounds::at(NOW, even());
    let slot = NOW.0 / 100;
    let clipped = |head: u64| {
        let mut row = row(head);
        let refused = bounds.clip(&mut row);
        (row.is_empty(), refused.ahead, refused.expired)
    };
    // One slot and 500 ms ahead is the last that is taken.
    assert_eq!(clipped(slot + 6), (false, 0, 0));
    assert_eq!(clipped(slot + 7), (true, 2, 0));
    assert_eq!(clipped(u64::MAX), (true, 2, 0));
    assert_eq!(clipped(slot - 7), (false, 0, 0));
    assert_eq!(clipped(slot - 8), (true, 0, 2));
    assert_eq!(clipped(0), (true, 0, 2));
}

struct Node {
    replica: Replica,
    store: Arc<Store>,
    table: TableId,
}

fn node(pop: u16, keys_max: usize, index_max: usize) -> Node {
    let (me, incarnation) = (Actor { pop: PopId(pop), node: 0 }, Incarnation(1));
    let config = StoreConfig { me, incarnation, secret: [3; 16], keys_max, bans_max: 2, roster: 3 };
    let store = Arc::new(Store::new(config));
    let config = ReplicaConfig {
        cluster: "edge".to_owned(),
        secret_id: 1,
        roster_revision: 1,
        me,
        incarnation,
        boot: u64::from(pop),
        peers: (1..=3).filter(|other| *other != pop).map(PopId).collect(),
        seed: 1,
    };
    let spec =
        TableSpec { uid: "t".to_owned(), shape: String::new(), fine: Rung::S1, coarse: Rung::H1, replicated: true };
    let table = store.table(&spec).unwrap();
    Node { replica: Replica::with_index_max(config, Arc::clone(&store), index_max), store, table }
}

impl Node {
    fn feed(&mut self, input: Input, now: Time) -> (Vec<Bytes>, Vec<Event>) {
        self.replica.handle(input, now);
        let (mut frames, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Send { frame, link } => {
                    self.replica.handle(Input::Sent { link, bytes: frame.len() }, now);
                    frames.push(frame);
                }
                Output::Event(event) => events.push(event),
                Output::Close { reason, .. } => panic!("{reason}"),
            }
        }
        (frames, events)
    }

    fn takes(&mut self, frames: Vec<Bytes>, now: Time) -> (Vec<Bytes>, Vec<Event>) {
        let (mut out, mut events) = (Vec::new(), Vec::new());
        for bytes in frames {
            let (more, told) = self.feed(Input::Frame { link: LINK, bytes }, now);
            out.extend(more);
            events.extend(told);
        }
        (out, events)
    }
}

/// Two nodes that have said hello.
fn pair(keys_max: usize, index_max: usize) -> (Node, Node) {
    let (mut near, mut far) = (node(1, keys_max, index_max), node(2, keys_max, index_max));
    let (to_far, _) = near.feed(Input::Connected { link: LINK, peer: PopId(2) }, NOW);
    let (to_near, _) = far.feed(Input::Connected { link: LINK, peer: PopId(1) }, NOW);
    let (answer, _) = near.takes(to_near, NOW);
    far.takes([to_far, answer].concat(), NOW);
    (near, far)
}

#[test]
fn a_peer_that_lags_past_the_index_is_repaired() {
    let (mut near, mut far) = pair(1_000, 50);
    let mut now = NOW;
    let mut lost = Vec::new();
    let mut fell_behind = 0;
    for n in 0..200_u8 {
        near.store.add(near.table, near.store.key(&[&[n]]), 1, now);
        let (frames, events) = near.feed(Input::Dirty, now);
        lost.extend(frames);
        fell_behind += events.iter().filter(|event| matches!(event, Event::FellBehind { .. })).count();
        now = now.plus(5);
    }
    assert!(fell_behind >= 1 && !lost.is_empty());
    for _ in 0..200 {
        let (to_far, _) = near.feed(Input::Timeout, now);
        let (mut to_near, _) = far.takes(to_far, now);
        to_near.extend(far.feed(Input::Timeout, now).0);
        near.takes(to_near, now);
        now = now.plus(10);
    }
    assert_eq!(near.replica.status(now).peers[0].behind, 0);
    for n in 0..200_u8 {
        let key = near.store.key(&[&[n]]);
        assert_eq!(far.store.counts(far.table, key, now), near.store.counts(near.table, key, now), "{n}");
    }
}

fn rows_of(table: u64, author: Author, keys: std::ops::Range<u64>) -> Builder {
    let mut builder = Builder::new();
    for key in keys {
        assert_eq!(builder.row(table, Key64(key), author, row(NOW.0 / 1_000)), Room::Taken);
    }
    builder
}

#[test]
fn a_peer_speaks_for_itself_alone() {
    let (mut near, _) = pair(1_000, 50);
    let table = near.store.identity(near.table).unwrap();
    let head = |author: Author| DeltaHead { author: author.into(), from: 0, to: 0, at: 0 };
    let foreign = |pop: u16| Event::ForeignAuthor { pop: PopId(2), author: author(pop, 1).actor };
    // Rows of a third POP under its own name, then under the third's.
    let hidden = rows_of(table, author(3, 1), 0..4).delta(&head(author(2, 1)));
    assert_eq!(near.takes(vec![hidden], NOW).1, [foreign(3)]);
    let open = rows_of(table, author(3, 1), 0..4).delta(&head(author(3, 1)));
    near.takes(vec![open], NOW);
    // In repair a third POP may be spoken for; this node in its present life and a stranger may not.
    let range = RangeHead { from: 0, to: 0, at: 0 };
    for pop in [1, 9] {
        near.takes(vec![rows_of(table, author(pop, 1), 0..4).range(&range)], NOW);
    }
    assert_eq!((near.store.keys(near.table), near.replica.status(NOW).peers[0].dropped), (0, 4 + 1 + 4 + 4));
    near.takes(vec![rows_of(table, author(3, 1), 0..4).range(&range)], NOW);
    near.takes(vec![rows_of(table, author(1, 0), 0..4).range(&range)], NOW);
    assert_eq!(near.store.counts(near.table, Key64(2), NOW).len(), 2);
}

#[test]
fn what_does_not_fit_is_dropped_and_told_once() {
    let (mut near, _) = pair(10, 50);
    let table = near.store.identity(near.table).unwrap();
    // All ten keys wait to be sent.
    for n in 0..10_u8 {
        near.store.add(near.table, near.store.key(&[&[n]]), 1, NOW);
    }
    let head = |to: u64| DeltaHead { author: author(2, 1).into(), from: 0, to, at: 0 };
    let mut told = Vec::new();
    for frame in 0..3_u64 {
        // Rings of the flushed keys would be evictable, so mark them again.
        let bytes = rows_of(table, author(2, 1), frame * 100..frame * 100 + 100).delta(&head(frame));
        told.extend(near.takes(vec![bytes], NOW).1);
        for n in 0..10_u8 {
            near.store.add(near.table, near.store.key(&[&[n]]), 1, NOW);
        }
    }
    assert_eq!(told, [Event::NoRoom { pop: PopId(2) }]);
    assert_eq!(near.store.keys(near.table), 10);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_ignored() {
    let (mut near, _) = pair(10, 50);
    let ack = |have: u64, ranges: u64| {
        crate::wire::ack(&crate::wire::Ack { have, ranges, echo: u64::MAX, held: u64::MAX, at: u64::MAX })
    };
    let acks = vec![ack(1, 0), ack(0, 1), ack(u64::MAX, u64::MAX)];
    assert_eq!(near.takes(acks, NOW).1, [Event::ForeignAck { pop: PopId(2) }], "told once");
}
