//! What is said at run time of elements of lists, by the keyed hash of list and element.

use std::sync::Arc;

use super::TableFull;
use super::facts::{Facts, NoRoom, Space};
use crate::key::{Domain, Key128, Names, Secret};
use crate::list::{ELEMENT_MAX, ListEntry, Listing, Wanted, key_of};
use crate::maximum::Most;
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

impl Facts<Listing> {
    pub(super) fn list(&self, names: &Names, uid: &str) -> Result<ListId, TableFull> {
        self.space(names.hash64(Domain::List, &[uid.as_bytes()]), uid, (Most::Value(u64::MAX), Time::ZERO)).map(ListId)
    }

    /// States an element; says the key if it has to be sent.
    pub(super) fn set(
        &self,
        secret: &Secret,
        (id, element): (ListId, &str),
        wanted: Wanted,
    ) -> Result<Option<Key128>, ListError> {
        let list = self.open(id, element)?;
        let next = |known: Option<&Listing>| match known {
            Some(known) => known.next(wanted),
            None => Listing::first(list.identity, Arc::from(element), wanted),
        };
        let key = key_of(secret, list.identity, element);
        let stated = self.state((key, Some(list)), next, |_| (), wanted.now);
        stated.map(|((), key)| key).map_err(|why| self.no_room(list, why))
    }

    /// Whether an element could be stated.
    pub(super) fn could_set(&self, secret: &Secret, (id, element): (ListId, &str), now: Time) -> Result<(), ListError> {
        let list = self.open(id, element)?;
        let key = key_of(secret, list.identity, element);
        self.could_state(key, Some(list), now).map_err(|why| self.no_room(list, why))
    }

    fn no_room(&self, list: &Space, why: NoRoom) -> ListError {
        match why {
            NoRoom::All => ListError::Full { max: self.max() },
            NoRoom::Share => ListError::ListFull { list: Arc::clone(&list.name), max: self.share() },
        }
    }

    /// The list that an element is stated of.
    fn open(&self, id: ListId, element: &str) -> Result<&Arc<Space>, ListError> {
        match element.len() {
            0 => Err(ListError::NoElement),
            len if len > ELEMENT_MAX => Err(ListError::TooLong(len)),
            _ => self.named(id.0).ok_or(ListError::NoList),
        }
    }

    pub(super) fn listed(&self, secret: &Secret, id: ListId, element: &str, now: Time) -> Option<bool> {
        let list = self.named(id.0).filter(|list| list.is_spoken_of())?;
        let read = |listing: &Listing| listing.holds(now).then_some(listing.entry.present);
        self.read(key_of(secret, list.identity, element), read).flatten()
    }

    pub(super) fn has_listed(&self, id: ListId) -> bool {
        self.named(id.0).is_some_and(Space::is_spoken_of)
    }

    pub(super) fn of(&self, id: ListId, now: Time) -> Vec<ListEntry> {
        let Some(list) = self.named(id.0) else { return Vec::new() };
        let held = |listing: &Listing| listing.list == list.identity && listing.holds(now);
        let mut entries = self.collect(|listing| held(listing).then(|| listing.entry.clone()));
        entries.sort_unstable_by(|a, b| a.element.cmp(&b.element));
        entries
    }
}
