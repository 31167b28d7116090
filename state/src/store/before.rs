//! Which tables of rights the lives before this one had. Of one that none of them had nothing was ever claimed; of one that they had, and
//! that was not there when this life was told of them, nobody knows what was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::TABLES_MAX;
use super::rosters::NEVER;
use crate::time::Time;

#[derive(Default)]
pub(super) struct Before(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// `None` where this life inherits nothing.
    tables: Option<BTreeMap<u64, Time>>,
    /// Those that were told of while they were not there; where they are too many, of all.
    missed: BTreeSet<u64>,
}

impl Before {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From when on a table that is made now knows all that was claimed before.
    pub(super) fn known_from(&self, identity: u64) -> Time {
        let known = self.known();
        let is_new = |tables: &BTreeMap<u64, Time>| !tables.contains_key(&identity) && !known.has_missed(identity);
        if known.tables.as_ref().is_some_and(is_new) { Time::ZERO } else { NEVER }
    }

    pub(super) fn inherit(&self, tables: &BTreeMap<u64, Time>) {
        self.known().tables.get_or_insert_default().extend(tables);
    }

    /// Those of the lives before.
    pub(super) fn all(&self) -> BTreeMap<u64, Time> {
        self.known().tables.clone().unwrap_or_default()
    }

    pub(super) fn miss(&self, identity: u64) {
        let mut known = self.known();
        if known.missed.len() <= TABLES_MAX {
            known.missed.insert(identity);
        }
    }

    pub(super) fn has_missed(&self, identity: u64) -> bool {
        self.known().has_missed(identity)
    }
}

impl Known {
    fn has_missed(&self, identity: u64) -> bool {
        self.missed.contains(&identity) || self.missed.len() > TABLES_MAX
    }
}
