//! What decisions need to know of the cluster: which lives are heard, and who was in the roster when.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use super::rosters::Rosters;
use crate::identity::{Author, PopId};
use crate::time::Time;

/// Lives that are taken for heard at once; what more there are counts as silent.
const HEARD_MAX: usize = 4096;

/// Whether a life of a peer is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// Frames come from it.
    Heard,
    /// It fell silent.
    Silent,
}

/// Written by the replica when a peer comes or goes, read by requests.
pub(super) struct Cluster {
    heard: RwLock<BTreeSet<Author>>,
    rosters: RwLock<Rosters>,
}

impl Cluster {
    pub(super) fn new(me: Author) -> Cluster {
        Cluster { heard: RwLock::default(), rosters: RwLock::new(Rosters::new(me)) }
    }

    /// From an instant on the roster names these POPs, this one included.
    pub(super) fn set_roster(&self, pops: impl IntoIterator<Item = PopId>, (revision, since): (u64, Time)) {
        self.change_rosters(|rosters| rosters.set(pops, (revision, since)));
    }

    pub(super) fn change_rosters(&self, change: impl FnOnce(&mut Rosters)) {
        change(&mut self.rosters.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every POP has said that it has the same roster.
    pub(super) fn agree(&self, now: Time) {
        self.change_rosters(|rosters| rosters.agree(now));
    }

    /// A later life of this node was heard of.
    pub(super) fn succeed(&self) {
        if !self.with_rosters(Rosters::are_succeeded) {
            self.change_rosters(Rosters::succeed);
        }
    }

    /// Looks at who was in the roster when.
    pub(super) fn with_rosters<R>(&self, look: impl FnOnce(&Rosters) -> R) -> R {
        look(&self.rosters.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn hears(&self, author: Author, hearing: Hearing) {
        let mut heard = self.heard.write().unwrap_or_else(PoisonError::into_inner);
        match hearing {
            Hearing::Heard if heard.len() < HEARD_MAX => heard.insert(author),
            Hearing::Heard => false,
            Hearing::Silent => heard.remove(&author),
        };
    }

    /// Looks at who is heard.
    pub(super) fn with_heard<R>(&self, look: impl FnOnce(&BTreeSet<Author>) -> R) -> R {
        look(&self.heard.read().unwrap_or_else(PoisonError::into_inner))
    }
}
