//! What is known of purges in the lives of this node before this one: for what was stored on disk then.
//!
//! Numbers of applications begin anew in each life, and lives rise, so that (life, number) orders all applications of a node. What was
//! filled in an earlier life is as it was if no application of one of its keys, or of all, comes after its own (life, number).

use std::collections::HashMap;

use selvedge_state::{Fill, Incarnation, Key128, Time};

/// An application among all of a node's lives.
pub(super) type Place = (Incarnation, u64);

/// What purges made of something that was stored in an earlier life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierStanding {
    /// Nothing, up to [`Earlier::fill`].
    Valid,
    /// It was purged softly, at this instant of node time.
    Stale(Time),
    /// It was purged, or nothing is known of it.
    Gone,
}

/// Why nothing is known of lives before this one: all that they stored is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forgotten {
    /// There is no log.
    #[error("there is no log of purges")]
    NoLog,
    /// It cannot be read.
    #[error("the log of purges cannot be read: {0}")]
    Unreadable(String),
    /// It is damaged: what it said there may be purges of anything.
    #[error("the log of purges is damaged at byte {0}")]
    Damaged(u64),
    /// It is another node's, or of another cluster.
    #[error("the log of purges is of another node")]
    OtherNode,
    /// Its keys are hashed with another secret.
    #[error("the log of purges is by the secret {theirs:016x}, this node's is {ours:016x}")]
    OtherSecret {
        /// The log's.
        theirs: u64,
        /// This node's.
        ours: u64,
    },
    /// A life ran without writing it.
    #[error("a process of this node ran without the log of purges")]
    Unlogged,
    /// It was written in a life that is not before this one: the clock went back.
    #[error("the log of purges is of a later life than this one")]
    Later,
    /// It cannot be written: nothing may be served by it.
    #[error("the log of purges cannot be written: {0}")]
    Unwritable(String),
}

/// What the log said when this life began.
#[derive(Debug)]
pub struct Earlier {
    known: Result<Known, Forgotten>,
    fill: Fill,
}

/// The last application of each key, and of all.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The last life that wrote the log.
    pub(super) last: Option<Incarnation>,
    pub(super) keys: HashMap<Key128, (Place, Time)>,
    pub(super) all: Option<Place>,
}

impl Earlier {
    pub(super) fn new(known: Result<Known, Forgotten>, fill: Fill) -> Earlier {
        Earlier { known, fill }
    }

    /// Why nothing is known, if so: all that earlier lives stored may be dropped at once.
    pub fn forgotten(&self) -> Option<&Forgotten> {
        self.known.as_ref().err()
    }

    /// What became of something that was filled at `number` in an earlier life, by its keys.
    pub fn standing(&self, life: Incarnation, number: u64, hard: &[Key128], soft: &[Key128]) -> EarlierStanding {
        let Ok(known) = &self.known else { return EarlierStanding::Gone };
        let place = (life, number);
        // What a later life stored than ever wrote this log was stored under another one, which is gone.
        let is_unknown = known.last.is_none_or(|last| life > last);
        if is_unknown || known.all.is_some_and(|all| all > place) || hard.iter().any(|key| known.is_since(key, place)) {
            return EarlierStanding::Gone;
        }
        let at = |key: &Key128| known.keys.get(key).filter(|(applied, _)| *applied > place).map(|(_, at)| *at);
        soft.iter().filter_map(at).min().map_or(EarlierStanding::Valid, EarlierStanding::Stale)
    }

    /// What something of an earlier life that is valid, or stale, counts as filled at in this one: purges that come to be known from then on
    /// have greater numbers.
    pub fn fill(&self) -> Fill {
        self.fill
    }
}

impl Known {
    fn is_since(&self, key: &Key128, place: Place) -> bool {
        self.keys.get(key).is_some_and(|(applied, _)| *applied > place)
    }
}
