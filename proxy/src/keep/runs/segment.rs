//! The files of the log of runs: what each begins with, and where a record of it is.

use std::io;
use std::path::Path;

use selvedge_filters::idempotency::{Fence, Recalled};

use super::record;
use crate::keep::segment::{self, Extent, Magic, Read};
pub(super) use crate::keep::segment::{Segment, all, path};

const MAGIC: &Magic = b"runs\x01";

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something in it was there and is no more.
    #[error("it is damaged at byte {0}")]
    Damaged(u64),
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The file's number.
    pub(super) segment: u64,
    pub(super) extent: Extent,
}

/// Begins a file that is not there. No later run has a number up to `fence`.
///
/// # Errors
/// What the system says.
pub(super) fn begin(folder: &Path, number: u64, fence: Fence, salt: u32) -> io::Result<Segment> {
    Segment::begin(folder, MAGIC, (number, fence.0), salt)
}

/// Reads a file from a byte on where a frame begins; from its head with 0.
///
/// # Errors
/// [`Fault`].
pub(super) fn read(folder: &Path, number: u64, from: u64) -> Result<Read<Recalled<Place>>, Fault> {
    let decode = |record: &[u8], extent| record::recalled(record, Place { segment: number, extent });
    let read = segment::read((folder, MAGIC), (number, from), decode)?;
    match read.damaged {
        Some(at) => Err(Fault::Damaged(at)),
        None => Ok(read),
    }
}

/// Reads a record that is there.
///
/// # Errors
/// What the system says, or that it is not what was written.
pub(super) fn fetch(folder: &Path, place: Place) -> io::Result<record::Kept> {
    let bytes = segment::fetch(&path(folder, place.segment), place.extent)?;
    record::kept(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
