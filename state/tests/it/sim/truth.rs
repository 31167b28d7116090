//! What really happened, kept by slow and obvious means.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_state::{Actor, Incarnation, Time};

type Author = (Actor, Incarnation);

/// Every count by its author, key and instant, and every ban ever stated.
#[derive(Default)]
pub(crate) struct Truth {
    counts: BTreeMap<(Author, u16), BTreeMap<u64, u64>>,
    bans: BTreeSet<(String, u64)>,
}

impl Truth {
    pub(crate) fn counted(&mut self, author: Author, key: u16, n: u32, now: Time) {
        *self.counts.entry((author, key)).or_default().entry(now.0).or_default() += u64::from(n);
    }

    pub(crate) fn banned(&mut self, subject: &str, until: Time) {
        self.bans.insert((subject.to_owned(), until.0));
    }

    pub(crate) fn was_stated(&self, subject: &str, until: Time) -> bool {
        self.bans.contains(&(subject.to_owned(), until.0))
    }

    /// What an author counted in the eight slots of this width that end with the one of `now`, and in what is ahead of it.
    pub(crate) fn live(&self, author: Author, key: u16, width: u64, now: Time) -> u64 {
        let floor = (now.0 / width).saturating_sub(7) * width;
        self.counts.get(&(author, key)).map_or(0, |counts| counts.range(floor..).map(|(_, n)| n).sum())
    }
}
