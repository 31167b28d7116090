//! The stored objects: maps under many locks for those who look up, one order under its own lock for those who store,
//! purge and evict. The order's lock is taken first, a map's second.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::evict::{HITS_MAX, Order, Place, Queue, Turn};
use super::storage::EntryKey;

/// How many maps there are; keys are hashes, so they spread evenly.
const SHARDS: usize = 32;

/// What can be stored here.
pub(crate) trait Shelved: Clone {
    /// What it takes of the room that is shared.
    fn weight(&self) -> u64;
    /// Whether another of its key takes its place, or is turned away.
    fn gives_way_to(&self, other: &Self) -> bool;
}

#[derive(Debug)]
struct Entry<T> {
    object: T,
    ticket: u64,
    queue: Queue,
    hits: u8,
    weight: u64,
}

type Entries<T> = HashMap<EntryKey, Entry<T>>;

/// All stored objects.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    order: Mutex<Order>,
    shards: Box<[Mutex<Entries<T>>]>,
}

impl<T: Shelved> Shelf<T> {
    pub(crate) fn new() -> Shelf<T> {
        Shelf { order: Mutex::default(), shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect() }
    }

    /// How many objects are stored.
    pub(crate) fn objects(&self) -> usize {
        self.order().objects()
    }

    /// Looks up, and counts the use.
    pub(crate) fn get(&self, key: EntryKey) -> Option<T> {
        let mut entries = self.entries(key);
        let entry = entries.get_mut(&key)?;
        entry.hits = (entry.hits + 1).min(HITS_MAX);
        Some(entry.object.clone())
    }

    /// Looks up without counting the use.
    pub(crate) fn peek(&self, key: EntryKey) -> Option<T> {
        self.entries(key).get(&key).map(|entry| entry.object.clone())
    }

    /// All objects that are meant, with their keys; a look at each one that is stored, for operators.
    pub(crate) fn matching(&self, is_meant: impl Fn(&T) -> bool) -> Vec<(EntryKey, T)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let entries = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let meant = entries.iter().filter(|(_, entry)| is_meant(&entry.object));
            found.extend(meant.map(|(key, entry)| (*key, entry.object.clone())));
        }
        found
    }

    /// Stores an object; one that replaces another keeps its place, and none replaces one that was asked for after a later purge.
    /// What is returned is for the caller to drop when it holds no lock.
    pub(crate) fn put(&self, key: EntryKey, object: T) -> Option<T> {
        let mut order = self.order();
        let mut entries = self.entries(key);
        if let Some(entry) = entries.get_mut(&key) {
            if !entry.object.gives_way_to(&object) {
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
    pub(crate) fn change(&self, key: EntryKey, change: impl FnOnce(&T) -> Option<T>) -> Option<T> {
        let mut order = self.order();
        let mut entries = self.entries(key);
        let entry = entries.get_mut(&key)?;
        let changed = change(&entry.object)?;
        Some(replace(&mut order, entry, changed))
    }

    /// Takes an object out.
    pub(crate) fn remove(&self, key: EntryKey) -> Option<T> {
        self.remove_if(key, |_| true)
    }

    /// Takes an object out if it is the one that is meant.
    pub(crate) fn remove_if(&self, key: EntryKey, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut order = self.order();
        let mut entries = self.entries(key);
        let _: &Entry<T> = entries.get(&key).filter(|entry| is_meant(&entry.object))?;
        let entry = entries.remove(&key)?;
        drop(entries);
        order.leave(entry.queue, entry.weight, |place| self.has(place));
        Some(entry.object)
    }

    /// Takes out the object that is due. `None`: nothing is stored.
    pub(crate) fn evict(&self) -> Option<T> {
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

    fn entries(&self, key: EntryKey) -> MutexGuard<'_, Entries<T>> {
        let index = (key.0 % SHARDS as u128) as usize;
        // SHARDS maps were made, so the index is always one of them.
        #[allow(clippy::indexing_slicing)]
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace<T: Shelved>(order: &mut Order, entry: &mut Entry<T>, object: T) -> T {
    let old = std::mem::replace(&mut entry.weight, object.weight());
    order.reweigh(entry.queue, old, entry.weight);
    std::mem::replace(&mut entry.object, object)
}
