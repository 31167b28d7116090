//! The folder: one process at a time, files that are whole, and files in the making.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::file::{FileName, FileNumber};

/// What it holds and nothing else, so that no other folder is taken for one.
const OBJECTS: &str = "objects";
const DRAFTS: &str = "drafts";
const LOCK: &str = "selvedge-cache";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It cannot be made, or its files cannot be.
    #[error("cannot cache in {}: {cause}", path.display())]
    Io {
        /// What was tried.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// It holds something else.
    #[error("cannot cache in {}: it holds other files; name a folder that is new or empty", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
}

/// A folder of cached responses.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

/// A file that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: FileName,
    pub(super) size: u64,
}

impl Folder {
    /// Opens a folder, made if there is none. Another process may have it for now.
    ///
    /// # Errors
    /// [`DiskError`].
    pub(super) fn open(path: &Path) -> Result<Folder, DiskError> {
        let named = |path: &Path| {
            let path = path.to_owned();
            move |cause| DiskError::Io { path, cause }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(named(path))?;
        let at = path.join(LOCK);
        if !at.exists() && fs::read_dir(path).map_err(named(path))?.next().is_some() {
            return Err(DiskError::Foreign { path: path.to_owned() });
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&at);
        let lock = lock.map_err(named(&at))?;
        for folder in [DRAFTS, OBJECTS] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(named(&folder))?;
        }
        for first in 0..=u8::MAX {
            let folder = path.join(OBJECTS).join(format!("{first:02x}"));
            fs::create_dir_all(&folder).map_err(named(&folder))?;
        }
        Ok(Folder { path: path.to_owned(), lock })
    }

    /// Takes it for this process.
    ///
    /// # Errors
    /// That another one has it, or what the system says.
    pub(super) fn take(&self) -> Result<(), TryLockError> {
        self.lock.try_lock()
    }

    /// Lets another process have it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn release(&self) -> io::Result<()> {
        self.lock.unlock()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file lies.
    pub(super) fn object(&self, name: FileName) -> PathBuf {
        name.path(&self.path.join(OBJECTS))
    }

    /// Where a file in the making lies.
    pub(super) fn draft(&self, number: FileNumber) -> PathBuf {
        self.path.join(DRAFTS).join(format!("{:016x}", number.0))
    }

    /// Removes what was in the making when a process ended.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn clear_drafts(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.path.join(DRAFTS))? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// All whole files, the first written first.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn objects(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for first in fs::read_dir(self.path.join(OBJECTS))? {
            for entry in fs::read_dir(first?.path())? {
                let entry = entry?;
                if let Some(name) = entry.file_name().to_str().and_then(FileName::parse) {
                    found.push(Found { name, size: entry.metadata()?.len() });
                }
            }
        }
        found.sort_unstable_by_key(|found| found.name.number);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::storage::EntryKey;
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("letter.txt"), "dear").expect("written");
        assert!(matches!(Folder::open(folder.path()), Err(DiskError::Foreign { .. })));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }

    #[test]
    fn one_process_has_it_until_it_lets_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (Folder::open(folder.path()), Folder::open(folder.path()));
        let (one, two) = (one.expect("opened"), two.expect("opened"));
        one.take().expect("free");
        assert!(matches!(two.take(), Err(TryLockError::WouldBlock)));
        one.release().expect("released");
        two.take().expect("free again");
    }

    #[test]
    fn whole_files_are_found_in_their_order_and_drafts_are_gone() {
        let temp = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(temp.path()).expect("opened");
        let name = |key: u128, number| FileName { key: EntryKey(key << 100), number: FileNumber(number) };
        for (key, number, size) in [(3, 9, 10), (900, 2, 20), (4, 5, 0)] {
            fs::write(folder.object(name(key, number)), vec![0; size]).expect("written");
        }
        fs::write(folder.draft(FileNumber(1)), "half").expect("written");
        folder.clear_drafts().expect("cleared");
        assert!(!folder.draft(FileNumber(1)).exists());
        let found: Vec<_> = folder.objects().expect("read").iter().map(|found| (found.name, found.size)).collect();
        assert_eq!(found, [(name(900, 2), 20), (name(4, 5), 0), (name(3, 9), 10)]);
    }
}
