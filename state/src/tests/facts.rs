//! The laws, the table of the README and the bytes of registers, numbers and marks.

use std::sync::Arc;

use proptest::prelude::*;

use super::algebra::rows;
use super::given::{author, read_back};
use crate::fact::{About, Fact, Joined, Stated};
use crate::identity::{Author, Seq};
use crate::journal::Numbers;
use crate::key::Key128;
use crate::marks::{DOTS_MAX, Dot, FLOOR_DOTS_MAX, Marked, Row};
use crate::maximum::Raised;
use crate::register::{Registered, VALUE_MAX};
use crate::time::Time;
use crate::wire::{Builder, FRAME_MAX, Frame, RangeHead, Room, State};

const ABOUT: About = About { space: 0xee, key: Some(Key128(0xabc)) };

/// A fact after a trip over the wire.
fn sent(fact: &Fact) -> Fact {
    let mut builder = Builder::new();
    assert_eq!(builder.fact(fact), Room::Taken);
    let Some(State::Facts(mut block)) = read_back(builder).pop() else { panic!("no fact was sent") };
    block.remove(0)
}

fn register(stamp: u64, author: Author, value: Option<&[u8]>, until: u64, kept: u64) -> Registered {
    let (stamp, until, kept) = (Time(stamp), Time(until), Time(kept));
    Registered { about: ABOUT, stamp, author, value: value.map(Arc::from), until, kept }
}

fn raised(value: u64, made_at: u64, author: Author, kept: u64) -> Raised {
    Raised { about: ABOUT, value, made_at: Time(made_at), author, kept: Time(kept) }
}

fn marked(dots: &[(u16, u64, u64)], kept: u64) -> Marked {
    let row = |(by, life, seq): &(u16, u64, u64)| {
        let dot = Dot { author: author(*by, *life), seq: Seq(*seq) };
        Row { dot, made_at: Time(*seq), applied: None }
    };
    let mut rows: Vec<Row> = dots.iter().map(row).collect();
    rows.sort_by_key(|row| (row.dot.author.actor, std::cmp::Reverse(row.dot)));
    rows.dedup_by_key(|row| row.dot.author.actor);
    Marked { about: ABOUT, rows, kept: Time(kept) }
}

/// Few authors, one of them in two lives, so that they meet.
fn authors() -> impl Strategy<Value = Author> {
    prop_oneof![Just(author(1, 1)), Just(author(1, 2)), Just(author(2, 1)), Just(author(3, u64::MAX))]
}

/// Numbers that tie, and the greatest.
fn numbers() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0, 1, 2, 3, u64::MAX - 1, u64::MAX])
}

fn registers() -> impl Strategy<Value = Registered> {
    let value = prop::option::of(prop::sample::select(vec![&b""[..], b"a", b"b", &[255; VALUE_MAX]]));
    (numbers(), authors(), value, numbers(), numbers())
        .prop_map(|(stamp, author, value, until, kept)| register(stamp, author, value, until, kept))
}

fn maxima() -> impl Strategy<Value = Raised> {
    (numbers(), numbers(), authors(), numbers())
        .prop_map(|(value, made_at, author, kept)| raised(value, made_at, author, kept))
}

fn marks() -> impl Strategy<Value = Marked> {
    let dots = prop::collection::vec((1..4_u16, 1..3_u64, numbers()), 1..6);
    (dots, numbers()).prop_map(|(dots, kept)| marked(&dots, kept))
}

/// One joined with what a peer said, which says rightly whether anything changed.
fn join<F: Stated + std::fmt::Debug>(one: &F, other: &F, wrap: fn(F) -> Fact, open: fn(Fact) -> Option<F>) -> F {
    let mut both = one.clone();
    let joined = both.join(open(sent(&wrap(other.clone()))).unwrap());
    assert_eq!(joined == Joined::Changed, both != *one, "{one:?} {other:?}");
    both
}

/// Of any three, in any order and grouping, and again.
fn laws<F: Stated + std::fmt::Debug>(a: &F, b: &F, c: &F, wrap: fn(F) -> Fact, open: fn(Fact) -> Option<F>) {
    let join = |one: &F, other: &F| join(one, other, wrap, open);
    let ab = join(a, b);
    assert_eq!(ab, join(b, a));
    assert_eq!(join(&ab, c), join(a, &join(b, c)));
    assert_eq!(join(&ab, a), ab);
    assert_eq!(join(&ab, &ab), ab);
}

fn as_register(fact: Fact) -> Option<Registered> {
    if let Fact::Register(fact) = fact { Some(fact) } else { None }
}

#[test]
fn no_floor_swallows_a_number_that_is_remembered_for_longer() {
    let (known, floor) = (raised(5, 1, author(1, 1), 90), raised(7, 1, author(1, 1), 80));
    let longer = Raised { kept: Time(90), ..floor.clone() };
    assert_eq!([&floor, &longer].map(|floor| known.is_under(floor)), [false, true]);
}

fn as_maximum(fact: Fact) -> Option<Raised> {
    if let Fact::Maximum(fact) = fact { Some(fact) } else { None }
}

fn as_mark(fact: Fact) -> Option<Marked> {
    if let Fact::Mark(fact) = fact { Some(fact) } else { None }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn registers_commute_associate_and_are_idempotent(a in registers(), b in registers(), c in registers()) {
        laws(&a, &b, &c, Fact::Register, as_register);
        prop_assert_eq!(join(&a, &b, Fact::Register, as_register).kept, a.kept.max(b.kept));
    }

    #[test]
    fn numbers_commute_associate_and_are_idempotent(a in maxima(), b in maxima(), c in maxima()) {
        laws(&a, &b, &c, Fact::Maximum, as_maximum);
        prop_assert_eq!(join(&a, &b, Fact::Maximum, as_maximum).value, a.value.max(b.value));
    }

    #[test]
    fn marks_commute_associate_and_are_idempotent(a in marks(), b in marks(), c in marks()) {
        laws(&a, &b, &c, Fact::Mark, as_mark);
        let both = join(&a, &b, Fact::Mark, as_mark);
        // The oracle: the newest dot of each actor, of all there are.
        for row in &both.rows {
            let all = a.rows.iter().chain(&b.rows).filter(|other| other.dot.author.actor == row.dot.author.actor);
            prop_assert_eq!(all.map(|row| (row.dot, row.made_at)).max(), Some((row.dot, row.made_at)));
        }
        prop_assert!(a.rows.iter().chain(&b.rows).all(|row| both.rows.iter().any(|of| of.dot.author.actor == row.dot.author.actor)));
    }

    /// A newer dot is an application, whatever came before it, and nothing else is.
    #[test]
    fn every_inflation_is_an_application(said in prop::collection::vec(marks(), 1..12)) {
        let (mut known, numbers) = (said[0].clone(), Numbers::default());
        known.applied(Time(0), &numbers);
        for mark in &said {
            let before = known.clone();
            if known.join(mark.clone()) == Joined::Changed {
                known.applied(Time(0), &numbers);
            }
            let inflated = known.rows != before.rows;
            prop_assert_eq!(known.last() > before.last(), inflated);
            prop_assert_eq!(known.last(), numbers.last());
        }
    }
}

fn by(text: &str) -> Author {
    match text {
        "A" => author(1, 1),
        "A'" => author(1, 2),
        "B" => author(2, 1),
        other => panic!("no author {other}"),
    }
}

#[test]
fn they_join_as_the_readme_says() {
    let fact = |text: &str| {
        let fields: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| fields[at].parse::<u64>().unwrap();
        match fields[0] {
            "register" => {
                let value = Some(fields[3].as_bytes()).filter(|value| *value != b"-");
                Fact::Register(register(number(1), by(fields[2]), value, number(4), number(5)))
            }
            "number" => Fact::Maximum(raised(number(1), number(2), by(fields[3]), number(4))),
            "mark" => {
                let dot = |text: &&str| {
                    let (who, seq) = text.split_once(':').unwrap();
                    (by(who).actor.pop.0, by(who).incarnation.0, seq.parse().unwrap())
                };
                let (kept, dots) = fields[1..].split_last().unwrap();
                Fact::Mark(marked(&dots.iter().map(dot).collect::<Vec<_>>(), kept.parse().unwrap()))
            }
            other => panic!("no fact {other}"),
        }
    };
    let is_mine = |text: &str| ["register ", "number ", "mark "].iter().any(|word| text.starts_with(word));
    let table: Vec<_> = rows().into_iter().filter(|[one, ..]| is_mine(one)).collect();
    assert_eq!(table.len(), 14);
    for [one, other, both] in table {
        for (first, second) in [(one, other), (other, one)] {
            let mut known = sent(&fact(first));
            for again in [second, first, second] {
                match (&mut known, sent(&fact(again))) {
                    (Fact::Register(known), Fact::Register(again)) => drop(known.join(again)),
                    (Fact::Maximum(known), Fact::Maximum(again)) => drop(known.join(again)),
                    (Fact::Mark(known), Fact::Mark(again)) => drop(known.join(again)),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(known, fact(both), "{first} and {second}");
        }
    }
}

#[test]
fn a_crowded_mark_takes_nothing() {
    let many = |most: usize| (0..most).map(|by| (by as u16, 1, 1)).collect::<Vec<_>>();
    let mut mark = marked(&many(DOTS_MAX), 9);
    let full = mark.clone();
    assert_eq!(mark.join(marked(&[(9_999, 1, 1)], 99)), Joined::Crowded);
    assert_eq!(mark, full);
    assert_eq!(mark.join(marked(&[(0, 2, 1)], 9)), Joined::Changed);
    let floor = Marked { about: ABOUT.floor(), ..marked(&many(FLOOR_DOTS_MAX), 9) };
    assert_eq!(floor.check(Time(1)), Ok(()));
    assert!(marked(&many(DOTS_MAX + 1), 9).check(Time(1)).is_err());
}

/// The largest frames that there are come out as they went in: what they say fits what decoding may claim.
#[test]
fn full_frames_can_be_read() {
    let floor = Marked { about: ABOUT.floor(), ..marked(&(0..1_024).map(|by| (by, 1, 1)).collect::<Vec<_>>(), 9) };
    let small = Fact::Mark(marked(&(0..64).map(|by| (by, 1, 1)).collect::<Vec<_>>(), 9));
    let long =
        Fact::Register(register(u64::MAX, author(u16::MAX, u64::MAX), Some(&[7; VALUE_MAX]), u64::MAX, u64::MAX));
    let number = Fact::Maximum(raised(u64::MAX, u64::MAX, author(u16::MAX, u64::MAX), u64::MAX));
    for fact in [Fact::Mark(floor), small, long, number] {
        let (mut builder, mut taken) = (Builder::new(), 0);
        while builder.fact(&fact) == Room::Taken {
            taken += 1;
        }
        let bytes = builder.range(&RangeHead { from: 0, to: 0, at: 0 }, 3);
        assert!(taken > 0 && bytes.len() <= FRAME_MAX, "{} bytes", bytes.len());
        let Ok(Frame::Range(_, mut blocks)) = Frame::decode(&bytes) else { panic!("a range") };
        assert_eq!(blocks.next(), Some(Ok(State::Facts(vec![fact; taken]))));
    }
}

#[test]
fn the_bytes_of_version_3_and_nothing_in_version_2() {
    let mut builder = Builder::new();
    let at = 1_800_000_000_000;
    let floor = Registered { about: ABOUT.floor(), ..register(at, author(2, 7), None, at, at) };
    for fact in [
        Fact::Register(register(at, author(2, 7 << 16), Some(b"x"), at + 60_000, at + 3_660_000)),
        Fact::Register(floor),
        Fact::Maximum(raised(5, at, author(3, 8), at + 1)),
        Fact::Mark(marked(&[(2, 7, 300), (3, 8, 1)], at)),
    ] {
        assert_eq!(builder.fact(&fact), Room::Taken);
    }
    let head = RangeHead { from: 0, to: 0, at: 0 };
    let old = builder.clone().range(&head, 2);
    assert_eq!(old, Builder::new().range(&head, 2));
    let bytes: String = builder.range(&head, 3)[old.len()..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes, BYTES);
}

const BYTES: &str = concat!(
    "084c000000db3a560502ee01fbbc0afd00505c18a30100000200fc00000700010178fd603a5d18a3010000fde0289418",
    "a3010000ee00fd00505c18a301000002000700fd00505c18a3010000fd00505c18a3010000091c0000008aa03c3f01ee",
    "01fbbc0a05fd00505c18a3010000030008fd01505c18a30100000a1e000000f307847201ee01fbbc0afd00505c18a301",
    "000002020007fb2c01fb2c010300080101",
);
