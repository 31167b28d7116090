//! What is revoked at a node, and when it came to be known here.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Store;
use super::dense::Dense;
use super::facts::{Facts, Offered, Said};
use crate::fact::{Kind, Stated as _};
use crate::identity::Author;
use crate::key::{Key128, Secret, SessionKey, Spread};
use crate::maximum::Most;
use crate::revocation::{self, REVOKED_AHEAD, Revocable, RevocationKey, Revoked};
use crate::time::Time;

/// Revocations of which it is remembered when they were applied here: who waits for receipts asks at once.
const LATELY_MAX: usize = 1024;

/// By what something is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedBy {
    /// Its own name.
    Name,
    /// All of its kind that was issued as early is: some revocations did not fit.
    Floor,
}

/// Why something could not be revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokeError {
    /// The name is of something else.
    #[error("this is no name of what can be revoked")]
    Name,
    /// What is not issued yet would be revoked.
    #[error("what will be issued more than {} s from now cannot be revoked yet", REVOKED_AHEAD / 1_000)]
    Ahead,
}

/// What was applied here last, oldest first.
#[derive(Default)]
pub(super) struct Lately(Mutex<VecDeque<(Key128, Time)>>);

impl Lately {
    fn note(&self, key: Key128, now: Time) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= LATELY_MAX {
            all.pop_front();
        }
        all.push_back((key, now));
    }

    /// When a name was last applied, or by when at the latest.
    fn at(&self, key: Key128) -> Option<Time> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = all.iter().rev().find(|(known, _)| *known == key);
        of_key.or(all.front()).map(|(_, at)| *at)
    }
}

/// The room for revocations, with a space for each kind: so each may have a floor however full it is.
pub(super) fn room(max: usize, me: Author, keyed: (&Secret, Spread)) -> Facts<Revoked, Dense> {
    let room = Facts::new(max, me, keyed);
    for what in Revocable::ALL {
        // Four of them are fewer than fit.
        let _ = room.space(what.space(), "", (Most::Value(u64::MAX), Time::ZERO));
    }
    room
}

impl Store {
    /// The name of what may be revoked: a keyed hash of its parts, such as the name of a session in the config and its id, an issuer and a user.
    /// Parts are framed by length.
    #[must_use]
    pub fn revocation_key(&self, what: Revocable, parts: &[&[u8]]) -> RevocationKey {
        revocation::key(&self.secrets, what, parts)
    }

    /// The name of a session among what may be revoked.
    #[must_use]
    pub fn session_revocation(key: SessionKey) -> RevocationKey {
        revocation::of_session(key)
    }

    /// Revokes everywhere what has this name and was issued before an instant, [`REVOKED_AHEAD`] ms from now at most. Of a session or a token
    /// all that has the name is revoked, whenever it was issued; the instant need not be later than now. It is remembered until the instant
    /// (ten years away at most) at which nothing that it is about is valid any more; nothing takes it back before. Here it is applied
    /// when this returns. It always fits: where the room is full, everything of a kind is revoked that was issued before the earliest eighth of those that are
    /// remembered.
    ///
    /// # Errors
    /// [`RevokeError`] when the instant is too far ahead or the name is none; nothing changes then.
    pub fn revoke(&self, key: RevocationKey, before: Time, until: Time, now: Time) -> Result<(), RevokeError> {
        if before > now.plus(REVOKED_AHEAD) {
            return Err(RevokeError::Ahead);
        }
        let fact = Revoked::new(key.now, (before, until), self.me, now).ok_or(RevokeError::Name)?;
        let (offered, changes) = self.revocations.join_in(key.now, &fact, Said::Here, now);
        if offered == Offered::Taken {
            self.applied.note(key.now, now);
        }
        self.dirty.fact(Kind::Revocation, changes);
        self.made.note(&fact);
        Ok(())
    }

    /// By what something is revoked that was issued at an instant; none where it is not. Two loads where nothing of its kind is.
    #[must_use]
    pub fn revoked(&self, key: RevocationKey, issued: Time) -> Option<RevokedBy> {
        let what = Revocable::of_key(key.now)?;
        let room = self.revocations.entries();
        if room.is_clear(what) {
            return None;
        }
        let by_name = |key| room.before(key).is_some_and(|before| what.is_meant(issued, before));
        if key.each().any(by_name) {
            return Some(RevokedBy::Name);
        }
        // Read after the name: a revocation is forgotten only when the floor says it.
        (issued < room.floor(what)).then_some(RevokedBy::Floor)
    }

    /// Whether anything of a kind is revoked: two loads.
    #[must_use]
    pub fn revokes_any(&self, what: Revocable) -> bool {
        !self.revocations.entries().is_clear(what)
    }

    /// What has a name and was issued before this instant is revoked; [`Time::ZERO`] where nothing is.
    #[must_use]
    pub fn revoked_before(&self, key: RevocationKey) -> Time {
        let Some(what) = Revocable::of_key(key.now) else { return Time::ZERO };
        let room = self.revocations.entries();
        let named = key.each().filter_map(|key| room.before(key)).max();
        // Read after the name, as above.
        room.floor(what).max(named.unwrap_or(Time::ZERO))
    }

    /// When a revocation that was made at an instant, or a later one of its name, was applied here, or by when at the latest; for receipts. None where it
    /// was not.
    #[must_use]
    pub fn revocation_applied(&self, key: RevocationKey, before: Time, now: Time) -> Option<Time> {
        let what = Revocable::of_key(key.now)?;
        let room = self.revocations.entries();
        let holds = |known: Option<Time>| known.is_some_and(|known| known >= before);
        let name = key.each().find(|key| holds(room.before(*key)));
        if name.is_none() && !holds(Some(room.floor(what))) {
            return None;
        }
        Some(self.applied.at(name.unwrap_or(key.now)).unwrap_or(now))
    }

    /// Revocations that are remembered, floors included.
    #[must_use]
    pub fn revocations(&self) -> usize {
        self.revocations.len()
    }

    /// Those of one kind.
    #[must_use]
    pub fn revocations_of(&self, what: Revocable) -> usize {
        self.revocations.entries().count(what)
    }

    /// What of a kind was issued before it is revoked, since some did not fit.
    #[must_use]
    pub fn revocations_floor(&self, what: Revocable) -> Option<Time> {
        Some(self.revocations.entries().floor(what)).filter(|floor| *floor > Time::ZERO)
    }

    /// Joins what a peer says is revoked.
    pub(super) fn offer_revocation(&self, fact: Revoked, now: Time) -> (Offered, Vec<Key128>) {
        let key = fact.key(&self.secrets.now);
        let (offered, changes) = self.revocations.offer(fact, now);
        if offered == Offered::Taken {
            self.applied.note(key, now);
        }
        (offered, changes)
    }
}
