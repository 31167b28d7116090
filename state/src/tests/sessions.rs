//! Sessions: their laws through the wire format, their bytes, their table in the README, and what a hostile peer cannot say.

use proptest::prelude::*;

use super::algebra::rows as table;
use super::given::{author, read_back};
use crate::counter::DRIFT_MAX;
use crate::fact::Joined;
use crate::identity::Author;
use crate::key::Key128;
use crate::session::{
    Attribute, Flaw, Row, SESSION_ATTRIBUTES_MAX, SESSION_COUNTERS_MAX, SESSION_LONGEST, SESSION_ROWS_MAX,
    SESSION_VALUE_MAX, Session,
};
use crate::time::Time;
use crate::version::Version;
use crate::wire::{Builder, FRAME_MAX, RangeHead, Room, State, WireError, read_session_alone, session_alone};

fn empty() -> Session {
    let (created, ends, seen, until) = (Time(1), Time(1_000), Time(2), Time(900));
    Session { created, ends, seen, until, attributes: Vec::new(), rows: Vec::new() }
}

fn sent(session: &Session) -> Session {
    let mut builder = Builder::new();
    assert_eq!(builder.session(Key128(7), session.clone()), Room::Taken);
    let Some(State::Sessions(mut block)) = read_back(builder).pop() else { panic!("no session was sent") };
    assert_eq!(block.len(), 1);
    block.remove(0).1
}

fn join(mut one: Session, other: &Session) -> Session {
    let before = one.clone();
    let joined = one.join(&sent(other));
    assert_eq!(joined == Joined::Changed, one != before);
    one
}

fn authors() -> impl Strategy<Value = Author> {
    prop_oneof![Just(author(1, 1)), Just(author(1, 2)), Just(author(2, 1)), Just(author(3, u64::MAX))]
}

fn sessions() -> impl Strategy<Value = Session> {
    let number = || prop::sample::select(&[0, 1, 2, u64::MAX][..]);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..3));
    let name = || prop::sample::select(&["a", "b", "\u{e9}"][..]);
    let attributes = prop::collection::btree_map(name(), (0..4_u64, authors(), value), 0..4);
    let counts = prop::collection::btree_map(name(), number(), 0..3);
    let rows = prop::collection::btree_map((authors(), 0..3_u64), (0..4_u64, counts), 0..6);
    ((number(), number(), number(), number()), attributes, rows).prop_map(|(times, attributes, rows)| {
        let attributes = attributes.into_iter().map(|(name, (stamp, author, value))| {
            let value = value.map(Vec::into_boxed_slice);
            Attribute { name: name.into(), stamp: Version(stamp), author, value }
        });
        let rows = rows.into_iter().map(|((author, born), (more, counts))| {
            let counts = counts.into_iter().map(|(name, count)| (name.into(), count)).collect();
            Row { author, born: Version(born), version: Version(born + more), counts }
        });
        Session {
            created: Time(times.0),
            ends: Time(times.1),
            seen: Time(times.2),
            until: Time(times.3),
            attributes: attributes.collect(),
            rows: rows.collect(),
        }
    })
}

/// Of so many authors that they do not all fit.
fn crowded() -> impl Strategy<Value = Session> {
    prop::collection::btree_map(0..90_u16, 1..300_u64, 0..SESSION_ROWS_MAX + 1).prop_map(|rows| {
        let row = |(pop, version)| Row {
            author: author(pop, 1),
            born: Version(1),
            version: Version(version),
            counts: Vec::new(),
        };
        Session { rows: rows.into_iter().map(row).collect(), ..empty() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sessions_commute_associate_and_are_idempotent(a in sessions(), b in sessions(), c in sessions()) {
        let ab = join(a.clone(), &b);
        prop_assert_eq!(&ab, &join(b.clone(), &a));
        prop_assert_eq!(join(ab.clone(), &c), join(a.clone(), &join(b.clone(), &c)));
        prop_assert_eq!(&join(ab.clone(), &a), &ab);
        prop_assert_eq!(&join(ab.clone(), &ab), &ab);
    }

    /// Also where rows are dropped on the way.
    #[test]
    fn the_rows_that_were_written_last_stay(a in crowded(), b in crowded(), c in crowded()) {
        let ab = join(a.clone(), &b);
        prop_assert_eq!(&ab, &join(b.clone(), &a));
        let all = join(ab.clone(), &c);
        prop_assert_eq!(&all, &join(a.clone(), &join(b.clone(), &c)));
        prop_assert_eq!(&join(all.clone(), &a), &all);
        prop_assert!(all.rows.len() <= SESSION_ROWS_MAX);
    }

    #[test]
    fn the_wire_changes_no_session(session in sessions()) {
        prop_assert_eq!(sent(&session), session.clone());
        prop_assert_eq!(read_session_alone(&session_alone(Key128(9), &session)), Ok((Key128(9), session)));
    }

    /// Whatever one byte of it becomes.
    #[test]
    fn a_spoilt_session_is_none(session in sessions(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = session_alone(Key128(9), &session).to_vec();
        let at = at.index(bytes.len());
        let before = std::mem::replace(&mut bytes[at], to);
        prop_assert_eq!(read_session_alone(&bytes).is_ok(), before == to);
    }
}

fn stated(text: &str) -> Session {
    let who = |text: &str| match text {
        "A" => author(1, 1),
        "A'" => author(1, 2),
        "B" => author(2, 1),
        other => panic!("no author {other}"),
    };
    let mut session = empty();
    for word in text.split(' ').skip(1) {
        if let Some((name, rest)) = word.split_once('=') {
            let (value, stamp) = rest.split_once('@').unwrap();
            let (stamp, by) = stamp.split_once(':').unwrap();
            let value = (value != "-").then(|| Box::from(value.as_bytes()));
            let (name, stamp) = (name.into(), Version(stamp.parse().unwrap()));
            session.attributes.push(Attribute { name, stamp, author: who(by), value });
        } else {
            let (by, rest) = word.split_once(':').unwrap();
            let (span, count) = rest.split_once('#').unwrap_or((rest, "0"));
            let (born, version) = span.split_once('-').unwrap();
            let [born, version] = [born, version].map(|number| Version(number.parse().unwrap()));
            let counts = vec![("n".into(), count.parse().unwrap())];
            session.rows.push(Row { author: who(by), born, version, counts });
        }
    }
    session
}

#[test]
fn sessions_join_as_the_readme_says() {
    let table: Vec<_> = table().into_iter().filter(|[one, ..]| one.starts_with("session ")).collect();
    assert_eq!(table.len(), 9);
    for [one, other, both] in table {
        for (first, second) in [(one, other), (other, one)] {
            let mut known = sent(&stated(first));
            for again in [second, first, second] {
                known = join(known, &stated(again));
            }
            assert_eq!(known, stated(both), "{first} and {second}");
        }
    }
}

/// The largest that there can be fits a frame.
fn largest() -> Session {
    let name = |nth: usize| format!("{nth:032}").into_boxed_str();
    let value = Some(vec![0xff; SESSION_VALUE_MAX].into_boxed_slice());
    let attribute = |nth: usize| {
        let by = author(u16::MAX - nth as u16, u64::MAX - nth as u64);
        Attribute { name: name(nth), stamp: Version(u64::MAX), author: by, value: value.clone() }
    };
    let row = |nth: usize| {
        let counts = (0..SESSION_COUNTERS_MAX).map(|nth| (name(nth), u64::MAX)).collect();
        Row { author: author(nth as u16, u64::MAX), born: Version(0), version: Version(u64::MAX), counts }
    };
    Session {
        attributes: (0..SESSION_ATTRIBUTES_MAX).map(attribute).collect(),
        rows: (0..SESSION_ROWS_MAX).map(row).collect(),
        ..empty()
    }
}

#[test]
fn the_largest_session_fits_a_frame() {
    let session = largest();
    assert_eq!(sent(&session), session);
    assert!(session_alone(Key128(1), &session).len() < FRAME_MAX);
}

#[test]
fn what_does_not_come_together_changes_nothing() {
    let mut more = largest();
    more.attributes.pop();
    let name = "another".into();
    more.attributes.push(Attribute { name, stamp: Version(1), author: author(1, 1), value: None });
    let mut known = largest();
    assert_eq!((known.join(&more), known == largest()), (Joined::Crowded, true));
    let counted = |name: &str| {
        let counts = (0..SESSION_COUNTERS_MAX).map(|nth| (format!("{name}{nth}").into(), 1)).collect();
        let row = Row { author: author(1, 1), born: Version(1), version: Version(1), counts };
        Session { rows: vec![row], ..empty() }
    };
    let mut known = counted("a");
    assert_eq!((known.join(&counted("b")), known == counted("a")), (Joined::Crowded, true));
}

#[test]
fn what_is_too_far_ahead_or_over_is_refused() {
    let now = Time(1_000_000);
    let fine = Session { ends: now.plus(9), until: now.plus(1), ..empty() };
    assert_eq!(fine.check(now), Ok(()));
    let far = now.plus(DRIFT_MAX + 1);
    let version = Version::new(far, 0).unwrap();
    let row = Row { author: author(1, 1), born: version, version, counts: Vec::new() };
    let attribute = Attribute { name: "a".into(), stamp: version, author: author(1, 1), value: None };
    for (session, flaw) in [
        (Session { seen: far, ..fine.clone() }, Flaw::Ahead),
        (Session { created: far, ..fine.clone() }, Flaw::Ahead),
        (Session { ends: far.plus(SESSION_LONGEST), ..fine.clone() }, Flaw::Ahead),
        (Session { rows: vec![row], ..fine.clone() }, Flaw::Ahead),
        (Session { attributes: vec![attribute], ..fine.clone() }, Flaw::Ahead),
        (Session { until: now, ..fine.clone() }, Flaw::Over),
        (Session { ends: now, ..fine.clone() }, Flaw::Over),
    ] {
        assert_eq!(session.check(now), Err(flaw), "{session:?}");
    }
}

#[test]
fn peers_of_before_are_not_told() {
    let mut builder = Builder::new();
    builder.session(Key128(7), empty());
    let head = RangeHead { from: 0, to: 0, at: 0 };
    let bare = Builder::new().range(&head, 3);
    assert_eq!(builder.clone().range(&head, 3), bare);
    assert!(builder.range(&head, 4).len() > bare.len());
}

#[test]
fn the_bytes_of_a_session() {
    let bytes = session_alone(Key128(0x0102), &stated("session role=-@6:B user=42@5:A A:5-5#2 B:6-6#0"));
    assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), BYTES);
}

#[test]
fn what_lies_is_refused() {
    let refused = |body: &[u8]| {
        let mut bytes = vec![17];
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&[&[17], body].concat()).to_le_bytes());
        bytes.extend_from_slice(body);
        read_session_alone(&bytes).unwrap_err()
    };
    let key = [7; 16];
    let of = |rest: &[u8]| refused(&[&[1, 1, 0, 1, 1][..], &key, &[1, 9, 1, 9], rest].concat());
    assert_eq!(refused(&[0, 0]), WireError::Range("a number of sessions"));
    let many = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let counts = |what: &WireError| matches!(what, WireError::Count { .. });
    assert!(counts(&refused(&[&[0][..], &many].concat())));
    assert!(counts(&of(&many)));
    assert_eq!(of(&[1, 0, 0, 0, 0, 0, 0]), WireError::Range("the length of a name"));
    assert_eq!(of(&[1, 1, 0xff, 0, 0, 0, 0, 0]), WireError::Range("a name"));
    assert_eq!(of(&[1, 1, b'a', 1, 0, 0, 0, 0]), WireError::Range("an author's index"));
    assert_eq!(of(&[1, 1, b'a', 0, 0, 0x82, 0x08, 0]), WireError::Range("the length of a value"));
    assert_eq!(of(&[2, 1, b'a', 0, 0, 0, 1, b'a', 0, 0, 0, 0]), WireError::Order("an attribute"));
    assert_eq!(of(&[0, 1, 0, 1, 2, 0]), WireError::Range("a birth"));
    assert_eq!(of(&[0, 2, 0, 1, 0, 0, 0, 1, 0, 0]), WireError::Order("a row"));
    assert_eq!(of(&[0, 1, 0, 1, 0, 2, 1, b'a', 1, 1, b'a', 1]), WireError::Order("a counter"));
    assert_eq!(of(&[0, 0, 9]), WireError::Trailing(1));
}

const BYTES: &str = concat!(
    "114000000038ac0dfa02010001020001010201000000000000000000000000000001e8070284070204726f6c65010600",
    "047573657200050334320200050001016e0201060001016e00",
);
