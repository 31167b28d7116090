//! What changed here and waits for the replica. A counter or a ban is in its list once, however often it changes meanwhile,
//! so the lists are bounded by what the store holds.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::TableId;
use super::table::Table;
use crate::counter::SlotCounter;
use crate::key::{Key64, Key128};

/// Changed counters that fill a frame: the replica is woken again when so many wait.
pub(crate) const FRAME_WORTH: usize = 4096;

type Wake = Box<dyn Fn() + Send + Sync>;

/// The lists.
pub(super) struct Dirty {
    /// False in a cluster of one: nobody would ever take anything.
    tracked: bool,
    counters: Mutex<Vec<(TableId, Key64)>>,
    bans: Mutex<Vec<Key128>>,
    wake: OnceLock<Wake>,
}

impl Dirty {
    pub(super) fn new(tracked: bool) -> Dirty {
        Dirty { tracked, counters: Mutex::default(), bans: Mutex::default(), wake: OnceLock::new() }
    }

    /// Marks a counter under its own lock; true if it has to go on the list.
    pub(super) fn mark(&self, table: &Table, counter: &mut SlotCounter) -> bool {
        self.tracked && table.is_replicated() && !std::mem::replace(&mut counter.dirty, true)
    }

    pub(super) fn counter(&self, table: TableId, key: Key64) {
        if matches!(push(&self.counters, (table, key)), 1 | FRAME_WORTH) {
            self.call();
        }
    }

    /// `change` is the ban's key if it has to go on the list.
    pub(super) fn ban(&self, change: Option<Key128>) {
        let Some(key) = change.filter(|_| self.tracked) else { return };
        if push(&self.bans, key) == 1 {
            self.call();
        }
    }

    pub(super) fn on_dirty(&self, wake: Wake) {
        // A second one is not taken: the first owner may still wait for it.
        let _ = self.wake.set(wake);
    }

    fn call(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    pub(super) fn waiting(&self) -> (usize, usize) {
        let len = |list: &Mutex<Vec<Key128>>| list.lock().unwrap_or_else(PoisonError::into_inner).len();
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner).len();
        (counters, len(&self.bans))
    }

    pub(super) fn take_counters(&self) -> Vec<(TableId, Key64)> {
        std::mem::take(&mut *self.counters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn take_bans(&self) -> Vec<Key128> {
        std::mem::take(&mut *self.bans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says how many wait now.
fn push<T>(list: &Mutex<Vec<T>>, item: T) -> usize {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.push(item);
    list.len()
}
