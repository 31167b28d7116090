//! A process hands over to its successor: both lives of one node are linked at once, and what the older one counted last still comes.

use std::sync::Arc;

use bytes::Bytes;
use selvedge_state::{
    CloseReason, Draining, Event, GaugeId, Incarnation, Input, LedgerSpec, LinkId, Output, PopId, Replica, Rung,
    Snapshot, SnapshotHead, Store, TableId, Time,
};

use crate::support::{START, actor, replica, spec, store_of};

struct Node {
    replica: Replica,
    store: Arc<Store>,
    table: TableId,
    gauge: GaugeId,
    /// What it told and closed.
    told: Vec<Event>,
    closed: Vec<(LinkId, CloseReason)>,
}

impl Node {
    fn new(pop: u16, life: u64) -> Node {
        let store = store_of(pop, life, 2, 10_000, 100);
        let table = store.table(&spec("limit", Rung::S1, Rung::H1)).unwrap();
        let gauge =
            store.gauge(&LedgerSpec { uid: "in flight".to_owned(), shape: String::new(), replicated: true }).unwrap();
        let (told, closed) = (Vec::new(), Vec::new());
        Node { replica: replica(pop, life, life, 2, &store), store, table, gauge, told, closed }
    }

    /// What it does and says now: frames, each with its link.
    fn acts(&mut self, now: Time) -> Vec<(LinkId, Bytes)> {
        self.replica.handle(Input::Timeout, now);
        let mut frames = Vec::new();
        while let Some(output) = self.replica.poll_output() {
            match output {
                Output::Send { link, frame } => {
                    self.replica.handle(Input::Sent { link, bytes: frame.len() }, now);
                    frames.push((link, frame));
                }
                Output::Event(event) => self.told.push(event),
                Output::Close { link, reason } => self.closed.push((link, reason)),
                Output::Publish { .. } => unreachable!("there is no fabric"),
            }
        }
        frames
    }

    fn hears(&mut self, (link, bytes): (LinkId, Bytes), now: Time) {
        self.replica.handle(Input::Frame { link, bytes }, now);
    }

    /// Something goes on there.
    fn raise(&self, by: u32, now: Time) {
        self.store.raise(self.gauge, self.store.key(&[b"k"]), by, u64::MAX, now);
    }

    fn height(&self, now: Time) -> u64 {
        self.store.height(self.gauge, self.store.key(&[b"k"]), now)
    }

    /// How often it was told that a process hands over, and on which link.
    fn retired(&self) -> Vec<LinkId> {
        let retires = |event: &Event| match event {
            Event::Retires { actor: of, link } if *of == actor(2) => Some(*link),
            _ => None,
        };
        self.told.iter().filter_map(retires).collect()
    }

    fn add(&self, n: u32, now: Time) {
        self.store.add(self.table, self.store.key(&[b"k"]), n, now);
    }

    fn counts(&self, now: Time) -> Vec<(u16, u64, u64)> {
        let counts = self.store.counts(self.table, self.store.key(&[b"k"]), now);
        counts.into_iter().map(|(actor, life, count)| (actor.pop.0, life.0 >> 16, count)).collect()
    }
}

/// Links of one node to others: the name of each is the same at both ends.
fn connect(us: &mut Node, other: &mut Node, link: u64, now: Time) {
    us.replica.handle(Input::Connected { link: LinkId(link), peer: PopId(2) }, now);
    other.replica.handle(Input::Connected { link: LinkId(link), peer: PopId(1) }, now);
}

/// Lets time pass, with all that is due on the way; the others by the names of their links.
fn pass(us: &mut Node, others: &mut [(u64, &mut Node)], from: Time, ms: u64) -> Time {
    let mut now = from;
    while now < from.plus(ms) {
        now = now.plus(5);
        for said in us.acts(now) {
            if let Some((_, other)) = others.iter_mut().find(|(name, _)| *name == said.0.0) {
                other.hears(said, now);
            }
        }
        for (_, other) in others.iter_mut() {
            other.acts(now).into_iter().for_each(|said| us.hears(said, now));
        }
    }
    now
}

#[test]
fn both_lives_tell_what_they_count_until_the_older_one_is_gone() {
    let (mut us, mut older, mut newer) = (Node::new(1, 1 << 16), Node::new(2, 5 << 16), Node::new(2, 6 << 16));
    connect(&mut us, &mut older, 1, START);
    older.add(3, START);
    let now = pass(&mut us, &mut [(1, &mut older)], START, 500);
    assert_eq!(us.counts(now), [(2, 5, 3)]);

    connect(&mut us, &mut newer, 2, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 500);
    us.add(1, now);
    older.add(4, now);
    newer.add(2, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 3_000);
    let all = [(1, 1, 1), (2, 5, 7), (2, 6, 2)];
    assert_eq!((us.counts(now), newer.counts(now)), (all.to_vec(), all.to_vec()), "the successor learns of it too");
    let peer = us.replica.status(now).peers.swap_remove(0);
    let draining = Draining { incarnation: Incarnation(5 << 16), behind: 0 };
    assert_eq!(
        (peer.actor, peer.incarnation, peer.behind, peer.draining),
        (actor(2), Some(Incarnation(6 << 16)), 0, Some(draining))
    );

    // The last it counts, and its end.
    older.add(10, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 100);
    us.replica.handle(Input::Disconnected { link: LinkId(1) }, now);
    newer.add(1, now);
    let now = pass(&mut us, &mut [(2, &mut newer)], now, 3_000);
    let all = vec![(1, 1, 1), (2, 5, 17), (2, 6, 3)];
    assert_eq!((us.counts(now), newer.counts(now)), (all.clone(), all));
    assert_eq!(us.replica.status(now).peers[0].draining, None);
}

/// Us, and a process and its successor, both linked: the older one has told us that it hands over.
fn handing_over() -> (Node, Node, Node, Time) {
    let (mut us, mut older, mut newer) = (Node::new(1, 1 << 16), Node::new(2, 5 << 16), Node::new(2, 6 << 16));
    connect(&mut us, &mut older, 1, START);
    let now = pass(&mut us, &mut [(1, &mut older)], START, 500);
    older.replica.handle(Input::Retire, now);
    let now = pass(&mut us, &mut [(1, &mut older)], now, 10);
    assert_eq!(us.retired(), [LinkId(1)]);
    connect(&mut us, &mut newer, 2, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 500);
    (us, older, newer, now)
}

#[test]
fn a_process_that_hands_over_says_so_once_on_each_link() {
    let (mut us, mut older) = (Node::new(1, 1 << 16), Node::new(2, 5 << 16));
    connect(&mut us, &mut older, 1, START);
    let now = pass(&mut us, &mut [(1, &mut older)], START, 500);
    for _ in 0..3 {
        older.replica.handle(Input::Retire, now);
    }
    let now = pass(&mut us, &mut [(1, &mut older)], now, 5_000);
    assert_eq!((us.retired(), older.retired()), (vec![LinkId(1)], vec![]));
    assert_eq!(us.told.last().unwrap().to_string(), "node 2/0 hands over to its successor");
    // On a link of later, too.
    us.replica.handle(Input::Disconnected { link: LinkId(1) }, now);
    older.replica.handle(Input::Disconnected { link: LinkId(1) }, now);
    connect(&mut us, &mut older, 3, now);
    let now = pass(&mut us, &mut [(3, &mut older)], now, 500);
    assert_eq!(us.retired(), [LinkId(1), LinkId(3)]);
    // It is counted with as before.
    older.add(3, now);
    older.raise(2, now);
    let now = pass(&mut us, &mut [(3, &mut older)], now, 100);
    assert_eq!((us.counts(now), us.height(now)), (vec![(2, 5, 3)], 2));
}

/// Who has met the successor needs not dial.
#[test]
fn it_is_no_news_when_the_successor_is_linked() {
    let (mut us, mut older, mut newer) = (Node::new(1, 1 << 16), Node::new(2, 5 << 16), Node::new(2, 6 << 16));
    connect(&mut us, &mut older, 1, START);
    connect(&mut us, &mut newer, 2, START);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], START, 500);
    older.replica.handle(Input::Retire, now);
    pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 500);
    assert_eq!(us.retired(), []);
}

#[test]
fn what_goes_on_at_the_older_one_counts_until_it_is_gone() {
    let (mut us, mut older, mut newer, now) = handing_over();
    older.raise(5, now);
    older.add(5, now);
    newer.raise(2, now);
    // Longer than a silent link is kept.
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 20_000);
    assert_eq!((us.height(now), us.closed.len()), (7, 0));
    assert!(us.replica.status(now).peers[0].draining.is_some());
    older.raise(1, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 100);
    assert_eq!(us.height(now), 8);
    us.replica.handle(Input::Disconnected { link: LinkId(1) }, now);
    assert_eq!((us.height(now), us.counts(now)), (2, vec![(2, 5, 5)]), "at once, and counts stay");
    assert_eq!(us.replica.status(now).peers[0].draining, None);
}

#[test]
fn a_process_that_hands_over_and_hangs_is_let_go() {
    let (mut us, mut older, mut newer, now) = handing_over();
    older.raise(5, now);
    older.add(5, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 600);
    let now = pass(&mut us, &mut [(2, &mut newer)], now, 5_000);
    assert_eq!((us.closed.len(), us.height(now)), (0, 5));
    let now = pass(&mut us, &mut [(2, &mut newer)], now, 1_000);
    assert_eq!((&us.closed[..], us.height(now)), (&[(LinkId(1), CloseReason::Silent)][..], 0));
    let peer = us.replica.status(now).peers.swap_remove(0);
    assert_eq!((peer.draining, peer.incarnation), (None, Some(Incarnation(6 << 16))));
    assert_eq!(us.counts(now), [(2, 5, 5)]);
    // The link of a life without a successor stays, however silent it is.
    pass(&mut us, &mut [], now, 20_000);
    assert_eq!(us.closed.len(), 1);
}

/// A successor that fails leaves the link of the older one as any other.
#[test]
fn a_process_whose_successor_fails_is_kept() {
    let (mut us, mut older, _, now) = handing_over();
    us.replica.handle(Input::Disconnected { link: LinkId(2) }, now);
    let now = pass(&mut us, &mut [], now, 20_000);
    assert_eq!(us.closed, []);
    older.raise(5, now);
    let now = pass(&mut us, &mut [(1, &mut older)], now, 1_000);
    assert_eq!(us.height(now), 5);
}

/// Neither is heard for a while, by us; then both are, whichever speaks first.
#[test]
fn both_lives_are_heard_again() {
    let (mut us, mut older, mut newer, now) = handing_over();
    older.raise(5, now);
    newer.raise(2, now);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 600);
    assert_eq!(us.height(now), 7);
    let now = pass(&mut us, &mut [], now, 3_000);
    assert_eq!(us.height(now), 0);
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 1_000);
    assert_eq!((us.height(now), us.closed.len()), (7, 0));
}

/// What the older process counted and told nobody is handed to its successor while that one counts and speaks with others: each count is there
/// once, at the successor and at those who hear it, and is that of the life that counted it.
#[test]
fn what_a_successor_restores_while_it_serves_is_neither_lost_nor_doubled() {
    const KEYS: u32 = 2_000;
    let (mut us, mut older, mut newer, now) = handing_over();
    let add = |node: &Node, nth: u32, n: u32, now: Time| {
        node.store.add(node.table, node.store.key(&[&nth.to_le_bytes()]), n, now);
    };
    (0..KEYS).for_each(|nth| add(&older, nth, 3, now));
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 500);
    us.replica.handle(Input::Disconnected { link: LinkId(1) }, now);
    // Nobody hears of these.
    (0..KEYS).for_each(|nth| add(&older, nth, nth % 5, now));
    older.raise(5, now);
    let head = SnapshotHead {
        cluster: "test".to_owned(),
        secret_id: 7,
        actor: actor(2),
        incarnation: Incarnation(5 << 16),
        at: now,
    };
    let frames: Vec<Bytes> = Snapshot::new(&older.store, head).collect();
    (0..KEYS).for_each(|nth| add(&newer, nth, 1, now));
    std::thread::scope(|scope| {
        let store = Arc::clone(&newer.store);
        scope.spawn(move || {
            for frame in frames.iter().chain(&frames) {
                store.restore(frame, now);
            }
        });
        (0..KEYS).for_each(|nth| add(&newer, nth, 1, now));
        pass(&mut us, &mut [(2, &mut newer)], now, 100);
    });
    let held = |node: &Node, nth: u32, now: Time| {
        let counts = node.store.counts(node.table, node.store.key(&[&nth.to_le_bytes()]), now);
        counts.into_iter().map(|(actor, life, count)| (actor.pop.0, life.0 >> 16, count)).collect::<Vec<_>>()
    };
    let truth = |nth: u32| [(2, 5, 3 + u64::from(nth % 5)), (2, 6, 2)];
    let now = now.plus(100);
    assert!((0..KEYS).all(|nth| held(&newer, nth, now) == truth(nth)), "at once");
    let now = pass(&mut us, &mut [(2, &mut newer)], now, 5_000);
    for nth in 0..KEYS {
        assert_eq!((held(&us, nth, now), held(&newer, nth, now)), (truth(nth).to_vec(), truth(nth).to_vec()), "{nth}");
    }
    assert_eq!((us.height(now), newer.height(now)), (0, 0), "what goes on there is nobody's here");
}

/// The two have no link: it goes by us, at once and not only when their turn to be compared comes, also what came just before the end.
#[test]
fn a_successor_hears_what_the_older_one_counts_within_a_tick() {
    let (mut us, mut older, mut newer, now) = handing_over();
    let add = |node: &Node, nth: u32, now: Time| {
        node.store.add(node.table, node.store.key(&[&nth.to_le_bytes()]), 1, now);
    };
    (0..9_000).for_each(|nth| add(&older, nth, now));
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 10_000);
    (0..100).for_each(|nth| add(&older, nth, now));
    older.store.ban("192.0.2.9/32", now.plus(60_000), 0, "test", now).unwrap();
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 50);
    (0..100).for_each(|nth| add(&older, nth, now));
    let now = pass(&mut us, &mut [(1, &mut older), (2, &mut newer)], now, 35);
    us.replica.handle(Input::Disconnected { link: LinkId(1) }, now);
    let now = pass(&mut us, &mut [(2, &mut newer)], now, 60);
    for nth in 0..100_u32 {
        let counts = newer.store.counts(newer.table, newer.store.key(&[&nth.to_le_bytes()]), now);
        assert_eq!(counts, [(actor(2), Incarnation(5 << 16), 3)]);
    }
    assert!(newer.store.banned("192.0.2.9/32", now).is_some());
    // Nobody was told what it says itself.
    let dropped = |node: &Node| node.replica.status(now).peers[0].dropped;
    assert_eq!((dropped(&us), dropped(&older), dropped(&newer)), (0, 0, 0));
}
