//! What one POP has beside its store: what is stored, fills on their way, and who waits for whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use selvedge_filters::purge::{Stamped, Standing};
use selvedge_state::{Fill, Store, Time};

use crate::disk::Disk;
use crate::stored::{Asked, Stored};

/// Names one fill, or one validation.
pub(crate) type FetchId = u64;

/// One POP in one of its lives, and its disk if it has one.
#[derive(Debug, Default)]
pub(crate) struct Pop {
    pub(crate) is_up: bool,
    pub(crate) life: u64,
    pub(crate) memory: BTreeMap<usize, Stored>,
    /// Fills whose header is here: who asks reads along.
    pub(crate) listed: BTreeMap<usize, (FetchId, Arc<Stamped>)>,
    /// Who asks the origin for something, and is waited for.
    pub(crate) leaders: BTreeMap<usize, FetchId>,
    /// Up to which of its applications each parent says that it has them.
    pub(crate) told: BTreeMap<usize, u64>,
    pub(crate) disk: Option<Disk>,
    /// Whether the log is about to be written.
    pub(crate) is_logging: bool,
    /// What was applied when it was looked at last.
    pub(crate) looked_at: Fill,
}

/// What purges made of something that was in memory.
#[derive(Debug)]
pub(crate) enum Kept {
    Nothing,
    /// A hard one was about it; here it is for those who do not care.
    Gone(Stored),
    /// A soft one was, and this is the first look since.
    Softly(Stored),
    Usable(Stored),
}

impl Pop {
    /// A life begins; what is on the disk is there.
    pub(crate) fn begin(&mut self, life: u64) {
        let disk = self.disk.take();
        *self = Pop { is_up: true, life, disk, ..Pop::default() };
    }

    /// What is in memory and may be used. What a hard purge is about goes; what a soft one is about is stale.
    pub(crate) fn kept(&mut self, thing: usize, store: &Store, now: Time) -> Kept {
        let Some(stored) = self.memory.get(&thing).cloned() else { return Kept::Nothing };
        let up_to = store.fill().number();
        match stored.stamped.standing(store) {
            Standing::Valid => Kept::Usable(stored),
            Standing::Gone => {
                self.memory.remove(&thing);
                Kept::Gone(stored)
            }
            Standing::Stale(applied) => {
                let stale = stored.stale(applied, up_to, now);
                self.memory.insert(thing, stale.clone());
                Kept::Softly(stale)
            }
        }
    }

    /// Stores something, unless what is there was asked for after more purges.
    pub(crate) fn put(&mut self, thing: usize, stored: Stored) {
        if self.memory.get(&thing).is_none_or(|known| known.stamped.gives_way_to(&stored.stamped)) {
            self.memory.insert(thing, stored);
        }
    }

    /// A fill's header is here: it answers who asks from now on, unless one that was asked for after more purges does.
    pub(crate) fn list(&mut self, thing: usize, fetch: FetchId, stamped: &Arc<Stamped>) {
        if self.listed.get(&thing).is_none_or(|(_, listed)| listed.gives_way_to(stamped)) {
            self.listed.insert(thing, (fetch, Arc::clone(stamped)));
        }
    }

    /// Whether the fill was listed until now.
    pub(crate) fn unlist(&mut self, thing: usize, fetch: FetchId) -> bool {
        let is_listed = self.listed.get(&thing).is_some_and(|(listed, _)| *listed == fetch);
        if is_listed {
            self.listed.remove(&thing);
        }
        is_listed
    }

    /// It leads no longer.
    pub(crate) fn release(&mut self, thing: usize, fetch: FetchId) {
        if self.leaders.get(&thing) == Some(&fetch) {
            self.leaders.remove(&thing);
        }
    }

    /// What was the case when something in memory was asked for, if it is of this life.
    pub(crate) fn is_of_this_life(&self, asked: Asked) -> bool {
        asked.life == self.life
    }
}
