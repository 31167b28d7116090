//! What changed here and waits for the replica. Each thing is in its queue once, however often it changes meanwhile, so the
//! queues are bounded by what the store holds; but for counters, which may be in two ([`Lane`](crate::counter::Lane)), and in that of the rest once more for
//! each time they went ahead of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError};

use super::table::Table;
use super::{LedgerId, TableId, UniquesId, Waiting};
use crate::counter::{Lane, SlotCounter};
use crate::fact::{Kind, Name};
use crate::key::{Key64, Key128};
use crate::sync::Mutex;

/// Changed counters that fill a frame: the replica is woken again when so many wait.
pub(crate) const FRAME_WORTH: usize = 4096;

type Wake = Box<dyn Fn() + Send + Sync>;

/// The queues.
pub(crate) struct Dirty {
    /// False where nobody would ever take anything: in a cluster of one, until there is somebody to wake.
    tracked: AtomicBool,
    /// Those near a limit. One that came near while it waited with the rest is in both queues.
    near: Mutex<Vec<(TableId, Key64)>>,
    counters: Mutex<Vec<(TableId, Key64)>>,
    uniques: Mutex<Vec<(UniquesId, Key64)>>,
    ledgers: Mutex<Vec<(LedgerId, Key64)>>,
    sessions: Mutex<Vec<Key128>>,
    facts: Mutex<Vec<Name>>,
    wake: OnceLock<Wake>,
}

impl Dirty {
    pub(crate) fn new(tracked: bool) -> Dirty {
        Dirty {
            tracked: AtomicBool::new(tracked),
            near: Mutex::default(),
            counters: Mutex::default(),
            uniques: Mutex::default(),
            ledgers: Mutex::default(),
            sessions: Mutex::default(),
            facts: Mutex::default(),
            wake: OnceLock::new(),
        }
    }

    fn is_tracked(&self) -> bool {
        self.tracked.load(Ordering::Relaxed)
    }

    /// Marks a counter under its own lock; true if it has to go into the queue of that lane.
    pub(super) fn mark(&self, table: &Table, counter: &mut SlotCounter, lane: Lane) -> bool {
        table.is_replicated() && self.marks(&mut counter.waits, lane)
    }

    /// Marks what waits in a lane; true if it did not wait there or in an earlier one.
    pub(crate) fn marks(&self, waits: &mut Option<Lane>, lane: Lane) -> bool {
        let newly = self.is_tracked() && *waits < Some(lane);
        if newly {
            *waits = Some(lane);
        }
        newly
    }

    /// Marks something replicated under its own lock; true if it has to go into its queue.
    pub(crate) fn tracks(&self, dirty: &mut bool) -> bool {
        self.is_tracked() && !std::mem::replace(dirty, true)
    }

    pub(crate) fn counter(&self, table: TableId, key: Key64, lane: Lane) {
        let queue = match lane {
            Lane::NearLimit => &self.near,
            Lane::Rest => &self.counters,
        };
        if matches!(push(queue, (table, key)), 1 | FRAME_WORTH) {
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

    pub(super) fn session(&self, key: Key128) {
        if push(&self.sessions, key) == 1 {
            self.call();
        }
    }

    /// `changes` are the keys of facts that have to go into the queue.
    pub(super) fn fact(&self, kind: Kind, changes: impl IntoIterator<Item = Key128>) {
        for key in changes.into_iter().filter(|_| self.is_tracked()) {
            if push(&self.facts, Name { kind, key }) == 1 {
                self.call();
            }
        }
    }

    pub(super) fn on_dirty(&self, wake: Wake) {
        // A second one is not taken: the first owner may still wait for it.
        let _ = self.wake.set(wake);
        self.tracked.store(true, Ordering::Relaxed);
    }

    fn call(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            near: len(&self.near),
            counters: len(&self.counters),
            uniques: len(&self.uniques),
            ledgers: len(&self.ledgers),
            sessions: len(&self.sessions),
            facts: len(&self.facts),
        }
    }

    pub(crate) fn take_near(&self) -> Vec<(TableId, Key64)> {
        take(&self.near)
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

    pub(super) fn take_sessions(&self) -> Vec<Key128> {
        take(&self.sessions)
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
    // One that went ahead and waits again is in the queue of the rest twice.
    taken.dedup();
    taken
}

/// Says how many wait now.
fn push<T>(queue: &Mutex<Vec<T>>, item: T) -> usize {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.push(item);
    queue.len()
}
