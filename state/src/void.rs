//! Voids: what an author said in some of its lives counts for nothing. The roster states them, so all nodes come to know them; it is how
//! what a broken or hostile node poisoned is taken back. A void is a closed stretch of lives: a node that starts again after its end counts
//! like any other.

use std::sync::{Arc, PoisonError, RwLock};

use crate::identity::{Actor, Author, Incarnation};
use crate::time::Time;

/// Voids that one node keeps at most.
pub const VOIDS_MAX: usize = 1024;

/// Lives of one actor that count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Void {
    /// Whose.
    pub actor: Actor,
    /// The first of them.
    pub from: Incarnation,
    /// The last number that belongs to one of them.
    pub to: Incarnation,
}

impl Void {
    /// Whether a row of this author is void.
    fn covers(&self, author: Author) -> bool {
        self.actor == author.actor && (self.from..=self.to).contains(&author.incarnation)
    }

    /// Whether what an actor stated at an instant is void, of facts that tell when they were made and not in which life. It is all up to the
    /// end of the stretch: who lies also chooses an instant before it.
    fn covers_statement(&self, actor: Actor, made_at: Time) -> bool {
        self.actor == actor && made_at <= self.to.began()
    }
}

/// The voids that a node knows.
#[derive(Debug, Default)]
pub(crate) struct Voids(RwLock<Arc<[Void]>>);

impl Voids {
    /// Takes these in place of those of before; false if they are the same. No more than [`VOIDS_MAX`] are kept.
    pub(crate) fn set(&self, voids: &[Void]) -> bool {
        let voids = voids.get(..VOIDS_MAX).unwrap_or(voids);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = **known != *voids;
        if changed {
            *known = Arc::from(voids);
        }
        changed
    }

    fn read(&self) -> Arc<[Void]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether rows of this author are void.
    pub(crate) fn cover(&self, author: Author) -> bool {
        self.covering(author).is_some()
    }

    /// The void that rows of this author fall under.
    pub(crate) fn covering(&self, author: Author) -> Option<Void> {
        self.read().iter().find(|void| void.covers(author)).copied()
    }

    /// The first void of an actor.
    pub(crate) fn of(&self, actor: Actor) -> Option<Void> {
        self.read().iter().find(|void| void.actor == actor).copied()
    }

    /// Whether what an actor stated at an instant is void.
    pub(crate) fn cover_statement(&self, actor: Actor, made_at: Time) -> bool {
        self.read().iter().any(|void| void.covers_statement(actor, made_at))
    }
}
