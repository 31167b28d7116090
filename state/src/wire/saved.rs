//! What stands in a snapshot: a head, frames of state as repair sends them, and an end that says how many there were. They have
//! types of their own, which no link takes.

use bincode::{Decode, Encode};
use bytes::Bytes;

use super::block::{self, HEAD};
use super::control::{self, WireAuthor};
use super::frame::{self, Blocks, RANGE};
use super::reader::Reader;
use super::{FRAME_MAX, WireError};

const SNAPSHOT: u8 = 64;
const END: u8 = 65;
const ESTATE: u8 = 66;

/// Whose snapshot it is. Field order is the format.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SavedHead {
    /// The version of the frames inside.
    pub(crate) version: u16,
    pub(crate) cluster: String,
    pub(crate) secret_id: u64,
    pub(crate) author: WireAuthor,
    /// Node time of its author when it began, ms.
    pub(crate) at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct SavedEnd {
    frames: u64,
}

/// What a life that ended in order leaves to the next one of its node, beside what its snapshot holds. Field order is the format.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SavedEstate {
    pub(crate) version: u16,
    /// Which life.
    pub(crate) life: u64,
    /// The life that has all of it already.
    pub(crate) heir: Option<u64>,
    /// When its last snapshot began, ms of its node time.
    pub(crate) at: u64,
    /// The rosters that it knew, oldest first: revision, since when, POPs.
    pub(crate) rosters: Vec<(u64, u64, Vec<u16>)>,
    /// What it may claim by them: from when on, and before when, ms.
    pub(crate) vouched: Vec<(u64, u64)>,
    /// All tables of rights that it, or a life before it, had: and from when on what began is known there, ms.
    pub(crate) tables: Vec<(u64, u64)>,
}

/// One frame of a snapshot.
#[derive(Debug)]
pub(crate) enum Saved<'a> {
    Head(SavedHead),
    State(Blocks<'a>),
    /// After so many frames of state.
    End(u64),
}

impl<'a> Saved<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Saved<'a>, WireError> {
        if bytes.len() > FRAME_MAX {
            return Err(WireError::TooLong(bytes.len()));
        }
        let mut reader = Reader::new(bytes, "a frame");
        let frame = reader.u8()?;
        if !matches!(frame, SNAPSHOT | RANGE | END) {
            return Err(WireError::Range("the type of a frame"));
        }
        let (kind, head) = block::take(&mut reader)?;
        if kind != HEAD {
            return Err(WireError::NoHead(kind));
        }
        match frame {
            SNAPSHOT => control::decode(head).map(Saved::Head),
            END => control::decode(head).map(|end: SavedEnd| Saved::End(end.frames)),
            _ => Ok(Saved::State(Blocks::new(reader.take(reader.left())?))),
        }
    }
}

pub(crate) fn head(head: &SavedHead) -> Bytes {
    frame::start(SNAPSHOT, head).into()
}

pub(crate) fn end(frames: u64) -> Bytes {
    frame::start(END, &SavedEnd { frames }).into()
}

pub(crate) fn estate(estate: &SavedEstate) -> Bytes {
    frame::start(ESTATE, estate).into()
}

/// The estate in a frame.
///
/// # Errors
/// [`WireError`] when it is none.
pub(crate) fn decode_estate(bytes: &[u8]) -> Result<SavedEstate, WireError> {
    if bytes.len() > FRAME_MAX {
        return Err(WireError::TooLong(bytes.len()));
    }
    let mut reader = Reader::new(bytes, "an estate");
    if reader.u8()? != ESTATE {
        return Err(WireError::Range("the type of a frame"));
    }
    match block::take(&mut reader)? {
        (HEAD, head) => control::decode(head),
        (kind, _) => Err(WireError::NoHead(kind)),
    }
}
