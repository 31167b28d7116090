//! Facts: what any node may state, about one name, and what all of them keep. Each kind says in its own file what it means and
//! how two of them join; here is what rooms, queues, walks and frames need to know of any of them.
//!
//! A fact is remembered for as long as what it beat could come back from a node that slept: until it is *spent*. Where room is
//! short, one that says nothing any more and beats nothing may be *spared* before that.

use crate::ban::Banning;
use crate::identity::Actor;
use crate::key::{Domain, Key128, Secret};
use crate::list::Listing;
use crate::time::Time;

/// What the store, the walk and the replica do with a fact of any kind.
pub(crate) trait Stated: Clone + PartialEq {
    /// Its name: a keyed hash of what it is about.
    fn key(&self, secret: &Secret) -> Key128;

    /// The space that it is of, the same at every node; none where its kind has no spaces.
    fn space(&self) -> Option<u64> {
        None
    }

    /// Who stated it.
    fn made_by(&self) -> Actor;

    /// When it was stated.
    fn made_at(&self) -> Time;

    /// From when on nothing that it beats can come back: the instant that it is forgotten.
    fn kept(&self) -> Time;

    /// When it ended, if it may be forgotten before it is spent.
    fn spared_since(&self, now: Time) -> Option<Time>;

    /// Whether a peer may say this now.
    fn check(&self, now: Time) -> Result<(), Flaw>;

    /// The join of the lattice: commutative, associative, idempotent.
    fn join(&mut self, other: Self) -> Joined;

    /// Notes that this came to be known here just now. What is noted is not replicated.
    fn applied(&mut self, _now: Time) {}

    /// Its part of a digest.
    fn digest(&self, secret: &Secret) -> u64;

    /// Whether nothing that it beats can come back.
    fn is_spent(&self, now: Time) -> bool {
        self.kept() <= now
    }
}

/// Whether a join changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    Changed,
    Unchanged,
}

/// Why a peer's fact is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its stamp is too far ahead.
    Ahead,
    /// It is spent, or says what nobody can state.
    Unfit,
}

/// The kinds of facts, in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ban,
    Listing,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Ban, Kind::Listing];

    /// The kind after this one.
    pub(crate) fn next(self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind > self)
    }
}

/// The name of a fact, among those of all kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) key: Key128,
}

/// A fact of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Ban(Banning),
    Listing(Listing),
}

impl Fact {
    pub(crate) fn made_by(&self) -> Actor {
        match self {
            Fact::Ban(fact) => fact.made_by(),
            Fact::Listing(fact) => fact.made_by(),
        }
    }

    pub(crate) fn made_at(&self) -> Time {
        match self {
            Fact::Ban(fact) => fact.made_at(),
            Fact::Listing(fact) => fact.made_at(),
        }
    }

    pub(crate) fn name(&self, secret: &Secret) -> Name {
        match self {
            Fact::Ban(fact) => Name { kind: Kind::Ban, key: fact.key(secret) },
            Fact::Listing(fact) => Name { kind: Kind::Listing, key: fact.key(secret) },
        }
    }

    pub(crate) fn is_spent(&self, now: Time) -> bool {
        match self {
            Fact::Ban(fact) => fact.is_spent(now),
            Fact::Listing(fact) => fact.is_spent(now),
        }
    }
}

/// A keyed hash of all that a fact says.
pub(crate) fn hash(secret: &Secret, by: Actor, numbers: &[u64], texts: &[&[u8]]) -> u64 {
    let numbers: Vec<[u8; 8]> = numbers.iter().map(|number| number.to_le_bytes()).collect();
    let who = (u64::from(by.pop.0) << 32 | u64::from(by.node)).to_le_bytes();
    let mut parts: Vec<&[u8]> = numbers.iter().map(<[u8; 8]>::as_slice).collect();
    parts.push(&who);
    parts.extend(texts);
    secret.hash64(Domain::Digest, &parts)
}
