//! What really happened, kept by slow and obvious means.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_state::{Actor, Incarnation, Time};

type Author = (Actor, Incarnation);

/// Every count by its author, key and instant, every value seen by its key, instant and author, and every ban and entry of a
/// list ever stated.
#[derive(Debug, Default)]
pub struct Truth {
    counts: BTreeMap<(Author, u16), BTreeMap<u64, u64>>,
    seen: BTreeMap<u16, BTreeSet<(u64, u16, Author)>>,
    bans: BTreeSet<(String, u64)>,
    entries: BTreeSet<(String, bool, u64)>,
}

impl Truth {
    /// An author counted.
    pub fn counted(&mut self, author: Author, key: u16, n: u32, now: Time) {
        *self.counts.entry((author, key)).or_default().entry(now.0).or_default() += u64::from(n);
    }

    /// Somebody banned.
    pub fn banned(&mut self, subject: &str, until: Time) {
        self.bans.insert((subject.to_owned(), until.0));
    }

    /// Whether that was ever banned.
    #[must_use]
    pub fn was_stated(&self, subject: &str, until: Time) -> bool {
        self.bans.contains(&(subject.to_owned(), until.0))
    }

    /// An author saw a value.
    pub fn saw(&mut self, author: Author, key: u16, value: u16, now: Time) {
        self.seen.entry(key).or_default().insert((now.0, value, author));
    }

    /// How many different values were seen since an instant, by those that count.
    pub fn distinct(&self, key: u16, since: Time, counts: impl Fn(Author) -> bool) -> u64 {
        let seen = self.seen.get(&key).into_iter().flatten();
        let seen = seen.filter(|(at, _, author)| *at >= since.0 && counts(*author));
        seen.map(|(_, value, _)| value).collect::<BTreeSet<_>>().len() as u64
    }

    /// Somebody put something on a list, or took it off.
    pub fn listed(&mut self, element: &str, present: bool, until: Time) {
        self.entries.insert((element.to_owned(), present, until.0));
    }

    /// Whether that was ever done.
    #[must_use]
    pub fn was_listed(&self, element: &str, present: bool, until: Time) -> bool {
        self.entries.contains(&(element.to_owned(), present, until.0))
    }

    /// What an author counted in the eight slots of this width that end with the one of `now`, and in what is ahead of it.
    #[must_use]
    pub fn live(&self, author: Author, key: u16, width: u64, now: Time) -> u64 {
        let floor = (now.0 / width).saturating_sub(7) * width;
        self.counts.get(&(author, key)).map_or(0, |counts| counts.range(floor..).map(|(_, n)| n).sum())
    }
}
