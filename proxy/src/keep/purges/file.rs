//! The file: written anew beside and renamed when a life begins or it grew long, appended to in between.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use selvedge_filters::purge::lives::{Logged, Record};

use super::record::{self, Head, RECORD, Seed};

/// The longest that is read, bytes. One that is written is made anew long before.
const READ_MAX: u64 = 1 << 28;

/// Why a log cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is none.
    Nothing,
    Io(io::Error),
    /// It does not begin as a log does.
    NoLog,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) head: Head,
    pub(super) logged: Logged,
    /// Where something is that is no record, though records follow.
    pub(super) damaged: Option<u64>,
}

/// Where the log is in a state folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("purges")
}

/// Reads a log.
///
/// A record that is none at the end of the file is what was being written when the process ended: nobody was told that it is there, so it
/// is not. One that records follow was there, and may have been a purge of anything.
pub(super) fn read(path: &Path) -> Result<Read, Fault> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Fault::Nothing,
        _ => Fault::Io(error),
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > READ_MAX {
        return Err(Fault::Io(io::ErrorKind::FileTooLarge.into()));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let (head, seed, begin) = Head::decode(&bytes).ok_or(Fault::NoLog)?;
    let (mut logged, mut damaged, mut bad) = (Logged::default(), None, None);
    for (nth, bytes) in bytes.get(begin..).unwrap_or_default().chunks(RECORD).enumerate() {
        match record::decode(bytes, seed) {
            Some(record) => {
                damaged = damaged.or(bad);
                logged.add(record);
            }
            None => bad = bad.or(u64::try_from(begin + nth * RECORD).ok()),
        }
    }
    Ok(Read { head, logged, damaged })
}

/// Writes a log in place of the one that is there. Gives it to append to, and its length in bytes.
///
/// # Errors
/// What the system says; the one that was there stays.
pub(super) fn write(path: &Path, head: &Head, records: &[Record]) -> io::Result<(File, Seed, u64)> {
    let (mut bytes, seed) = head.encode().ok_or(io::ErrorKind::InvalidInput)?;
    records.iter().for_each(|record| record::encode(record, seed, &mut bytes));
    let beside = path.with_extension("tmp");
    // Whose pages were purged is nobody else's business.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_folder(path)?;
    Ok((file, seed, u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
}

/// Removes a log for good, and what is beside it. That there is none is as good.
///
/// # Errors
/// What the system says; it may be there still.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    for path in [path, &path.with_extension("tmp")] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(path)
}

fn sync_folder(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
