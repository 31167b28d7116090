//! A body as it grows: full pieces of one size and an unfinished last one.
//!
//! The bytes are copied out of the network buffers they came in: a slice of such a buffer keeps all of it alive, so its
//! length would say nothing about the memory it holds. Equal pieces make a position an index.

use std::collections::VecDeque;

use bytes::Bytes;

use super::budget::Budget;
use super::piece::{PIECE, Piece};

/// Pieces that make a chunk of what is on the disk.
pub(crate) const CHUNK_PIECES: usize = 2;

/// What a piece costs beside its bytes: its handle, and the counter its owners share.
const PIECE_OVERHEAD: usize = 96;

/// What a body of `len` bytes costs to hold.
pub(crate) fn cost(len: usize) -> u64 {
    (len - len % PIECE + taken(len % PIECE) + len.div_ceil(PIECE) * PIECE_OVERHEAD) as u64
}

/// What an allocator takes for `len` bytes: its sizes are a quarter of a power of two apart (Leijen et al., "Mimalloc", 2019).
fn taken(len: usize) -> usize {
    len.next_multiple_of((len.next_power_of_two() / 8).max(8))
}

/// The part of `pieces` that starts at `at` and ends before `end`, as far as one piece goes.
pub(crate) fn slice(piece: &Bytes, at: usize, end: usize) -> Option<Bytes> {
    let skip = at % PIECE;
    let take = end.checked_sub(at)?.min(piece.len().checked_sub(skip)?);
    (take > 0).then(|| piece.slice(skip..skip + take))
}

/// A body that is being written.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// How many full pieces were let go at the front.
    gone: usize,
    full: VecDeque<Bytes>,
    tail: Tail,
    /// Where pieces come from.
    budget: &'static Budget,
}

/// The unfinished piece.
#[derive(Debug)]
enum Tail {
    Nothing,
    Piece(Piece),
    /// The last one of a body, which is known to end in it.
    Last(Vec<u8>),
}

impl Tail {
    fn bytes(&self) -> &[u8] {
        match self {
            Tail::Nothing => &[],
            Tail::Piece(piece) => piece.as_ref(),
            Tail::Last(bytes) => bytes,
        }
    }
}

impl Pieces {
    /// None yet.
    pub(crate) fn new(budget: &'static Budget) -> Pieces {
        Pieces { gone: 0, full: VecDeque::new(), tail: Tail::Nothing, budget }
    }

    /// Bytes written so far, those let go included.
    pub(crate) fn len(&self) -> usize {
        (self.gone + self.full.len()) * PIECE + self.tail.bytes().len()
    }

    /// What is held now.
    pub(crate) fn cost(&self) -> u64 {
        let tail = match &self.tail {
            Tail::Nothing => 0,
            Tail::Piece(_) => PIECE + PIECE_OVERHEAD,
            Tail::Last(bytes) => taken(bytes.capacity()) + PIECE_OVERHEAD,
        };
        (self.full.len() * (PIECE + PIECE_OVERHEAD) + tail) as u64
    }

    /// What will be held after `bytes` more, of a body whose length is not known.
    pub(crate) fn cost_after(&self, bytes: usize) -> u64 {
        let pieces = (self.tail.bytes().len() + bytes).div_ceil(PIECE);
        ((self.full.len() + pieces) * (PIECE + PIECE_OVERHEAD)) as u64
    }

    /// Adds bytes. `left` is how many the body still lacks, if that is known: the last piece is made no larger.
    pub(crate) fn append(&mut self, mut data: &[u8], left: Option<usize>) {
        let mut left = left.unwrap_or(usize::MAX);
        while !data.is_empty() {
            let before = data.len();
            data = match &mut self.tail {
                Tail::Nothing => {
                    self.tail = if left < PIECE {
                        Tail::Last(Vec::with_capacity(left))
                    } else {
                        Tail::Piece(self.budget.piece())
                    };
                    data
                }
                Tail::Piece(piece) => piece.fill(data),
                // No more than was declared comes.
                Tail::Last(bytes) => {
                    bytes.extend_from_slice(data);
                    &[]
                }
            };
            left = left.saturating_sub(before - data.len());
            if self.tail.bytes().len() == PIECE {
                self.finish_tail();
            }
        }
    }

    /// The last piece gets no more.
    fn finish_tail(&mut self) {
        let last = match std::mem::replace(&mut self.tail, Tail::Nothing) {
            Tail::Nothing => return,
            Tail::Piece(piece) if piece.len() == PIECE => piece.freeze(),
            // Of a body whose length was not known: a whole piece is more than it takes.
            Tail::Piece(piece) => Bytes::copy_from_slice(piece.as_ref()),
            Tail::Last(bytes) => Bytes::from(bytes),
        };
        self.full.push_back(last);
    }

    /// What is written at `at` and before `end`, up to the end of its piece. `None` when nothing is yet; a position that was
    /// let go is not asked for.
    pub(crate) fn read(&self, at: usize, end: usize) -> Option<Bytes> {
        let index = (at / PIECE).checked_sub(self.gone)?;
        if let Some(piece) = self.full.get(index) {
            return slice(piece, at, end);
        }
        if index > self.full.len() {
            return None;
        }
        let tail = self.tail.bytes();
        let skip = at % PIECE;
        let take = end.checked_sub(at)?.min(tail.len().checked_sub(skip)?);
        let part = tail.get(skip..skip + take)?;
        (!part.is_empty()).then(|| Bytes::copy_from_slice(part))
    }

    /// The full pieces from `at` on, as many as make whole chunks; with `is_end` all that there is. `at` is where a chunk begins.
    pub(crate) fn chunks_from(&self, at: usize, is_end: bool) -> Vec<Bytes> {
        let skip = (at / PIECE).saturating_sub(self.gone);
        let full = self.full.len().saturating_sub(skip);
        let whole = if is_end { full } else { full - full % CHUNK_PIECES };
        let mut chunks: Vec<Bytes> = self.full.iter().skip(skip).take(whole).cloned().collect();
        let tail = self.tail.bytes();
        if is_end && !tail.is_empty() {
            chunks.push(Bytes::copy_from_slice(tail));
        }
        chunks
    }

    /// Lets the full pieces before `at` go: they are the caller's.
    pub(crate) fn split_before(&mut self, at: usize) -> Vec<Bytes> {
        let gone = (at / PIECE).saturating_sub(self.gone).min(self.full.len());
        self.gone += gone;
        self.full.drain(..gone).collect()
    }

    /// All of it, when none was let go.
    pub(crate) fn into_full(mut self) -> Vec<Bytes> {
        self.finish_tail();
        self.full.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Pieces {
        Pieces::new(Box::leak(Box::new(Budget::new(1 << 30))))
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    fn read_all(pieces: &Pieces, mut at: usize, end: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(part) = pieces.read(at, end) {
            at += part.len();
            read.extend_from_slice(&part);
        }
        read
    }

    #[test]
    fn what_is_written_is_read_from_any_position() {
        let body = bytes(2 * PIECE + 100);
        for chunk in [1000, PIECE - 1, PIECE, PIECE + 1, body.len()] {
            for known in [true, false] {
                let mut pieces = pieces();
                for part in body.chunks(chunk) {
                    let left = known.then(|| body.len() - pieces.len());
                    let promised = pieces.cost_after(part.len());
                    pieces.append(part, left);
                    assert!(pieces.cost() <= promised, "chunks of {chunk}");
                }
                assert_eq!(pieces.len(), body.len());
                for (at, end) in [(0, usize::MAX), (5, 7), (PIECE - 1, PIECE + 1), (2 * PIECE, usize::MAX), (9, 9)] {
                    let want = body.get(at..end.min(body.len())).expect("in the body");
                    assert_eq!(read_all(&pieces, at, end), want, "{at}..{end} of chunks of {chunk}");
                }
                assert!(pieces.read(body.len(), usize::MAX).is_none());
                assert!(pieces.read(9 * PIECE, usize::MAX).is_none());
                assert_eq!(known, pieces.cost() == cost(body.len()), "the last piece of a known length is no larger");
                assert_eq!(pieces.into_full().concat(), body);
            }
        }
    }

    #[test]
    fn read_pieces_are_let_go_and_the_rest_stays() {
        let body = bytes(4 * PIECE + 10);
        let mut pieces = pieces();
        pieces.append(&body, None);
        let before = pieces.cost();
        assert_eq!(pieces.split_before(2 * PIECE + 1).concat(), body.get(..2 * PIECE).expect("in the body"));
        assert_eq!(before - pieces.cost(), 2 * (PIECE + PIECE_OVERHEAD) as u64);
        assert!(pieces.read(PIECE, usize::MAX).is_none());
        assert_eq!(read_all(&pieces, 2 * PIECE, usize::MAX), body.get(2 * PIECE..).expect("in the body"));
        assert_eq!(pieces.split_before(usize::MAX).len(), 2);
        assert_eq!(pieces.len(), body.len());
    }

    #[test]
    fn what_the_allocator_takes_is_counted() {
        for (len, cost) in
            [(0, 0), (1, 8), (100, 112), (1024, 1024), (1025, 1280), (20_000, 20_480), (PIECE - 1, PIECE)]
        {
            assert_eq!(taken(len), cost, "{len}");
        }
        assert_eq!(cost(0), 0);
        assert_eq!(cost(PIECE + 1025), (PIECE + 1280 + 2 * PIECE_OVERHEAD) as u64);
    }
}
