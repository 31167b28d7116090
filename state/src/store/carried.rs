//! Rule T: a node that fills its cache through another one, its *parent*, carries what it knows of purges and the parent may not, and the
//! parent takes that in before it looks into its cache. So a parent never answers older than its child knows, whatever the links between
//! them are doing.
//!
//! A child carries its applications in a stretch of its own numbers, and says where that begins. The parent keeps for each child up to where
//! it has all of them. What begins later leaves a gap, of which nobody knows what was in it: then all that the parent stored before counts as
//! purged for that child, and for no other. Nothing is asked of links, so it holds over any fabric and for purges of any author; a parent that
//! forgot a child, or a child that lived on while its parent was away, costs fetches and never a stale answer.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use bytes::Bytes;

use super::Store;
use super::facts::Offered;
use super::marks::Fill;
use crate::fact::Fact;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::marks::Marked;
use crate::sync::Mutex;
use crate::time::Time;
use crate::wire::{Builder, DeltaHead, Frame, NEWEST, Room, State};

/// Children that a parent keeps apart. Those that come when there are so many begin anew with each request.
const CHILDREN_MAX: usize = 4096;

/// What a child carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// For the parent, some 40 bytes and some 50 more for each purge; at most [`FRAME_MAX`](crate::FRAME_MAX).
    pub bytes: Bytes,
    /// The last application that was in it, or was known to the parent before.
    pub to: u64,
}

/// What a parent made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Up to which of its applications the child need not carry them again.
    pub have: u64,
    /// What began to be filled before this is not for the child.
    pub since: Fill,
}

/// Why nothing was taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarriedError {
    /// It cannot be read. What came before the bad part was taken in.
    #[error("the purges that it carries cannot be read: {0}")]
    Unreadable(String),
    /// It speaks for another POP than it comes from.
    #[error("POP {from} carries purges in the name of POP {says}")]
    Foreign {
        /// Whom the certificate names.
        from: PopId,
        /// Whom it says it is.
        says: PopId,
    },
}

/// Up to where the applications of each child are known here.
#[derive(Debug, Default)]
pub(super) struct Children(Mutex<BTreeMap<Actor, Child>>);

#[derive(Debug, Clone, Copy)]
struct Child {
    life: Incarnation,
    have: u64,
    since: Fill,
}

/// Whether all of a stretch is known here now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joined {
    All,
    /// Some of it was not taken: its author is void here, its time is another, or it is too many.
    Some,
}

impl Store {
    /// What was applied here and a parent may not know, which said last that it has all up to the application `known`; 0 when it never
    /// said anything. Whatever was applied here when this is called is in it, or known to the parent, or lies before where it begins.
    #[must_use]
    pub fn carry(&self, known: u64, now: Time) -> Carried {
        let (mut from, applied, to) = self.marks.numbers.since(known);
        let mut builder = Builder::new();
        // The newest first: what does not fit lies before all that does.
        for applied in applied.into_iter().rev() {
            if builder.fact(&Fact::Mark(Marked::of(applied))) == Room::Full {
                from = applied.number;
                break;
            }
        }
        let head = DeltaHead { author: self.me.into(), from, to, at: now.0 };
        Carried { bytes: builder.delta(&head, NEWEST), to }
    }

    /// Takes in what a child carries, under the same bounds as what peers say. From then on what is stored here, and began to be filled
    /// no earlier than [`Taken::since`], is as new as all that the child knew.
    ///
    /// # Errors
    /// [`CarriedError`]; then nothing that is stored here may be used for this request.
    pub fn take_carried(&self, from: PopId, bytes: &[u8], now: Time) -> Result<Taken, CarriedError> {
        let unreadable = |cause: String| CarriedError::Unreadable(cause);
        let Frame::Delta(head, blocks) = Frame::decode(bytes).map_err(|error| unreadable(error.to_string()))? else {
            return Err(unreadable("it is another frame".to_owned()));
        };
        let child = Author::from(head.author);
        if child.actor.pop != from {
            return Err(CarriedError::Foreign { from, says: child.actor.pop });
        }
        if head.from > head.to {
            return Err(unreadable("it ends before it begins".to_owned()));
        }
        let mut joined = Joined::All;
        for state in blocks {
            let State::Facts(facts) = state.map_err(|error| unreadable(error.to_string()))? else { continue };
            for fact in facts.into_iter().filter(|fact| matches!(fact, Fact::Mark(_))) {
                match self.offer_fact(fact, now) {
                    Offered::Taken | Offered::Known => {}
                    Offered::Refused | Offered::Ahead | Offered::Full | Offered::Void(_) => joined = Joined::Some,
                }
            }
        }
        Ok(self.children.took(child, (head.from, head.to), joined, || Fill::numbered(self.marks.numbers.tick())))
    }
}

impl Children {
    /// A child carried the stretch `(from, to]`. `tick` gives an instant that is after all fills that have begun.
    fn took(&self, child: Author, (from, to): (u64, u64), joined: Joined, tick: impl FnOnce() -> Fill) -> Taken {
        let mut children = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = children.get(&child.actor).copied();
        let follows = match known {
            Some(known) if known.life == child.incarnation => known.have >= from,
            // Of a life that is new here nothing before its first application is missing.
            Some(_) | None => from == 0,
        };
        let same_life = known.filter(|known| known.life == child.incarnation);
        let since = match same_life {
            _ if !follows || joined == Joined::Some => tick(),
            Some(known) => known.since,
            None => Fill::default(),
        };
        let have = same_life.map_or(to, |known| known.have.max(to));
        // A request of an older life of the child that is still under way stands for itself.
        let is_older = known.is_some_and(|known| known.life > child.incarnation);
        if !is_older && (known.is_some() || children.len() < CHILDREN_MAX) {
            children.insert(child.actor, Child { life: child.incarnation, have, since });
        }
        Taken { have, since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(node: u32, life: u64) -> Author {
        Author { actor: Actor { pop: PopId(1), node }, incarnation: Incarnation(life) }
    }

    /// What a child that carried `(from, to]` need not carry again, and whether what was stored before is for it.
    fn took(children: &Children, of: Author, stretch: (u64, u64)) -> (u64, bool) {
        let taken = children.took(of, stretch, Joined::All, || Fill::numbered(9));
        (taken.have, taken.since < Fill::numbered(9))
    }

    #[test]
    fn only_a_gap_makes_what_is_stored_be_of_no_use() {
        let children = Children::default();
        for (life, stretch, have, is_of_use) in [
            (5, (0, 3), 3, true),
            (5, (3, 3), 3, true),
            (5, (2, 8), 8, true),
            (5, (0, 4), 8, true),
            (5, (9, 11), 11, false),
            (5, (11, 12), 12, false),
            (6, (0, 0), 0, true),
            (5, (12, 13), 13, false),
            (6, (0, 2), 2, true),
            (7, (2, 3), 3, false),
        ] {
            assert_eq!(took(&children, child(0, life), stretch), (have, is_of_use), "life {life}, {stretch:?}");
        }
    }

    /// What was not taken lies in no gap, and is told again when it matters.
    #[test]
    fn what_could_not_be_joined_is_a_gap() {
        let children = Children::default();
        let taken = children.took(child(0, 1), (0, 3), Joined::Some, || Fill::numbered(9));
        assert_eq!((taken.have, taken.since), (3, Fill::numbered(9)));
        assert_eq!(took(&children, child(0, 1), (3, 3)), (3, false), "and stays one");
    }

    #[test]
    fn one_child_too_many_begins_anew_each_time() {
        let children = Children::default();
        let most = u32::try_from(CHILDREN_MAX).unwrap();
        (0..most).for_each(|node| assert_eq!(took(&children, child(node, 1), (0, 3)), (3, true)));
        assert_eq!(took(&children, child(most, 1), (0, 3)), (3, true), "which carries all");
        assert_eq!(took(&children, child(most, 1), (3, 4)), (4, false));
        assert_eq!(took(&children, child(0, 1), (3, 4)), (4, true));
    }
}
