//! What a client has seen of its session, and whether a node has it too.

use crate::identity::Author;
use crate::version::Version;

/// Entries of a client's context: what a cookie has room for.
pub const CONTEXT_MAX: usize = 4;

/// All that one author wrote in a session up to a version, and what it had read of it by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versioned {
    /// Who.
    pub author: Author,
    /// How far.
    pub version: Version,
}

/// Whether all that a client has seen or written of its session is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// It is: this node's answers come after all that the client was told before (read your writes, monotonic reads).
    All,
    /// What these authors wrote is not known to be here, and may be fetched from their POPs.
    Misses(Vec<Author>),
    /// The lives of all authors that are missing have ended, so nobody who certainly has it can be asked: it may be gone for good.
    Ended(Vec<Author>),
}

/// The greatest version of each author, the newest [`CONTEXT_MAX`] of them, newest first.
#[must_use]
pub fn newest_of(context: impl IntoIterator<Item = Versioned>) -> Vec<Versioned> {
    let mut all: Vec<Versioned> = context.into_iter().collect();
    all.sort_unstable_by_key(|one| std::cmp::Reverse((one.author, one.version)));
    all.dedup_by_key(|one| one.author);
    all.sort_unstable_by_key(|one| std::cmp::Reverse((one.version, one.author)));
    all.truncate(CONTEXT_MAX);
    all
}
