//! The memory in which an evaluation makes text and lists: one bump arena, taken only when it is needed, bounded.
//!
//! What does not fit makes the expression absent. A condition's memory is empty again when it is answered; that of values lives
//! as long as their context.

use std::cell::{Cell, OnceCell};

use bumpalo::Bump;
use bumpalo::collections::{String, Vec};

use super::datum::Datum;
use super::value::Value;

/// The longest text or bytes that an evaluation makes, in bytes.
pub const MADE_MAX: usize = 64 * 1024;
/// All that one evaluation makes, in bytes; beyond it everything made is absent. The arena grows by doubling, so it may hold twice
/// as much.
pub const SCRATCH_MAX: usize = 4 * 1024 * 1024;

/// A handle on the arena of one evaluation.
#[derive(Clone, Copy)]
pub(super) struct Scratch<'v> {
    arena: &'v OnceCell<Bump>,
    spare: &'v Cell<Option<Bump>>,
}

impl<'v> Scratch<'v> {
    /// Takes `spare` when it needs memory and `arena` has none yet.
    pub(super) fn new(arena: &'v OnceCell<Bump>, spare: &'v Cell<Option<Bump>>) -> Scratch<'v> {
        Scratch { arena, spare }
    }

    /// The arena while there is room.
    pub(super) fn room(self) -> Option<&'v Bump> {
        let arena = self.arena.get_or_init(|| self.spare.take().unwrap_or_default());
        if arena.allocated_bytes() > SCRATCH_MAX { None } else { Some(arena) }
    }

    /// Pieces of text end to end.
    pub(super) fn join(self, pieces: &[&str]) -> Option<&'v str> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let mut text = self.text(len)?;
        for piece in pieces {
            text.push_str(piece);
        }
        Some(text.into_bump_str())
    }

    /// An empty text with room for so many bytes; absent beyond [`MADE_MAX`].
    pub(super) fn text(self, len: usize) -> Option<String<'v>> {
        if len > MADE_MAX {
            return None;
        }
        Some(String::with_capacity_in(len, self.room()?))
    }

    /// An empty text for what the request brought, as long as that may be, with room for so many bytes.
    pub(super) fn brought(self, len: usize) -> Option<String<'v>> {
        Some(String::with_capacity_in(len, self.room()?))
    }

    /// Pieces of bytes end to end.
    pub(super) fn bytes(self, pieces: [&[u8]; 2]) -> Option<&'v [u8]> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        if len > MADE_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity_in(len, self.room()?);
        for piece in pieces {
            bytes.extend_from_slice_copy(piece);
        }
        Some(bytes.into_bump_slice())
    }

    /// An empty list, or map, with room for so many.
    pub(super) fn list<T>(self, len: usize) -> Option<Vec<'v, T>> {
        Some(Vec::with_capacity_in(len, self.room()?))
    }

    /// A list of texts.
    pub(super) fn texts(self, texts: impl Iterator<Item = &'v str>) -> Option<Datum<'v>> {
        let mut list = self.list(0)?;
        list.extend(texts.map(|text| Datum::Scalar(Value::String(text))));
        Some(Datum::List(list.into_bump_slice()))
    }

    /// One value that outlives the call.
    pub(super) fn keep(self, datum: Datum<'v>) -> Option<&'v Datum<'v>> {
        Some(self.room()?.alloc(datum))
    }
}
