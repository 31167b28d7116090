//! Late counts: what they add to a backlog, and when they are said to have happened.

use proptest::prelude::*;

use super::given::{ME, author};
use crate::bucket::Bucket;
use crate::counter::{Asker, Carry, Row, SlotCounter, Widths};
use crate::identity::Actor;
use crate::rung::Rung;
use crate::time::Time;

/// Tokens a ms.
const RATE: f64 = 0.01;

const NOBODY: Asker = Asker { me: Actor::NOBODY, elsewhere: 0, past: RATE };

#[test]
fn what_is_late_adds_in_full_to_a_backlog_that_lasted() {
    let mut carry = Carry::default();
    carry.pass(0, 100, RATE);
    // Nothing was there: it drained alone from 0 to the edge.
    carry.late(20, 0, 1_000, RATE);
    assert_eq!(carry.backlog, 10.0);
    // Now there was a backlog ever since 0.
    carry.late(5, 500, 1_000, RATE);
    assert_eq!(carry.backlog, 15.0);
    // Before it: it drained alone until then.
    carry.late(5, 0, 1_000, RATE);
    assert_eq!(carry.backlog, 20.0);
}

#[test]
fn what_is_late_and_drained_adds_nothing() {
    let mut carry = Carry::default();
    carry.pass(50, 100, RATE);
    assert_eq!(carry.backlog, 49.0);
    carry.late(4, 100, 600, RATE);
    assert_eq!(carry.backlog, 49.0);
    carry.late(5, 100, 600, RATE);
    assert_eq!(carry.backlog, 50.0);
}

#[test]
fn the_newest_counts_are_the_late_ones() {
    let widths = Widths::new(Rung::Ms100, Rung::S10);
    let mut row = Row { head: 250, fine: [0; 8], coarse: [0; 8] };
    (row.fine[0], row.fine[3], row.fine[5]) = (4, 2, 6);
    let told = |ring: u64, late: u64| {
        let mut told = Vec::new();
        row.explain(widths, 2, ring, late, |amount, from| told.push((amount, from)));
        told
    };
    // Slots 250, 247 and 245; the ring begins after all of them.
    assert_eq!(told(260, 3), [(3, 25_000)]);
    assert_eq!(told(260, 5), [(1, 24_700), (4, 25_000)]);
    assert_eq!(told(260, 20), [(8, 20_000), (6, 24_500), (2, 24_700), (4, 25_000)]);
    // What the ring holds is not late.
    assert_eq!(told(250, 5), [(3, 24_500), (2, 24_700)]);
    assert_eq!(told(245, 5), [(5, 20_000)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A second node that charges too, and hears the first one's row late, in parts or twice: its level is never above that
    /// of all charges at their own instants.
    #[test]
    fn a_late_listener_never_says_too_much(
        steps in prop::collection::vec((0..400_u64, 1..30_u32, 0..3_u8, 0..400_u64), 1..80),
        burst in 1..2_000_u32,
    ) {
        let widths = Widths::new(Rung::Ms10, Rung::S1);
        let bucket = Bucket::new(RATE * 5.0, f64::from(burst));
        let mut now = Time(100_000);
        let (mut near, mut far) = (SlotCounter::new(widths.fine_slot(now)), SlotCounter::new(widths.fine_slot(now)));
        let (mut real, mut at) = (0.0_f64, now);
        let mut row = near.own_row(widths, ME, Time::ZERO).1;
        for (gap, n, what, back) in steps {
            now = now.plus(gap);
            real = (real - bucket.rate_per_ms * now.since(at) as f64).max(0.0);
            at = now;
            if what == 0 {
                // The listener hears what was true some steps ago.
                far.join(widths, author(1, 1), &row, Some(bucket.rate_per_ms));
            } else {
                let counter = if what == 1 { &mut near } else { &mut far };
                if matches!(counter.charge(widths, (&bucket, n), NOBODY, now), crate::bucket::Charge::Admitted { .. }) {
                    real += f64::from(n);
                }
                // A whole row, or the part that can have changed lately.
                row = match gap % 3 {
                    0 => near.own_row(widths, ME, Time::ZERO).1,
                    1 => near.own_row(widths, ME, now.minus(back)).1,
                    _ => row,
                };
            }
            let said = far.level(widths, bucket.rate_per_ms, now);
            prop_assert!(said <= real + 1e-6, "said {said}, is {real}");
        }
    }
}

/// A link comes up: first what changed lately is said, then everything.
#[test]
fn a_part_of_a_row_and_then_all_of_it_count_once() {
    let widths = Widths::new(Rung::S1, Rung::M1);
    let bucket = Bucket::new(20.0 / 60_000.0, 10.0);
    let start = Time(600_000);
    let (mut near, mut far) = (SlotCounter::new(widths.fine_slot(start)), SlotCounter::new(widths.fine_slot(start)));
    far.charge(widths, (&bucket, 1), NOBODY, start);
    for second in 0..5 {
        near.charge(widths, (&bucket, 1), NOBODY, start.plus(second * 1_000));
    }
    let now = start.plus(4_100);
    far.join(widths, author(1, 1), &near.own_row(widths, ME, start.plus(4_000)).1, Some(bucket.rate_per_ms));
    far.join(widths, author(1, 1), &near.own_row(widths, ME, Time::ZERO).1, Some(bucket.rate_per_ms));
    let level = far.level(widths, bucket.rate_per_ms, now);
    assert!((level - (6.0 - 4_100.0 * bucket.rate_per_ms)).abs() < 1e-9, "{level}");
}

/// A counter that was made by joins alone learns its backlog from the coarse cells when it is first charged.
#[test]
fn the_first_charge_builds_on_what_was_joined() {
    let widths = Widths::new(Rung::Ms10, Rung::S1);
    let start = Time(100_000);
    let mut near = SlotCounter::new(widths.fine_slot(start));
    for second in 0..5 {
        near.add(widths, 40, None, start.plus(second * 1_000));
    }
    let mut far = SlotCounter::new(0);
    far.join(widths, author(1, 1), &near.own_row(widths, ME, Time::ZERO).1, None);
    let now = start.plus(4_500);
    // 200 tokens from 0 s to 4 s, all at their slots' starts, less 4.5 s at 10 a second.
    assert!((far.level(widths, RATE, now) - 155.0).abs() < 1e-9);
}
