//! A number that only grows, such as the instant before which a user's sessions are revoked. A fact that any node may state: the
//! greater number wins, and it is remembered for the longest time that anybody asked for.
//!
//! A number that no one could take back is refused above what its space says is plausible. Where no more keys fit, the least
//! numbers of a space become its *floor*, which every key of it has at least: "sessions issued before t are revoked" outlives the
//! memory of whose.

use crate::fact::{self, About, FACT_LONGEST, FACT_MEMORY, Flaw, Joined, Stated};
use crate::identity::{Actor, Author};
use crate::key::{Key128, Secret};
use crate::time::Time;
use crate::void::Voids;

/// The greatest number that is plausible in a space. Part of its identity: nodes that disagree about it have two spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Most {
    /// An instant, at most so many ms ahead of the clock of whoever reads it.
    Ahead(u64),
    /// This number.
    Value(u64),
}

impl Most {
    /// The number, at an instant.
    #[must_use]
    pub fn at(self, now: Time) -> u64 {
        match self {
            Most::Ahead(ms) => now.plus(ms).0,
            Most::Value(most) => most,
        }
    }

    pub(crate) fn bytes(self) -> [u8; 9] {
        let (kind, number) = match self {
            Most::Ahead(ms) => (1, ms),
            Most::Value(most) => (2, most),
        };
        let mut bytes = [kind; 9];
        if let Some(rest) = bytes.last_chunk_mut::<8>() {
            *rest = number.to_le_bytes();
        }
        bytes
    }
}

/// What is known of one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raised {
    pub(crate) about: About,
    pub(crate) value: u64,
    pub(crate) made_at: Time,
    pub(crate) author: Author,
    /// Until when it is remembered, and holds.
    pub(crate) kept: Time,
}

impl Raised {
    pub(crate) fn new(about: About, (value, until): (u64, Time), author: Author, now: Time) -> Raised {
        let kept = until.min(now.plus(FACT_LONGEST)).max(now).plus(FACT_MEMORY);
        Raised { about, value, made_at: now, author, kept }
    }

    fn order(&self) -> (u64, Time, Author, About) {
        (self.value, self.made_at, self.author, self.about)
    }
}

impl Stated for Raised {
    fn key(&self, secret: &Secret) -> Key128 {
        self.about.name(secret)
    }

    fn space(&self) -> Option<u64> {
        Some(self.about.space)
    }

    fn made_by(&self) -> Actor {
        self.author.actor
    }

    fn made_at(&self) -> Time {
        self.made_at
    }

    fn kept(&self) -> Time {
        self.kept
    }

    fn spared_since(&self, _now: Time) -> Option<Time> {
        None
    }

    fn check(&self, now: Time) -> Result<(), Flaw> {
        if self.made_at > now.plus(crate::counter::DRIFT_MAX) {
            return Err(Flaw::Ahead);
        }
        if fact::is_remembered(self.kept, now) { Ok(()) } else { Err(Flaw::Unfit) }
    }

    /// Takes the greater number, the later statement of one number, and the longer memory.
    fn join(&mut self, other: Raised) -> Joined {
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
        let (space, high, low) = self.about.numbers();
        let numbers = [space, high, low, self.value, self.made_at.0, self.author.incarnation.0, self.kept.0];
        fact::hash(secret, self.author.actor, &numbers, &[])
    }

    fn is_plausible(&self, most: Most, now: Time) -> bool {
        self.value <= most.at(now)
    }

    fn height(&self) -> Option<u64> {
        Some(self.value)
    }

    fn is_floor(&self) -> bool {
        self.about.key.is_none()
    }

    /// Whether the floor says all that it says, for as long.
    fn is_under(&self, floor: &Raised) -> bool {
        self.value <= floor.value && self.kept <= floor.kept
    }

    fn into_floor(self, by: Author, now: Time) -> Raised {
        Raised { about: self.about.floor(), author: by, made_at: now, ..self }
    }

    fn without(&self, voids: &Voids) -> Option<Raised> {
        (!voids.cover(self.author)).then(|| self.clone())
    }
}
