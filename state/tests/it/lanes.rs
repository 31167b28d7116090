//! What goes before what when the network is full.

use std::collections::VecDeque;

use selvedge_state::{Bucket, Charge, Input, LinkId, Output, PopId, Replica, Rung, Store, Time};

use crate::support::{START, replica, spec, store_of};

const LINK: LinkId = LinkId(1);
const DELAY: u64 = 100;
const BUCKET: Bucket = Bucket::new(0.001, 10.0);

/// Two nodes, one of which counts. What it sends reaches the other one, but while its link is full it does not hear that anything left.
struct Pair {
    near: Replica,
    far: Replica,
    ways: VecDeque<(Time, bool, bytes::Bytes)>,
    is_full: bool,
    now: Time,
}

impl Pair {
    fn new(near: &std::sync::Arc<Store>, far: &std::sync::Arc<Store>) -> Pair {
        let (mut near, mut far) = (replica(1, 1, 1, 2, near), replica(2, 1, 1, 2, far));
        near.handle(Input::Connected { link: LINK, peer: PopId(2) }, START);
        far.handle(Input::Connected { link: LINK, peer: PopId(1) }, START);
        Pair { near, far, ways: VecDeque::new(), is_full: false, now: START }
    }

    /// So many ms; in how many of them anything left that counts.
    fn run(&mut self, ms: usize) -> usize {
        (0..ms).filter(|_| self.step()).count()
    }

    /// One ms; whether anything left that counts.
    fn step(&mut self) -> bool {
        let mut left = false;
        self.near.handle(Input::Dirty, self.now);
        while let Some(output) = self.near.poll_output() {
            if let Output::Send { frame, .. } = output {
                left |= frame[0] == 2;
                if !self.is_full {
                    self.near.handle(Input::Sent { link: LINK, bytes: frame.len() }, self.now);
                }
                self.ways.push_back((self.now.plus(DELAY), true, frame));
            }
        }
        self.far.handle(Input::Timeout, self.now);
        while let Some(output) = self.far.poll_output() {
            if let Output::Send { frame, .. } = output {
                self.ways.push_back((self.now.plus(DELAY), false, frame));
            }
        }
        while self.ways.front().is_some_and(|(at, ..)| *at <= self.now) {
            let Some((_, out, bytes)) = self.ways.pop_front() else { break };
            let to = if out { &mut self.far } else { &mut self.near };
            to.handle(Input::Frame { link: LINK, bytes }, self.now);
        }
        self.now = self.now.plus(1);
        left
    }
}

#[test]
fn counters_near_a_limit_go_ahead_of_a_tick_that_waits_for_the_network() {
    let (store, far_store) = (store_of(1, 1, 2, 20_000, 100), store_of(2, 1, 2, 20_000, 100));
    let at = |store: &Store| store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    let (table, there) = (at(&store), at(&far_store));
    let (spent, light) = (store.key(&[b"spent"]), store.key(&[b"light"]));
    let mut pair = Pair::new(&store, &far_store);
    pair.run(1_000);
    pair.is_full = true;
    (0..9_000_u32).for_each(|n| store.add(table, store.key(&[b"fill", &n.to_le_bytes()]), 1, pair.now));
    while !pair.step() {}
    pair.run(5);
    // A light client, and one that spends most of its burst; both after the tick that filled the link.
    store.charge(table, light, &BUCKET, 1, pair.now);
    assert!(matches!(store.charge(table, spent, &BUCKET, 6, pair.now), Charge::Admitted { remaining: 4, wait_ms: 0 }));
    let charged = pair.now;
    let told = |key| far_store.count(there, key, 60_000, START.plus(2_000)) > 0;
    let mut told_at = [None; 2];
    while pair.now < charged.plus(1_000) {
        pair.step();
        for (told_at, key) in told_at.iter_mut().zip([spent, light]) {
            *told_at = told_at.or_else(|| told(key).then(|| pair.now.since(charged) - DELAY));
        }
    }
    let [spent, light] = told_at.map(Option::unwrap);
    assert!(spent <= 27, "it waited {spent} ms");
    assert!(light > 100, "the rest waits for a round trip, it came after {light} ms");
    assert_eq!(pair.near.status(pair.now).peers[0].behind, 0);
}

/// A key that came near its limit while it waited with the rest goes ahead with all it counted, and is not told twice.
#[test]
fn a_counter_that_comes_near_while_it_waits_goes_ahead_once() {
    let (store, far_store) = (store_of(1, 1, 2, 20_000, 100), store_of(2, 1, 2, 20_000, 100));
    let at = |store: &Store| store.table(&spec("t", Rung::S1, Rung::H1)).unwrap();
    let (table, there) = (at(&store), at(&far_store));
    let key = store.key(&[b"spent"]);
    let mut pair = Pair::new(&store, &far_store);
    pair.run(1_000);
    for cost in [1, 6] {
        store.charge(table, key, &BUCKET, cost, pair.now);
    }
    assert_eq!(pair.run(50), 1);
    pair.run(200);
    assert_eq!(far_store.count(there, key, 60_000, pair.now), 7);
    store.charge(table, key, &BUCKET, 1, pair.now);
    assert_eq!(pair.run(50), 1, "what it counts from then on is told again");
}
