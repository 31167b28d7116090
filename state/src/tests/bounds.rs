//! Bounds that need a hostile or a very slow peer.

use std::sync::Arc;

use bytes::Bytes;

use super::given::{author, even, listing, only};
use crate::counter::{Bounds, CONTRIBUTORS_MAX, COUNT_MOST, Joined, Row, SlotCounter};
use crate::fact::{Fact, Stated};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::Key64;
use crate::replica::{CloseReason, Event, Input, LinkId, Output, Replica, ReplicaConfig};
use crate::rung::Rung;
use crate::store::{Offered, Store, StoreBounds, StoreConfig, TableId, TableSpec, UniquesSpec};
use crate::time::Time;
use crate::unique::Mark;
use crate::wire::{Builder, DeltaHead, Digest, Frame, Hello, NEWEST, RangeHead, Room, Seen};

pub(super) const LINK: LinkId = LinkId(1);
pub(super) const NOW: Time = Time(1_800_000_000_000);

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

pub(super) struct Node {
    pub(super) replica: Replica,
    pub(super) store: Arc<Store>,
    pub(super) table: TableId,
}

pub(super) fn node(pop: u16, keys_max: usize, index_max: usize) -> Node {
    let (me, incarnation) = (Actor { pop: PopId(pop), node: 0 }, Incarnation(1));
    let config = StoreConfig {
        me,
        incarnation,
        cluster: "edge".to_owned(),
        secret: [3; 16],
        secret_beside: None,
        salt: 0,
        keys_max,
        bans_max: 2,
        roster: 3,
    };
    let store = Arc::new(Store::with_bounds(config, StoreBounds { lists_max: 3, ..StoreBounds::default() }));
    let config = ReplicaConfig {
        cluster: "edge".to_owned(),
        secret_id: 1,
        secret_beside: None,
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
    pub(super) fn feed(&mut self, input: Input, now: Time) -> (Vec<Bytes>, Vec<Event>) {
        self.replica.handle(input, now);
        let (mut frames, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Send { frame, link } => {
                    self.replica.handle(Input::Sent { link, bytes: frame.len() }, now);
                    frames.push(frame);
                }
                Output::Event(event) => events.push(event),
                Output::Publish { .. } => panic!("there is no fabric"),
                Output::Close { reason, .. } => panic!("{reason}"),
            }
        }
        (frames, events)
    }

    pub(super) fn takes(&mut self, frames: Vec<Bytes>, now: Time) -> (Vec<Bytes>, Vec<Event>) {
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
pub(super) fn pair(keys_max: usize, index_max: usize) -> (Node, Node) {
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

/// The first of two frames that catch a peer up covers the old place of a key that has moved on into the second one. When that
/// one is lost, the first one's acknowledgement must not count for the key.
#[test]
fn what_moved_on_is_not_taken_for_known() {
    let (mut near, mut far) = pair(10_000, 50_000);
    let key = |n: u32| only(u64::from(n) << 40);
    let deltas = |frames: Vec<Bytes>| frames.into_iter().filter(|frame| frame[0] == 2).collect::<Vec<Bytes>>();
    // All of these frames are lost.
    let steps = [(0, 0..1), (3_000, 1..2), (3_025, 2..8_000), (3_050, 0..1)];
    for (at, keys) in steps {
        for n in keys {
            near.store.add(near.table, key(n), 1, NOW.plus(at));
        }
        near.feed(Input::Dirty, NOW.plus(at));
    }
    let mut now = NOW.plus(4_000);
    let two = deltas(near.feed(Input::Timeout, now).0);
    assert!(two.len() >= 2);
    far.takes(two[..1].to_vec(), now);
    now = now.plus(20);
    let (acks, _) = far.feed(Input::Timeout, now);
    near.takes(acks, now);
    assert_eq!(far.store.count(far.table, key(1), 8_000, now), 1);
    while near.replica.status(now).peers[0].behind > 0 {
        now = now.plus(50);
        assert!(now < NOW.plus(7_000));
        let frames = deltas(near.feed(Input::Timeout, now).0);
        far.takes(frames, now);
        let (acks, _) = far.feed(Input::Timeout, now.plus(20));
        near.takes(acks, now.plus(20));
    }
    assert_eq!(far.store.count(far.table, key(0), 8_000, now), 2);
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
    let hidden = rows_of(table, author(3, 1), 0..4).delta(&head(author(2, 1)), NEWEST);
    assert_eq!(near.takes(vec![hidden], NOW).1, [foreign(3)]);
    let open = rows_of(table, author(3, 1), 0..4).delta(&head(author(3, 1)), NEWEST);
    near.takes(vec![open], NOW);
    // In repair a third POP may be spoken for; this node in its present life and a stranger may not.
    let range = RangeHead { from: 0, to: 0, at: 0 };
    for pop in [1, 9] {
        near.takes(vec![rows_of(table, author(pop, 1), 0..4).range(&range, NEWEST)], NOW);
    }
    assert_eq!((near.store.keys(near.table), near.replica.status(NOW).peers[0].dropped), (0, 4 + 1 + 4 + 4));
    near.takes(vec![rows_of(table, author(3, 1), 0..4).range(&range, NEWEST)], NOW);
    near.takes(vec![rows_of(table, author(1, 0), 0..4).range(&range, NEWEST)], NOW);
    assert_eq!(near.store.counts(near.table, only(2), NOW).len(), 2);
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
        let bytes = rows_of(table, author(2, 1), frame * 100..frame * 100 + 100).delta(&head(frame), NEWEST);
        told.extend(near.takes(vec![bytes], NOW).1);
        for n in 0..10_u8 {
            near.store.add(near.table, near.store.key(&[&[n]]), 1, NOW);
        }
    }
    assert_eq!(told, [Event::NoRoom { pop: PopId(2) }]);
    assert_eq!(near.store.keys(near.table), 10);
}

fn seen_in(table: u64, slots: &[u64]) -> Builder {
    let mut builder = Builder::new();
    for slot in slots {
        let sketch = [Mark::new(*slot % (1 << 26), 1).unwrap()].into_iter().collect();
        assert_eq!(builder.seen(table, Seen { key: Key64(1), slot: *slot, sketch }), Room::Taken);
    }
    builder
}

#[test]
fn sketches_of_slots_too_far_ahead_or_over_are_refused() {
    let (mut near, _) = pair(10, 50);
    let spec = UniquesSpec { uid: "u".to_owned(), shape: String::new(), slot: Rung::Ms100, replicated: true };
    let table = near.store.uniques(&spec).unwrap();
    let identity = near.store.uniques_identity(table).unwrap();
    let range = RangeHead { from: 0, to: 0, at: 0 };
    let (slot, dropped) = (NOW.0 / 100, |near: &Node| near.replica.status(NOW).peers[0].dropped);
    // One slot and 500 ms ahead is the last that is taken; nine slots live.
    let live: Vec<u64> = (slot - 8..=slot + 6).collect();
    assert_eq!(near.takes(vec![seen_in(identity, &live).range(&range, NEWEST)], NOW).1, []);
    assert_eq!((near.store.distinct(table, only(1), 800, NOW), dropped(&near)), (9, 0));
    assert_eq!(near.store.distinct(table, only(1), 800, NOW.plus(600)), 9);
    let ahead = seen_in(identity, &[slot + 7, u64::MAX]).range(&range, NEWEST);
    assert_eq!(near.takes(vec![ahead], NOW).1, [Event::ClockAhead { pop: PopId(2) }]);
    let over = seen_in(identity, &[0, slot - 9]).range(&range, NEWEST);
    assert_eq!(near.takes(vec![over], NOW).1, [Event::Over { pop: PopId(2) }]);
    assert_eq!((near.store.distinct(table, only(1), 800, NOW), dropped(&near)), (9, 4));
    // Of a table that no config knows: dropped, and told once.
    let unknown = seen_in(7, &[slot]).range(&range, NEWEST);
    assert_eq!(near.takes(vec![unknown], NOW).1, [Event::UnknownTable { pop: PopId(2), identity: 7 }]);
}

/// The space of the fact that waits to be sent.
fn space_of(store: &Store) -> u64 {
    let Some(Fact::Listing(listing)) = store.fact(store.take_facts()[0]) else { panic!("an entry of a list") };
    listing.space().unwrap()
}

#[test]
fn a_peer_states_list_entries_as_itself_and_within_bounds() {
    let (mut near, _) = pair(10, 50);
    let list = near.store.list("l").unwrap();
    near.store.list_set(list, "own", true, NOW.plus(9), NOW).unwrap();
    let identity = space_of(&near.store);
    let entry = |by: u16, made_at: u64, until: u64, kept: u64| crate::list::Listing {
        list: identity,
        ..listing(NOW.0 + made_at, by, true, NOW.0 + until, NOW.0 + kept)
    };
    let frame = |entry: crate::list::Listing| {
        let mut builder = Builder::new();
        assert_eq!(builder.fact(&Fact::Listing(entry)), Room::Taken);
        builder
    };
    let delta = DeltaHead { author: author(2, 1).into(), from: 0, to: 0, at: 0 };
    let range = RangeHead { from: 0, to: 0, at: 0 };
    let told = near.takes(vec![frame(entry(3, 0, 100, 200)).delta(&delta, NEWEST)], NOW).1;
    assert_eq!(told, [Event::ForeignAuthor { pop: PopId(2), author: author(3, 1).actor }]);
    let ahead = frame(entry(2, 501, 1_000, 2_000)).delta(&delta, NEWEST);
    assert_eq!(near.takes(vec![ahead], NOW).1, [Event::ClockAhead { pop: PopId(2) }]);
    // Spent, remembered for less than it holds, and for ever.
    let bad = [(0, 0), (100, 99), (100, u64::MAX - NOW.0), (u64::MAX - NOW.0, u64::MAX - NOW.0)];
    for (until, kept) in bad {
        assert_eq!(near.takes(vec![frame(entry(2, 0, until, kept)).delta(&delta, NEWEST)], NOW).1, []);
    }
    for text in [String::new(), "x".repeat(crate::list::ELEMENT_MAX + 1)] {
        let mut bad = entry(2, 0, 100, 200);
        bad.entry.element = Arc::from(text);
        near.takes(vec![frame(bad).range(&range, NEWEST)], NOW);
    }
    assert_eq!((near.store.list_entries(list, NOW).len(), near.replica.status(NOW).peers[0].dropped), (1, 8));
    // In repair a third POP may be spoken for; a clock that is ahead by the bound may state.
    near.takes(vec![frame(entry(3, 500, 100, 200)).range(&range, NEWEST)], NOW);
    assert_eq!(near.store.listed(list, "192.0.2.9/32", NOW), Some(true));
    // This node's next statement comes after it all the same.
    near.store.list_set(list, "192.0.2.9/32", false, NOW.plus(100), NOW).unwrap();
    assert_eq!(near.store.list_entries(list, NOW)[0].made_at, NOW.plus(501));
}

#[test]
fn entries_that_do_not_fit_are_dropped_and_told_once() {
    let (mut near, _) = pair(10, 50);
    let list = near.store.list("l").unwrap();
    let names = |range: std::ops::Range<u32>| range.map(|n| format!("10.0.0.{n}"));
    for name in names(0..2) {
        near.store.list_set(list, &name, true, NOW.plus(9_000), NOW).unwrap();
    }
    let delta = DeltaHead { author: author(2, 1).into(), from: 0, to: 0, at: 0 };
    let mut told = Vec::new();
    for name in names(2..9) {
        let mut builder = Builder::new();
        let mut entry = listing(NOW.0, 2, true, NOW.0 + 9_000, NOW.0 + 9_000);
        entry.entry.element = Arc::from(name);
        assert_eq!(builder.fact(&Fact::Listing(entry)), Room::Taken);
        told.extend(near.takes(vec![builder.delta(&delta, NEWEST)], NOW).1);
    }
    assert_eq!(told, [Event::NoRoom { pop: PopId(2) }]);
    assert_eq!(near.replica.status(NOW).peers[0].dropped, 6);
}

#[test]
fn peers_fill_half_of_the_room_with_one_list_at_most() {
    let config = StoreConfig {
        me: author(1, 1).actor,
        incarnation: Incarnation(1),
        cluster: "edge".to_owned(),
        secret: [0; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 1,
        bans_max: 1,
        roster: 2,
    };
    let store = Store::with_bounds(config, StoreBounds { lists_max: 6, ..StoreBounds::default() });
    let (one, other) = (store.list("one").unwrap(), store.list("other").unwrap());
    store.list_set(one, "own", true, NOW.plus(9), NOW).unwrap();
    let identity = space_of(&store);
    for n in 0..9 {
        let mut entry = listing(NOW.0, 2, true, NOW.0 + 9_000, NOW.0 + 9_000);
        entry.list = identity;
        entry.entry.element = Arc::from(format!("10.0.0.{n}"));
        let taken = if n < 2 { Offered::Taken } else { Offered::Full };
        assert_eq!(store.offer_fact(Fact::Listing(entry), NOW), taken);
    }
    assert_eq!(store.list_entries(one, NOW).len(), 3);
    assert_eq!(store.list_set(other, "own", true, NOW.plus(9), NOW), Ok(()));
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_ignored() {
    let (mut near, _) = pair(10, 50);
    let ack = |have: u64, ranges: u64| {
        crate::wire::ack(&crate::wire::Ack { have, ranges, echo: u64::MAX, held: u64::MAX, at: u64::MAX })
    };
    let acks = vec![ack(1, 0), ack(0, 1), ack(u64::MAX, u64::MAX)];
    assert_eq!(near.takes(acks, NOW).1, [Event::ForeignAck { pop: PopId(2) }], "told once");
    let said = near.replica.status(NOW).peers[0].last_error.clone();
    assert_eq!(said.as_deref(), Some("POP 2 acknowledged what was never sent; ignored"));
}

/// Digests cost time: a peer that sends many, or senseless ones, gets no more than its share of it.
#[test]
fn a_flood_of_digests_is_dropped() {
    let (mut near, _) = pair(100, 100);
    let dropped = |near: &Node| near.replica.status(NOW).peers[0].dropped;
    let before = dropped(&near);
    let sane = Digest {
        tables: near.store.tables_digest(NOW, NEWEST),
        prefix: 0,
        bits: 0,
        parts: vec![1],
        answer: false,
        settled: false,
        at: NOW.0,
    };
    let bytes = |digest: &Digest| crate::wire::digest(digest);
    for senseless in [
        Digest { bits: 3, ..sane.clone() },
        Digest { bits: 200, prefix: u16::MAX, ..sane.clone() },
        Digest { prefix: 1, ..sane.clone() },
        Digest { parts: Vec::new(), ..sane.clone() },
        Digest { parts: vec![7; 5_000], ..sane.clone() },
    ] {
        near.takes(vec![bytes(&senseless)], NOW);
    }
    assert_eq!(dropped(&near) - before, 5);
    let answers = near.takes(vec![bytes(&sane); 1_000], NOW).0.iter().filter(|frame| frame[0] == 5).count();
    assert!((20..=32).contains(&answers), "{answers}");
    assert!(dropped(&near) - before > 900);
    let (later, next) = (NOW.plus(2_000), Digest { at: NOW.0 + 2_000, ..sane });
    // Beside the question that it has itself, which has one digest.
    let answers = near.takes(vec![bytes(&next)], later).0;
    let is_answer =
        |frame: &Bytes| matches!(Frame::decode(frame), Ok(Frame::Digest(digest)) if digest.parts.len() == 16);
    assert_eq!(answers.iter().filter(|frame| is_answer(frame)).count(), 1);
}

/// A peer that counts without measure spoils its own word, and nobody's bucket.
#[test]
fn what_nobody_can_count_is_refused_and_told() {
    let (mut near, _) = pair(100, 100);
    let (key, table) = (near.store.key(&[b"k"]), near.store.identity(near.table).unwrap());
    near.store.add(near.table, key, 3, NOW);
    let says = |count: u64, to: u64| {
        let mut builder = Builder::new();
        let (fine, coarse) = ([count, 0, 0, 0, 0, 0, 0, 0], [0; 8]);
        assert_eq!(builder.row(table, key.now, author(2, 1), Row { head: NOW.0 / 1_000, fine, coarse }), Room::Taken);
        builder.delta(&DeltaHead { author: author(2, 1).into(), from: to - 1, to, at: NOW.0 }, NEWEST)
    };
    let counted = |near: &Node| near.store.count(near.table, key, 10_000, NOW);
    for (nth, count) in (1..).zip([u64::MAX, 1_000 * COUNT_MOST + 1]) {
        let told = near.takes(vec![says(count, nth)], NOW).1;
        let once = [Event::Implausible { pop: PopId(2) }];
        assert_eq!((told.as_slice(), counted(&near)), (if nth == 1 { &once[..] } else { &[] }, 3));
    }
    let status = near.replica.status(NOW);
    assert_eq!(status.peers[0].dropped, 2);
    assert_eq!(status.peers[0].last_error.as_deref(), Some("POP 2 counted more than any node can; dropped"));
    near.takes(vec![says(1_000 * COUNT_MOST, 3)], NOW);
    assert_eq!(counted(&near), 3 + 1_000 * COUNT_MOST, "what some node might count is believed");
}

/// A peer that goes on sending bad frames is ended and not listened to for a while; then it may come again.
#[test]
fn a_peer_that_sends_bad_frames_is_barred() {
    let mut near = node(1, 100, 100);
    let peer = PopId(2);
    let greets = |near: &mut Node, link: LinkId, now: Time| {
        near.feed(Input::Connected { link, peer }, now);
        near.replica.handle(Input::Frame { link, bytes: hello_of(2, now) }, now);
        std::iter::from_fn(|| near.replica.poll_output()).find_map(|output| match output {
            Output::Close { reason, .. } => Some(reason),
            _ => None,
        })
    };
    assert_eq!(greets(&mut near, LINK, NOW), None);
    let foreign = rows_of(near.store.identity(near.table).unwrap(), author(3, 1), 0..1);
    let head = DeltaHead { author: author(2, 1).into(), from: 0, to: 1, at: NOW.0 };
    let bytes = foreign.delta(&head, NEWEST);
    let mut closed = Vec::new();
    for _ in 0..80 {
        near.replica.handle(Input::Frame { link: LINK, bytes: bytes.clone() }, NOW);
        while let Some(output) = near.replica.poll_output() {
            if let Output::Close { reason, .. } = output {
                closed.push(reason);
            }
        }
    }
    assert_eq!(closed, [CloseReason::Barred { ms: 10_000 }]);
    assert_eq!((near.store.keys(near.table), near.replica.status(NOW).peers[0].dropped), (0, 65));
    assert_eq!(greets(&mut near, LinkId(8), NOW.plus(4_000)), Some(CloseReason::Barred { ms: 6_000 }));
    assert_eq!(greets(&mut near, LinkId(9), NOW.plus(10_000)), None);
}

fn hello_of(pop: u16, now: Time) -> Bytes {
    let hello = Hello {
        oldest: 2,
        newest: NEWEST,
        features: 0,
        cluster: "edge".to_owned(),
        secret_id: 1,
        roster_revision: 1,
        author: author(pop, 1).into(),
        boot: 5,
        base: 0,
        at: now.0,
    };
    crate::wire::hello(&hello)
}
