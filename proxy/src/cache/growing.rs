//! The body of a fill as it grows: in memory as long as it may stay there, then on its way to the disk, or past the cache.

use std::sync::Arc;

use bytes::Bytes;

use super::budget::Charge;
use super::disk::Draft;
use super::fill::GivenUp;
use super::piece::PIECE;
use super::pieces::{CHUNK_PIECES, Pieces};

/// What becomes of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All of it is kept in memory.
    Memory,
    /// It outgrew that, and goes to the disk as it comes.
    Disk,
    /// It outgrew the largest object or the room there is; only what its readers have not read is kept.
    PassThrough,
}

/// The largest bodies, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Largest {
    /// In memory.
    pub(crate) memory: usize,
    /// On the disk; 0 without one.
    pub(crate) disk: usize,
}

impl Largest {
    /// No larger than a policy has them, if it says something.
    pub(crate) fn at_most(self, max: Option<usize>) -> Largest {
        let max = max.unwrap_or(usize::MAX);
        Largest { memory: self.memory.min(max), disk: self.disk.min(max) }
    }

    /// Of all.
    pub(crate) fn of_all(self) -> usize {
        self.memory.max(self.disk)
    }

    /// What becomes of a body of `len` bytes, which may be the least that is known of it.
    pub(crate) fn fate(self, len: usize) -> Fate {
        match len {
            len if len <= self.memory => Fate::Memory,
            len => self.beyond_memory(len),
        }
    }

    fn beyond_memory(self, len: usize) -> Fate {
        if len <= self.disk { Fate::Disk } else { Fate::PassThrough }
    }
}

/// How many bytes go to the disk at once.
pub(crate) const BATCH: usize = 4 * CHUNK_PIECES * PIECE;

/// What a body on its way to the disk is charged for in memory at least: a batch, and what comes before that is written.
pub(crate) const RESERVE: u64 = (BATCH + 5 * PIECE) as u64;

/// How far a reader may lag behind what only passes through, bytes, however small the largest object is: one part of a body may be longer than
/// that, and what the disk does not take is a batch and what came meanwhile.
const BEHIND_LEAST: usize = 2 * BATCH;

/// A body that is being written.
#[derive(Debug)]
pub(crate) struct Growing {
    pub(crate) pieces: Pieces,
    pub(crate) charge: Charge,
    pub(crate) fate: Fate,
    /// Where the bytes before a position can be read since they are on the disk.
    draft: Option<(Arc<Draft>, usize)>,
}

/// What there is to read at a position.
#[derive(Debug)]
pub(crate) enum Part {
    /// Bytes.
    Here(Bytes),
    /// Bytes on the disk, of which there are so many.
    OnDisk(Arc<Draft>, usize),
}

impl Growing {
    pub(crate) fn new(charge: Charge, fate: Fate) -> Growing {
        Growing { pieces: Pieces::new(charge.budget()), charge, fate, draft: None }
    }

    /// Adds to the body. `take` charges bytes, making room if it must; `slowest` is where the last reader is.
    pub(crate) fn append(
        &mut self,
        data: &[u8],
        declared: Option<usize>,
        largest: Largest,
        slowest: usize,
        take: impl Fn(u64) -> Option<Charge>,
    ) -> Result<Fate, GivenUp> {
        let have = self.pieces.len() + data.len();
        if let Some(declared) = declared {
            if have > declared {
                return Err(GivenUp::Framing { declared, have });
            }
            if self.fate == Fate::Memory {
                self.add(data, Some(declared - self.pieces.len()));
                return Ok(self.fate);
            }
        }
        match self.fate {
            Fate::Memory => self.fate = largest.fate(have),
            Fate::Disk => self.fate = largest.beyond_memory(have),
            Fate::PassThrough => {}
        }
        self.let_go(slowest);
        if self.fate == Fate::PassThrough && self.unread(slowest) + data.len() > largest.memory.max(BEHIND_LEAST) {
            return Err(GivenUp::TooFarBehind);
        }
        if !self.charge_for(data.len(), &take) {
            self.fate = if self.fate == Fate::Memory { largest.beyond_memory(have) } else { Fate::PassThrough };
            self.let_go(slowest);
            // What goes to the disk makes room by itself with the next batch.
            if self.fate == Fate::PassThrough && !self.charge_for(data.len(), &take) {
                return Err(GivenUp::NoRoom);
            }
        }
        self.add(data, None);
        Ok(self.fate)
    }

    /// Adds what is charged for.
    fn add(&mut self, data: &[u8], left: Option<usize>) {
        self.pieces.append(data, left);
        self.charge.hold(self.pieces.cost());
    }

    /// The whole pieces that are not on the disk yet, if they are worth a write; all that is left with `is_end`.
    pub(crate) fn batch(&self, is_end: bool) -> Vec<Bytes> {
        let from = self.draft.as_ref().map_or(0, |(_, written)| *written);
        if self.fate != Fate::Disk || !is_end && self.pieces.len().saturating_sub(from) < BATCH {
            return Vec::new();
        }
        self.pieces.chunks_from(from, is_end)
    }

    /// The bytes before `written` can be read from a draft.
    pub(crate) fn is_drafted(&mut self, draft: &Arc<Draft>, written: usize) {
        self.draft = Some((Arc::clone(draft), written));
        self.forget_before(written, RESERVE);
    }

    /// The disk does not take it.
    pub(crate) fn is_refused(&mut self) {
        self.fate = Fate::PassThrough;
    }

    /// What is at `at` and before `end`; `None` when nothing is yet.
    pub(crate) fn read(&self, at: usize, end: usize) -> Option<Part> {
        match &self.draft {
            Some((draft, written)) if at < *written => Some(Part::OnDisk(Arc::clone(draft), *written)),
            _ => self.pieces.read(at, end).map(Part::Here),
        }
    }

    /// Whether one that begins now finds the beginning.
    pub(crate) fn is_readable(&self) -> bool {
        self.fate != Fate::PassThrough || self.pieces.len() == 0
    }

    /// Without a future in the storage, keeps only what has not been read.
    fn let_go(&mut self, slowest: usize) {
        if self.fate == Fate::PassThrough {
            self.forget_before(slowest, 0);
        }
    }

    /// Lets the pieces before `at` go, and what is charged for them but for `reserve`. They come last: their memory can be the next pieces'.
    fn forget_before(&mut self, at: usize, reserve: u64) {
        let gone = self.pieces.split_before(at);
        let held = self.pieces.cost();
        self.charge.shrink_to(held.max(reserve));
        self.charge.hold(held);
        drop(gone);
    }

    fn unread(&self, slowest: usize) -> usize {
        let on_disk = self.draft.as_ref().map_or(0, |(_, written)| *written);
        self.pieces.len().saturating_sub(slowest.max(on_disk))
    }

    fn charge_for(&mut self, bytes: usize, take: &impl Fn(u64) -> Option<Charge>) -> bool {
        let lacking = self.pieces.cost_after(bytes).saturating_sub(self.charge.bytes());
        match take(lacking) {
            Some(charge) => {
                self.charge.merge(charge);
                true
            }
            None => false,
        }
    }
}
