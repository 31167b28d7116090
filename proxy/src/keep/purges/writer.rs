//! Who writes the log: all that waits at once, in one write that is on the disk before anybody hears of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use selvedge_filters::purge::lives::{LOGGED_MAX, Logged, Record};
use selvedge_state::Journal;

use super::file;
use super::record::{self, Head, Seed};

/// A log is made anew when it is longer than this, and than four times what it was when that was done last, bytes.
const ANEW: u64 = 32 << 20;

/// A log that is open.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    head: Head,
    seed: Seed,
    file: File,
    length: u64,
    /// As it was when it was made anew last.
    begun: u64,
    /// One that is no longer than this is not made anew.
    least: u64,
}

impl Writer {
    /// Begins one with what is known already.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn begin(path: PathBuf, head: Head, logged: Logged) -> io::Result<Writer> {
        let (file, seed, length) = file::write(&path, &head, &logged.records(LOGGED_MAX))?;
        Ok(Writer { path, head, seed, file, length, begun: length, least: ANEW })
    }

    /// Adds what was applied. When this returns it is on the disk.
    ///
    /// # Errors
    /// What the system says; some of it may be there then.
    pub(super) fn write(&mut self, journal: &Journal) -> io::Result<()> {
        let life = self.head.life;
        let mut bytes = Vec::new();
        if let Some(number) = journal.lost {
            record::encode(&Record::All((life, number)), self.seed, &mut bytes);
        }
        let applied = journal.applied.iter().map(|applied| Record::Applied(life, *applied));
        applied.for_each(|record| record::encode(&record, self.seed, &mut bytes));
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.length > self.least.max(self.begun.saturating_mul(4)) { self.renew() } else { Ok(()) }
    }

    /// Makes it anew, with the last purge of each name.
    fn renew(&mut self) -> io::Result<()> {
        let read = file::read(&self.path).map_err(|fault| io::Error::other(format!("{fault:?}")))?;
        if let Some(at) = read.damaged {
            return Err(io::Error::other(format!("it is damaged at byte {at}")));
        }
        let anew = Writer::begin(self.path.clone(), self.head.clone(), read.logged)?;
        *self = Writer { least: self.least, ..anew };
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
impl Writer {
    /// The same that writes to another file.
    pub(super) fn to(self, file: File) -> Writer {
        Writer { file, ..self }
    }

    /// The same that is made anew when it is so long.
    pub(super) fn anew_at(self, length: u64) -> Writer {
        Writer { least: length, ..self }
    }
}
