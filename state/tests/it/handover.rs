//! A process hands over to its successor: both lives of one node are linked at once, and what the older one counted last still comes.

use std::sync::Arc;

use selvedge_state::{Draining, Incarnation, Input, LinkId, Output, PopId, Replica, Rung, Store, TableId, Time};

use crate::support::{START, actor, replica, spec, store_of};

struct Node {
    replica: Replica,
    store: Arc<Store>,
    table: TableId,
}

impl Node {
    fn new(pop: u16, life: u64) -> Node {
        let store = store_of(pop, life, 2, 100, 100);
        let table = store.table(&spec("limit", Rung::S1, Rung::M1)).unwrap();
        Node { replica: replica(pop, life, life, 2, &store), store, table }
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
        us.replica.handle(Input::Timeout, now);
        while let Some(output) = us.replica.poll_output() {
            let Output::Send { link, frame } = output else { continue };
            us.replica.handle(Input::Sent { link, bytes: frame.len() }, now);
            if let Some((_, other)) = others.iter_mut().find(|(name, _)| *name == link.0) {
                other.replica.handle(Input::Frame { link, bytes: frame }, now);
            }
        }
        for (_, other) in others.iter_mut() {
            other.replica.handle(Input::Timeout, now);
            while let Some(output) = other.replica.poll_output() {
                let Output::Send { link, frame } = output else { continue };
                other.replica.handle(Input::Sent { link, bytes: frame.len() }, now);
                us.replica.handle(Input::Frame { link, bytes: frame }, now);
            }
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
