//! The journal of purges: what is noted for whoever writes it down, and what comes back in from it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use selvedge_sim::{Network, World};
use selvedge_state::{Applied, Journal, Store, StoreBounds};

use crate::support::{START, is_purged, store, store_bounded};

const HOUR: u64 = 3_600_000;

fn purge(store: &Store, name: &[u8]) {
    store.purge(store.purge_key(&[name]), START.plus(HOUR), START).unwrap();
}

/// How often somebody was woken.
fn journal(store: &Store) -> Arc<AtomicUsize> {
    let woken = Arc::new(AtomicUsize::new(0));
    let wake = Arc::clone(&woken);
    store.journal_purges(Box::new(move || {
        wake.fetch_add(1, Ordering::Relaxed);
    }));
    woken
}

fn numbers(journal: &Journal) -> Vec<u64> {
    journal.applied.iter().map(|applied| applied.number).collect()
}

#[test]
fn what_is_applied_is_noted_from_when_somebody_reads_it() {
    let store = store();
    purge(&store, b"before");
    let woken = journal(&store);
    assert_eq!(store.take_journal(), Journal { up_to: 1, ..Journal::default() });
    [&b"a"[..], b"b", b"a"].iter().for_each(|name| purge(&store, name));
    let read = store.take_journal();
    assert_eq!((numbers(&read), read.lost, read.up_to), (vec![2, 3, 4], None, 4));
    assert_eq!(woken.load(Ordering::Relaxed), 1, "once for all that waited");
    let Applied { key, dot, at, made_at, kept, .. } = read.applied[2];
    assert_eq!((key, dot.seq.0), (store.purge_key(&[b"a"]).each().next(), 4));
    assert_eq!((at, made_at), (START, START));
    assert!(kept > START.plus(HOUR));
    purge(&store, b"c");
    assert_eq!((numbers(&store.take_journal()), woken.load(Ordering::Relaxed)), (vec![5], 2));
}

#[test]
fn what_is_not_read_in_time_counts_as_a_purge_of_all() {
    let store = store_bounded(1, StoreBounds { marks_max: 10, ..StoreBounds::default() });
    journal(&store);
    (0..100_000).for_each(|_| purge(&store, b"a"));
    assert_eq!(store.purges().len(), 1);
    purge(&store, b"b");
    let read = store.take_journal();
    assert_eq!((numbers(&read), read.lost, read.up_to), (vec![100_001], Some(100_000), 100_001));
    assert_eq!(store.take_journal(), Journal { up_to: 100_001, ..Journal::default() });
}

proptest! {
    /// Whatever sinks into the floor: the journal says of all that is remembered how it was applied, the floor included.
    #[test]
    fn the_journal_says_what_the_marks_say(steps in prop::collection::vec((0..2_usize, 0..40_u8), 1..120), max in 2..30_usize) {
        let store = store_bounded(2, StoreBounds { marks_max: max, ..StoreBounds::default() });
        let other = selvedge_sim::store_of(2, 1, 2, 100, 10);
        journal(&store);
        for (who, name) in steps {
            if who == 0 {
                purge(&store, &[name]);
            } else {
                purge(&other, &[name]);
                store.restore_purges(other.purges(), START);
            }
        }
        let mut said = HashMap::new();
        for applied in store.take_journal().applied {
            said.insert((applied.key, applied.dot.author.actor), applied);
        }
        for applied in store.purges() {
            let said = said.get(&(applied.key, applied.dot.author.actor)).unwrap();
            prop_assert_eq!((said.number, said.dot), (applied.number, applied.dot));
        }
    }
}

/// What a life before filled is told apart from its purges by their names alone: what takes their names away has to purge all of it.
#[test]
fn what_lives_before_purged_is_news_where_it_sinks_into_the_floor() {
    let before = store();
    purge(&before, b"a");
    let store = store_bounded(1, StoreBounds { marks_max: 3, ..StoreBounds::default() });
    store.restore_purges(before.purges(), START);
    journal(&store);
    let fill = store.fill();
    let other = store.purge_key(&[b"other"]);
    [&b"b"[..], b"c"].iter().for_each(|name| purge(&store, name));
    assert!(!is_purged(&store, other, fill));
    purge(&store, b"d");
    assert!(is_purged(&store, other, fill));
    let floors: Vec<_> = store.take_journal().applied.into_iter().filter(|applied| applied.key.is_none()).collect();
    assert!(!floors.is_empty() && floors.iter().all(|applied| applied.number > fill.number()));
}

/// A purge that nobody heard of before a crash is not lost where it was written down.
#[test]
fn what_was_written_down_reaches_those_who_never_heard_of_it() {
    let mut world = World::new(1, 3, &[], Network { lost: 0, doubled: 0, delay: (20, 40) });
    world.run(world.now.plus(1_000));
    world.cut(0, 2);
    world.cut(1, 2);
    let key = world.nodes[2].store.purge_key(&[b"tag", b"x"]);
    let dot = world.nodes[2].store.purge(key, world.now.plus(HOUR), world.now).unwrap();
    let logged = world.nodes[2].store.purges();
    world.run(world.now.plus(1_000));
    world.crash(2);
    let again = Arc::clone(&world.nodes[2].store);
    assert!(again.purge_applied(key, dot).is_none());
    let before = again.fill();
    let restored = again.restore_purges(logged.clone(), world.now);
    assert_eq!((restored.taken, restored.left), (1, 0));
    assert!(is_purged(&again, key, before));
    let (after, twice) = (again.fill(), again.restore_purges(logged, world.now));
    assert_eq!((twice.taken, again.fill()), (1, after), "once");
    world.heal();
    world.run(world.now.plus(60_000));
    assert!(world.nodes.iter().all(|node| node.store.purge_applied(key, dot).is_some()));
}
