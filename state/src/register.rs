//! A register: one value under one key of a space, such as an attribute of a session or an override of a limit. A fact that any
//! node may state.
//!
//! The last statement wins: of two the greater one in the total order (stamp, author, removal, value, end). The stamp is a hybrid
//! one (Kulkarni et al., "Logical physical clocks", 2014, without its counter): the author's clock, or just after what it has seen
//! where that is later; one more than the drift bound ahead is refused. A removal is a statement like any other and is remembered
//! until all that it beats is over, and longer by [`FACT_MEMORY`].
//!
//! Where no more removals fit, the oldest of a space become its *floor*: all that was stated up to that stamp is void. So a
//! removal is never forgotten; more may be removed than was asked for.

use std::sync::Arc;

use crate::counter::DRIFT_MAX;
use crate::fact::{self, About, FACT_LONGEST, FACT_MEMORY, Flaw, Joined, Stated};
use crate::identity::{Actor, Author};
use crate::journal::Numbers;
use crate::key::{Key128, Secret};
use crate::time::Time;
use crate::void::Voids;

/// The longest value of a register, in bytes.
pub const VALUE_MAX: usize = 1024;

/// What is known of one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) about: About,
    /// When it was stated, as above.
    pub(crate) stamp: Time,
    pub(crate) author: Author,
    /// None: it was removed.
    pub(crate) value: Option<Arc<[u8]>>,
    /// The first instant at which nothing is said any more.
    pub(crate) until: Time,
    /// Until when it must be remembered.
    pub(crate) kept: Time,
}

/// What a statement says, as far as its author chooses it.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) value: Option<Arc<[u8]>>,
    pub(crate) until: Time,
    pub(crate) by: Author,
    pub(crate) now: Time,
}

impl Registered {
    /// A statement on top of what is known: of this register, or else of the floor of its space. One that says nothing new, or
    /// whose stamp would be too far ahead, leaves what is known.
    pub(crate) fn next(known: Option<&Registered>, about: About, wish: &Wish) -> Registered {
        let Wish { ref value, until, by, now } = *wish;
        let until = until.min(now.plus(FACT_LONGEST));
        let kept = until.max(now).plus(FACT_MEMORY);
        let first = Registered { about, stamp: now, author: by, value: value.clone(), until, kept };
        let Some(known) = known else { return first };
        // A removal says nothing new where it need not be remembered for longer.
        let says = (known.about, &known.value, known.until) == (about, &first.value, until);
        let stamp = now.max(known.stamp.plus(1));
        if says || stamp > now.plus(DRIFT_MAX) {
            return known.clone();
        }
        Registered { stamp, kept: kept.max(known.kept), ..first }
    }

    /// Whether this is what was to be stated.
    pub(crate) fn says(&self, wish: &Wish) -> bool {
        self.value == wish.value && self.until == wish.until.min(wish.now.plus(FACT_LONGEST))
    }

    /// Its value, while it has one.
    pub(crate) fn value(&self, now: Time) -> Option<&Arc<[u8]>> {
        self.value.as_ref().filter(|_| now < self.until)
    }

    /// Whether this one wins over another.
    pub(crate) fn is_after(&self, other: &Registered) -> bool {
        self.order() > other.order()
    }

    /// The place in the total order. What it is about is last: facts about one thing only are ever compared.
    fn order(&self) -> (Time, Author, bool, Option<&[u8]>, Time, About) {
        (self.stamp, self.author, self.value.is_none(), self.value.as_deref(), self.until, self.about)
    }
}

impl Stated for Registered {
    /// Numbered for those who want to know whether anything came.
    fn applied(&mut self, _now: Time, numbers: &Numbers) {
        numbers.tick();
    }

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
        self.stamp
    }

    fn kept(&self) -> Time {
        self.kept
    }

    /// A value that has ended, as has all that it beats. A removal never is.
    fn spared_since(&self, now: Time) -> Option<Time> {
        let over = self.until <= now && self.kept.minus(FACT_MEMORY) <= now;
        (self.value.is_some() && over).then_some(self.until)
    }

    fn check(&self, now: Time) -> Result<(), Flaw> {
        if self.stamp > now.plus(DRIFT_MAX) {
            return Err(Flaw::Ahead);
        }
        let fits = self.value.as_ref().is_none_or(|value| value.len() <= VALUE_MAX && self.about.key.is_some())
            && self.kept >= self.until
            && fact::is_remembered(self.kept, now);
        if fits { Ok(()) } else { Err(Flaw::Unfit) }
    }

    /// Takes the greater statement and the longer memory of the two.
    fn join(&mut self, other: Registered) -> Joined {
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
        let value = self.value.as_deref();
        let numbers = [space, high, low, self.stamp.0, self.author.incarnation.0, self.until.0, self.kept.0];
        let is_value = [u8::from(value.is_some())];
        fact::hash(secret, self.author.actor, &numbers, &[&is_value, value.unwrap_or_default()])
    }

    /// Values take three quarters at most, so that there is room for removals.
    fn places(&self, max: usize) -> usize {
        if self.value.is_some() { max - max / 4 } else { max }
    }

    fn height(&self) -> Option<u64> {
        self.value.is_none().then_some(self.stamp.0)
    }

    fn is_floor(&self) -> bool {
        self.about.key.is_none()
    }

    fn is_under(&self, floor: &Registered) -> bool {
        self.stamp <= floor.stamp
    }

    fn into_floor(self, by: Author, _now: Time) -> Registered {
        Registered { about: self.about.floor(), author: by, value: None, until: self.kept, ..self }
    }

    fn without(&self, voids: &Voids) -> Option<Registered> {
        (!voids.cover(self.author)).then(|| self.clone())
    }
}
