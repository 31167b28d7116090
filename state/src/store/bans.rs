//! All bans of a node, by the keyed hash of their subject.

use std::sync::Arc;

use super::shards::Shards;
use crate::ban::{BAN_LONGEST, Ban, EPOCH_MAX, Fact, Joined, Statement, TEXT_MAX};
use crate::identity::Actor;
use crate::key::{Domain, Key128, Secret, Sharded};
use crate::time::Time;

/// Why a ban could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// There is no subject.
    #[error("a ban needs a subject")]
    NoSubject,
    /// The subject is too long.
    #[error("a subject has at most {TEXT_MAX} bytes, this one has {0}")]
    SubjectTooLong(usize),
    /// The reason is too long.
    #[error("a reason has at most {TEXT_MAX} bytes, this one has {0}")]
    ReasonTooLong(usize),
    /// No more subjects fit, and none was found that may be forgotten yet.
    #[error(
        "{max} subjects are remembered already, the most that are kept, and none was found that can be forgotten yet"
    )]
    Full {
        /// How many fit.
        max: usize,
    },
}

/// What became of a peer's fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    Known,
    Refused,
    /// Its stamp is too far ahead.
    Ahead,
    Full,
}

/// Facts that are looked at to find one to forget.
const SAMPLE: usize = 1024;

struct Entry {
    fact: Fact,
    /// Whether it waits to be sent.
    dirty: bool,
}

pub(super) struct Bans {
    facts: Shards<Key128, Entry>,
}

fn key_of(secret: &Secret, subject: &str) -> Key128 {
    Key128(secret.hash128(Domain::Subject, &[subject.as_bytes()]))
}

/// Which facts may be forgotten for others, and which of them first.
fn rank(entry: &Entry, now: Time) -> Option<Time> {
    match (entry.fact.is_spent(now), entry.fact.is_spare(now)) {
        (true, _) => Some(Time::ZERO),
        (false, true) => Some(entry.fact.ban.until),
        (false, false) => None,
    }
}

fn check_lengths(subject: &str, reason: &str) -> Result<(), BanError> {
    match (subject.len(), reason.len()) {
        (0, _) => Err(BanError::NoSubject),
        (len, _) if len > TEXT_MAX => Err(BanError::SubjectTooLong(len)),
        (_, len) if len > TEXT_MAX => Err(BanError::ReasonTooLong(len)),
        _ => Ok(()),
    }
}

impl Bans {
    pub(super) fn new(max: usize) -> Bans {
        Bans { facts: Shards::new(max) }
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// States a ban; says what holds, and the key if it has to be sent.
    pub(super) fn ban(
        &self,
        secret: &Secret,
        by: Actor,
        (subject, until, level, reason): (&str, Time, u8, &str),
        now: Time,
    ) -> Result<(Ban, Option<Key128>), BanError> {
        check_lengths(subject, reason)?;
        let statement = Statement { until, level, reason, by, now };
        let key = key_of(secret, subject);
        let over = |entry: &mut Entry| {
            let new = Fact::ban(Arc::clone(&entry.fact.ban.subject), Some(&entry.fact), statement);
            let changed = new != entry.fact;
            entry.fact = new;
            (entry.fact.ban.clone(), (changed && !std::mem::replace(&mut entry.dirty, true)).then_some(key))
        };
        if let Some(known) = self.facts.change(key, over) {
            return Ok(known);
        }
        self.make_room(key, now);
        let make = || Entry { fact: Fact::ban(Arc::from(subject), None, statement), dirty: false };
        let made = self.facts.change_or(key, make, |entry| {
            // Another thread may have made one between the two looks.
            let _ = entry.fact.join(Fact::ban(Arc::from(subject), None, statement));
            (entry.fact.ban.clone(), (!std::mem::replace(&mut entry.dirty, true)).then_some(key))
        });
        made.ok_or(BanError::Full { max: self.facts.max() })
    }

    /// Whether a ban could be stated.
    pub(super) fn could_ban(
        &self,
        secret: &Secret,
        (subject, reason): (&str, &str),
        now: Time,
    ) -> Result<(), BanError> {
        check_lengths(subject, reason)?;
        let key = key_of(secret, subject);
        let room =
            || !self.facts.is_full() || self.facts.least(key.shard(), SAMPLE, |entry| rank(entry, now)).is_some();
        if self.facts.read(key, |_| ()).is_some() || room() {
            return Ok(());
        }
        Err(BanError::Full { max: self.facts.max() })
    }

    /// Lifts the ban that holds; says what held, and the key if it has to be sent.
    pub(super) fn lift(&self, secret: &Secret, by: Actor, subject: &str, now: Time) -> Option<(Ban, Option<Key128>)> {
        let key = key_of(secret, subject);
        let lift = |entry: &mut Entry| {
            let held = entry.fact.ban.holds(now).then(|| entry.fact.ban.clone())?;
            entry.fact = entry.fact.lifted(by, now);
            Some((held, (!std::mem::replace(&mut entry.dirty, true)).then_some(key)))
        };
        self.facts.change(key, lift).flatten()
    }

    pub(super) fn find(&self, secret: &Secret, subject: &str, test: impl Fn(&Fact) -> bool) -> Option<Ban> {
        // Asked for every request, and most nodes most of the time know no ban at all.
        if self.facts.len() == 0 {
            return None;
        }
        let read = |entry: &Entry| test(&entry.fact).then(|| entry.fact.ban.clone());
        self.facts.read(key_of(secret, subject), read).flatten()
    }

    pub(super) fn all(&self, now: Time) -> Vec<Ban> {
        let mut bans = Vec::new();
        self.facts.each(|_, entry| {
            if entry.fact.ban.holds(now) {
                bans.push(entry.fact.ban.clone());
            }
        });
        bans.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
        bans
    }

    pub(super) fn sweep(&self, shard: u8, now: Time) {
        self.facts.retain(shard, |entry| !entry.fact.is_spent(now));
    }

    /// Joins a peer's fact. Never forwarded: its author tells everybody.
    pub(super) fn offer(&self, secret: &Secret, fact: Fact, now: Time) -> Offered {
        if !is_acceptable(&fact, now) {
            return Offered::Refused;
        }
        let key = key_of(secret, &fact.ban.subject);
        let fact = Fact { ban: Ban { applied_at: now, ..fact.ban }, ..fact };
        let mut offered = Some(fact);
        let join = |entry: &mut Entry| offered.take().map(|fact| entry.fact.join(fact));
        let joined = match self.facts.change(key, join).flatten() {
            Some(joined) => joined,
            None => {
                let Some(fact) = offered else { return Offered::Known };
                self.make_room(key, now);
                let new = || Entry { fact: fact.clone(), dirty: false };
                let join = |entry: &mut Entry| {
                    let _ = entry.fact.join(fact.clone());
                };
                if self.facts.change_or(key, new, join).is_none() {
                    return Offered::Full;
                }
                Joined::Changed
            }
        };
        match joined {
            Joined::Changed => Offered::Taken,
            Joined::Unchanged => Offered::Known,
        }
    }

    /// Forgets one fact if the map is full: a spent one, else a ban that ended and never beat another epoch.
    fn make_room(&self, key: Key128, now: Time) {
        if !self.facts.is_full() {
            return;
        }
        self.facts.evict(key.shard(), SAMPLE, |entry| rank(entry, now));
    }

    /// Visits the facts of one shard, in no order.
    pub(super) fn each_in(&self, shard: u8, mut visit: impl FnMut(Key128, &Fact)) {
        self.facts.each_in(shard, |key, entry| visit(key, &entry.fact));
    }

    /// A changed fact, not marked as changed any more.
    pub(super) fn take(&self, key: Key128) -> Option<Fact> {
        self.facts.change(key, |entry| {
            entry.dirty = false;
            entry.fact.clone()
        })
    }

    pub(super) fn get(&self, key: Key128) -> Option<Fact> {
        self.facts.read(key, |entry| entry.fact.clone())
    }

    pub(super) fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        self.facts.keys(shard, after)
    }
}

/// Clocks of two nodes may differ, and a ban of the longest kind is made by the other one's.
const LONGEST_SLACK: u64 = 24 * 3_600_000;

fn is_acceptable(fact: &Fact, now: Time) -> bool {
    let Ban { subject, epoch, until, reason, .. } = &fact.ban;
    let latest = now.plus(BAN_LONGEST + LONGEST_SLACK);
    (1..=TEXT_MAX).contains(&subject.len())
        && reason.len() <= TEXT_MAX
        && *epoch <= if fact.ban.is_lifting() { EPOCH_MAX } else { EPOCH_MAX - 1 }
        && *until <= latest
        && fact.kept <= latest.plus(crate::ban::BAN_MEMORY)
        && fact.kept >= *until
        && !fact.is_spent(now)
}
