//! The memory that bodies lie in, in pieces of one size, and those of them that nobody needs just now.
//!
//! A full cache lets go as much as it takes in, in pieces that are all alike. An allocator mixes them with what else comes and goes, by threads,
//! and cannot give back what is free between them: a process holds a fifth more than is counted. So a piece that is let go is kept for the
//! next body, as far as the budget has room for it.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::budget::Budget;

/// The size of a piece in bytes, and so the most that one read returns.
pub(crate) const PIECE: usize = 32 * 1024;

/// A piece that is written; as [`Bytes`] it can only be read. Its memory goes back to the budget in the end.
#[derive(Debug)]
pub(crate) struct Piece {
    memory: Vec<u8>,
    budget: &'static Budget,
}

impl Piece {
    /// An empty one, in the memory of another or in new memory.
    pub(super) fn new(spare: Option<Vec<u8>>, budget: &'static Budget) -> Piece {
        Piece { memory: spare.unwrap_or_else(|| Vec::with_capacity(PIECE)), budget }
    }

    pub(crate) fn len(&self) -> usize {
        self.memory.len()
    }

    /// Appends as much as there is room for, and returns the rest.
    pub(crate) fn fill<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let (now, later) = data.split_at(data.len().min(PIECE - self.memory.len()));
        self.memory.extend_from_slice(now);
        later
    }

    /// For readers.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.budget.give_back(mem::take(&mut self.memory));
    }
}

/// The memory of pieces that were let go. The budget says how much of it there may be.
#[derive(Debug, Default)]
pub(super) struct Spares {
    free: Mutex<Vec<Vec<u8>>>,
    /// How many there are, for those who only ask that.
    count: AtomicUsize,
}

impl Spares {
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut free = self.free();
        let memory = free.pop();
        self.count.store(free.len(), Ordering::Relaxed);
        memory
    }

    /// Keeps a piece's memory if all spares fit into `room` bytes then.
    pub(super) fn keep(&self, mut memory: Vec<u8>, room: u64) {
        let mut free = self.free();
        if fitting(room) > free.len() {
            memory.clear();
            free.push(memory);
            self.count.store(free.len(), Ordering::Relaxed);
        }
    }

    /// Lets go of what does not fit into `room` bytes.
    pub(super) fn trim(&self, room: u64) {
        let most = fitting(room);
        if self.count.load(Ordering::Relaxed) <= most {
            return;
        }
        let mut free = self.free();
        let kept = most.min(free.len());
        let surplus = free.split_off(kept);
        self.count.store(free.len(), Ordering::Relaxed);
        drop(free);
        drop(surplus);
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many pieces fit.
fn fitting(room: u64) -> usize {
    usize::try_from(room / PIECE as u64).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two pieces.
    fn budget() -> &'static Budget {
        Box::leak(Box::new(Budget::new(2 * PIECE as u64)))
    }

    fn place(piece: &Piece) -> *const u8 {
        piece.as_ref().as_ptr()
    }

    #[test]
    fn a_piece_is_written_once_and_its_memory_again_by_the_next() {
        let budget = budget();
        let mut piece = budget.piece();
        let data = vec![7; PIECE + 5];
        assert_eq!((piece.fill(&data).len(), piece.len()), (5, PIECE));
        let memory = place(&piece);
        let bytes = piece.freeze();
        let slice = bytes.slice(3..9);
        drop(bytes);
        assert_ne!(place(&budget.piece()), memory, "somebody reads it");
        assert_eq!(slice.as_ref(), [7; 6]);
        drop(slice);
        let again = budget.piece();
        assert_eq!((place(&again), again.len()), (memory, 0));
    }

    #[test]
    fn spares_are_no_more_than_there_is_room_for() {
        let budget = budget();
        let count = || budget.spares().count.load(Ordering::Relaxed);
        drop([budget.piece(), budget.piece(), budget.piece()]);
        assert_eq!(count(), 2, "what did not fit was let go");
        let mut charge = budget.take(1).expect("fits");
        assert_eq!(count(), 1, "what is held takes their room");
        charge.shrink_to(0);
        drop([budget.piece(), budget.piece()]);
        let mut promised = budget.promise(2 * PIECE as u64).expect("fits");
        assert_eq!(count(), 2, "what is promised does not");
        promised.hold(PIECE as u64);
        assert_eq!(count(), 1);
    }
}
