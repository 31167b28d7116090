//! A body as it grows: full pieces of one size and an unfinished last one.
//!
//! The bytes are copied out of the network buffers they came in: a slice of such a buffer keeps all of it alive, so its
//! length would say nothing about the memory it holds. Equal pieces make a position an index.

use std::collections::VecDeque;

use bytes::Bytes;

/// The size of a piece in bytes, and so the most that one read returns.
pub(crate) const PIECE: usize = 32 * 1024;

/// Pieces that make a chunk of what is on the disk.
pub(crate) const CHUNK_PIECES: usize = 2;

/// What a piece costs beside its bytes: its handle, and the counter its owners share.
const PIECE_OVERHEAD: usize = 64;

/// What a body of `len` bytes costs to hold.
pub(crate) fn cost(len: usize) -> u64 {
    len as u64 + (len.div_ceil(PIECE) * PIECE_OVERHEAD) as u64
}

/// The part of `pieces` that starts at `at` and ends before `end`, as far as one piece goes.
pub(crate) fn slice(piece: &Bytes, at: usize, end: usize) -> Option<Bytes> {
    let skip = at % PIECE;
    let take = end.checked_sub(at)?.min(piece.len().checked_sub(skip)?);
    (take > 0).then(|| piece.slice(skip..skip + take))
}

/// A body that is being written.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// How many full pieces were let go at the front.
    gone: usize,
    full: VecDeque<Bytes>,
    tail: Vec<u8>,
}

impl Pieces {
    /// Bytes written so far, those let go included.
    pub(crate) fn len(&self) -> usize {
        (self.gone + self.full.len()) * PIECE + self.tail.len()
    }

    /// What is held now.
    pub(crate) fn cost(&self) -> u64 {
        let tail = if self.tail.capacity() > 0 { self.tail.capacity() + PIECE_OVERHEAD } else { 0 };
        (self.full.len() * (PIECE + PIECE_OVERHEAD) + tail) as u64
    }

    /// What will be held after `bytes` more, of a body whose length is not known.
    pub(crate) fn cost_after(&self, bytes: usize) -> u64 {
        let pieces = (self.tail.len() + bytes).div_ceil(PIECE);
        ((self.full.len() + pieces) * (PIECE + PIECE_OVERHEAD)) as u64
    }

    /// Adds bytes. `left` is how many the body still lacks, if that is known: the last piece is made no larger.
    pub(crate) fn append(&mut self, mut data: &[u8], left: Option<usize>) {
        let mut left = left.unwrap_or(usize::MAX);
        while !data.is_empty() {
            if self.tail.capacity() == 0 {
                self.tail = Vec::with_capacity(PIECE.min(left));
            }
            let (now, later) = data.split_at(data.len().min(PIECE - self.tail.len()));
            self.tail.extend_from_slice(now);
            left = left.saturating_sub(now.len());
            data = later;
            if self.tail.len() == PIECE {
                self.full.push_back(Bytes::from(std::mem::take(&mut self.tail)));
            }
        }
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
        let skip = at % PIECE;
        let take = end.checked_sub(at)?.min(self.tail.len().checked_sub(skip)?);
        let part = self.tail.get(skip..skip + take)?;
        (!part.is_empty()).then(|| Bytes::copy_from_slice(part))
    }

    /// The full pieces from `at` on, as many as make whole chunks; with `is_end` all that there is. `at` is where a chunk begins.
    pub(crate) fn chunks_from(&self, at: usize, is_end: bool) -> Vec<Bytes> {
        let skip = (at / PIECE).saturating_sub(self.gone);
        let full = self.full.len().saturating_sub(skip);
        let whole = if is_end { full } else { full - full % CHUNK_PIECES };
        let mut chunks: Vec<Bytes> = self.full.iter().skip(skip).take(whole).cloned().collect();
        if is_end && !self.tail.is_empty() {
            chunks.push(Bytes::copy_from_slice(&self.tail));
        }
        chunks
    }

    /// Lets the full pieces before `at` go.
    pub(crate) fn forget_before(&mut self, at: usize) {
        while (self.gone + 1) * PIECE <= at && self.full.pop_front().is_some() {
            self.gone += 1;
        }
    }

    /// All of it, when none was let go.
    pub(crate) fn into_full(mut self) -> Vec<Bytes> {
        if !self.tail.is_empty() {
            self.tail.shrink_to_fit();
            self.full.push_back(Bytes::from(self.tail));
        }
        self.full.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                let mut pieces = Pieces::default();
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
                assert_eq!(known, pieces.cost() == cost(body.len()), "a known length is held exactly");
                assert_eq!(pieces.into_full().concat(), body);
            }
        }
    }

    #[test]
    fn read_pieces_are_let_go_and_the_rest_stays() {
        let body = bytes(4 * PIECE + 10);
        let mut pieces = Pieces::default();
        pieces.append(&body, None);
        let before = pieces.cost();
        pieces.forget_before(2 * PIECE + 1);
        assert_eq!(before - pieces.cost(), 2 * (PIECE + PIECE_OVERHEAD) as u64);
        assert!(pieces.read(PIECE, usize::MAX).is_none());
        assert_eq!(read_all(&pieces, 2 * PIECE, usize::MAX), body.get(2 * PIECE..).expect("in the body"));
        pieces.forget_before(usize::MAX);
        assert_eq!(pieces.len(), body.len());
    }
}
