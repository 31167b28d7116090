//! What purges do to stored responses. Nobody looks for those that a purge is about: each is looked at when it is asked for.

use std::sync::Arc;
use std::time::SystemTime;

use selvedge_filters::cache::validates;
use selvedge_filters::purge::{Renewal, Standing};

use super::object::{Header, Object, Times};
use super::stamp::{Stamp, Stamped, instant};
use super::storage::{EntryKey, Tiers};

impl Tiers {
    /// What is stored under a key and may be used. What a hard purge is about goes; what a soft one is about is stale from the
    /// instant on at which that was applied here.
    pub(super) fn usable(&self, key: EntryKey) -> Option<Object> {
        let object = self.shelf.get(key)?;
        // Taken first: a purge that comes meanwhile is for the next look.
        let up_to = self.store.fill();
        match object.stamped.standing(&self.store) {
            Standing::Valid => Some(object),
            Standing::Gone => {
                self.drop_purged(key, &object.stamped);
                None
            }
            Standing::Stale(applied) => {
                let mut stale = object;
                stale.times.expire_at(instant(applied.at, SystemTime::now()));
                let is_same = |known: &Object| Arc::ptr_eq(&known.stamped, &stale.stamped);
                // Another thread that finds it purged does the same.
                if self.shelf.change(key, |known| is_same(known).then(|| stale.clone())).is_some() {
                    self.counters.purged_softly.add();
                }
                stale.stamped.found_clean(up_to);
                Some(stale)
            }
        }
    }

    /// Renews a stored response after a 304 to a request that carries this stamp. `false`: nothing was renewed, because it is
    /// gone, or was purged since it was asked for, or is of a later request itself, or is not what the request held.
    pub(super) fn renew(&self, key: EntryKey, times: Times, header: Header, stamp: Stamp) -> bool {
        let (header, by) = (Arc::new(header), Stamped::new(stamp.clone()));
        let mut gone = None;
        let changed = self.shelf.change(key, |known| match known.stamped.renewal(&by, &self.store) {
            Renewal::Renewed if !validates(&known.header.get().headers, &header.get().headers) => None,
            Renewal::Renewed => {
                let stamped = Stamped::new(stamp.validating(&known.stamped));
                Some(Object { times, header, stamped, body: Arc::clone(&known.body) })
            }
            Renewal::Newer => None,
            Renewal::Gone => {
                gone = Some(Arc::clone(&known.stamped));
                None
            }
        });
        if let Some(gone) = gone {
            self.drop_purged(key, &gone);
        }
        changed.is_some()
    }

    /// Takes out what was found purged, and nothing that took its place.
    fn drop_purged(&self, key: EntryKey, purged: &Arc<Stamped>) {
        if self.shelf.remove_if(key, |known| Arc::ptr_eq(&known.stamped, purged)).is_some() {
            self.counters.purged.add();
        }
    }
}
