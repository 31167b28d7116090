//! What the log said of the lives of this node before this one, or why it says nothing of them.

use selvedge_filters::purge::lives;
use selvedge_state::Fill;

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
    lives: lives::Earlier,
    forgotten: Option<Forgotten>,
}

impl Earlier {
    pub(super) fn new(lives: lives::Earlier, forgotten: Option<Forgotten>) -> Earlier {
        Earlier { lives, forgotten }
    }

    /// Why nothing is known, if so: all that earlier lives stored may be dropped at once.
    pub fn forgotten(&self) -> Option<&Forgotten> {
        self.forgotten.as_ref()
    }

    /// What became of what they stored.
    pub fn lives(&self) -> &lives::Earlier {
        &self.lives
    }

    /// What something of theirs that is valid, or stale, counts as filled at in this life.
    pub fn fill(&self) -> Fill {
        self.lives.fill()
    }
}
