//! Files that are written together or not at all, and never over another.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::InitError;

/// A file to be made.
pub(super) struct NewFile {
    path: PathBuf,
    text: String,
    mode: u32,
}

impl NewFile {
    /// A file that anybody may read.
    pub(super) fn open(path: PathBuf, text: &str) -> Self {
        Self { path, text: text.to_owned(), mode: 0o644 }
    }

    /// A file that only its owner may read.
    pub(super) fn secret(path: PathBuf, text: &str) -> Self {
        Self { path, text: text.to_owned(), mode: 0o600 }
    }

    pub(super) fn into_path(self) -> PathBuf {
        self.path
    }

    fn write(&self) -> Result<(), InitError> {
        let failed = |path: &Path, source| InitError::Write { path: path.to_owned(), source };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        // `create_new` settles the race with whoever makes the file after we looked.
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(self.mode).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(InitError::Exists(self.path.clone()));
            }
            Err(source) => return Err(failed(&self.path, source)),
        };
        file.write_all(self.text.as_bytes()).map_err(|source| {
            let _ = fs::remove_file(&self.path);
            failed(&self.path, source)
        })
    }
}

/// Writes all of them, their folders too.
///
/// # Errors
/// Names the file; those already written are removed, folders stay.
pub(super) fn write_all(files: &[NewFile]) -> Result<(), InitError> {
    if let Some(taken) = files.iter().find(|file| file.path.symlink_metadata().is_ok()) {
        return Err(InitError::Exists(taken.path.clone()));
    }
    let mut written: Vec<&Path> = Vec::new();
    for file in files {
        match file.write() {
            Ok(()) => written.push(&file.path),
            Err(error) => {
                for path in written {
                    // Best effort: the error below matters more.
                    let _ = fs::remove_file(path);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}
