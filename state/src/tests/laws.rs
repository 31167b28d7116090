//! The laws of a join, through the wire format: the order of what is heard, repetition and grouping make no difference.

use proptest::prelude::*;

use super::given::{
    Cells, Stated, author, fact, held, join_all, joined, listing, sent_listing, sent_sketch, through_the_wire,
};
use crate::ban::Banning;
use crate::counter::{Row, Widths};
use crate::fact::Stated as _;
use crate::identity::Author;
use crate::list::Listing;
use crate::rung::Rung;
use crate::unique::{Mark, Sketch};

/// Few authors, one of them in two lives, so that they meet.
fn authors() -> impl Strategy<Value = Author> {
    prop_oneof![Just(author(1, 1)), Just(author(1, 2)), Just(author(2, 1)), Just(author(3, u64::MAX))]
}

/// Small counts that tie, and the greatest.
fn counts() -> impl Strategy<Value = [u64; 8]> {
    let count = prop_oneof![4 => Just(0), 4 => 1..4_u64, 1 => Just(u64::MAX), 1 => Just(65_535), 1 => any::<u64>(), 1 => 0..u64::from(u32::MAX) + 9];
    prop::array::uniform8(count)
}

fn rows(heads: std::ops::Range<u64>) -> impl Strategy<Value = Cells> {
    let row = (authors(), heads, counts(), counts());
    let row = row.prop_map(|(author, head, fine, coarse)| (author, Row { head, fine, coarse }));
    prop::collection::vec(row, 0..12)
}

fn widths() -> impl Strategy<Value = Widths> {
    prop_oneof![
        Just(Widths::new(Rung::Ms100, Rung::Ms100)),
        Just(Widths::new(Rung::Ms100, Rung::S1)),
        Just(Widths::new(Rung::Ms10, Rung::S10)),
    ]
}

fn facts() -> impl Strategy<Value = Banning> {
    let few = |values: &'static [u64]| prop::sample::select(values);
    let number = || few(&[0, 1, 2, u64::MAX]);
    let stated = (number(), number(), number(), 0..2_u8, prop::sample::select(vec!["", "a", "b"]), number(), 1..3_u16);
    stated.prop_map(|(epoch, until, kept, level, reason, made_at, made_by)| {
        fact(&Stated { epoch, until, kept, level, reason, made_at, made_by })
    })
}

fn join(mut one: Banning, other: &Banning) -> Banning {
    one.join(through_the_wire(&[], std::slice::from_ref(other)).1.remove(0));
    one
}

fn listings() -> impl Strategy<Value = Listing> {
    let number = || prop::sample::select(&[0, 1, 2, u64::MAX][..]);
    (number(), 1..3_u16, any::<bool>(), number(), number())
        .prop_map(|(made_at, by, present, until, kept)| listing(made_at, by, present, until, kept))
}

/// Marks that meet: prefixes that differ in the register or only behind it, and all tails.
fn marks() -> impl Strategy<Value = Mark> {
    let few = (0..4_u64, 0..4_u64).prop_map(|(register, inner)| register << 16 | inner);
    let prefix = prop_oneof![few, 0..1_u64 << 26, Just((1 << 26) - 1)];
    (prefix, prop_oneof![1..4_u8, 1..=39_u8]).prop_map(|(prefix, tail)| Mark::new(prefix, tail).unwrap())
}

/// From nothing to sketches of the large form, many of them just below it.
fn sketches() -> impl Strategy<Value = Sketch> {
    prop_oneof![
        prop::collection::vec(marks(), 0..10),
        prop::collection::vec(marks(), 100..160),
        prop::collection::vec(marks(), 1_000..1_500),
    ]
    .prop_map(Sketch::from_iter)
}

fn union(mut one: Sketch, other: &Sketch) -> Sketch {
    let before = one.clone();
    let risen = one.join(&sent_sketch(other));
    assert_eq!(risen, one != before);
    one
}

fn latest(mut one: Listing, other: &Listing) -> Listing {
    one.join(sent_listing(other));
    one
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counters_commute(widths in widths(), one in rows(0..40), other in rows(0..40)) {
        let (mut there, mut back) = (joined(widths, &one), joined(widths, &other));
        join_all(&mut there, widths, &other);
        join_all(&mut back, widths, &one);
        prop_assert_eq!(held(&there, widths), held(&back, widths));
    }

    #[test]
    fn counters_associate(widths in widths(), a in rows(0..40), b in rows(0..40), c in rows(0..40)) {
        let mut left = joined(widths, &a);
        join_all(&mut left, widths, &held(&joined(widths, &b), widths));
        join_all(&mut left, widths, &held(&joined(widths, &c), widths));
        let mut right = joined(widths, &b);
        join_all(&mut right, widths, &held(&joined(widths, &c), widths));
        let right = held(&right, widths);
        let mut grouped = joined(widths, &a);
        join_all(&mut grouped, widths, &right);
        prop_assert_eq!(held(&left, widths), held(&grouped, widths));
    }

    #[test]
    fn counters_are_idempotent(widths in widths(), rows in rows(0..1_000)) {
        let once = joined(widths, &rows);
        let mut again = once.clone();
        join_all(&mut again, widths, &rows);
        join_all(&mut again, widths, &held(&once, widths));
        prop_assert_eq!(held(&once, widths), held(&again, widths));
    }

    /// What is read is the sum over authors, however the total was kept.
    #[test]
    fn the_total_is_the_sum_of_rows(widths in widths(), rows in rows(80..120)) {
        let counter = joined(widths, &rows);
        let now = crate::time::Time(widths.fine_start(counter.head()));
        let by_author = counter.sums(widths, super::given::ME, now);
        let by_author: u128 = by_author.iter().map(|(_, sum)| u128::from(*sum)).sum();
        // A sum saturates like a cell.
        prop_assert_eq!(u128::from(counter.sum(widths, now)), by_author.min(u64::MAX.into()));
    }

    #[test]
    fn bans_commute_associate_and_are_idempotent(a in facts(), b in facts(), c in facts()) {
        let ab = join(a.clone(), &b);
        prop_assert_eq!(&ab, &join(b.clone(), &a));
        prop_assert_eq!(join(ab.clone(), &c), join(a.clone(), &join(b.clone(), &c)));
        prop_assert_eq!(&join(ab.clone(), &a), &ab);
        prop_assert_eq!(&join(ab.clone(), &ab), &ab);
        prop_assert!(ab == a || ab == b);
    }

    #[test]
    fn sketches_commute_associate_and_are_idempotent(a in sketches(), b in sketches(), c in sketches()) {
        let ab = union(a.clone(), &b);
        prop_assert_eq!(&ab, &union(b.clone(), &a));
        prop_assert_eq!(union(ab.clone(), &c), union(a.clone(), &union(b.clone(), &c)));
        prop_assert_eq!(&union(ab.clone(), &a), &ab);
        prop_assert_eq!(&union(ab.clone(), &ab), &ab);
        prop_assert!(ab.estimate() + ab.estimate() / 4 >= a.estimate().max(b.estimate()));
    }

    /// Seen one by one or as a whole, here or there, in any order: the same sketch.
    #[test]
    fn a_sketch_is_what_was_seen(mut seen in prop::collection::vec(marks(), 0..300), cut in any::<prop::sample::Index>()) {
        let all: Sketch = seen.iter().copied().collect();
        let (here, there) = seen.split_at(cut.index(seen.len() + 1));
        let joined = union(here.iter().copied().collect(), &there.iter().copied().collect());
        prop_assert_eq!(&joined, &all);
        seen.reverse();
        prop_assert_eq!(&seen.into_iter().collect::<Sketch>(), &all);
    }

    #[test]
    fn list_entries_commute_associate_and_are_idempotent(a in listings(), b in listings(), c in listings()) {
        let ab = latest(a.clone(), &b);
        prop_assert_eq!(&ab, &latest(b.clone(), &a));
        prop_assert_eq!(latest(ab.clone(), &c), latest(a.clone(), &latest(b.clone(), &c)));
        prop_assert_eq!(&latest(ab.clone(), &a), &ab);
        prop_assert_eq!(&latest(ab.clone(), &ab), &ab);
        prop_assert!(ab.entry == a.entry || ab.entry == b.entry);
        prop_assert_eq!(ab.kept, a.kept.max(b.kept));
    }

    #[test]
    fn the_wire_changes_no_sketch_and_no_entry(sketch in sketches(), listing in listings()) {
        prop_assert_eq!(sent_sketch(&sketch), sketch);
        prop_assert_eq!(sent_listing(&listing), listing);
    }

    /// Anything that a frame can hold comes out as it went in.
    #[test]
    fn the_wire_changes_nothing(
        rows in prop::collection::btree_map((any::<u16>(), any::<u64>()), (any::<u64>(), counts(), counts()), 0..40),
        fact in facts(),
    ) {
        let row = |((pop, life), (head, fine, coarse)): (_, (u64, _, _))| (author(pop, life), Row { head, fine, coarse });
        let rows: Cells = rows.into_iter().map(row).filter(|(_, row): &(Author, Row)| !row.is_empty()).collect();
        prop_assert_eq!(through_the_wire(&rows, std::slice::from_ref(&fact)), (rows, vec![fact]));
    }
}
