//! How much room the log takes and may take: each run has room for its outcome before it begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use selvedge_state::Time;

/// Bytes on the disk, and those that are promised.
#[derive(Debug)]
pub(super) struct Room {
    max: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// The length of each file, and when all that it holds is over.
    segments: BTreeMap<u64, (u64, Time)>,
    promised: u64,
}

/// Bytes that are kept free for one run until it is dropped.
#[derive(Debug)]
pub(super) struct Promise {
    room: Arc<Room>,
    bytes: u64,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.room.taken().promised -= self.bytes;
    }
}

impl Room {
    pub(super) fn new(max: u64) -> Arc<Room> {
        Arc::new(Room { max, taken: Mutex::default() })
    }

    /// Keeps so many bytes free, if there are so many.
    pub(super) fn promise(self: &Arc<Room>, bytes: u64) -> Option<Promise> {
        let mut taken = self.taken();
        let all = taken.bytes().saturating_add(taken.promised).saturating_add(bytes);
        if all > self.max {
            return None;
        }
        taken.promised += bytes;
        Some(Promise { room: Arc::clone(self), bytes })
    }

    /// A file is so long, and holds something until then.
    pub(super) fn grown(&self, segment: u64, length: u64, end: Time) {
        let mut taken = self.taken();
        let (known, last) = taken.segments.entry(segment).or_default();
        (*known, *last) = (length.max(*known), end.max(*last));
    }

    /// The files of which nothing holds any more; never the newest, which knows the numbers that were given.
    pub(super) fn over(&self, now: Time) -> Vec<u64> {
        let taken = self.taken();
        let newest = taken.segments.keys().next_back().copied();
        let over = taken.segments.iter().filter(|(number, (_, end))| *end <= now && Some(**number) != newest);
        over.map(|(number, _)| *number).collect()
    }

    /// A file is gone.
    pub(super) fn gone(&self, segment: u64) {
        self.taken().segments.remove(&segment);
    }

    /// How many there may be.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.taken().bytes()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn bytes(&self) -> u64 {
        self.segments.values().map(|(length, _)| length).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promised_is_kept_free_until_it_is_dropped() {
        let room = Room::new(100);
        room.grown(1, 40, Time(5));
        let promise = room.promise(50).unwrap();
        assert!(room.promise(11).is_none() && room.promise(10).is_some());
        drop(promise);
        assert!(room.promise(60).is_some());
        room.grown(2, 30, Time(9));
        assert_eq!(
            (room.bytes(), room.over(Time(4)), room.over(Time(5)), room.over(Time(9))),
            (70, vec![], vec![1], vec![1])
        );
        room.gone(1);
        assert!(room.promise(70).is_some());
    }
}
