//! Bans at one node and between nodes.

use proptest::prelude::*;
use selvedge_state::{
    BAN_LONGEST, BAN_MEMORY, BanError, Incarnation, Rung, Snapshot, SnapshotHead, Store, TEXT_MAX, TRAIL_MAX, Time,
};

use crate::sim::{Network, World};
use crate::support::{START, actor, spec, store, store_of};

const SUBJECT: &str = "192.0.2.9/32";

#[test]
fn a_ban_holds_until_its_end() {
    let store = store();
    let until = START.plus(1_000);
    let made = store.ban(SUBJECT, until, 2, "limit:login", START).unwrap();
    assert_eq!(
        (made.until, made.level, &*made.reason, made.made_by, made.epoch),
        (until, 2, "limit:login", actor(1), 0)
    );
    assert_eq!(store.banned(SUBJECT, START.plus(999)), Some(made.clone()));
    assert_eq!(store.banned(SUBJECT, until), None);
    assert_eq!(store.last_ban(SUBJECT, until), Some(made.clone()));
    assert_eq!(store.last_ban(SUBJECT, until.plus(BAN_MEMORY - 1)), Some(made));
    assert_eq!(store.last_ban(SUBJECT, until.plus(BAN_MEMORY)), None);
    assert_eq!(store.banned("192.0.2.8/32", START), None);
}

#[test]
fn a_lifted_ban_is_gone_and_can_be_made_again() {
    let store = store();
    assert_eq!(store.unban(SUBJECT, START), None);
    let long = store.ban(SUBJECT, START.plus(9_000), 0, "", START).unwrap();
    assert_eq!(store.unban(SUBJECT, START.plus(1)), Some(long));
    assert_eq!(store.banned(SUBJECT, START.plus(2)), None);
    assert_eq!(store.last_ban(SUBJECT, START.plus(2)), None);
    assert_eq!(store.unban(SUBJECT, START.plus(3)), None);
    let short = store.ban(SUBJECT, START.plus(50), 0, "", START.plus(4)).unwrap();
    assert_eq!((short.epoch, short.until), (1, START.plus(50)));
    assert_eq!(store.bans(START.plus(5)), [short]);
}

#[test]
fn a_shorter_ban_does_not_shorten_one_that_holds() {
    let store = store();
    let long = store.ban(SUBJECT, START.plus(9_000), 3, "long", START).unwrap();
    assert_eq!(store.ban(SUBJECT, START.plus(10), 9, "short", START.plus(1)).unwrap(), long);
}

#[test]
fn bans_are_listed_by_subject() {
    let store = store();
    for subject in ["b", "c", "a", "d"] {
        store.ban(subject, START.plus(10), 0, "", START).unwrap();
    }
    store.unban("c", START);
    let subjects: Vec<String> = store.bans(START).iter().map(|ban| ban.subject.to_string()).collect();
    assert_eq!(subjects, ["a", "b", "d"]);
}

#[test]
fn texts_and_times_are_bounded() {
    let store = store();
    let long = "x".repeat(TEXT_MAX + 1);
    let error = |subject: &str, reason: &str| store.ban(subject, START.plus(1), 0, reason, START).unwrap_err();
    assert_eq!(error("", ""), BanError::NoSubject);
    assert_eq!(error(&long, ""), BanError::SubjectTooLong(TEXT_MAX + 1));
    assert_eq!(error("x", &long), BanError::ReasonTooLong(TEXT_MAX + 1));
    let made = store.ban(&long[1..], Time(u64::MAX), u8::MAX, &long[1..], START).unwrap();
    assert_eq!(made.until, START.plus(BAN_LONGEST));
}

#[test]
fn a_full_table_forgets_what_ended_and_refuses_what_does_not_fit() {
    let store = store_of(1, 1, 1, 10, 3);
    for (subject, lasts) in [("a", 100), ("b", 10_000), ("c", 10_000)] {
        store.ban(subject, START.plus(lasts), 0, "", START).unwrap();
    }
    let refused = store.ban("d", START.plus(10_000), 0, "", START.plus(99));
    assert_eq!(refused, Err(BanError::Full { max: 3 }));
    // A subject that is known needs no room.
    assert!(store.ban("b", START.plus(20_000), 0, "", START.plus(99)).is_ok());
    // The one that ended gives way, a lifting does not: what it beat could come back.
    assert!(store.ban("d", START.plus(10_000), 0, "", START.plus(100)).is_ok());
    assert_eq!(store.last_ban("a", START.plus(100)), None);
    store.unban("d", START.plus(101));
    assert_eq!(store.ban("e", START.plus(10_000), 0, "", START.plus(102)), Err(BanError::Full { max: 3 }));
    let later = START.plus(10_000 + BAN_MEMORY);
    assert!(store.ban("e", later.plus(1), 0, "", later).is_ok());
}

/// The slow twin: all that was ever said about one subject, in order.
#[derive(Default)]
struct Oracle {
    until: u64,
    level: u8,
    said: u64,
    lifted: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_node_says_what_was_said_last_or_longest(
        steps in prop::collection::vec((0..3_u8, 0..400_u64, 1..1_000_u64, 0..3_u8), 1..60),
    ) {
        let store = store();
        let (mut oracle, mut now) = (Oracle::default(), START);
        for (what, gap, lasts, level) in steps {
            now = now.plus(gap);
            let until = now.plus(lasts);
            if what == 0 {
                let held = oracle.until > now.0;
                prop_assert_eq!(store.unban(SUBJECT, now).is_some(), held);
                if held {
                    oracle = Oracle { lifted: true, ..Oracle::default() };
                }
            } else {
                store.ban(SUBJECT, until, level, "", now).unwrap();
                if (until.0, level, now.0) > (oracle.until, oracle.level, oracle.said) {
                    oracle = Oracle { until: until.0, level, said: now.0, lifted: false };
                }
            }
            let holds = (oracle.until > now.0).then_some((oracle.until, oracle.level));
            prop_assert_eq!(store.banned(SUBJECT, now).map(|ban| (ban.until.0, ban.level)), holds);
            let remembered = (oracle.said > 0 && !oracle.lifted).then_some(oracle.level);
            prop_assert_eq!(store.last_ban(SUBJECT, now).map(|ban| ban.level), remembered);
        }
    }
}

const NET: Network = Network { lost: 0, doubled: 0, delay: (40, 40) };

#[test]
fn a_ban_is_known_everywhere_after_one_trip() {
    let mut world = World::new(1, 5, &[spec("t", Rung::S1, Rung::S1)], NET);
    world.run(world.now.plus(1_000));
    let (now, until) = (world.now, world.now.plus(60_000));
    world.nodes[2].store.ban(SUBJECT, until, 1, "probes", now).unwrap();
    world.run(now.plus(39));
    assert!(world.nodes[0].store.banned(SUBJECT, world.now).is_none());
    world.run(now.plus(41));
    for node in &world.nodes {
        let ban = node.store.banned(SUBJECT, world.now).unwrap();
        assert_eq!((ban.made_by, ban.made_at), (actor(3), now));
        assert_eq!(ban.applied_at.since(now) > 0, node.pop != 3);
    }
    // Anybody may lift it, and anybody may ban again.
    world.nodes[4].store.unban(SUBJECT, world.now).unwrap();
    world.run(world.now.plus(42));
    assert!(world.nodes.iter().all(|node| node.store.banned(SUBJECT, world.now).is_none()));
    world.nodes[0].store.ban(SUBJECT, world.now.plus(99), 0, "", world.now).unwrap();
    world.run(world.now.plus(42));
    assert!(world.nodes.iter().all(|node| node.store.banned(SUBJECT, world.now).is_some()));
}

/// A node that slept through the lifting of a ban comes back with the ban: it learns, it does not teach.
#[test]
fn a_sleeper_does_not_bring_a_lifted_ban_back() {
    let mut world = World::new(2, 3, &[spec("t", Rung::S1, Rung::S1)], NET);
    world.run(world.now.plus(500));
    world.nodes[0].store.ban(SUBJECT, world.now.plus(3_600_000), 0, "", world.now).unwrap();
    world.run(world.now.plus(500));
    world.cut(0, 2);
    world.cut(1, 2);
    world.nodes[1].store.unban(SUBJECT, world.now).unwrap();
    world.run(world.now.plus(600_000));
    for node in &world.nodes {
        (0..600).for_each(|_| node.store.sweep(world.now));
    }
    assert!(world.nodes[2].store.banned(SUBJECT, world.now).is_some());
    world.heal();
    world.run(world.now.plus(10_000));
    assert!(world.nodes.iter().all(|node| node.store.banned(SUBJECT, world.now).is_none()));
}

#[test]
fn bans_do_not_wait_for_ticks_and_go_once_a_ms_at_most() {
    let mut world = World::new(3, 2, &[spec("t", Rung::S1, Rung::S1)], NET);
    world.run(world.now.plus(1_000));
    let before = world.nodes[0].replica.status(world.now).peers[0].frames_out;
    let start = world.now;
    for n in 0..100_u8 {
        // Four bans in each ms.
        world.nodes[0].store.ban(&format!("192.0.2.{n}/32"), start.plus(60_000), 0, "", world.now).unwrap();
        if n % 4 == 3 {
            world.run(world.now.plus(1));
        }
    }
    let frames = world.nodes[0].replica.status(world.now).peers[0].frames_out - before;
    assert!((1..=26).contains(&frames), "{frames} frames");
    world.run(world.now.plus(41));
    assert_eq!(world.nodes[1].store.bans(world.now).len(), 100);
}

fn saved(store: &Store, at: Time) -> Vec<bytes::Bytes> {
    let head = SnapshotHead { cluster: String::new(), secret_id: 0, actor: actor(1), incarnation: Incarnation(1), at };
    Snapshot::new(store, head).collect()
}

/// The levels of a subject's steps, the last one first, and which of them were lifted.
fn steps(store: &Store, now: Time) -> Vec<(u8, bool)> {
    store.ban_steps(SUBJECT, now).iter().map(|step| (step.ban.level, step.lifted.is_some())).collect()
}

#[test]
fn a_client_has_a_history_of_bans() {
    let store = store();
    assert_eq!(steps(&store, START), []);
    for level in 0..3_u8 {
        let now = START.plus(u64::from(level) * 100_000);
        store.ban(SUBJECT, now.plus(1_000 << level), level, "limit:login", now).unwrap();
    }
    let now = START.plus(201_000);
    store.unban(SUBJECT, now).unwrap();
    assert_eq!(steps(&store, now), [(2, true), (1, false), (0, false)]);
    store.ban(SUBJECT, now.plus(10), 0, "operator", now.plus(5)).unwrap();
    assert_eq!(steps(&store, now.plus(5)), [(0, false), (2, true), (1, false), (0, false)]);
    assert_eq!(store.all_ban_steps(now.plus(5)), [store.ban_steps(SUBJECT, now.plus(5))]);
    assert_eq!(steps(&store, now.plus(BAN_MEMORY + 3_000)), [], "it is over once nothing can come back");
}

#[test]
fn threads_that_ban_at_once_make_one_step_and_old_steps_make_room() {
    let store = store();
    for nth in 0..20 {
        store.ban(SUBJECT, START.plus(60_000 + nth), 0, "rule:scan", START.plus(nth)).unwrap();
    }
    assert_eq!(steps(&store, START.plus(20)), [(0, false)]);
    for nth in 1..20 {
        let now = START.plus(nth * 60_000);
        store.ban(SUBJECT, now.plus(90_000), 0, "rule:scan", now).unwrap();
    }
    let kept = store.ban_steps(SUBJECT, START.plus(20 * 60_000));
    assert_eq!(kept.len(), TRAIL_MAX + 1);
    assert_eq!(kept.last().map(|step| step.ban.made_at), Some(START.plus(11 * 60_000)));
}

proptest! {
    /// Trails are the same in whatever order bans are heard, and a snapshot brings them back.
    #[test]
    fn trails_do_not_depend_on_the_order_of_what_is_heard(
        bans in prop::collection::vec((0..600_000_u64, 1..3_600_000_u64, 0..4_u8), 1..12),
        seed in any::<u64>(),
    ) {
        let author = store();
        let mut frames = Vec::new();
        let mut at = START;
        for (after, lasts, level) in bans {
            at = at.plus(after);
            author.ban(SUBJECT, at.plus(lasts), level, "limit:login", at).unwrap();
            frames.push(saved(&author, at));
        }
        let mut shuffled: Vec<&Vec<bytes::Bytes>> = frames.iter().collect();
        let len = shuffled.len();
        (0..len).for_each(|nth| shuffled.swap(nth, (seed.rotate_left(nth as u32) % len as u64) as usize));
        let reader = store();
        for frame in shuffled.into_iter().flatten() {
            reader.restore(frame, at);
        }
        let told = |store: &Store| -> Vec<(Time, Time)> {
            store.ban_steps(SUBJECT, at).iter().map(|step| (step.ban.made_at, step.ban.until)).collect()
        };
        prop_assert_eq!(told(&reader), told(&author));
    }
}
