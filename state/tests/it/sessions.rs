//! Sessions: at one node, in full rooms, and as a client meets them that goes from one to another.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use selvedge_state::{
    CONTEXT_MAX, Covered, Incarnation, SESSION_ATTRIBUTES_MAX, SESSION_COUNTERS_MAX, SESSION_ROWS_MAX, Session,
    SessionError, SessionKey, SessionLife, SessionWrite, Store, StoreBounds, Time, Version, Versioned, Void,
};

use crate::sim::{Network, World};
use crate::support::{START, actor, seeds, store, store_bounded, store_of};

const HOUR: u64 = 3_600_000;

fn life(now: Time) -> SessionLife {
    SessionLife { created: START, ends: START.plus(24 * HOUR), until: now.plus(HOUR) }
}

fn key(store: &Store) -> SessionKey {
    store.session_key(&[b"shop", b"one"])
}

/// Writes one attribute.
fn set(store: &Store, (name, value): (&str, &str), after: &[Versioned], now: Time) -> Versioned {
    let attributes = [(name, Some(value.as_bytes()))];
    let write = SessionWrite { after, attributes: &attributes, ..SessionWrite::default() };
    store.write_session(key(store), &life(now), &write, now).unwrap().expect("it is new")
}

fn counted(store: &Store, by: u64, now: Time) -> Versioned {
    let write = SessionWrite { counts: &[("clicks", by)], ..SessionWrite::default() };
    store.write_session(key(store), &life(now), &write, now).unwrap().expect("it is new")
}

fn text(store: &Store, name: &str, now: Time) -> Option<String> {
    store.session(key(store), now, |session| {
        session.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    })?
}

/// One asks the other for the session, as after a request that found it missing.
fn fetch(from: &Store, to: &Store, now: Time) -> Result<bool, SessionError> {
    let said = from.export_session(key(from), now).expect("it is known there");
    to.take_session(key(to), actor(1), &said, now)
}

#[test]
fn a_session_holds_what_was_written_until_it_is_over() {
    let store = store();
    assert_eq!(store.session(key(&store), START, |_| ()), None);
    set(&store, ("user", "42"), &[], START);
    set(&store, ("role", "admin"), &[], START);
    counted(&store, 2, START);
    counted(&store, 3, START.plus(5));
    let read = |session: &Session| {
        let all: Vec<_> = session.attributes().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        (all, session.count("clicks"), session.counters().len(), session.created(), session.seen(), session.over())
    };
    let all = vec![("role".to_owned(), b"admin".to_vec()), ("user".to_owned(), b"42".to_vec())];
    let expected = (all, 5, 1, START, START.plus(5), START.plus(5).plus(HOUR));
    assert_eq!(store.session(key(&store), START, read), Some(expected));
    let unset = SessionWrite { attributes: &[("role", None)], ..SessionWrite::default() };
    store.write_session(key(&store), &life(START), &unset, START).unwrap().expect("it is new");
    assert_eq!((text(&store, "role", START), text(&store, "user", START)), (None, Some("42".to_owned())));
    let over = START.plus(5).plus(HOUR);
    assert_eq!((text(&store, "user", over.minus(1)).is_some(), text(&store, "user", over)), (true, None));
    (0..16).for_each(|_| store.sweep(over));
    assert_eq!(store.session_count(), 0);
}

#[test]
fn being_seen_is_no_version_and_goes_no_further_than_the_absolute_end() {
    let store = store();
    let version = set(&store, ("user", "42"), &[], START);
    let late = START.plus(23 * HOUR + HOUR / 2);
    let mut now = START;
    while now < late {
        now = now.plus(HOUR / 2);
        let same = SessionWrite { attributes: &[("user", Some(b"42"))], ..SessionWrite::default() };
        assert_eq!(store.write_session(key(&store), &life(now), &same, now), Ok(None), "it says nothing new");
    }
    let ends = START.plus(24 * HOUR);
    assert_eq!(store.session(key(&store), now, |session| (session.seen(), session.over())), Some((late, ends)));
    assert_eq!(store.session(key(&store), now, |session| session.versions().collect()), Some(vec![version]));
    let write = SessionWrite::default();
    assert_eq!(store.write_session(key(&store), &life(ends), &write, ends), Err(SessionError::Over));
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let store = store();
    let write = |attributes: &[(&str, Option<&[u8]>)], counts: &[(&str, u64)]| {
        let write = SessionWrite { attributes, counts, ..SessionWrite::default() };
        store.write_session(key(&store), &life(START), &write, START)
    };
    let names: Vec<String> = (0..=SESSION_ATTRIBUTES_MAX).map(|n| format!("a{n}")).collect();
    let some: Vec<_> = names.iter().map(|name| (name.as_str(), Some(&b"x"[..]))).collect();
    let counts: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    assert_eq!(write(&some, &[]), Err(SessionError::Attributes));
    assert_eq!(write(&[("", None)], &[]), Err(SessionError::Name(0)));
    assert_eq!(write(&[], &[(&"n".repeat(33), 1)]), Err(SessionError::Name(33)));
    assert_eq!(write(&[("a", Some(&[0; 1025]))], &[]), Err(SessionError::TooLong(1025)));
    assert_eq!(write(&some[1..2], &counts[..=SESSION_COUNTERS_MAX]), Err(SessionError::Counters));
    assert_eq!(text(&store, "a1", START), None, "nothing of it is taken");
    assert!(write(&some[1..], &counts[1..=SESSION_COUNTERS_MAX]).is_ok());
    assert_eq!(write(&some[..1], &[]), Err(SessionError::Attributes));
    assert_eq!(write(&[("a1", Some(b"y"))], &[("a1", 1)]).map(|version| version.is_some()), Ok(true));
}

#[test]
fn a_client_that_goes_elsewhere_is_told_what_is_missing() {
    let [here, there] = [1, 2].map(|pop| store_of(pop, 1, 3, 10, 10));
    let seen = [set(&here, ("user", "42"), &[], START)];
    assert_eq!(here.session_covers(key(&here), &seen, START), Covered::All);
    assert_eq!(there.session_covers(key(&there), &seen, START), Covered::Misses(vec![seen[0].author]));
    assert_eq!(there.session_context(key(&there), &seen, START), seen, "it may still come");
    assert_eq!(fetch(&here, &there, START), Ok(true));
    assert_eq!(fetch(&here, &there, START), Ok(false), "it is known");
    assert_eq!(there.session_covers(key(&there), &seen, START), Covered::All);
    assert_eq!(text(&there, "user", START), Some("42".to_owned()));
    // What is written there stands for what was read there.
    let then = [set(&there, ("cart", "7"), &seen, START)];
    assert_eq!(here.session_covers(key(&here), &then, START), Covered::Misses(vec![then[0].author]));
    let third = store_of(3, 1, 3, 10, 10);
    assert_eq!(fetch(&there, &third, START), Ok(true));
    assert_eq!(third.session_covers(key(&third), &[seen[0], then[0]], START), Covered::All);
    assert_eq!(text(&third, "user", START), Some("42".to_owned()));
}

#[test]
fn the_life_of_a_writer_may_have_ended() {
    let there = store_of(2, 1, 3, 10, 10);
    let lost = Versioned {
        author: selvedge_state::Author { actor: actor(1), incarnation: Incarnation(1) },
        version: Version::numbered(9),
    };
    assert_eq!(there.session_covers(key(&there), &[lost], START), Covered::Misses(vec![lost.author]));
    there.hears(actor(1), Incarnation(1 << 20), selvedge_state::Hearing::Heard);
    assert_eq!(there.session_covers(key(&there), &[lost], START), Covered::Ended(vec![lost.author]));
    assert_eq!(there.session_context(key(&there), &[lost], START), [lost], "there is nothing here to go on with");
    let known = set(&there, ("user", "42"), &[], START);
    let context = there.session_context(key(&there), &[lost], START);
    assert_eq!(context.len(), 1, "nobody is asked for it again");
    assert!(context[0].author == known.author && context[0].version > lost.version.max(known.version));
    let own = Versioned { author: selvedge_state::Author { actor: actor(2), incarnation: Incarnation(1) }, ..lost };
    assert_eq!(there.session_covers(key(&there), &[own], START), Covered::Ended(vec![own.author]));
}

/// The clock of the first node is ahead, and what it wrote has not come yet: what the client writes next wins all the same.
#[test]
fn what_is_written_comes_after_what_the_client_has_seen() {
    let [ahead, there] = [1, 2].map(|pop| store_of(pop, 1, 2, 10, 10));
    let seen = [set(&ahead, ("cart", "old"), &[], START.plus(400))];
    let after = [set(&there, ("cart", "new"), &seen, START)];
    assert_eq!(fetch(&ahead, &there, START), Ok(true));
    assert_eq!(text(&there, "cart", START), Some("new".to_owned()));
    assert_eq!(there.session_covers(key(&there), &[seen[0], after[0]], START), Covered::All);
    // Too far ahead to come after it.
    let far = Versioned { version: Version::numbered(START.plus(600).0 << 20), ..seen[0] };
    let write = SessionWrite { after: &[far], counts: &[("n", 1)], ..SessionWrite::default() };
    assert_eq!(there.write_session(key(&there), &life(START), &write, START), Err(SessionError::Ahead));
}

#[test]
fn what_was_forgotten_is_not_claimed() {
    let bounds = StoreBounds { sessions_max: 1, ..StoreBounds::default() };
    let (small, other) = (store_bounded(1, bounds), store_of(2, 1, 2, 10, 10));
    let seen = [set(&small, ("user", "42"), &[], START)];
    assert_eq!(fetch(&small, &other, START), Ok(true));
    let pushes = SessionWrite { counts: &[("n", 1)], ..SessionWrite::default() };
    let stranger = small.session_key(&[b"shop", b"two"]);
    small.write_session(stranger, &life(START), &pushes, START).unwrap();
    assert_eq!((small.session_count(), text(&small, "user", START)), (1, None));
    let again = [set(&small, ("cart", "7"), &[], START)];
    assert!(again[0] > seen[0], "a later version, but not of the same row");
    assert_eq!(small.session_covers(key(&small), &seen, START), Covered::Ended(vec![seen[0].author]));
    // Whoever has both rows has both.
    assert_eq!(fetch(&small, &other, START), Ok(true));
    assert_eq!(other.session_covers(key(&other), &[seen[0]], START), Covered::All);
    assert_eq!(other.session_covers(key(&other), &again, START), Covered::All);
    let read = |name| text(&other, name, START);
    assert_eq!((read("user"), read("cart")), (Some("42".to_owned()), Some("7".to_owned())));
    assert_eq!(fetch(&other, &small, START), Ok(true), "and may say it to who forgot it");
    assert_eq!(small.session_covers(key(&small), &seen, START), Covered::All);
}

#[test]
fn one_entry_stands_for_many_writers() {
    let home = store_of(9, 1, 12, 10, 10);
    let mut written = Vec::new();
    for pop in 1..=6 {
        let store = store_of(pop, 1, 12, 10, 10);
        written.push(set(&store, (&format!("a{pop}"), "x"), &[], START.plus(pop.into())));
        assert_eq!(fetch(&store, &home, START.plus(9)), Ok(true));
        if pop <= 4 {
            assert_eq!(home.session_context(key(&home), &[], START.plus(9)), written, "so many fit");
        }
    }
    let missing = Versioned {
        author: selvedge_state::Author { actor: actor(8), incarnation: Incarnation(1) },
        version: Version::numbered(9),
    };
    let context = home.session_context(key(&home), &[missing], START.plus(9));
    assert_eq!((context.len(), context[1]), (2, missing));
    assert!(context.len() <= CONTEXT_MAX && context[0].author.actor == actor(9));
    let far = store_of(10, 1, 12, 10, 10);
    assert_eq!(far.session_covers(key(&far), &context[..1], START.plus(9)), Covered::Misses(vec![context[0].author]));
    assert_eq!(fetch(&home, &far, START.plus(9)), Ok(true));
    written.push(context[0]);
    assert_eq!(far.session_covers(key(&far), &written, START.plus(9)), Covered::All);
}

/// Each row that is raised is sent to all: not once for each request.
#[test]
fn what_stands_for_many_writers_is_said_again_only_after_news() {
    let home = store_of(9, 1, 12, 10, 10);
    for pop in 1..=6 {
        let store = store_of(pop, 1, 12, 10, 10);
        set(&store, (&format!("a{pop}"), "x"), &[], START.plus(pop.into()));
        assert_eq!(fetch(&store, &home, START.plus(9)), Ok(true));
    }
    let context = |after: &[Versioned]| home.session_context(key(&home), after, START.plus(9));
    let first = context(&[]);
    assert_eq!((context(&first), context(&[]), first.len()), (first.clone(), first.clone(), 1));
    let written = set(&home, ("a9", "x"), &first, START.plus(9));
    assert_eq!(context(&first), [written], "a write stands for them as well");
    let late = store_of(7, 1, 12, 10, 10);
    let news = set(&late, ("a7", "x"), &[], START.plus(3));
    assert_eq!(fetch(&late, &home, START.plus(9)), Ok(true));
    let after = context(&[written]);
    assert!(after.len() == 1 && after[0] > written, "the row of before does not stand for {news:?}");
    assert_eq!(context(&after), after);
}

#[test]
fn the_writers_of_before_are_not_claimed_where_there_are_too_many() {
    let home = store_of(99, 1, 100, 10, 10);
    let mut written = Vec::new();
    for pop in 1..=SESSION_ROWS_MAX as u16 + 2 {
        let (store, now) = (store_of(pop, 1, 100, 10, 10), START.plus(pop.into()));
        written.push(set(&store, ("last", &pop.to_string()), &[], now));
        assert_eq!(fetch(&store, &home, now), Ok(true));
    }
    let now = START.plus(90);
    let gone = |from: usize| Covered::Misses(vec![written[from].author]);
    assert_eq!([0, 1].map(|at| home.session_covers(key(&home), &written[at..=at], now)), [gone(0), gone(1)]);
    assert_eq!(home.session_covers(key(&home), &written[2..], now), Covered::All);
    assert_eq!(text(&home, "last", now), Some((SESSION_ROWS_MAX + 2).to_string()));
}

#[test]
fn a_new_id_takes_along_what_is_read() {
    let [here, there] = [1, 2].map(|pop| store_of(pop, 1, 2, 10, 10));
    let before = [set(&here, ("cart", "7"), &[], START)];
    counted(&here, 3, START);
    assert_eq!(fetch(&here, &there, START), Ok(true));
    counted(&there, 4, START);
    let (old, new) = (key(&there), there.session_key(&[b"shop", b"fresh"]));
    let login = SessionWrite { attributes: &[("user", Some(b"42"))], counts: &[("clicks", 1)], after: &before };
    let version = there.copy_session((old, new), &life(START), &login, START).unwrap().expect("it is new");
    let read = |session: &Session| {
        let value = |name| session.get(name).map(<[u8]>::to_vec);
        (value("cart"), value("user"), session.count("clicks"), session.versions().collect::<Vec<_>>())
    };
    let expected = (Some(b"7".to_vec()), Some(b"42".to_vec()), 8, vec![version]);
    assert_eq!(there.session(new, START, read), Some(expected));
    assert_eq!(text(&there, "user", START), None, "the old one is as it was");
}

#[test]
fn what_cannot_be_the_session_is_refused() {
    let [here, there] = [1, 2].map(|pop| store_of(pop, 1, 2, 10, 10));
    set(&here, ("user", "42"), &[], START);
    let said = here.export_session(key(&here), START).unwrap();
    let other = there.session_key(&[b"shop", b"two"]);
    assert_eq!(there.take_session(other, actor(1), &said, START), Err(SessionError::Other));
    for cut in 0..said.len() {
        let taken = there.take_session(key(&there), actor(1), &said[..cut], START);
        assert!(matches!(taken, Err(SessionError::Unreadable(_))), "{cut}: {taken:?}");
    }
    let early = START.minus(501);
    assert_eq!(there.take_session(key(&there), actor(1), &said, early), Err(SessionError::Ahead));
    assert_eq!(there.take_session(key(&there), actor(1), &said, START.plus(HOUR)), Err(SessionError::Over));
    assert_eq!((there.session_count(), here.export_session(key(&here), START.plus(HOUR))), (0, None));
}

#[test]
fn what_an_author_wrote_may_be_void() {
    let [here, there] = [1, 2].map(|pop| store_of(pop, 1 << 40, 2, 10, 10));
    set(&here, ("user", "42"), &[], START);
    set(&there, ("cart", "7"), &[], START);
    assert_eq!(fetch(&here, &there, START), Ok(true));
    there.set_voids(&[Void { actor: actor(1), from: Incarnation(0), to: Incarnation(1 << 41) }]);
    assert_eq!((text(&there, "user", START), text(&there, "cart", START)), (None, Some("7".to_owned())));
    assert_eq!(fetch(&here, &there, START), Ok(false));
    assert_eq!(text(&there, "user", START), None, "nor is it heard again");
}

/// All write, over datagrams that are lost and doubled, and one restarts; then all know the same, and nothing but digests is said.
#[test]
fn all_nodes_come_to_know_the_same() {
    for seed in seeds(&[1, 2, 3]) {
        let mut world = World::new(seed, 4, &[], Network { lost: 20, doubled: 10, delay: (1, 80) });
        world.run(world.now.plus(1_000));
        for nth in 0..200_u32 {
            let (node, id, name) = (world.rng.usize(..4), world.rng.u8(..20), format!("a{}", world.rng.u8(..4)));
            let (store, now) = (Arc::clone(&world.nodes[node].store), world.now);
            let key = store.session_key(&[b"shop", &[id]]);
            let value = nth.to_le_bytes();
            let attributes = [(name.as_str(), (nth % 5 > 0).then_some(&value[..]))];
            let write = SessionWrite { attributes: &attributes, counts: &[("n", 1)], ..SessionWrite::default() };
            store.write_session(key, &life(now), &write, now).unwrap().expect("it is new");
            if nth == 100 {
                world.restart(2, crate::sim::Secrets::ONE);
            }
            world.run(world.now.plus(20));
        }
        world.network = Network { lost: 0, doubled: 0, delay: (1, 20) };
        world.run(world.now.plus(15_000));
        let read = |node: usize, id: u8| {
            let store = &world.nodes[node].store;
            store.session(store.session_key(&[b"shop", &[id]]), world.now, Session::clone)
        };
        let mut counted = 0;
        for id in 0..20 {
            let first = read(0, id);
            counted += first.as_ref().map_or(0, |session| session.count("n"));
            (1..4).for_each(|node| assert_eq!(read(node, id), first, "session {id} at {node}"));
        }
        assert_eq!(counted, 200, "and nothing was counted twice, or lost");
    }
}

/// Each once, in the order of their names, however they are cut into pages; and no page is more work than was asked for.
#[test]
fn sessions_are_looked_through_a_page_at_a_time() {
    let store = store();
    let write = |nth: u32| {
        let key = store.session_key(&[b"shop", &nth.to_le_bytes()]);
        let attributes = [("nth", Some(&nth.to_le_bytes()[..]))];
        let write = SessionWrite { attributes: &attributes, ..SessionWrite::default() };
        store.write_session(key, &life(START), &write, START).unwrap();
        key.each().next().unwrap()
    };
    let mut keys: Vec<_> = (0..1_000).map(write).collect();
    keys.sort_unstable();
    for (most, looks) in [(1, 5), (7, 100), (300, 299), (5_000, 64), (5_000, 5_000)] {
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let mut looked = 0;
            after = store.visit_sessions(after, looks, START, |key, session| {
                assert!(session.get("nth").is_some());
                seen.push(key);
                looked += 1;
                if looked >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert!(looked <= most.min(looks));
            pages += 1;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, keys, "{most} {looks}");
        assert!(pages <= 1_001 / most.min(looks) + 1, "{pages}");
    }
    let over = START.plus(25 * HOUR);
    assert_eq!(store.visit_sessions(None, 5_000, over, |_, _| panic!("they are over")), None);
}

#[test]
fn who_wrote_what_of_a_session_is_told() {
    let (one, two) = (store_of(1, 1, 3, 10, 10), store_of(2, 1, 3, 10, 10));
    set(&one, ("user", "ann"), &[], START);
    counted(&one, 2, START);
    fetch(&one, &two, START).unwrap();
    let write = SessionWrite { attributes: &[("user", None)], counts: &[("clicks", 3)], ..SessionWrite::default() };
    let removed = two.write_session(key(&two), &life(START), &write, START.plus(5)).unwrap().expect("it is new");
    two.session(key(&two), START.plus(5), |session| {
        let all: Vec<_> = session.stated().map(|one| (one.name, one.value, one.by)).collect();
        assert_eq!(all, [("user", None, removed)]);
        let counted: Vec<_> = session.counted("clicks").map(|(author, count)| (author.actor, count)).collect();
        assert_eq!(counted, [(actor(1), 2), (actor(2), 3)]);
        assert_eq!((session.ends(), removed.version.at()), (START.plus(24 * HOUR), START.plus(5)));
    })
    .expect("it is known");
}

/// Whoever waits for what another node wrote is woken by that, and by nothing else.
#[test]
fn who_waits_for_a_session_is_woken_when_a_peer_says_more_of_it() {
    let [one, two] = [1, 2].map(|pop| store_of(pop, 1, 2, 10, 10));
    let woken = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&woken);
    let watch = two.watch_session(key(&two), Arc::new(move || _ = counts.fetch_add(1, Ordering::Relaxed)));
    let woken = || woken.load(Ordering::Relaxed);
    set(&one, ("user", "42"), &[], START);
    assert!(fetch(&one, &two, START).unwrap() && woken() == 1);
    assert!(!fetch(&one, &two, START).unwrap() && woken() == 1, "nothing new");
    set(&two, ("role", "admin"), &[], START);
    assert_eq!(woken(), 1, "by itself");
    let other = one.session_key(&[b"shop", b"another"]);
    let write = SessionWrite { counts: &[("clicks", 1)], ..SessionWrite::default() };
    one.write_session(other, &life(START), &write, START).unwrap().expect("it is new");
    let said = one.export_session(other, START).expect("it is known there");
    assert!(two.take_session(other, actor(1), &said, START).unwrap() && woken() == 1, "another session");
    drop(watch);
    set(&one, ("user", "43"), &[], START);
    assert!(fetch(&one, &two, START).unwrap() && woken() == 1, "nobody waits any more");
}

/// A client that was told that its answer is not fresh is still behind where it asks again.
#[test]
fn what_is_missing_stays_in_the_context_though_its_author_is_known() {
    let [one, two] = [1, 2].map(|pop| store_of(pop, 1, 2, 10, 10));
    let first = set(&one, ("user", "42"), &[], START);
    assert!(fetch(&one, &two, START).unwrap());
    assert_eq!(two.session_covers(key(&two), &[first], START), Covered::All);
    let later = set(&one, ("user", "43"), &[first], START);
    let context = two.session_context(key(&two), &[later], START);
    assert!(context.contains(&later), "{context:?}");
    assert_eq!(two.session_covers(key(&two), &context, START), Covered::Misses(vec![later.author]));
    assert!(fetch(&one, &two, START).unwrap());
    assert_eq!(two.session_covers(key(&two), &context, START), Covered::All);
}
