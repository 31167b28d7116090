//! Revocations: what is revoked stays so, whatever happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use selvedge_state::{
    Incarnation, REVOKED_AHEAD, Revocable, RevocationKey, RevokeError, RevokedBy, SessionKey, Snapshot, SnapshotHead,
    Store, StoreBounds, Time, Void,
};

use crate::sim::converge::{self, Spread, Watched, quantile};
use crate::sim::{Network, World};
use crate::support::{START, actor, seeds, store, store_bounded};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const KINDS: [Revocable; 4] = [Revocable::Session, Revocable::User, Revocable::Token, Revocable::Tenant];

fn small(max: usize) -> Arc<Store> {
    store_bounded(2, StoreBounds { revocations_max: max, ..StoreBounds::default() })
}

fn key(store: &Store, what: Revocable, id: u32) -> RevocationKey {
    store.revocation_key(what, &[b"shop", &id.to_le_bytes()])
}

/// All that a node knows, as another one is told of it.
fn told(store: &Store, at: Time) -> Vec<bytes::Bytes> {
    let head =
        SnapshotHead { cluster: "test".to_owned(), secret_id: 7, actor: actor(1), incarnation: Incarnation(1), at };
    Snapshot::new(store, head).collect()
}

#[test]
fn what_has_the_name_is_revoked() {
    let store = store();
    for what in KINDS {
        let (one, other) = (key(&store, what, 1), key(&store, what, 2));
        assert_eq!(store.revoked(one, START), None);
        store.revoke(one, START, START.plus(DAY), START).unwrap();
        let seen = [START.minus(1), START, START.plus(DAY)].map(|issued| store.revoked(one, issued));
        let later = match what {
            // An id is used once: whoever shows it, shows what was meant.
            Revocable::Session | Revocable::Token => Some(RevokedBy::Name),
            Revocable::User | Revocable::Tenant => None,
        };
        assert_eq!((seen, store.revoked(other, START)), ([Some(RevokedBy::Name), later, later], None), "{what:?}");
    }
    let same = KINDS.map(|what| key(&store, what, 1));
    let differ = same.iter().enumerate().all(|(at, one)| !same[..at].contains(one));
    assert!(differ && store.revocations() == 4);
}

#[test]
fn the_later_instant_and_the_longer_memory_stay() {
    let store = store();
    let user = key(&store, Revocable::User, 1);
    store.revoke(user, START, START.plus(2 * DAY), START).unwrap();
    store.revoke(user, START.minus(DAY), START.plus(DAY), START).unwrap();
    store.revoke(user, START.plus(500), START.plus(5), START).unwrap();
    assert_eq!(store.revoked(user, START.plus(499)), Some(RevokedBy::Name));
    assert_eq!(store.revoked(user, START.plus(500)), None, "a new login is another one");
    let until = START.plus(2 * DAY);
    (0..16).for_each(|_| store.sweep(until));
    assert_eq!(store.revoked(user, START), Some(RevokedBy::Name), "until then, whatever the clock of who asks");
    (0..16).for_each(|_| store.sweep(until.plus(2 * HOUR)));
    assert_eq!((store.revoked(user, START), store.revocations()), (None, 0));
}

#[test]
fn what_is_not_issued_yet_is_not_revoked() {
    let store = store();
    let user = key(&store, Revocable::User, 1);
    let far = START.plus(REVOKED_AHEAD + 1);
    assert_eq!(store.revoke(user, far, far.plus(DAY), START), Err(RevokeError::Ahead));
    assert_eq!(store.revoke(user, far.minus(1), far.plus(DAY), START), Ok(()));
    assert_eq!(store.revocations(), 1);
    let ban = store.purge_key(&[b"a tag"]);
    assert_eq!(store.revoke(ban, START, far, START), Err(RevokeError::Name));
}

#[test]
fn when_one_was_applied_is_told() {
    let (here, there) = (store(), small(10));
    let session = key(&here, Revocable::Session, 1);
    assert_eq!(here.revocation_applied(session, START, START), None);
    here.revoke(session, START, START.plus(DAY), START).unwrap();
    assert_eq!(here.revocation_applied(session, START, START.plus(9)), Some(START));
    for frame in told(&here, START) {
        there.restore(&frame, START.plus(7));
    }
    assert_eq!(there.revocation_applied(session, START, START.plus(9)), Some(START.plus(7)));
    let user = key(&here, Revocable::User, 1);
    here.revoke(user, START, START.plus(DAY), START.plus(8)).unwrap();
    assert_eq!(here.revocation_applied(user, START.plus(1), START.plus(9)), None, "an earlier one is not it");
}

#[test]
fn a_full_room_revokes_more_and_never_less() {
    let store = small(16);
    let issued = |nth: u32| START.plus(u64::from(nth) * 10_000);
    for nth in 0..100 {
        let (now, session) = (issued(nth).plus(1_000), key(&store, Revocable::Session, nth));
        store.revoke(session, issued(nth), now.plus(DAY), now).unwrap();
        for before in 0..=nth {
            let by = store.revoked(key(&store, Revocable::Session, before), issued(before));
            assert!(by.is_some(), "{before} of {nth}");
        }
    }
    assert!(store.revocations() <= 17 && store.revocations() > 8, "and so many are remembered by name");
    let floor = store.revocations_floor(Revocable::Session).unwrap();
    assert!(floor > issued(80) && floor <= issued(99).plus(2_000), "{floor}");
    let stranger = key(&store, Revocable::Session, 1_000);
    assert_eq!(store.revoked(stranger, issued(50)), Some(RevokedBy::Floor), "it was issued as early");
    assert_eq!(store.revoked(stranger, issued(100)), None);
    assert_eq!(store.revoked(key(&store, Revocable::Token, 1), issued(0)), None, "of another kind there is no floor");
}

/// A full room of many makes room by some of its parts at a time, and what it has not come to yet is revoked all the while.
#[test]
fn a_full_room_of_many_is_not_looked_through_at_once() {
    const MAX: u32 = 200_000;
    let (store, other) = (small(MAX as usize), small(MAX as usize));
    let issued = |nth: u32| START.plus(u64::from(nth) / 10);
    let revoke = |nth: u32| {
        let now = issued(nth).plus(2_000);
        store.revoke(key(&store, Revocable::User, nth), issued(nth), now.plus(DAY), now).unwrap();
    };
    (0..MAX).for_each(revoke);
    let before = store.revocations() as u32;
    revoke(MAX);
    let now = issued(MAX).plus(3_000);
    assert!(store.revocations_floor(Revocable::User).is_some());
    let dropped = before - store.revocations() as u32;
    assert!((1_000..MAX / 16).contains(&dropped), "{dropped} at once");
    let is_revoked = |store: &Store, nth: u32| store.revoked(key(store, Revocable::User, nth), issued(nth).minus(1));
    let all = |store: &Store, most: u32| (0..=most).all(|nth| is_revoked(store, nth).is_some());
    assert!(all(&store, MAX));
    (MAX + 1..MAX + 40_000).for_each(revoke);
    assert!(all(&store, MAX + 39_999) && store.revocations() <= MAX as usize + 1);
    // Whoever is told knows the same, and so does who looks through all of it.
    told(&store, now.plus(10_000)).iter().for_each(|frame| {
        let _ = other.restore(frame, now.plus(10_000));
    });
    (0..16).for_each(|_| store.sweep(now.plus(10_000)));
    assert!(all(&other, MAX + 39_999));
    assert_eq!(other.revocations(), store.revocations());
    let by_name = (0..MAX + 40_000).filter(|nth| is_revoked(&store, *nth) == Some(RevokedBy::Name)).count();
    assert!(by_name >= MAX as usize * 3 / 4, "{by_name}");
}

/// A floor that rises while a snapshot is made takes with it what the snapshot has not come to, and may lie where it has been.
#[test]
fn a_snapshot_has_the_floors_that_rose_meanwhile() {
    const MAX: u32 = 10_000;
    for (what, after) in KINDS.into_iter().flat_map(|what| (2..7).map(move |after| (what, after))) {
        let (store, other) = (small(MAX as usize), small(MAX as usize));
        let issued = |id: u32| START.plus(u64::from(id) * 10);
        let revoke = |id: u32| {
            let now = issued(id).plus(2_000);
            store.revoke(key(&store, what, id), issued(id), now.plus(DAY), now).unwrap();
        };
        (0..MAX).for_each(revoke);
        let (at, actor) = (issued(MAX).plus(5_000), actor(2));
        let head = SnapshotHead { cluster: "test".to_owned(), secret_id: 7, actor, incarnation: Incarnation(1), at };
        let mut frames = Snapshot::new(&store, head);
        let mut taken: Vec<_> = frames.by_ref().take(after).collect();
        (MAX..MAX + 3_000).for_each(revoke);
        taken.extend(frames);
        assert!(taken.len() > after + 2, "the floor rose in the middle: {after} of {}", taken.len());
        taken.iter().for_each(|frame| {
            let _ = other.restore(frame, at);
        });
        let lost = (0..MAX).filter(|id| other.revoked(key(&other, what, *id), issued(*id).minus(1)).is_none()).count();
        assert_eq!(lost, 0, "{what:?} after {after}");
    }
}

/// What is remembered for longer than the floor is not taken for said by it.
#[test]
fn a_floor_forgets_nothing_early() {
    let store = small(8);
    for nth in 0..8 {
        let now = START.plus(nth);
        store.revoke(key(&store, Revocable::User, nth as u32), now, now.plus(HOUR), now).unwrap();
    }
    let (long, now) = (key(&store, Revocable::User, 99), START.plus(20));
    store.revoke(key(&store, Revocable::User, 8), now, now.plus(HOUR), now).unwrap();
    let early = store.revocations_floor(Revocable::User).unwrap().minus(1);
    store.revoke(long, early, now.plus(100 * DAY), now).unwrap();
    (0..16).for_each(|_| store.sweep(now.plus(DAY)));
    assert!(store.revoked(long, early.minus(1)).is_some());
}

#[test]
fn a_void_takes_back_what_a_poisoned_node_said() {
    let (here, there) = (store_bounded(1, StoreBounds::default()), small(10));
    let user = key(&here, Revocable::User, 1);
    here.revoke(user, START, START.plus(DAY), START).unwrap();
    there.set_voids(&[Void { actor: actor(1), from: Incarnation(0), to: Incarnation(9) }]);
    told(&here, START).iter().for_each(|frame| {
        let _ = there.restore(frame, START);
    });
    assert_eq!((there.revoked(user, START.minus(1)), there.revocations()), (None, 0));
}

/// Ids, and three nodes that tell one another of them.
const IDS: u32 = 24;
const NODES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Revoke { at: usize, what: usize, id: u32, lasts: u64 },
    Tell { from: usize, to: usize, lost: u8 },
    Restart { at: usize },
    Wait { ms: u64 },
    Sweep { at: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let revoke = (0..NODES, 0..4_usize, 0..IDS, 1..5 * HOUR);
    let revoke = revoke.prop_map(|(at, what, id, lasts)| Step::Revoke { at, what, id, lasts });
    let tell = (0..NODES, 0..NODES, prop_oneof![Just(0_u8), 0..3_u8]);
    let tell = tell.prop_map(|(from, to, lost)| Step::Tell { from, to, lost });
    let restart = (0..NODES).prop_map(|at| Step::Restart { at });
    let wait = prop_oneof![0..5_u64, 0..HOUR].prop_map(|ms| Step::Wait { ms });
    let sweep = (0..NODES).prop_map(|at| Step::Sweep { at });
    prop::collection::vec(prop_oneof![12 => revoke, 5 => tell, 1 => restart, 4 => wait, 2 => sweep], 1..120)
}

/// Until when what has this kind and id, and was issued at [`START`], has to be revoked at a node.
type Promised = BTreeMap<(usize, u32), Time>;

/// Nodes whose clocks are as far apart as is believed of any, in rooms that are too small.
struct Cluster {
    stores: Vec<Arc<Store>>,
    promised: Vec<Promised>,
    now: Time,
}

impl Cluster {
    fn clock(&self, node: usize) -> Time {
        self.now.plus([0, 500, 1_000][node])
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Revoke { at, what, id, lasts } => {
                let (now, key) = (self.clock(at), key(&self.stores[at], KINDS[what], id));
                let until = now.plus(lasts);
                self.stores[at].revoke(key, now, until, now).unwrap();
                let promised = self.promised[at].entry((what, id)).or_default();
                *promised = until.max(*promised);
            }
            Step::Tell { from, to, lost } => {
                let (frames, now) = (told(&self.stores[from], self.clock(from)), self.clock(to));
                let came = frames.iter().enumerate().filter(|(nth, _)| lost == 0 || nth % 3 != usize::from(lost));
                came.for_each(|(_, frame)| {
                    let _ = self.stores[to].restore(frame, now);
                });
                if lost == 0 {
                    let said = self.promised[from].clone();
                    for (of, until) in said.into_iter().filter(|(_, until)| *until > now) {
                        let promised = self.promised[to].entry(of).or_default();
                        *promised = until.max(*promised);
                    }
                }
            }
            Step::Restart { at } => {
                let (frames, now) = (told(&self.stores[at], self.clock(at)), self.clock(at));
                self.stores[at] = small(16);
                frames.iter().for_each(|frame| {
                    let _ = self.stores[at].restore(frame, now);
                });
            }
            Step::Wait { ms } => self.now = self.now.plus(ms),
            Step::Sweep { at } => (0..16).for_each(|_| self.stores[at].sweep(self.clock(at))),
        }
    }

    /// What is promised and not so.
    fn broken(&self) -> Option<(usize, usize, u32)> {
        (0..NODES).find_map(|node| {
            let holds =
                |what: usize, id| self.stores[node].revoked(key(&self.stores[node], KINDS[what], id), START).is_some();
            let due = self.promised[node].iter().filter(|(_, until)| self.clock(node) < **until);
            due.map(|(of, _)| *of).find(|(what, id)| !holds(*what, *id)).map(|(what, id)| (node, what, id))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order, what is lost, restarts, clocks that differ and rooms that overflow: what was revoked at a node stays so until its end.
    #[test]
    fn nothing_takes_a_revocation_back(steps in steps()) {
        let stores = (0..NODES).map(|_| small(16)).collect();
        let mut cluster = Cluster { stores, promised: vec![Promised::new(); NODES], now: START.plus(1) };
        for (nth, step) in steps.iter().enumerate() {
            cluster.take(step);
            prop_assert_eq!(cluster.broken(), None, "after step {}: {:?}", nth, step);
        }
    }
}

#[test]
fn all_nodes_come_to_know_the_same() {
    for seed in seeds(&[1, 2]) {
        let mut world = World::new(seed, 4, &[], Network { lost: 20, doubled: 10, delay: (1, 80) });
        world.run(world.now.plus(1_000));
        for id in 0..200 {
            let (node, now) = (world.rng.usize(..4), world.now);
            let store = &world.nodes[node].store;
            store.revoke(key(store, KINDS[id as usize % 4], id), now, now.plus(DAY), now).unwrap();
            world.run(world.now.plus(10));
            if id == 100 {
                world.crash(3);
            }
        }
        world.network = Network { lost: 0, doubled: 0, delay: (1, 20) };
        world.run(world.now.plus(15_000));
        let revoked = |node: &crate::sim::Node| -> Vec<u32> {
            let is = |id: &u32| node.store.revoked(key(&node.store, KINDS[*id as usize % 4], *id), START).is_some();
            (0..200).filter(is).collect()
        };
        let first = revoked(&world.nodes[0]);
        // What nobody had heard yet of the node that crashed is lost with it.
        assert!(first.len() >= 190 && first.len() <= 200, "seed {seed}: {}", first.len());
        assert!(world.nodes.iter().all(|node| revoked(node) == first), "seed {seed}");
    }
}

/// As of purges: within the way there and a tick, in the median far sooner.
#[test]
fn one_is_in_force_as_soon_as_the_way_takes() {
    for seed in seeds(&[1]) {
        let spread = Spread { nodes: 20, seed, seconds: 5, updates: 200, watched: Watched::Revocations };
        let spreads = converge::run(spread);
        assert_eq!(spreads.lost, 0, "seed {seed}");
        assert!(quantile(&spreads.over_way, 500).is_some_and(|median| median <= 25), "seed {seed}");
    }
}

#[test]
fn a_session_is_revoked_by_its_name_in_the_store() {
    let store = store();
    let session = store.session_key(&[b"web", b"id"]);
    // As whoever reads it in a log knows it.
    let shown = SessionKey::parse(&session.to_string()).unwrap();
    assert_eq!(store.revoked(Store::session_revocation(session), START), None);
    store.revoke(Store::session_revocation(shown), START, START.plus(DAY), START).unwrap();
    assert_eq!(store.revoked(Store::session_revocation(session), START), Some(RevokedBy::Name));
    let other = store.session_key(&[b"web", b"other"]);
    assert_eq!(store.revoked(Store::session_revocation(other), START), None);
    for text in ["", "0", "0123456789abcdef0123456789abcdeg", "+123456789abcdef0123456789abcdef"] {
        assert_eq!(SessionKey::parse(text), None, "{text}");
    }
}

/// What is revoked here is noted for whoever writes it down, and what peers say is not; what was written down is revoked in another life.
#[test]
fn what_is_revoked_here_is_noted_and_taken_in_again() {
    let (here, peer) = (small(100), store());
    let woken = Arc::new(AtomicU64::new(0));
    here.revoke(key(&here, Revocable::User, 0), START, START.plus(DAY), START).unwrap();
    assert_eq!(here.take_revocations().made, [], "nobody asked");
    let wakes = Arc::clone(&woken);
    here.note_revocations(Box::new(move || {
        wakes.fetch_add(1, Ordering::Relaxed);
    }));
    for id in 1..=3 {
        here.revoke(key(&here, KINDS[id as usize], id), START, START.plus(DAY), START).unwrap();
    }
    peer.revoke(key(&peer, Revocable::User, 9), START, START.plus(DAY), START).unwrap();
    told(&peer, START).iter().for_each(|frame| {
        let _ = here.restore(frame, START);
    });
    let noted = here.take_revocations();
    assert_eq!((noted.made.len(), noted.lost, noted.up_to), (3, false, here.revocations_made()));
    assert_eq!(woken.load(Ordering::Relaxed), 1, "once for all that waits");
    assert_eq!(here.take_revocations().made, []);
    let next = small(100);
    assert_eq!(next.restore_revocations(noted.made.clone(), START.plus(DAY - 1)).taken, 3);
    assert_eq!(next.revocations(), 3);
    for id in 1..=3 {
        assert_eq!(next.revoked(key(&next, KINDS[id as usize], id), START.minus(1)), Some(RevokedBy::Name));
    }
    // What nobody would ask for any more is not taken.
    let late = small(100);
    assert_eq!(late.restore_revocations(noted.made, START.plus(10 * DAY)).left, 3);
    assert_eq!(late.revocations(), 0);
}

#[test]
fn what_is_not_read_in_time_is_told_to_be_lost() {
    let store = store();
    store.note_revocations(Box::new(|| ()));
    for id in 0..100_001 {
        store.revoke(key(&store, Revocable::User, id), START, START.plus(DAY), START).unwrap();
    }
    let noted = store.take_revocations();
    assert_eq!((noted.made.len(), noted.lost, noted.up_to), (1, true, 100_001));
    assert!(!store.take_revocations().lost);
}
