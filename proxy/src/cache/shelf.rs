//! The stored objects: maps under many locks for those who look up, one order under its own lock for those who store,
//! purge and evict. The order's lock is taken first, a map's second.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::evict::{HITS_MAX, Order, Place, Queue, Turn};
use super::object::Object;
use super::storage::EntryKey;

/// How many maps there are; keys are hashes, so they spread evenly.
const SHARDS: usize = 32;

#[derive(Debug)]
struct Entry {
    object: Object,
    ticket: u64,
    queue: Queue,
    hits: u8,
    weight: u64,
}

type Entries = HashMap<EntryKey, Entry>;

/// All stored objects.
#[derive(Debug)]
pub(crate) struct Shelf {
    order: Mutex<Order>,
    shards: Box<[Mutex<Entries>]>,
}

impl Shelf {
    pub(crate) fn new() -> Shelf {
        Shelf { order: Mutex::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// How many objects are stored.
    pub(crate) fn objects(&self) -> usize {
        self.order().objects()
    }

    /// Looks up, and counts the use.
    pub(crate) fn get(&self, key: EntryKey) -> Option<Object> {
        let mut entries = self.entries(key);
        let entry = entries.get_mut(&key)?;
        entry.hits = (entry.hits + 1).min(HITS_MAX);
        Some(entry.object.clone())
    }

    /// Looks up without counting the use.
    pub(crate) fn peek(&self, key: EntryKey) -> Option<Object> {
        self.entries(key).get(&key).map(|entry| entry.object.clone())
    }

    /// Stores an object; one that replaces another keeps its place, and none replaces one that was asked for after a later purge.
    /// What is returned is for the caller to drop when it holds no lock.
    pub(crate) fn put(&self, key: EntryKey, object: Object) -> Option<Object> {
        let mut order = self.order();
        let mut entries = self.entries(key);
        if let Some(entry) = entries.get_mut(&key) {
            if entry.object.stamped.fill() > object.stamped.fill() {
                return Some(object);
            }
            return Some(replace(&mut order, entry, object));
        }
        let weight = object.weight();
        let (place, queue) = order.enter(key, weight);
        entries.insert(key, Entry { object, ticket: place.ticket, queue, hits: 0, weight });
        None
    }

    /// Replaces a stored object by a change of it, if there is one to make; returns what it was.
    pub(crate) fn change(&self, key: EntryKey, change: impl FnOnce(&Object) -> Option<Object>) -> Option<Object> {
        let mut order = self.order();
        let mut entries = self.entries(key);
        let entry = entries.get_mut(&key)?;
        let changed = change(&entry.object)?;
        Some(replace(&mut order, entry, changed))
    }

    /// Takes an object out.
    pub(crate) fn remove(&self, key: EntryKey) -> Option<Object> {
        self.remove_if(key, |_| true)
    }

    /// Takes an object out if it is the one that is meant.
    pub(crate) fn remove_if(&self, key: EntryKey, is_meant: impl FnOnce(&Object) -> bool) -> Option<Object> {
        let mut order = self.order();
        let mut entries = self.entries(key);
        let _: &Entry = entries.get(&key).filter(|entry| is_meant(&entry.object))?;
        let entry = entries.remove(&key)?;
        drop(entries);
        order.leave(entry.queue, entry.weight, |place| self.has(place));
        Some(entry.object)
    }

    /// Takes out the object that is due. `None`: nothing is stored.
    pub(crate) fn evict(&self) -> Option<Object> {
        let mut order = self.order();
        let mut out = None;
        let (_, queue) = order.evict(|place, queue| {
            let mut entries = self.entries(place.key);
            let Some(entry) = entries.get_mut(&place.key).filter(|entry| entry.ticket == place.ticket) else {
                return Turn::Empty;
            };
            if entry.hits == 0 {
                out = entries.remove(&place.key);
                return Turn::Out;
            }
            // What leaves the small queue has proved its use and starts anew in the main one.
            entry.hits = if queue == Queue::Small { 0 } else { entry.hits - 1 };
            entry.queue = Queue::Main;
            Turn::Stays { weight: entry.weight }
        })?;
        let entry = out?;
        order.leave(queue, entry.weight, |place| self.has(place));
        Some(entry.object)
    }

    fn has(&self, place: &Place) -> bool {
        self.entries(place.key).get(&place.key).is_some_and(|entry| entry.ticket == place.ticket)
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self, key: EntryKey) -> MutexGuard<'_, Entries> {
        let index = (key.0 % SHARDS as u128) as usize;
        // SHARDS maps were made, so the index is always one of them.
        #[allow(clippy::indexing_slicing)]
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace(order: &mut Order, entry: &mut Entry, object: Object) -> Object {
    let old = std::mem::replace(&mut entry.weight, object.weight());
    order.reweigh(entry.queue, old, entry.weight);
    std::mem::replace(&mut entry.object, object)
}
