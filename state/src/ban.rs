//! A ban: a fact about a subject that any node may state.
//!
//! Facts join by the greater one in a total order, so every node that has heard the same facts says the same, whatever the
//! order in which they came. The order is lexicographic on (epoch, until, kept, level, reason, made at, made by). Lifting a
//! ban writes the next epoch with an `until` of 0, which beats every ban of the epoch it has seen; a new ban takes the epoch
//! it finds, and so beats the lifting by its greater `until`.
//!
//! A lifting must be remembered for as long as what it beat could come back from a node that slept; `kept` says how long. It
//! only grows: what beats a fact takes on its memory. So a fact is forgotten only when all it ever beat is void by time.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::counter::DRIFT_MAX;
use crate::fact::{self, Flaw, Joined, Stated};
use crate::identity::Actor;
use crate::journal::Numbers;
use crate::key::{Domain, Key128, Secret};
use crate::time::Time;
use crate::trail::{self, BanStep};

/// How long a ban is remembered after it ends, ms: a repeated offence in this time makes the next level.
pub const BAN_MEMORY: u64 = 24 * 3_600_000;

/// The longest ban, ms (ten years); longer ones are made that long.
pub const BAN_LONGEST: u64 = 10 * 365 * 24 * 3_600_000;

/// The longest subject and the longest reason, in bytes.
pub const TEXT_MAX: usize = 64;

/// Clocks of two nodes may differ, and a ban of the longest kind is made by the other one's, ms.
pub(crate) const LONGEST_SLACK: u64 = 24 * 3_600_000;

/// The greatest epoch of a lifting that is accepted from a peer; a ban's is lower, so that a forged one can be lifted. Each
/// lifting of one ban adds one, so it is never reached in earnest.
pub(crate) const EPOCH_MAX: u64 = 1 << 32;

/// What is known of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// What is banned, such as `192.0.2.9/32`. At most [`TEXT_MAX`] bytes.
    pub subject: Arc<str>,
    /// How many times it was lifted before.
    pub epoch: u64,
    /// The first instant at which it is not banned any more; 0 in a lifting.
    pub until: Time,
    /// How many bans led to this one.
    pub level: u8,
    /// Why, in words. At most [`TEXT_MAX`] bytes.
    pub reason: Arc<str>,
    /// When it was stated, by its author's clock.
    pub made_at: Time,
    /// Who stated it.
    pub made_by: Actor,
    /// When this node came to know it. Local: neither replicated nor part of the order.
    pub applied_at: Time,
}

/// A ban with what the replication needs to know. Two are equal when they state the same.
#[derive(Debug, Clone)]
pub(crate) struct Banning {
    pub(crate) ban: Ban,
    /// Until when it must be remembered.
    pub(crate) kept: Time,
    /// What it beat, greatest first; nothing of it has a trail of its own. Local.
    pub(crate) trail: Vec<Banning>,
}

impl Eq for Banning {}

impl PartialEq for Banning {
    fn eq(&self, other: &Banning) -> bool {
        self.order() == other.order()
    }
}

impl Ban {
    /// Whether it holds at `now`.
    pub(crate) fn holds(&self, now: Time) -> bool {
        now < self.until
    }

    pub(crate) fn is_lifting(&self) -> bool {
        self.until == Time::ZERO
    }
}

/// What a statement says, as far as its author chooses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'a> {
    pub(crate) until: Time,
    pub(crate) level: u8,
    pub(crate) reason: &'a str,
    pub(crate) by: Actor,
    pub(crate) now: Time,
}

impl Banning {
    /// A ban on top of what is known. A longer ban that holds already stays: use a lifting first to shorten one.
    pub(crate) fn ban(subject: Arc<str>, known: Option<&Banning>, statement: Statement<'_>) -> Banning {
        let until = statement.until.min(statement.now.plus(BAN_LONGEST)).max(Time(1));
        let ban = Ban {
            subject,
            epoch: known.map_or(0, |fact| fact.ban.epoch),
            until,
            level: statement.level,
            reason: Arc::from(statement.reason),
            made_at: statement.now,
            made_by: statement.by,
            applied_at: statement.now,
        };
        let kept = until.plus(BAN_MEMORY).max(known.map_or(Time::ZERO, |fact| fact.kept));
        let new = Banning { ban, kept, trail: Vec::new() };
        match known {
            None => new,
            Some(known) if known.order() >= new.order() => known.clone(),
            Some(known) => trail::join(known.clone(), new),
        }
    }

    /// The lifting of this ban.
    pub(crate) fn lifted(&self, by: Actor, now: Time) -> Banning {
        let ban = Ban {
            subject: Arc::clone(&self.ban.subject),
            epoch: self.ban.epoch.saturating_add(1),
            until: Time::ZERO,
            level: 0,
            reason: Arc::from(""),
            made_at: now,
            made_by: by,
            applied_at: now,
        };
        let lifting = Banning { ban, kept: self.kept.max(now.plus(BAN_MEMORY)), trail: Vec::new() };
        trail::join(self.clone(), lifting)
    }

    /// The statement and those it beat, each without a trail, greatest first.
    pub(crate) fn unroll(mut self) -> impl Iterator<Item = Banning> {
        let trail = std::mem::take(&mut self.trail);
        std::iter::once(self).chain(trail)
    }

    /// The bans that are remembered, the last one first.
    pub(crate) fn steps(&self) -> Vec<BanStep> {
        trail::steps(std::iter::once(self).chain(&self.trail))
    }

    /// The place in the total order. The subject is last: facts of one subject only are ever compared.
    pub(crate) fn order(&self) -> (u64, Time, Time, u8, &str, Time, Actor, &str) {
        let Ban { subject, epoch, until, level, reason, made_at, made_by, .. } = &self.ban;
        (*epoch, *until, self.kept, *level, reason, *made_at, *made_by, subject)
    }

    /// Whether the ban of this fact is still of use for escalation.
    pub(crate) fn is_remembered(&self, now: Time) -> bool {
        !self.ban.is_lifting() && now < self.ban.until.plus(BAN_MEMORY)
    }
}

impl Stated for Banning {
    fn key(&self, secret: &Secret) -> Key128 {
        key_of(secret, &self.ban.subject)
    }

    fn made_by(&self) -> Actor {
        self.ban.made_by
    }

    fn made_at(&self) -> Time {
        self.ban.made_at
    }

    fn kept(&self) -> Time {
        self.kept
    }

    /// It has ended, and beats no other epoch.
    fn spared_since(&self, now: Time) -> Option<Time> {
        (self.ban.epoch == 0 && !self.ban.holds(now)).then_some(self.ban.until)
    }

    fn check(&self, now: Time) -> Result<(), Flaw> {
        let Ban { subject, epoch, until, reason, .. } = &self.ban;
        if self.ban.made_at > now.plus(DRIFT_MAX) {
            return Err(Flaw::Ahead);
        }
        let latest = now.plus(BAN_LONGEST + LONGEST_SLACK);
        let fits = (1..=TEXT_MAX).contains(&subject.len())
            && reason.len() <= TEXT_MAX
            && *epoch <= if self.ban.is_lifting() { EPOCH_MAX } else { EPOCH_MAX - 1 }
            && *until <= latest
            && self.kept <= latest.plus(BAN_MEMORY)
            && self.kept >= *until
            && !self.is_spent(now);
        if fits { Ok(()) } else { Err(Flaw::Unfit) }
    }

    /// Takes the greater of the two.
    fn join(&mut self, other: Banning) -> Joined {
        let order = other.order().cmp(&self.order());
        if order == Ordering::Equal && other.trail.is_empty() {
            return Joined::Unchanged;
        }
        *self = trail::join(self.clone(), other);
        if order == Ordering::Greater { Joined::Changed } else { Joined::Unchanged }
    }

    fn applied(&mut self, now: Time, _numbers: &Numbers) {
        self.ban.applied_at = now;
    }

    fn digest(&self, secret: &Secret) -> u64 {
        let Ban { subject, epoch, until, level, reason, made_at, made_by, .. } = &self.ban;
        let numbers = [*epoch, until.0, self.kept.0, u64::from(*level), made_at.0];
        fact::hash(secret, *made_by, &numbers, &[subject.as_bytes(), reason.as_bytes()])
    }
}

/// The name of what is known of a subject.
pub(crate) fn key_of(secret: &Secret, subject: &str) -> Key128 {
    Key128(secret.hash128(Domain::Subject, &[subject.as_bytes()]))
}
