//! What outlives a life of purges: each application as it happens, all that are known, and how those of before come back in.

use std::collections::BTreeMap;

use super::Store;
use crate::fact::{Fact, Stated};
use crate::journal::{Applied, Journal};
use crate::key::Key128;
use crate::marks::Marked;
use crate::snapshot::Restored;
use crate::time::Time;

impl Store {
    /// Notes each application of a purge from here on, and takes those of before for purges of lives before this one: where the room for marks
    /// is full and one of them becomes part of the floor, that is an application of its own. `wake` is called when some wait to be [taken](Store::take_journal) and none did
    /// before, by the thread that applied it and under a lock, so it must not block.
    pub fn journal_purges(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.marks.numbers.journal(wake);
    }

    /// What was applied since it was asked for last. Nothing while nobody [asked](Store::journal_purges) for it to be noted.
    #[must_use]
    pub fn take_journal(&self) -> Journal {
        self.marks.numbers.take()
    }

    /// All purges that are remembered, in no order: of each name the last one of each actor, as it was applied in this life.
    #[must_use]
    pub fn purges(&self) -> Vec<Applied> {
        self.marks.collect(|mark| Some(mark.each_applied().collect::<Vec<_>>())).into_iter().flatten().collect()
    }

    /// Takes purges of lives before in, as if a peer said them: what is known already stays, and what is new gets a number of this life
    /// and is told to peers by repair.
    pub fn restore_purges(&self, logged: impl IntoIterator<Item = Applied>, now: Time) -> Restored {
        let (mut marks, mut restored) = (BTreeMap::<Option<Key128>, Marked>::new(), Restored::default());
        let mut offer = |mark| restored.offered(self.offer_fact(Fact::Mark(mark), now));
        for applied in logged {
            let mark = Marked::of(applied);
            match marks.get_mut(&applied.key) {
                Some(known) => {
                    if known.join(mark.clone()) == crate::fact::Joined::Crowded {
                        offer(mark);
                    }
                }
                None => drop(marks.insert(applied.key, mark)),
            }
        }
        marks.into_values().for_each(offer);
        restored
    }
}
