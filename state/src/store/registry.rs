//! Tables by identity and by number. Configs make them, by name; requests find them, by number and without a lock; none is ever
//! taken away, so numbers stay good for as long as the store lives.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{TABLES_MAX, TableFull};

/// Tables of one kind, at most [`TABLES_MAX`].
pub(super) struct Registry<T> {
    places: Box<[OnceLock<Box<T>>]>,
    by_identity: Mutex<BTreeMap<u64, u16>>,
}

impl<T> Registry<T> {
    pub(super) fn new() -> Registry<T> {
        Registry { places: (0..TABLES_MAX).map(|_| OnceLock::new()).collect(), by_identity: Mutex::default() }
    }

    /// Finds or makes the table of an identity. It is made under the lock that [`find_then`](Registry::find_then) takes.
    pub(super) fn find_or(&self, identity: u64, make: impl FnOnce() -> T) -> Result<u16, TableFull> {
        let mut by_identity = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = by_identity.get(&identity) {
            return Ok(*number);
        }
        let number = u16::try_from(by_identity.len()).map_err(|_| TableFull)?;
        let place = self.places.get(usize::from(number)).ok_or(TableFull)?;
        place.get_or_init(|| Box::new(make()));
        by_identity.insert(identity, number);
        Ok(number)
    }

    /// Looks an identity up, and keeps it from being made until `then` is done.
    pub(super) fn find_then<R>(&self, identity: u64, then: impl FnOnce(Option<u16>) -> R) -> R {
        let by_identity = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        then(by_identity.get(&identity).copied())
    }

    pub(super) fn get(&self, number: u16) -> Option<&T> {
        self.places.get(usize::from(number))?.get().map(Box::as_ref)
    }

    /// Those after a number, in the order of numbers; all after `None`.
    pub(super) fn after(&self, number: Option<u16>) -> impl Iterator<Item = (u16, &T)> {
        let from = number.map_or(0, |number| number.saturating_add(1));
        (from..=u16::MAX).map_while(|number| self.get(number).map(|table| (number, table)))
    }
}
