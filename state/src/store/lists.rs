//! What is said at run time of elements of lists, by the keyed hash of list and element.
//!
//! Peers may speak of a list before this node's config names it: what they say is kept all the same, so that nothing has to
//! wait for a repair when the config comes. Whether anything is said of a list costs one load: each entry of a named list
//! holds a reference to it, and the number of references is the answer. It also says how many elements the list has: one list
//! takes [half](Store::list_set) of the room at most, so that whoever can make a rule fill one leaves the others theirs.

use std::sync::Arc;

use super::registry::Registry;
use super::shards::Shards;
use super::{Offered, TableFull};
use crate::ban::Joined;
use crate::counter::DRIFT_MAX;
use crate::key::{Domain, Key128, Secret, Sharded};
use crate::list::{ELEMENT_MAX, LIST_LONGEST, LIST_MEMORY, ListEntry, Listing, Wanted};
use crate::time::Time;

/// A list of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(u16);

/// Why an element could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// There is no element.
    #[error("an element of a list cannot be empty")]
    NoElement,
    /// The element is too long.
    #[error("an element of a list has at most {ELEMENT_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The list is of another store.
    #[error("no list has this number")]
    NoList,
    /// No more elements fit, and none was found that may be forgotten yet.
    #[error(
        "{max} elements are remembered already, the most that are kept, and none was found that can be forgotten yet"
    )]
    Full {
        /// How many fit, in all lists.
        max: usize,
    },
    /// No more elements of this list fit, and none of them was found that may be forgotten yet.
    #[error(
        "the list {list:?} has {max} remembered elements already, the most of one list, and none was found that can be \
         forgotten yet"
    )]
    ListFull {
        /// The list's name.
        list: Arc<str>,
        /// How many of one list fit.
        max: usize,
    },
}

/// Entries that are looked at to find one to forget.
const SAMPLE: usize = 1024;

/// A list that a config names.
struct List {
    identity: u64,
    name: Arc<str>,
}

struct Entry {
    listing: Listing,
    /// Whether it waits to be sent.
    dirty: bool,
    /// Its list, once a config names it.
    list: Option<Arc<List>>,
}

/// All entries of a node.
pub(super) struct Lists {
    named: Registry<Arc<List>>,
    entries: Shards<Key128, Entry>,
}

fn key_of(secret: &Secret, list: u64, element: &str) -> Key128 {
    Key128(secret.hash128(Domain::Listing, &[&list.to_le_bytes(), element.as_bytes()]))
}

/// Who makes room for a new entry: a spent one, else one that has ended with all that it is known to beat.
fn rank(entry: &Entry, now: Time) -> Option<Time> {
    match (entry.listing.is_spent(now), entry.listing.is_spare(now)) {
        (true, _) => Some(Time::ZERO),
        (false, true) => Some(entry.listing.entry.until),
        (false, false) => None,
    }
}

impl Lists {
    pub(super) fn new(max: usize) -> Lists {
        Lists { named: Registry::new(), entries: Shards::new(max) }
    }

    pub(super) fn list(&self, secret: &Secret, uid: &str) -> Result<ListId, TableFull> {
        let identity = secret.hash64(Domain::List, &[uid.as_bytes()]);
        let make = || {
            let list = Arc::new(List { identity, name: Arc::from(uid) });
            // What peers said before. No entry of this list can be made meanwhile: `offer` waits for the lock.
            self.entries.change_each(|entry| {
                if entry.listing.list == identity {
                    entry.list = Some(Arc::clone(&list));
                }
            });
            list
        };
        self.named.find_or(identity, make).map(ListId)
    }

    /// States an element; says the key if it has to be sent.
    pub(super) fn set(
        &self,
        secret: &Secret,
        (id, element): (ListId, &str),
        wanted: Wanted,
    ) -> Result<Option<Key128>, ListError> {
        let list = self.open(id, element)?;
        let key = key_of(secret, list.identity, element);
        let state = |entry: &mut Entry| {
            let next = entry.listing.next(wanted);
            let changed = next != entry.listing;
            entry.listing = next;
            changed && !std::mem::replace(&mut entry.dirty, true)
        };
        if let Some(newly) = self.entries.change(key, state) {
            return Ok(newly.then_some(key));
        }
        self.make_room(key, Some(list), wanted.now);
        if self.has_its_share(list) {
            return Err(ListError::ListFull { list: Arc::clone(&list.name), max: self.share() });
        }
        let first = Listing::first(list.identity, Arc::from(element), wanted);
        let make = || Entry { listing: first.clone(), dirty: false, list: Some(Arc::clone(list)) };
        let made = self.entries.change_or(key, make, |entry| {
            // Another thread may have made one between the two looks.
            entry.listing = entry.listing.next(wanted);
            !std::mem::replace(&mut entry.dirty, true)
        });
        let newly = made.ok_or(ListError::Full { max: self.entries.max() })?;
        Ok(newly.then_some(key))
    }

    /// Whether an element could be stated.
    pub(super) fn could_set(&self, secret: &Secret, (id, element): (ListId, &str), now: Time) -> Result<(), ListError> {
        let list = self.open(id, element)?;
        let key = key_of(secret, list.identity, element);
        if self.entries.read(key, |_| ()).is_some() {
            return Ok(());
        }
        let spare = |of_list: bool| {
            let near = key.shard();
            let counts = |entry: &Entry| !of_list || entry.listing.list == list.identity;
            self.entries.least(near, SAMPLE, |entry| rank(entry, now).filter(|_| counts(entry))).is_some()
        };
        match self.has_its_share(list) {
            true if !spare(true) => Err(ListError::ListFull { list: Arc::clone(&list.name), max: self.share() }),
            false if self.entries.is_full() && !spare(false) => Err(ListError::Full { max: self.entries.max() }),
            _ => Ok(()),
        }
    }

    /// The list that an element is stated of.
    fn open(&self, id: ListId, element: &str) -> Result<&Arc<List>, ListError> {
        match element.len() {
            0 => Err(ListError::NoElement),
            len if len > ELEMENT_MAX => Err(ListError::TooLong(len)),
            _ => self.named.get(id.0).ok_or(ListError::NoList),
        }
    }

    pub(super) fn listed(&self, secret: &Secret, id: ListId, element: &str, now: Time) -> Option<bool> {
        let list = self.named.get(id.0).filter(|list| is_spoken_of(list))?;
        let read = |entry: &Entry| entry.listing.holds(now).then_some(entry.listing.entry.present);
        self.entries.read(key_of(secret, list.identity, element), read).flatten()
    }

    pub(super) fn has_listed(&self, id: ListId) -> bool {
        self.named.get(id.0).is_some_and(is_spoken_of)
    }

    pub(super) fn of(&self, id: ListId, now: Time) -> Vec<ListEntry> {
        let Some(list) = self.named.get(id.0) else { return Vec::new() };
        let mut entries = Vec::new();
        self.entries.each(|_, entry| {
            if entry.listing.list == list.identity && entry.listing.holds(now) {
                entries.push(entry.listing.entry.clone());
            }
        });
        entries.sort_unstable_by(|a, b| a.element.cmp(&b.element));
        entries
    }

    pub(super) fn sweep(&self, shard: u8, now: Time) {
        self.entries.retain(shard, |entry| !entry.listing.is_spent(now));
    }

    /// Joins a peer's fact. Never forwarded: its author tells everybody.
    pub(super) fn offer(&self, secret: &Secret, listing: Listing, now: Time) -> Offered {
        if listing.entry.made_at > now.plus(DRIFT_MAX) {
            return Offered::Ahead;
        }
        if !is_acceptable(&listing, now) {
            return Offered::Refused;
        }
        let key = key_of(secret, listing.list, &listing.entry.element);
        let mut offered = Some(listing);
        let join = |entry: &mut Entry| offered.take().map(|listing| entry.listing.join(listing));
        let joined = match self.entries.change(key, join).flatten() {
            Some(joined) => Some(joined),
            None => {
                let Some(listing) = offered else { return Offered::Known };
                let number = self.named.find_then(listing.list, |number| number);
                let list = number.and_then(|number| self.named.get(number));
                self.make_room(key, list, now);
                if list.is_some_and(|list| self.has_its_share(list)) { None } else { self.make(key, &listing) }
            }
        };
        match joined {
            Some(Joined::Changed) => Offered::Taken,
            Some(Joined::Unchanged) => Offered::Known,
            None => Offered::Full,
        }
    }

    /// Makes an entry of what a peer said.
    fn make(&self, key: Key128, listing: &Listing) -> Option<Joined> {
        self.named.find_then(listing.list, |number| {
            let list = number.and_then(|number| self.named.get(number)).cloned();
            let make = || Entry { listing: listing.clone(), dirty: false, list };
            let join = |entry: &mut Entry| {
                let _ = entry.listing.join(listing.clone());
            };
            self.entries.change_or(key, make, join).map(|()| Joined::Changed)
        })
    }

    /// Forgets one entry where the list's share or the room of all is full.
    fn make_room(&self, key: Key128, list: Option<&Arc<List>>, now: Time) {
        if let Some(list) = list.filter(|list| self.has_its_share(list)) {
            let of_list = |entry: &Entry| entry.listing.list == list.identity;
            self.entries.evict(key.shard(), SAMPLE, |entry| rank(entry, now).filter(|_| of_list(entry)));
        } else if self.entries.is_full() {
            self.entries.evict(key.shard(), SAMPLE, |entry| rank(entry, now));
        }
    }

    /// The most elements of one list: half of all, rounded up. Threads that add at once may each be one over it.
    fn share(&self) -> usize {
        self.entries.max().div_ceil(2)
    }

    fn has_its_share(&self, list: &Arc<List>) -> bool {
        elements(list) >= self.share()
    }

    /// Entries of all lists.
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Visits the entries of one shard, in no order.
    pub(super) fn each_in(&self, shard: u8, mut visit: impl FnMut(Key128, &Listing)) {
        self.entries.each_in(shard, |key, entry| visit(key, &entry.listing));
    }

    /// A changed fact, not marked as changed any more.
    pub(super) fn take(&self, key: Key128) -> Option<Listing> {
        self.entries.change(key, |entry| {
            entry.dirty = false;
            entry.listing.clone()
        })
    }

    pub(super) fn get(&self, key: Key128) -> Option<Listing> {
        self.entries.read(key, |entry| entry.listing.clone())
    }

    pub(super) fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        self.entries.keys(shard, after)
    }
}

/// How many entries hold a reference beside the registry's.
fn elements(list: &Arc<List>) -> usize {
    Arc::strong_count(list).saturating_sub(1)
}

fn is_spoken_of(list: &Arc<List>) -> bool {
    elements(list) > 0
}

/// Clocks of two nodes may differ, and a statement of the longest kind is made by the other one's.
const LONGEST_SLACK: u64 = 24 * 3_600_000;

fn is_acceptable(listing: &Listing, now: Time) -> bool {
    let latest = now.plus(LIST_LONGEST + LONGEST_SLACK);
    (1..=ELEMENT_MAX).contains(&listing.entry.element.len())
        && listing.entry.until <= latest
        && listing.kept <= latest.plus(LIST_MEMORY)
        && listing.kept >= listing.entry.until
        && !listing.is_spent(now)
}
