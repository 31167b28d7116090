//! What changed here and waits for the replica. Each thing is in its queue once, however often it changes meanwhile, so the
//! queues are bounded by what the store holds.

use std::sync::{OnceLock, PoisonError};

use super::table::Table;
use super::{LedgerId, TableId, UniquesId, Waiting};
use crate::counter::SlotCounter;
use crate::fact::{Kind, Name};
use crate::key::{Key64, Key128};
use crate::sync::Mutex;

/// Changed counters that fill a frame: the replica is woken again when so many wait.
pub(crate) const FRAME_WORTH: usize = 4096;

type Wake = Box<dyn Fn() + Send + Sync>;

/// The queues.
pub(crate) struct Dirty {
    /// False in a cluster of one: nobody would ever take anything.
    tracked: bool,
    counters: Mutex<Vec<(TableId, Key64)>>,
    uniques: Mutex<Vec<(UniquesId, Key64)>>,
    ledgers: Mutex<Vec<(LedgerId, Key64)>>,
    facts: Mutex<Vec<Name>>,
    wake: OnceLock<Wake>,
}

impl Dirty {
    pub(crate) fn new(tracked: bool) -> Dirty {
        Dirty {
            tracked,
            counters: Mutex::default(),
            uniques: Mutex::default(),
            ledgers: Mutex::default(),
            facts: Mutex::default(),
            wake: OnceLock::new(),
        }
    }

    /// Marks a counter under its own lock; true if it has to go into the queue.
    pub(super) fn mark(&self, table: &Table, counter: &mut SlotCounter) -> bool {
        table.is_replicated() && self.tracks(&mut counter.dirty)
    }

    /// Marks something replicated under its own lock; true if it has to go into its queue.
    pub(crate) fn tracks(&self, dirty: &mut bool) -> bool {
        self.tracked && !std::mem::replace(dirty, true)
    }

    pub(crate) fn counter(&self, table: TableId, key: Key64) {
        if matches!(push(&self.counters, (table, key)), 1 | FRAME_WORTH) {
            self.call();
        }
    }

    pub(super) fn uniques(&self, table: UniquesId, key: Key64) {
        if push(&self.uniques, (table, key)) == 1 {
            self.call();
        }
    }

    pub(super) fn ledger(&self, table: LedgerId, key: Key64) {
        if push(&self.ledgers, (table, key)) == 1 {
            self.call();
        }
    }

    /// `changes` are the keys of facts that have to go into the queue.
    pub(super) fn fact(&self, kind: Kind, changes: impl IntoIterator<Item = Key128>) {
        for key in changes.into_iter().filter(|_| self.tracked) {
            if push(&self.facts, Name { kind, key }) == 1 {
                self.call();
            }
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

    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            counters: len(&self.counters),
            uniques: len(&self.uniques),
            ledgers: len(&self.ledgers),
            facts: len(&self.facts),
        }
    }

    pub(crate) fn take_counters(&self) -> Vec<(TableId, Key64)> {
        take(&self.counters)
    }

    pub(super) fn take_uniques(&self) -> Vec<(UniquesId, Key64)> {
        take(&self.uniques)
    }

    pub(super) fn take_ledgers(&self) -> Vec<(LedgerId, Key64)> {
        take(&self.ledgers)
    }

    pub(super) fn take_facts(&self) -> Vec<Name> {
        take(&self.facts)
    }
}

fn len<T>(queue: &Mutex<Vec<T>>) -> usize {
    queue.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// What waits, in order.
fn take<T: Ord>(queue: &Mutex<Vec<T>>) -> Vec<T> {
    let mut taken = std::mem::take(&mut *queue.lock().unwrap_or_else(PoisonError::into_inner));
    taken.sort_unstable();
    taken
}

/// Says how many wait now.
fn push<T>(queue: &Mutex<Vec<T>>, item: T) -> usize {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.push(item);
    queue.len()
}
