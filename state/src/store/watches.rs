//! Who waits for news of a session: requests whose client knows of more of it than this node does. They are woken when a peer says something new
//! of it. What is written costs one load more while nobody waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use crate::key::{Key128, SessionKey};
use crate::sync::Mutex;

type Wake = Arc<dyn Fn() + Send + Sync>;

/// Who waits for which name: as many as there are requests that wait, or twice that while the cluster's secret is rotated.
#[derive(Default)]
pub(super) struct Watches {
    count: AtomicUsize,
    next: AtomicU64,
    waiting: Mutex<BTreeMap<(Key128, u64), Wake>>,
}

/// Somebody who waits for news of a session, until this is dropped.
pub struct SessionWatch<'s> {
    watches: &'s Watches,
    key: SessionKey,
    nth: u64,
}

impl Watches {
    /// Has somebody woken from here on. What came before has to be looked at after this.
    pub(super) fn begin(&self, key: SessionKey, wake: Wake) -> SessionWatch<'_> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(key.each().map(|name| ((name, nth), Arc::clone(&wake))));
        self.count.store(waiting.len(), Ordering::Relaxed);
        SessionWatch { watches: self, key, nth }
    }

    /// Wakes whoever waits for a name. To be called after what is new can be read: whoever looked before that, under the lock of that entry, is
    /// seen here, and whoever looks after it sees it.
    pub(super) fn wake(&self, name: Key128) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.range((name, 0)..=(name, u64::MAX)).for_each(|(_, wake)| wake());
    }
}

impl Drop for SessionWatch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.watches.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.key.each().for_each(|name| drop(waiting.remove(&(name, self.nth))));
        self.watches.count.store(waiting.len(), Ordering::Relaxed);
    }
}

impl fmt::Debug for SessionWatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionWatch").field("nth", &self.nth).finish_non_exhaustive()
    }
}
