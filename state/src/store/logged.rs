//! What is revoked at this node, for whoever writes it down, and how what was written down comes back in. What a peer says is not noted: it knows it, too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Store;
use crate::fact::Fact;
use crate::identity::Author;
use crate::key::Key128;
use crate::revocation::{HOUR, HOURS_MOST, Revocable, Revoked};
use crate::snapshot::Restored;
use crate::time::Time;

/// Revocations that wait to be read at most; what comes beyond them makes all of them be forgotten.
const WAITING_MAX: usize = 100_000;

/// A revocation that was made at a node, and all that it takes to make it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// The name of what is revoked, and its kind.
    pub key: Key128,
    /// What was issued before it is meant.
    pub before: Time,
    /// Until when it is remembered; to the hour.
    pub until: Time,
    /// Who made it.
    pub author: Author,
}

/// What was revoked since it was asked for last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevocationsMade {
    /// As it came.
    pub made: Vec<Revocation>,
    /// Whether some are not here, since too many waited.
    pub lost: bool,
    /// How many were made by now in this life: all of them are here, or were read before, or are lost.
    pub up_to: u64,
}

type Wake = Box<dyn Fn() + Send + Sync>;

/// What was made here.
#[derive(Default)]
pub(super) struct Made {
    count: AtomicU64,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// Who is told that something waits; nobody where nothing is noted.
    wake: Option<Wake>,
    made: Vec<Revocation>,
    lost: bool,
}

impl Made {
    /// Behind the store: who sees the number finds there what it counts.
    pub(super) fn note(&self, fact: &Revoked) {
        let mut noted = self.lock();
        self.count.fetch_add(1, Ordering::SeqCst);
        let (Some(key), Some(wake)) = (fact.key, &noted.wake) else { return };
        let until = Time(fact.hours.saturating_mul(HOUR));
        let revocation = Revocation { key, before: fact.before, until, author: fact.author };
        if noted.made.is_empty() {
            wake();
        }
        if noted.made.len() >= WAITING_MAX {
            noted.made.clear();
            noted.lost = true;
        }
        noted.made.push(revocation);
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Notes what is revoked at this node from here on. `wake` is called when something waits to be [taken](Store::take_revocations) and nothing did
    /// before, by the thread that revokes and under a lock, so it must not block.
    pub fn note_revocations(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.made.lock().wake = Some(wake);
    }

    /// What was revoked at this node since it was asked for last. Nothing while nobody [asked](Store::note_revocations) for it to be noted.
    #[must_use]
    pub fn take_revocations(&self) -> RevocationsMade {
        let mut noted = self.made.lock();
        let up_to = self.revocations_made();
        RevocationsMade { made: std::mem::take(&mut noted.made), lost: std::mem::take(&mut noted.lost), up_to }
    }

    /// How many revocations were made at this node in this life. They are in force here.
    #[must_use]
    pub fn revocations_made(&self) -> u64 {
        self.made.count.load(Ordering::SeqCst)
    }

    /// Takes in what was revoked in lives before. Peers are told of it by repair.
    pub fn restore_revocations(&self, made: impl IntoIterator<Item = Revocation>, now: Time) -> Restored {
        let mut restored = Restored::default();
        for Revocation { key, before, until, author } in made {
            let Some(what) = Revocable::of_key(key) else { continue };
            let hours = until.0.div_ceil(HOUR).min(HOURS_MOST);
            let fact = Revoked { what, key: Some(key), before, author, hours };
            restored.offered(self.offer_fact(Fact::Revocation(fact), now));
        }
        restored
    }
}
