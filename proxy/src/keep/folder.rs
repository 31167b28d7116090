//! The folder: one process at a time, its secret if it has no cluster's, and the snapshot.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use selvedge_state::{Estate, Incarnation, Restored, SnapshotHead, Store, Time};

use super::estate;
use super::file::{self, ReadError};
use crate::link::secret::{Secret, SecretId};

/// A folder that is this process's until it ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held for its lock.
    lock: File,
    is_new: bool,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made, or its files cannot be.
    #[error("cannot keep state in {}: {cause}", path.display())]
    Io {
        /// What was tried.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// Another process uses it.
    #[error("cannot keep state in {}: another process does", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// Its secret cannot be read.
    #[error("cannot keep state: {} is no secret of 32 hex digits", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("no randomness from the system: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// What a folder held when the process began.
#[derive(Debug)]
pub enum Found {
    /// Nothing: it is the first one.
    Nothing,
    /// A snapshot of this node.
    Snapshot {
        /// What it says of itself.
        head: SnapshotHead,
        /// The greatest life of this node that somebody counted in.
        seen: Option<Incarnation>,
    },
    /// One that cannot be taken, and why.
    Refused(ReadError),
}

impl Folder {
    /// Opens a folder, made if there is none.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        let named = |path: &Path, cause| FolderError::Io { path: path.to_owned(), cause };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|cause| named(path, cause))?;
        let at = path.join("lock");
        let is_new = !at.exists();
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&at);
        let lock = lock.map_err(|cause| named(&at, cause))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.to_owned(), lock, is_new }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(named(&at, cause)),
        }
    }

    /// Lets another process have it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn release(&self) -> io::Result<()> {
        self.lock.unlock()
    }

    /// Takes it back, unless another process has it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn retake(&self) -> Result<(), TryLockError> {
        self.lock.try_lock()
    }

    /// The secret of a node that stands alone: the same at every start, or its keys would mean nothing the next time. `known` is the one
    /// to begin with where there is none, if any.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn secret(&self, known: Option<Secret>) -> Result<Secret, FolderError> {
        let path = self.path.join("secret");
        let failed = |cause| FolderError::Io { path: path.clone(), cause };
        match std::fs::read_to_string(&path) {
            Ok(text) => Secret::from_hex(text.trim()).ok_or(FolderError::Secret { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = known.map_or_else(Secret::generate, Ok)?;
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                let written = file.and_then(|mut file| {
                    file.write_all(format!("{}\n", secret.to_hex()).as_bytes())?;
                    file.sync_all()
                });
                written.map(|()| secret).map_err(failed)
            }
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Whether no process has used it before this one.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The snapshot's file.
    pub(super) fn snapshot(&self) -> PathBuf {
        self.path.join("snapshot")
    }

    /// What the life before left of quotas, if it ended in order. Once: it is gone from here on.
    ///
    /// # Errors
    /// What the system says; nothing may be inherited then.
    pub(super) fn take_estate(&self) -> io::Result<Option<Estate>> {
        estate::take(&self.path)
    }

    /// Leaves it to the next one, after the last snapshot.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn leave_estate(&self, left: &Estate) -> io::Result<()> {
        estate::leave(&self.path, left)
    }

    /// What is there; `mine` is what this node would write itself, `beside` the secret that it knows beside its own.
    pub fn find(&self, mine: &SnapshotHead, beside: Option<SecretId>) -> Found {
        let path = self.snapshot();
        match file::check(&path) {
            Ok((head, seen)) => match head.check(mine, beside.map(|id| id.0)) {
                Ok(()) => Found::Snapshot { head, seen },
                Err(error) => Found::Refused(error.into()),
            },
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
            Err(error) => Found::Refused(error),
        }
    }

    /// Reads the snapshot that was found into a store.
    ///
    /// # Errors
    /// [`ReadError`] when the file is not what it was a moment ago; what was read until then is in the store.
    pub fn restore(&self, store: &Store, now: Time) -> Result<Restored, ReadError> {
        let mut restored = Restored::default();
        file::each(&self.snapshot(), |frame| {
            restored.add(store.restore(frame, now));
            Ok(())
        })?;
        Ok(restored)
    }
}

impl Found {
    /// Whether an estate is that of the life that wrote the snapshot, and goes with it. A snapshot in which a later life of this node counted
    /// was put back.
    pub(super) fn goes_with(&self, estate: &Estate) -> bool {
        match self {
            Found::Snapshot { head, seen } => {
                let is_last = seen.is_none_or(|seen| seen.0 <= head.incarnation.0.saturating_add(u16::MAX.into()));
                estate.goes_with(head) && is_last
            }
            Found::Nothing | Found::Refused(_) => false,
        }
    }

    /// The life that wrote it.
    pub fn life(&self) -> Option<Incarnation> {
        match self {
            Found::Snapshot { head, .. } => Some(head.incarnation),
            Found::Nothing | Found::Refused(_) => None,
        }
    }

    /// The life that begins now, greater than that which wrote the snapshot, those that it knows of, and the one `before`, which may
    /// still go on.
    pub fn next_life(&self, now: Time, before: Option<Incarnation>, random: u16) -> Incarnation {
        match self {
            Found::Snapshot { head, seen } => Incarnation::next(now, before.max(Some(head.incarnation)), *seen, random),
            Found::Nothing | Found::Refused(_) => Incarnation::next(now, before, None, random),
        }
    }
}
