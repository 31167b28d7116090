//! The ledger of one load: every file and folder it looked at, and what was in them. It is how a later look finds out whether
//! loading again could give anything else.
//!
//! A look asks the system for size, times and inode of what a path leads to, symbolic links followed; only where these differ
//! is the content read and its digest compared. So a file that is renamed over, a link that is turned to another folder, and
//! a file that is written in place are all seen, and a `touch` is nothing. Another content counts once two looks in a row have
//! found the same one: what is still being written is not taken in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{Context, SHA256};

/// A file that changed this shortly before it was read may change again without its times showing it (they are only as fine as
/// the file system's clock), so its content is compared once more.
const UNSETTLED: Duration = Duration::from_secs(2);

/// What tells one content from another: SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    fn of(parts: &[&[u8]]) -> Digest {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Digest(digest)
    }
}

/// What the system says of a path; changes whenever the content does, but for [`UNSETTLED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since the Unix epoch.
    modified: i128,
    /// The same for the inode: a change of the content that sets the other time back still shows here.
    changed: i128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let found = std::fs::metadata(path).ok()?;
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Some(Stamp {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: nanos(found.mtime(), found.mtime_nsec()),
            changed: nanos(found.ctime(), found.ctime_nsec()),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

#[derive(Debug, Clone)]
struct Entry {
    kind: Kind,
    stamp: Option<Stamp>,
    /// When the stamp was taken.
    at: SystemTime,
    /// None when it could not be read.
    digest: Option<Digest>,
    /// The most bytes that are read of it.
    max: u64,
    /// Another content that the last look found.
    pending: Option<Option<Digest>>,
}

impl Entry {
    fn is_settled(&self) -> bool {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
        let unsettled = i128::try_from(UNSETTLED.as_nanos()).unwrap_or(i128::MAX);
        // The time of the inode is the system's own; the other one may be set to anything.
        self.stamp.is_none_or(|stamp| stamp.changed + unsettled < since)
    }
}

/// What was in files and folders, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents(BTreeMap<PathBuf, Digest>);

impl Contents {
    /// What was in one.
    pub fn digest(&self, path: &Path) -> Option<Digest> {
        self.0.get(path).copied()
    }

    /// The paths where the other has something else, or that only one of the two has; sorted.
    pub fn differs_from(&self, other: &Contents) -> Vec<PathBuf> {
        let mut paths: Vec<&PathBuf> = self.0.keys().chain(other.0.keys()).collect();
        paths.sort();
        paths.dedup();
        paths.retain(|path| self.digest(path) != other.digest(path));
        paths.into_iter().cloned().collect()
    }
}

/// Every file and folder that one load looked at.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: RefCell<BTreeMap<PathBuf, Entry>>,
}

impl Ledger {
    /// Reads a regular file of at most `max` bytes, and notes it.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is larger.
    pub fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        self.note(path, Kind::File, max, || {
            let found = std::fs::metadata(path)?;
            if !found.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
            }
            if found.len() > max {
                let error = format!("it has {} bytes; at most {max} are read", found.len());
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
            }
            let bytes = std::fs::read(path)?;
            let digest = Digest::of(&[&bytes]);
            Ok((bytes, digest))
        })
    }

    /// Reads text of any size, and notes it: of a config, whose loader has its own bound, and which may come through a pipe.
    ///
    /// # Errors
    /// When it cannot be read or is not UTF-8.
    pub fn read_text(&self, path: &Path) -> io::Result<String> {
        let bytes = self.note(path, Kind::File, u64::MAX, || {
            let bytes = std::fs::read(path)?;
            let digest = Digest::of(&[&bytes]);
            Ok((bytes, digest))
        })?;
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
    }

    /// The entries of a folder, sorted, and notes it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.note(path, Kind::Folder, u64::MAX, || folder(path))
    }

    /// The digest of what was read at a path.
    pub fn digest(&self, path: &Path) -> Option<Digest> {
        self.entries.borrow().get(path).and_then(|entry| entry.digest)
    }

    /// What was in everything it looked at.
    pub fn contents(&self) -> Contents {
        let entries = self.entries.borrow();
        Contents(entries.iter().filter_map(|(path, entry)| Some((path.clone(), entry.digest?))).collect())
    }

    /// Looks again: whether any content is another one than was noted, and the same one as at the look before. What only looks
    /// different is noted as it looks now.
    pub fn look(&mut self) -> Look {
        let mut changed = Look::Same;
        for (path, entry) in self.entries.get_mut() {
            let stamp = Stamp::of(path);
            if stamp == entry.stamp && entry.is_settled() {
                continue;
            }
            let at = SystemTime::now();
            let digest = digest_now(path, entry);
            if digest == entry.digest {
                *entry = Entry { stamp, at, pending: None, ..entry.clone() };
            } else if entry.pending.replace(digest) == Some(digest) {
                changed = Look::Changed;
            }
        }
        changed
    }

    fn note<T>(
        &self,
        path: &Path,
        kind: Kind,
        max: u64,
        read: impl FnOnce() -> io::Result<(T, Digest)>,
    ) -> io::Result<T> {
        // Before reading: what is written meanwhile must look like a change afterwards.
        let (stamp, at) = (Stamp::of(path), SystemTime::now());
        let outcome = read();
        let digest = outcome.as_ref().ok().map(|(_, digest)| *digest);
        self.entries.borrow_mut().insert(path.to_owned(), Entry { kind, stamp, at, digest, max, pending: None });
        outcome.map(|(found, _)| found)
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Everything is as it was.
    Same,
    /// Loading again may give something else.
    Changed,
}

fn digest_now(path: &Path, entry: &Entry) -> Option<Digest> {
    match entry.kind {
        Kind::File if std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= entry.max) => {
            std::fs::read(path).ok().map(|bytes| Digest::of(&[&bytes]))
        }
        // A pipe gives what it gave once; it is not asked again.
        Kind::File => None,
        Kind::Folder => folder(path).ok().map(|(_, digest)| digest),
    }
}

fn folder(path: &Path) -> io::Result<(Vec<PathBuf>, Digest)> {
    let mut entries =
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let parts: Vec<&[u8]> =
        entries.iter().flat_map(|entry| [entry.as_os_str().as_encoded_bytes(), b"\0".as_slice()]).collect();
    let digest = Digest::of(&parts);
    Ok((entries, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let ledger = Ledger::default();
        assert_eq!(ledger.read(&path, 100).unwrap(), text.as_bytes());
        (folder, path, ledger)
    }

    /// The second of two looks.
    fn twice(ledger: &mut Ledger) -> Look {
        assert_eq!(ledger.look(), Look::Same, "one look is not enough");
        ledger.look()
    }

    #[test]
    fn what_is_still_being_written_is_no_change_yet() {
        let (_folder, path, mut ledger) = written("one");
        for part in ["t", "tw", "two"] {
            std::fs::write(&path, part).unwrap();
            assert_eq!(ledger.look(), Look::Same, "{part}");
        }
        assert_eq!(ledger.look(), Look::Changed);
    }

    #[test]
    fn a_file_that_is_no_text_and_dated_ahead_is_looked_at_once() {
        let (_folder, path, mut ledger) = written("one");
        std::fs::write(&path, b"\xff").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(1 << 30)).unwrap();
        assert!(ledger.read_text(&path).is_err());
        assert_eq!(ledger.look(), Look::Same);
        assert_eq!(ledger.look(), Look::Same);
    }

    #[test]
    fn a_touch_is_no_change() {
        let (_folder, path, mut ledger) = written("one");
        std::fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(ledger.look(), Look::Same);
    }

    #[test]
    fn a_write_in_place_of_the_same_length_is_a_change_even_when_its_times_are_set_back() {
        let (_folder, path, mut ledger) = written("one");
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "two").unwrap();
        std::fs::File::open(&path).unwrap().set_modified(before).unwrap();
        assert_eq!(twice(&mut ledger), Look::Changed);
    }

    #[test]
    fn a_rename_over_it_is_a_change() {
        let (folder, path, mut ledger) = written("one");
        std::fs::write(folder.path().join("new"), "two").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(twice(&mut ledger), Look::Changed);
    }

    #[test]
    fn a_link_turned_elsewhere_is_a_change_if_the_content_is_another() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a", "same"), ("b", "same"), ("c", "other")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("file"), text).unwrap();
        }
        let data = folder.path().join("data");
        let turn = |to: &str| {
            let _ = std::fs::remove_file(&data);
            std::os::unix::fs::symlink(folder.path().join(to), &data).unwrap();
        };
        turn("a");
        let mut ledger = Ledger::default();
        ledger.read(&data.join("file"), 100).unwrap();
        turn("b");
        assert_eq!(ledger.look(), Look::Same);
        turn("c");
        assert_eq!(twice(&mut ledger), Look::Changed);
    }

    #[test]
    fn what_comes_and_goes_is_a_change() {
        let (folder, path, mut ledger) = written("one");
        let missing = folder.path().join("missing");
        assert!(ledger.read(&missing, 100).is_err());
        assert_eq!(ledger.look(), Look::Same, "still missing");
        std::fs::write(&missing, "").unwrap();
        assert_eq!(twice(&mut ledger), Look::Changed);
        ledger.read(&missing, 100).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(twice(&mut ledger), Look::Changed);
    }

    #[test]
    fn a_new_file_in_a_listed_folder_is_a_change() {
        let (folder, _, mut ledger) = written("one");
        assert_eq!(ledger.list(folder.path()).unwrap().len(), 1);
        assert_eq!(ledger.look(), Look::Same);
        std::fs::write(folder.path().join("more"), "").unwrap();
        assert_eq!(twice(&mut ledger), Look::Changed);
    }

    #[test]
    fn what_is_too_large_or_no_file_is_not_read() {
        let (folder, path, ledger) = written("one");
        assert!(ledger.read(&path, 2).unwrap_err().to_string().contains("at most 2"));
        assert!(ledger.read(folder.path(), 100).unwrap_err().to_string().contains("no regular file"));
    }

    #[test]
    fn two_ledgers_name_the_files_that_differ() {
        let (folder, path, before) = written("one");
        let same = folder.path().join("same");
        std::fs::write(&same, "x").unwrap();
        before.read(&same, 10).unwrap();
        std::fs::write(&path, "two").unwrap();
        let after = Ledger::default();
        after.read(&path, 10).unwrap();
        after.read(&same, 10).unwrap();
        assert_eq!(after.contents().differs_from(&before.contents()), [path]);
    }
}
