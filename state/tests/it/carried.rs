//! Rule T: what a child carries to its parent, and what that makes of what the parent has stored.

use std::sync::Arc;

use proptest::prelude::*;
use selvedge_state::{CarriedError, FRAME_MAX, Fill, PopId, Store, StoreBounds, Taken, Time};

use crate::support::{START, is_purged, store_bounded, store_of};

const HOUR: u64 = 3_600_000;
const CHILD: PopId = PopId(1);

fn purge_at(store: &Store, name: &[u8], now: Time) {
    store.purge(store.purge_key(&[name]), now.plus(HOUR), now).unwrap();
}

fn purge(store: &Store, name: &[u8]) {
    purge_at(store, name, START);
}

/// A child, of POP 1, and a parent, of POP 2.
fn pair() -> (Arc<Store>, Arc<Store>) {
    (store_of(1, 1, 3, 100, 10), store_of(2, 1, 3, 100, 10))
}

/// Carries what the parent may not know, and says whether what it stored at `fill`, under this name, is for the child.
fn carried(child: &Store, parent: &Store, known: u64) -> Taken {
    parent.take_carried(CHILD, &child.carry(known, START).bytes, START).unwrap()
}

fn is_of_use(parent: &Store, taken: Taken, name: &[u8], fill: Fill) -> bool {
    fill >= taken.since && !is_purged(parent, parent.purge_key(&[name]), fill)
}

#[test]
fn a_purge_is_known_where_the_request_goes_that_follows_it() {
    let (child, parent) = pair();
    let stored = parent.fill();
    purge(&child, b"a");
    let taken = carried(&child, &parent, 0);
    assert_eq!(taken.have, 1);
    assert!(!is_of_use(&parent, taken, b"a", stored) && is_of_use(&parent, taken, b"b", stored));
    assert!(is_of_use(&parent, taken, b"a", parent.fill()));
    // Nothing is told twice, nor applied twice.
    let applied = parent.fill();
    let again = child.carry(taken.have, START);
    assert!(again.bytes.len() < child.carry(0, START).bytes.len() && again.to == 1, "{}", again.bytes.len());
    assert_eq!(carried(&child, &parent, taken.have), taken);
    assert_eq!(carried(&child, &parent, 0), taken);
    assert_eq!(parent.fill(), applied);
}

/// Whoever made it: what a child heard of another POP its parent may not have heard of.
#[test]
fn purges_of_others_are_carried_too() {
    let (child, parent) = pair();
    let third = store_of(3, 1, 3, 100, 10);
    purge(&third, b"a");
    child.restore_purges(third.purges(), START);
    let stored = parent.fill();
    let taken = carried(&child, &parent, 0);
    assert!(!is_of_use(&parent, taken, b"a", stored) && is_of_use(&parent, taken, b"b", stored));
}

#[test]
fn of_more_purges_than_are_carried_all_count() {
    let (child, parent) = pair();
    let stored = parent.fill();
    (0..1_000_u32).for_each(|name| purge(&child, &name.to_le_bytes()));
    let carry = child.carry(0, START);
    assert!((1_000..FRAME_MAX).contains(&carry.bytes.len()) && carry.to == 1_000);
    let (none, each) = (child.carry(1_000, START).bytes.len(), carry.bytes.len() / 256);
    assert!(none <= 48 && each <= 56, "{none} bytes for none and {each} for each of them");
    let taken = carried(&child, &parent, 0);
    assert_eq!(taken.have, 1_000);
    assert!(!is_of_use(&parent, taken, b"never purged", stored), "nobody knows what was in the gap");
    assert!(is_of_use(&parent, taken, b"never purged", parent.fill()));
    // For this child alone.
    let other = store_of(3, 1, 3, 100, 10);
    let taken = parent.take_carried(PopId(3), &other.carry(0, START).bytes, START).unwrap();
    assert!(is_of_use(&parent, taken, b"never purged", stored));
}

/// A parent that has just started, or forgot: what it stored in a life before may be anything.
#[test]
fn a_parent_that_does_not_know_the_child_uses_nothing_of_before() {
    let (child, parent) = pair();
    let stored = parent.fill();
    purge(&child, b"a");
    purge(&child, b"b");
    let taken = carried(&child, &parent, 2);
    assert!(!is_of_use(&parent, taken, b"a", stored) && !is_of_use(&parent, taken, b"c", stored));
    assert!(is_of_use(&parent, taken, b"a", parent.fill()));
}

/// One that says it has what does not exist yet is told all that there is to come, and what it does not have is still a gap.
#[test]
fn a_parent_cannot_have_more_than_there_is() {
    let (child, parent) = pair();
    let stored = parent.fill();
    purge(&child, b"a");
    let taken = carried(&child, &parent, u64::MAX);
    assert_eq!(taken.have, 1);
    assert!(!is_of_use(&parent, taken, b"a", stored));
    purge(&child, b"b");
    let stored = parent.fill();
    let taken = carried(&child, &parent, taken.have);
    assert!(!is_of_use(&parent, taken, b"b", stored) && is_of_use(&parent, taken, b"c", stored));
}

/// What a peer may not say is not believed of a child either; and what is not taken was not heard.
#[test]
fn what_is_refused_leaves_a_gap() {
    let (child, parent) = pair();
    let stored = parent.fill();
    purge_at(&child, b"a", START.plus(24 * HOUR));
    let taken = carried(&child, &parent, 0);
    assert!(!is_purged(&parent, parent.purge_key(&[b"a"]), stored), "its clock is ahead");
    assert!(!is_of_use(&parent, taken, b"a", stored));
}

#[test]
fn a_child_speaks_for_its_own_pop_and_in_words_that_can_be_read() {
    let (child, parent) = pair();
    purge(&child, b"a");
    let carry = child.carry(0, START).bytes;
    let foreign = parent.take_carried(PopId(3), &carry, START);
    assert_eq!(foreign, Err(CarriedError::Foreign { from: PopId(3), says: CHILD }));
    for bytes in [&b""[..], b"x", &carry[..carry.len() - 1], &vec![2; FRAME_MAX + 1]] {
        let taken = parent.take_carried(CHILD, bytes, START);
        assert!(matches!(taken, Err(CarriedError::Unreadable(_))), "{taken:?}");
    }
}

/// A floor that rose at the child is one at the parent.
#[test]
fn a_floor_is_carried() {
    let child = store_bounded(3, StoreBounds { marks_max: 3, ..StoreBounds::default() });
    let (_, parent) = pair();
    let stored = parent.fill();
    (0..5_u8).for_each(|name| purge(&child, &[name]));
    let taken = carried(&child, &parent, 0);
    assert!(!is_of_use(&parent, taken, b"never purged", stored));
}

proptest! {
    /// The rule itself: whatever a child and others purge, whatever the parent has stored and when, however far behind and forgetful the
    /// child's picture of its parent is, what is of use was asked for after all that the child knew of.
    #[test]
    fn a_parent_never_answers_older_than_its_child_knows(steps in prop::collection::vec((0..6_u8, 0..4_u8), 1..200), max in 2..40_usize) {
        let bounds = StoreBounds { marks_max: max, ..StoreBounds::default() };
        let (child, mut parent) = (store_bounded(3, bounds), store_of(2, 1, 3, 100, 10));
        let third = store_of(3, 1, 3, 100, 10);
        // Of each name: when it was stored at the parent, and how many purges of it the child knew of by then.
        let mut stored: Vec<Option<(Fill, u32)>> = vec![None; 4];
        let mut purged = [0_u32; 4];
        let (mut known, mut lives) = (0, 1);
        for (what, name) in steps {
            let at = usize::from(name);
            match what {
                0 => {
                    purge(&child, &[name]);
                    purged[at] += 1;
                }
                1 => {
                    purge(&third, &[name]);
                    child.restore_purges(third.purges(), START);
                    purged[at] += 1;
                }
                // The parent fetches for a client of its own.
                2 => stored[at] = Some((parent.fill(), purged[at])),
                // It starts anew and has all of its disk.
                3 if lives < 5 => {
                    lives += 1;
                    parent = store_of(2, lives, 3, 100, 10);
                    stored.iter_mut().flatten().for_each(|(fill, _)| *fill = Fill::default());
                }
                // What it heard otherwise makes no difference.
                4 => drop(parent.restore_purges(third.purges(), START)),
                _ => {
                    let taken = carried(&child, &parent, known);
                    known = taken.have;
                    if let Some((fill, seen)) = stored[at]
                        && is_of_use(&parent, taken, &[name], fill)
                    {
                        prop_assert_eq!(seen, purged[at], "{} is older than the child knows", name);
                    }
                }
            }
        }
    }
}
