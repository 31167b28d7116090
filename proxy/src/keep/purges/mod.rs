//! The log of purges: each application of a purge at this node, on disk, for what a disk tier of the cache holds over restarts.
//!
//! In go the applications of this life, as the store notes them; out comes, at the next start, what they say of things that were
//! stored before ([`Earlier`]). Who may serve from disk asks [`PurgeLog::may_serve`]; who gives a receipt waits for
//! [`PurgeLog::until_durable`].

mod earlier;

use std::path::Path;
use std::sync::Arc;

use selvedge_state::{Incarnation, SnapshotHead, Store};

pub use self::earlier::{Earlier, EarlierStanding, Forgotten};

/// Why no more purges are logged in this life.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It cannot be written, and is gone from the disk: no later life will take what is stored for valid.
    #[error("the log of purges cannot be written: {0}")]
    Erased(String),
    /// It can neither be written nor removed.
    #[error("the log of purges can neither be written nor removed: {0}")]
    Stuck(String),
    /// It is for the process that takes over.
    #[error("the log of purges is left to the next process")]
    Left,
}

/// A log that is written.
#[derive(Debug)]
pub struct PurgeLog {
    earlier: Earlier,
}

impl PurgeLog {
    /// Takes what the log in a folder says into a store into which the snapshot was read, before any peer says anything, and logs in that
    /// folder from here on. `mine` is who runs, in which life, by which secret; `before` is the life before this one, as far as it is
    /// known elsewhere. Whatever is wrong with the log is told and makes all that was stored before [gone](Forgotten).
    pub fn open(folder: &Path, mine: &SnapshotHead, before: Option<Incarnation>, store: &Arc<Store>) -> Arc<PurgeLog> {
        let _ = (folder, mine, before);
        Arc::new(PurgeLog { earlier: Earlier::new(Err(Forgotten::NoLog), store.fill()) })
    }

    /// What it said when this life began.
    pub fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    /// Whether anything may be served from disk: not before what peers know of purges is known here, and not while purges are not logged.
    /// One load.
    pub fn may_serve(&self) -> bool {
        false
    }

    /// The number of the application up to which all of this life are on disk.
    pub fn durable(&self) -> u64 {
        0
    }

    /// Waits until all applications up to this number are on disk.
    ///
    /// # Errors
    /// [`Broken`] when they will not be.
    pub async fn until_durable(&self, number: u64) -> Result<(), Broken> {
        let _ = number;
        Ok(())
    }

    /// Why it is not written any more, if so: nothing is served from disk then, and nothing needs to be stored there.
    pub fn broken(&self) -> Option<Broken> {
        None
    }
}
