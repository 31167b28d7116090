//! The order in which stored objects go when room is needed: S3-FIFO (Yang et al., "FIFO queues are all you need for cache
//! eviction", SOSP 2023).
//!
//! New objects enter a small queue that holds a tenth of the bytes. Those asked for again while there move on to the main
//! queue, the others leave and only their key is remembered; if it returns soon, it goes to the main queue at once. So a
//! scan of objects that are asked for once cannot push out those in use. A hit only sets a counter in its entry: the order
//! is untouched, so hits never wait for one another here.

use std::collections::{HashSet, VecDeque};

use super::storage::EntryKey;

/// The small queue's part of the bytes, one in this many.
const SMALL_PART: u64 = 10;

/// Hits that count; more make no difference.
pub(crate) const HITS_MAX: u8 = 3;

/// The most keys of evicted objects remembered, and never more than there are objects (but sixteen).
const GHOSTS_MAX: usize = 64 * 1024;

/// Which queue an object is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// On probation.
    Small,
    /// Asked for again.
    Main,
}

/// An object's place in a queue. A ticket is given once; a place whose ticket is not its object's is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: EntryKey,
    pub(crate) ticket: u64,
}

/// What became of an object whose turn it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It was not used and is taken out.
    Out,
    /// It was used, and stays in the main queue.
    Stays {
        /// What it weighs.
        weight: u64,
    },
    /// The place was empty.
    Empty,
}

/// The queues.
#[derive(Debug, Default)]
pub(crate) struct Order {
    small: VecDeque<Place>,
    main: VecDeque<Place>,
    ghosts: VecDeque<EntryKey>,
    remembered: HashSet<EntryKey>,
    small_bytes: u64,
    bytes: u64,
    objects: usize,
    tickets: u64,
}

impl Order {
    /// Objects in the queues.
    pub(crate) fn objects(&self) -> usize {
        self.objects
    }

    /// A place for a new object.
    pub(crate) fn enter(&mut self, key: EntryKey, weight: u64) -> (Place, Queue) {
        self.tickets += 1;
        let place = Place { key, ticket: self.tickets };
        let queue = if self.remembered.remove(&key) { Queue::Main } else { Queue::Small };
        self.objects += 1;
        self.bytes += weight;
        match queue {
            Queue::Small => {
                self.small_bytes += weight;
                self.small.push_back(place);
            }
            Queue::Main => self.main.push_back(place),
        }
        (place, queue)
    }

    /// An object in its place weighs something else now.
    pub(crate) fn reweigh(&mut self, queue: Queue, old: u64, new: u64) {
        self.bytes = self.bytes.saturating_sub(old) + new;
        if queue == Queue::Small {
            self.small_bytes = self.small_bytes.saturating_sub(old) + new;
        }
    }

    /// An object was taken out. `taken` tells the places that still have theirs.
    pub(crate) fn leave(&mut self, queue: Queue, weight: u64, taken: impl Fn(&Place) -> bool) {
        self.objects -= 1;
        self.reweigh(queue, weight, 0);
        // Empty places are passed over when their turn comes. So that they never outnumber the objects, they go now and then.
        if self.small.len() + self.main.len() > 2 * self.objects + 16 {
            self.small.retain(&taken);
            self.main.retain(&taken);
        }
    }

    /// Goes through the places that are due until one gives up its object, and returns that. `turn` decides each, and has
    /// counted a hit off what stays, so that this ends. `None`: nothing is stored.
    pub(crate) fn evict(&mut self, mut turn: impl FnMut(Place, Queue) -> Turn) -> Option<(Place, Queue)> {
        loop {
            let small_is_due = self.small_bytes.saturating_mul(SMALL_PART) >= self.bytes;
            let queue = match (self.small.is_empty(), self.main.is_empty()) {
                (true, true) => return None,
                (false, true) => Queue::Small,
                (true, false) => Queue::Main,
                (false, false) if small_is_due => Queue::Small,
                (false, false) => Queue::Main,
            };
            let place = match queue {
                Queue::Small => self.small.pop_front()?,
                Queue::Main => self.main.pop_front()?,
            };
            match turn(place, queue) {
                Turn::Empty => {}
                Turn::Stays { weight } => {
                    if queue == Queue::Small {
                        self.small_bytes = self.small_bytes.saturating_sub(weight);
                    }
                    self.main.push_back(place);
                }
                Turn::Out => {
                    if queue == Queue::Small {
                        self.remember(place.key);
                    }
                    return Some((place, queue));
                }
            }
        }
    }

    fn remember(&mut self, key: EntryKey) {
        if self.remembered.insert(key) {
            self.ghosts.push_back(key);
        }
        while self.ghosts.len() > self.objects.clamp(16, GHOSTS_MAX) {
            if let Some(oldest) = self.ghosts.pop_front() {
                self.remembered.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evicts one object of weight one; `hit` are those in use.
    fn evict(order: &mut Order, hit: &mut Vec<u128>) -> Option<u128> {
        let (place, queue) = order.evict(|place, _| match hit.iter().position(|key| *key == place.key.0) {
            Some(at) => {
                hit.swap_remove(at);
                Turn::Stays { weight: 1 }
            }
            None => Turn::Out,
        })?;
        order.leave(queue, 1, |_| true);
        Some(place.key.0)
    }

    #[test]
    fn used_once_goes_first_and_used_again_stays() {
        let mut order = Order::default();
        for n in 0..10 {
            order.enter(EntryKey(n), 1);
        }
        let mut hit = vec![0, 3];
        let gone: Vec<_> = std::iter::from_fn(|| evict(&mut order, &mut hit)).collect();
        assert_eq!(gone, [1, 2, 4, 5, 6, 7, 8, 9, 0, 3]);
        assert_eq!((order.objects(), order.bytes, order.small_bytes), (0, 0, 0));
    }

    #[test]
    fn the_small_queue_gives_while_it_has_more_than_its_part() {
        let mut order = Order::default();
        for n in 0..20 {
            order.enter(EntryKey(n), 1);
        }
        // All but the last two move on to the main queue; those two are a tenth of what is there.
        let mut hit: Vec<_> = (0..18).collect();
        assert_eq!(evict(&mut order, &mut hit), Some(18));
        assert_eq!(evict(&mut order, &mut hit), Some(0), "19 is less than a tenth");
    }

    #[test]
    fn ghosts_are_bounded_and_bring_a_key_back_to_main() {
        let mut order = Order::default();
        for n in 0..2 * GHOSTS_MAX as u128 {
            order.enter(EntryKey(n), 1);
        }
        while evict(&mut order, &mut Vec::new()).is_some() {
            assert!(order.ghosts.len() <= GHOSTS_MAX && order.remembered.len() <= order.ghosts.len());
        }
        assert!(order.ghosts.len() <= 17, "no more than objects, but sixteen");
        let last = *order.ghosts.back().expect("remembered");
        assert_eq!(order.enter(last, 1).1, Queue::Main);
        assert_eq!(order.enter(EntryKey(u128::MAX), 1).1, Queue::Small);
    }

    #[test]
    fn empty_places_never_outnumber_the_objects_by_much() {
        let mut order = Order::default();
        for n in 0..1000 {
            let (_, queue) = order.enter(EntryKey(n), 5);
            order.leave(queue, 5, |_| false);
            assert!(order.small.len() + order.main.len() <= 2 * order.objects + 17);
        }
        assert_eq!((order.bytes, order.small_bytes), (0, 0));
    }
}
