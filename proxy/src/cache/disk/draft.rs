//! A file in the making. It lies apart until it is whole, and is gone when it does not become that.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::super::budget::Charge;
use super::super::growing::BATCH;
use super::chunks::{self, ChunkWriter};
use super::file::{FileNumber, Kept, weight};

/// What its writer and its readers share of a file in the making.
#[derive(Debug)]
pub(crate) struct Draft {
    file: Arc<File>,
    path: PathBuf,
    /// What it takes of the disk, for as long as somebody reads it; and whether it has a place.
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    Growing(Charge),
    Whole { _kept: Arc<Kept> },
}

impl Draft {
    /// What is at `at` and before `end` of a body of which the first `len` bytes are written. `None`: it cannot be read.
    pub(crate) async fn read(&self, at: usize, end: usize, len: usize) -> Option<Bytes> {
        chunks::read(&self.file, at, end, len).await.ok().filter(|part| !part.is_empty())
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// It has a place of its own now.
    pub(super) fn keep(&self, kept: Arc<Kept>) {
        *self.held() = Held::Whole { _kept: kept };
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if matches!(&*self.held(), Held::Growing(_)) {
            // What stays is removed at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes a draft. Waits for the disk.
#[derive(Debug)]
pub(crate) struct Drafting {
    pub(super) draft: Arc<Draft>,
    pub(super) number: FileNumber,
    writer: ChunkWriter<BufWriter<HeldFile>>,
}

/// Why a draft cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftError {
    /// There is no room for it, whatever makes way.
    #[error("there is no room on the disk")]
    NoRoom,
    /// The disk does not take it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes to a file that others read.
#[derive(Debug)]
struct HeldFile(Arc<File>);

impl Write for HeldFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drafting {
    /// Begins a file at `path`, which is not there yet.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn begin(path: PathBuf, number: FileNumber, charge: Charge) -> io::Result<Drafting> {
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        let file = Arc::new(file);
        let writer = ChunkWriter::new(BufWriter::with_capacity(BATCH, HeldFile(Arc::clone(&file))));
        let draft = Draft { file, path, held: Mutex::new(Held::Growing(charge)) };
        Ok(Drafting { draft: Arc::new(draft), number, writer })
    }

    /// For those who read along.
    pub(crate) fn draft(&self) -> &Arc<Draft> {
        &self.draft
    }

    /// Bytes of the body that are written.
    pub(super) fn len(&self) -> u64 {
        self.writer.len()
    }

    /// Bytes of the body that can be read: those of whole chunks.
    pub(crate) fn readable(&self) -> u64 {
        self.len() - self.len() % chunks::CHUNK as u64
    }

    /// Adds to the body; all of it is in the file then, but for a chunk that is not full. `take` charges bytes, making room if it must.
    ///
    /// # Errors
    /// [`DraftError`].
    pub(super) fn add(&mut self, parts: &[Bytes], take: impl Fn(u64) -> Option<Charge>) -> Result<(), DraftError> {
        let more: u64 = parts.iter().map(|part| part.len() as u64).sum();
        self.hold(chunks::size(self.len() + more), take)?;
        for part in parts {
            self.writer.add(part)?;
        }
        Ok(self.writer.flush()?)
    }

    /// The body is complete: writes what stands behind it.
    ///
    /// # Errors
    /// [`DraftError`].
    pub(super) fn end(self, head: &[u8], take: impl Fn(u64) -> Option<Charge>) -> Result<DiskFile, DraftError> {
        self.hold(weight(chunks::size(self.len()) + head.len() as u64), take)?;
        let Drafting { draft, number, writer } = self;
        let mut out = writer.end()?;
        out.write_all(head)?;
        out.flush()?;
        Ok(DiskFile { draft, number })
    }

    /// Charges for a file of `size` bytes in all.
    fn hold(&self, size: u64, take: impl Fn(u64) -> Option<Charge>) -> Result<(), DraftError> {
        let lacking = match &*self.draft.held() {
            Held::Growing(charge) => size.saturating_sub(charge.bytes()),
            Held::Whole { .. } => 0,
        };
        // Not under the lock: others may have to make way.
        let more = take(lacking).ok_or(DraftError::NoRoom)?;
        if let Held::Growing(charge) = &mut *self.draft.held() {
            charge.merge(more);
        }
        Ok(())
    }
}

/// A draft that is whole and has no place yet.
#[derive(Debug)]
pub(crate) struct DiskFile {
    pub(super) draft: Arc<Draft>,
    pub(super) number: FileNumber,
}

impl DiskFile {
    /// What it is charged for, which is its keeper's from now on.
    pub(super) fn take_charge(&self) -> Option<Charge> {
        match &mut *self.draft.held() {
            Held::Growing(charge) => Some(charge.split_off()),
            Held::Whole { .. } => None,
        }
    }
}
