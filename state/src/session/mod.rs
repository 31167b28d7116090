//! `Session`: what is known of one session of one user, at whichever nodes its requests came in.
//!
//! It is a product of lattices: each attribute a register (the last statement wins, by version and author), counters that only
//! grow with a row for each author, instants that join by the greatest or the least, and a *version vector* (Parker et al., 1983): how
//! far of each author everything is in here. A session is always said whole, with all that its sender knew of it. So what is in a
//! version vector is closed under what came before (delta-state CRDTs under causal merging, Almeida et al., "Delta state replicated data
//! types", 2018): whoever has version `v` of an author has all that this author wrote up to `v`, and all that it had read then. That is what
//! [session guarantees](Covered) rest on (Terry et al., "Session guarantees for weakly consistent replicated data", 1994).
//!
//! Only its author raises a row. One that was forgotten, since the room was full, is not taken up again: its author begins another
//! one, and says from which version on that holds all; so a row never claims what was lost.

mod covered;
mod join;
mod write;

pub use self::covered::{CONTEXT_MAX, Covered, Versioned, newest_of};
pub(crate) use self::join::Flaw;
pub(crate) use self::write::{Hand, Written};
pub use self::write::{SessionError, SessionLife, SessionWrite};

use crate::identity::Author;
use crate::time::Time;
use crate::version::Version;

/// The longest name of an attribute or a counter, in bytes.
pub const SESSION_NAME_MAX: usize = 32;

/// The longest value of an attribute, in bytes.
pub const SESSION_VALUE_MAX: usize = 1024;

/// Attributes of one session, removed ones included.
pub const SESSION_ATTRIBUTES_MAX: usize = 32;

/// Counters of one session that one author counts in.
pub const SESSION_COUNTERS_MAX: usize = 8;

/// Authors whose rows one session holds: the ones that wrote last. What older ones counted in it is gone, and what they wrote is not known to
/// be here any more, though attributes stay.
pub const SESSION_ROWS_MAX: usize = 64;

/// The longest that a session lasts, ms: 400 days, as long as a browser keeps a cookie (RFC 6265bis, section 5.5).
pub const SESSION_LONGEST: u64 = 400 * 86_400_000;

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Box<str>,
    /// The version of its author's row by which it was stated: no other one of that author has it.
    pub(crate) stamp: Version,
    pub(crate) author: Author,
    /// None: it was removed.
    pub(crate) value: Option<Box<[u8]>>,
}

impl Attribute {
    /// The place in the total order, ties of dishonest authors included.
    fn order(&self) -> (Version, Author, bool, Option<&[u8]>) {
        (self.stamp, self.author, self.value.is_none(), self.value.as_deref())
    }
}

/// One attribute, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatedAttribute<'s> {
    /// Its name.
    pub name: &'s str,
    /// None: it was removed.
    pub value: Option<&'s [u8]>,
    /// Who said so last, by which version.
    pub by: Versioned,
}

/// What is in here of one author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) author: Author,
    /// From which version on it holds all that its author wrote; also tells two rows of one author apart.
    pub(crate) born: Version,
    pub(crate) version: Version,
    /// By name.
    pub(crate) counts: Vec<(Box<str>, u64)>,
}

impl Row {
    fn id(&self) -> (Author, Version) {
        (self.author, self.born)
    }

    fn holds(&self, written: Versioned) -> bool {
        self.author == written.author && (self.born..=self.version).contains(&written.version)
    }
}

/// What is known of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub(crate) created: Time,
    pub(crate) ends: Time,
    pub(crate) seen: Time,
    pub(crate) until: Time,
    /// By name.
    pub(crate) attributes: Vec<Attribute>,
    /// By author and birth.
    pub(crate) rows: Vec<Row>,
}

impl Session {
    pub(crate) fn new(life: &SessionLife, now: Time) -> Session {
        let mut session = Session {
            created: life.created,
            ends: life.ends.min(now.plus(SESSION_LONGEST)),
            seen: Time::ZERO,
            until: Time::ZERO,
            attributes: Vec::new(),
            rows: Vec::new(),
        };
        session.see(life, now);
        session
    }

    /// When it was started, by the clock of the node that did.
    #[must_use]
    pub fn created(&self) -> Time {
        self.created
    }

    /// Its absolute end, however often it is seen.
    #[must_use]
    pub fn ends(&self) -> Time {
        self.ends
    }

    /// When it was last said to be seen, at any node.
    #[must_use]
    pub fn seen(&self) -> Time {
        self.seen
    }

    /// The first instant at which it is over, if it is not seen again: at its absolute end, or when it was idle for too long.
    #[must_use]
    pub fn over(&self) -> Time {
        self.until.min(self.ends)
    }

    /// The value of an attribute; none where it is unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.attribute(name)?.value.as_deref()
    }

    /// All attributes that have a value, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.attributes.iter().filter_map(|attribute| Some((&*attribute.name, attribute.value.as_deref()?)))
    }

    /// All attributes by name, removed ones included: what each is since when, and who said so.
    pub fn stated(&self) -> impl Iterator<Item = StatedAttribute<'_>> {
        self.attributes.iter().map(|Attribute { name, stamp, author, value }| StatedAttribute {
            name,
            value: value.as_deref(),
            by: Versioned { author: *author, version: *stamp },
        })
    }

    /// What each author counted under a name, those who did.
    pub fn counted(&self, name: &str) -> impl Iterator<Item = (Author, u64)> {
        let of_name =
            move |row: &Row| row.counts.iter().find(|(counter, _)| **counter == *name).map(|(_, count)| *count);
        self.rows.iter().filter_map(move |row| Some((row.author, of_name(row)?)))
    }

    /// What was counted under a name, by all authors.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counted(name).map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// The names of all counters, each once, in order.
    #[must_use]
    pub fn counters(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.rows.iter().flat_map(|row| row.counts.iter().map(|(name, _)| &**name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How far of each author everything is in here.
    pub fn versions(&self) -> impl Iterator<Item = Versioned> {
        self.rows.iter().map(|row| Versioned { author: row.author, version: row.version })
    }

    /// What of a client's context is not known to be in here.
    #[must_use]
    pub fn missing(&self, context: &[Versioned]) -> Vec<Versioned> {
        let misses = |written: &Versioned| !self.rows.iter().any(|row| row.holds(*written));
        context.iter().copied().filter(misses).collect()
    }

    /// When it last changed, as far as those who changed it say.
    pub(crate) fn changed(&self) -> Time {
        self.rows.iter().map(|row| row.version.at()).fold(self.seen, Time::max)
    }

    /// Whoever stated any of it, in no order.
    pub(crate) fn authors(&self) -> impl Iterator<Item = Author> {
        self.attributes.iter().map(|attribute| attribute.author).chain(self.rows.iter().map(|row| row.author))
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        let at = self.attributes.binary_search_by(|known| (*known.name).cmp(name)).ok()?;
        self.attributes.get(at)
    }
}
