//! An element of a list, put in or taken out while the program runs: a fact that any node may state.
//!
//! The last statement wins: of two facts about one element the greater one in the total order (made at, made by, present,
//! until). A node that states something new takes a stamp after every one it has seen, so its statement wins even where its
//! clock is behind. Putting in and taking out are alike, both end with their `until`, and then nothing is said about the
//! element: whether it is in the list is again what the list's file says.
//!
//! A fact must be remembered for as long as what it beat would still hold if it came back from a node that slept; `kept` says
//! how long. A join takes the greater `kept` of the two, whichever of them wins: it is a lattice of its own beside the order.

use std::sync::Arc;

use crate::ban::{BAN_LONGEST, LONGEST_SLACK};
use crate::counter::DRIFT_MAX;
use crate::fact::{self, Flaw, Joined, Stated};
use crate::identity::Actor;
use crate::key::{Domain, Key128, Secret};
use crate::time::Time;

/// The longest element, in bytes.
pub const ELEMENT_MAX: usize = 128;

/// How long a statement is remembered after it, and all it beat, ended, ms: clocks differ, and what a peer learnt of an
/// element's memory must get round by repair.
pub const LIST_MEMORY: u64 = 3_600_000;

/// The longest statement, ms (ten years); longer ones are made that long.
pub const LIST_LONGEST: u64 = BAN_LONGEST;

/// What is said of one element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The element, at most [`ELEMENT_MAX`] bytes.
    pub element: Arc<str>,
    /// Whether it is in the list, whatever the list's file says.
    pub present: bool,
    /// The first instant at which nothing is said any more.
    pub until: Time,
    /// When it was stated: by its author's clock, or just after what it beat where that was later.
    pub made_at: Time,
    /// Who stated it.
    pub made_by: Actor,
}

/// An entry with its list and what the replication needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The identity of the list, the same at every node.
    pub(crate) list: u64,
    pub(crate) entry: ListEntry,
    /// Until when it must be remembered.
    pub(crate) kept: Time,
}

/// What a statement says, as far as its author chooses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) present: bool,
    pub(crate) until: Time,
    pub(crate) by: Actor,
    pub(crate) now: Time,
}

impl Listing {
    /// The first statement about an element.
    pub(crate) fn first(list: u64, element: Arc<str>, wanted: Wanted) -> Listing {
        let Wanted { present, until, by, now } = wanted;
        let until = until.min(now.plus(LIST_LONGEST));
        let entry = ListEntry { element, present, until, made_at: now, made_by: by };
        Listing { list, entry, kept: until.max(now).plus(LIST_MEMORY) }
    }

    /// A statement on top of what is known. One that says nothing new leaves it as it is.
    pub(crate) fn next(&self, wanted: Wanted) -> Listing {
        let mut next = Listing::first(self.list, Arc::clone(&self.entry.element), wanted);
        if (next.entry.present, next.entry.until) == (self.entry.present, self.entry.until) {
            return self.clone();
        }
        next.entry.made_at = next.entry.made_at.max(self.entry.made_at.plus(1));
        next.kept = next.kept.max(self.kept);
        next
    }

    /// The place in the total order. List and element are last: facts about one element only are ever compared.
    fn order(&self) -> (Time, Actor, bool, Time, u64, &str) {
        let ListEntry { element, present, until, made_at, made_by } = &self.entry;
        (*made_at, *made_by, *present, *until, self.list, element)
    }

    /// Whether it says something at `now`.
    pub(crate) fn holds(&self, now: Time) -> bool {
        now < self.entry.until
    }
}

impl Stated for Listing {
    fn key(&self, secret: &Secret) -> Key128 {
        key_of(secret, self.list, &self.entry.element)
    }

    fn space(&self) -> Option<u64> {
        Some(self.list)
    }

    fn made_by(&self) -> Actor {
        self.entry.made_by
    }

    fn made_at(&self) -> Time {
        self.entry.made_at
    }

    fn kept(&self) -> Time {
        self.kept
    }

    /// It has ended, and so has all that it is known to beat.
    fn spared_since(&self, now: Time) -> Option<Time> {
        (!self.holds(now) && self.kept.minus(LIST_MEMORY) <= now).then_some(self.entry.until)
    }

    fn check(&self, now: Time) -> Result<(), Flaw> {
        let ListEntry { element, until, made_at, .. } = &self.entry;
        if *made_at > now.plus(DRIFT_MAX) {
            return Err(Flaw::Ahead);
        }
        let latest = now.plus(LIST_LONGEST + LONGEST_SLACK);
        let fits = (1..=ELEMENT_MAX).contains(&element.len())
            && *until <= latest
            && self.kept <= latest.plus(LIST_MEMORY)
            && self.kept >= *until
            && !self.is_spent(now);
        if fits { Ok(()) } else { Err(Flaw::Unfit) }
    }

    /// Takes the greater entry and the longer memory of the two.
    fn join(&mut self, other: Listing) -> Joined {
        let kept = self.kept.max(other.kept);
        let wins = other.order() > self.order();
        let joined = if wins || kept > self.kept { Joined::Changed } else { Joined::Unchanged };
        if wins {
            *self = other;
        }
        self.kept = kept;
        joined
    }

    fn digest(&self, secret: &Secret) -> u64 {
        let ListEntry { element, present, until, made_at, made_by } = &self.entry;
        let numbers = [self.list, u64::from(*present), until.0, self.kept.0, made_at.0];
        fact::hash(secret, *made_by, &numbers, &[element.as_bytes()])
    }
}

/// The name of what is said of an element.
pub(crate) fn key_of(secret: &Secret, list: u64, element: &str) -> Key128 {
    Key128(secret.hash128(Domain::Listing, &[&list.to_le_bytes(), element.as_bytes()]))
}
