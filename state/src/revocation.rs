//! A revocation: what is not valid any more, wherever it is shown, though nothing about it says so. A negative fact that any node may state: *what
//! has this name and was issued before this instant is revoked*. Nothing takes one back; it is remembered until what it is about would not be
//! valid any more anyway.
//!
//! Of a session or a token, whose ids are used once, the instant lies a little ahead of the clock, since what it names was issued by clocks that may
//! be. Of a user or a tenant it says which of their sessions and tokens are meant: those issued later are others. Two revocations of one
//! thing join by the later instant and the longer memory.
//!
//! Where no more of them fit, the earliest ones of a kind become its *floor*: "everything of this kind that was issued before this instant
//! is revoked". So more may be revoked than was asked for, never less.

use crate::counter::DRIFT_MAX;
use crate::fact::{self, About, FACT_LONGEST, Flaw, Joined, Stated};
use crate::identity::{Actor, Author};
use crate::key::{Domain, Key128, Keyed, Secret, Secrets, SessionKey};
use crate::time::Time;
use crate::void::Voids;

/// How far clocks of two nodes may be apart, ms: either may be as far from the true time as is believed of any.
pub const CLOCKS_APART: u64 = 2 * DRIFT_MAX;

/// How far ahead of the clock the instant may lie, ms. What lies further ahead would revoke what is not issued yet, and could not be taken back.
pub const REVOKED_AHEAD: u64 = 60_000;

/// Instants are kept as ms since then, 2020-01-01, in 40 bits, which last until 2054: nothing that was issued before is valid anywhere.
pub(crate) const EPOCH: Time = Time(1_577_836_800_000);

/// The first instant after those.
pub(crate) const LAST: Time = Time(EPOCH.0 + (1 << 40));

/// How long it is remembered is kept in hours since 1970, in 21 bits.
pub(crate) const HOUR: u64 = 3_600_000;

/// The greatest number of hours.
pub(crate) const HOURS_MOST: u64 = (1 << 21) - 1;

/// What can be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revocable {
    /// A session, by its id.
    Session,
    /// All sessions and tokens of a user.
    User,
    /// A token, by its id (`jti`, RFC 7519 section 4.1.7).
    Token,
    /// All sessions and tokens of a tenant.
    Tenant,
}

impl Revocable {
    pub(crate) const ALL: [Revocable; 4] = [Revocable::Session, Revocable::User, Revocable::Token, Revocable::Tenant];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Revocable::Session => 0,
            Revocable::User => 1,
            Revocable::Token => 2,
            Revocable::Tenant => 3,
        }
    }

    pub(crate) fn of_code(code: u8) -> Option<Revocable> {
        Revocable::ALL.into_iter().find(|what| what.code() == code)
    }

    /// The kind that a name is of.
    pub(crate) fn of_key(key: Key128) -> Option<Revocable> {
        Revocable::of_code(key.0 as u8).filter(|_| key.0 as u32 >> 8 == 0)
    }

    /// As a space of facts.
    pub(crate) fn space(self) -> u64 {
        u64::from(self.code())
    }

    /// Whether what was issued at an instant is meant by a revocation of its name.
    pub(crate) fn is_meant(self, issued: Time, before: Time) -> bool {
        self.is_used_once() || issued < before
    }

    /// Whether its name is used once, so that all that has it is meant.
    fn is_used_once(self) -> bool {
        matches!(self, Revocable::Session | Revocable::Token)
    }
}

/// The name of what may be revoked: a keyed hash of 96 bits, and what it is. Of ten million any two are the same once in 10^15 clusters, and one that is
/// valid is taken for one of them once in 10^21 looks; 32 bits more would take 40 MB more.
pub type RevocationKey = Keyed<Key128>;

pub(crate) fn key(secrets: &Secrets, what: Revocable, parts: &[&[u8]]) -> RevocationKey {
    named(what, secrets.key128(Domain::Revocation, parts))
}

/// That of a session follows from its name in the store, so that whoever sees that in a log can revoke it.
pub(crate) fn of_session(key: SessionKey) -> RevocationKey {
    named(Revocable::Session, key)
}

fn named(what: Revocable, hash: Keyed<Key128>) -> RevocationKey {
    hash.map(|key| Key128(key.0 >> 32 << 32 | u128::from(what.code())))
}

/// What is known of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revoked {
    pub(crate) what: Revocable,
    /// None: the floor of its kind.
    pub(crate) key: Option<Key128>,
    /// What was issued before it is meant.
    pub(crate) before: Time,
    pub(crate) author: Author,
    /// Until when it is remembered, in hours since 1970.
    pub(crate) hours: u64,
}

impl Revoked {
    /// None for a name that is none.
    pub(crate) fn new(key: Key128, (before, until): (Time, Time), author: Author, now: Time) -> Option<Revoked> {
        let what = Revocable::of_key(key)?;
        let before = if what.is_used_once() { before.max(now.plus(CLOCKS_APART)) } else { before };
        // Whoever is asked whether it is valid may have another time.
        let until = until.min(now.plus(FACT_LONGEST)).max(now).plus(CLOCKS_APART);
        let hours = (until.0.div_ceil(HOUR)).min(HOURS_MOST);
        Some(Revoked { what, key: Some(key), before: before.max(EPOCH), author, hours })
    }

    fn order(&self) -> (Time, Author) {
        (self.before, self.author)
    }

    fn about(&self) -> About {
        About { space: self.what.space(), key: self.key }
    }
}

impl Stated for Revoked {
    /// There may be ten million, of which it is enough to know nearly where the lowest end.
    const SAMPLE: usize = 1 << 15;

    fn key(&self, secret: &Secret) -> Key128 {
        self.about().name(secret)
    }

    fn space(&self) -> Option<u64> {
        Some(self.what.space())
    }

    fn made_by(&self) -> Actor {
        self.author.actor
    }

    /// About then: the instant is all that is kept.
    fn made_at(&self) -> Time {
        self.before
    }

    fn kept(&self) -> Time {
        Time(self.hours.saturating_mul(HOUR))
    }

    fn spared_since(&self, _now: Time) -> Option<Time> {
        None
    }

    fn check(&self, now: Time) -> Result<(), Flaw> {
        if self.before > now.plus(REVOKED_AHEAD + CLOCKS_APART + DRIFT_MAX) {
            return Err(Flaw::Ahead);
        }
        let is_named = self.key.is_none_or(|key| Revocable::of_key(key) == Some(self.what));
        let is_kept = (EPOCH..LAST).contains(&self.before) && self.hours <= HOURS_MOST;
        if is_named && is_kept && fact::is_remembered(self.kept(), now) { Ok(()) } else { Err(Flaw::Unfit) }
    }

    /// Takes the later instant and the longer memory.
    fn join(&mut self, other: Revoked) -> Joined {
        let hours = self.hours.max(other.hours);
        let wins = other.order() > self.order();
        let joined = if wins || hours > self.hours { Joined::Changed } else { Joined::Unchanged };
        if wins {
            *self = other;
        }
        self.hours = hours;
        joined
    }

    fn digest(&self, secret: &Secret) -> u64 {
        let (space, high, low) = self.about().numbers();
        let numbers = [space, high, low, self.before.0, self.author.incarnation.0, self.hours];
        fact::hash(secret, self.author.actor, &numbers, &[])
    }

    fn height(&self) -> Option<u64> {
        Some(self.before.0)
    }

    fn is_floor(&self) -> bool {
        self.key.is_none()
    }

    /// Whether the floor says all that it says, for as long.
    fn is_under(&self, floor: &Revoked) -> bool {
        self.before <= floor.before && self.hours <= floor.hours
    }

    fn into_floor(self, by: Author, _now: Time) -> Revoked {
        Revoked { key: None, author: by, ..self }
    }

    fn without(&self, voids: &Voids) -> Option<Revoked> {
        (!voids.cover(self.author)).then(|| self.clone())
    }
}
