//! A file of frames, each behind its length (u32, little-endian), after a few bytes that say what it is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use selvedge_state::{FRAME_MAX, Incarnation, Reading, SnapshotError, SnapshotHead};

/// What a file of snapshots begins with: its name and the version of the framing.
const MAGIC: &[u8; 9] = b"selvedge\x01";

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no snapshot")]
    NoSnapshot,
    /// A frame longer than any is.
    #[error("it is damaged: a frame of {0} bytes")]
    TooLong(usize),
    /// Its frames are no snapshot that this node may take.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl ReadError {
    /// Whether it says that something is missing, and not that all of it is there and is another's.
    pub(crate) fn is_broken_off(&self) -> bool {
        use SnapshotError::{OtherActor, OtherCluster, OtherSecret};
        !matches!(self, ReadError::Snapshot(OtherCluster { .. } | OtherSecret { .. } | OtherActor { .. }))
    }
}

/// Writes frames to a file that appears under its name only when all of it is on the disk. Gives its length in bytes.
///
/// # Errors
/// What the system says; the file of before stays.
pub(super) fn write(path: &Path, frames: impl Iterator<Item = Bytes>) -> io::Result<u64> {
    let beside = path.with_extension("tmp");
    // Counts are nobody else's business.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let length = write_frames(&mut out, frames)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(length)
}

/// Writes what a file of snapshots consists of. Gives its length in bytes.
///
/// # Errors
/// What the system says.
pub(super) fn write_frames(out: &mut impl Write, frames: impl Iterator<Item = Bytes>) -> io::Result<u64> {
    let mut length = MAGIC.len() as u64;
    out.write_all(MAGIC)?;
    for frame in frames {
        let size = u32::try_from(frame.len()).map_err(io::Error::other)?;
        out.write_all(&size.to_le_bytes())?;
        out.write_all(&frame)?;
        length += u64::from(size) + 4;
    }
    Ok(length)
}

/// Reads a file to its end and says whose snapshot it is, if it is a whole one, and the greatest life of that actor it knows of.
///
/// # Errors
/// [`ReadError`].
pub(super) fn check(path: &Path) -> Result<(SnapshotHead, Option<Incarnation>), ReadError> {
    let mut reading = Reading::default();
    each(path, |frame| reading.frame(frame).map_err(ReadError::from))?;
    let seen = reading.seen();
    Ok((reading.finish()?, seen))
}

/// Shows each frame of a file.
///
/// # Errors
/// [`ReadError`], or what `see` says.
pub(super) fn each(path: &Path, mut see: impl FnMut(&[u8]) -> Result<(), ReadError>) -> Result<(), ReadError> {
    let mut from = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut frames = Frames::begin(&mut from)?;
    while let Some(frame) = frames.next()? {
        see(frame)?;
    }
    Ok(())
}

/// The frames of a snapshot, as they come.
pub(super) struct Frames<'r, R> {
    from: &'r mut R,
    frame: Vec<u8>,
}

impl<R: Read> Frames<'_, R> {
    /// Reads what a snapshot begins with.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn begin(from: &mut R) -> Result<Frames<'_, R>, ReadError> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::NoSnapshot,
            _ => ReadError::Io(error),
        })?;
        if magic != *MAGIC {
            return Err(ReadError::NoSnapshot);
        }
        Ok(Frames { from, frame: Vec::new() })
    }

    /// The next one. What is cut off is not there: the frames tell that the end is missing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let mut size = [0; 4];
        if !filled(self.from, &mut size)? {
            return Ok(None);
        }
        let size = usize::try_from(u32::from_le_bytes(size)).unwrap_or(usize::MAX);
        if size > FRAME_MAX {
            return Err(ReadError::TooLong(size));
        }
        self.frame.resize(size, 0);
        Ok(filled(self.from, &mut self.frame)?.then_some(&self.frame))
    }
}

fn filled(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
