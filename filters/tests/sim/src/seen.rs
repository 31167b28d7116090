//! What a run saw.

use std::fmt;

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Random operations.
    pub operations: u64,
    /// Requests of clients.
    pub requests: u64,
    /// Those that were answered: a POP that ends answers none.
    pub answers: u64,
    /// Answered with what was stored and fresh.
    pub hits: u64,
    /// Answered with what was stored and stale, within its window.
    pub stale: u64,
    /// Answered with what a request before them fetched.
    pub collapsed: u64,
    /// Purges.
    pub purges: u64,
    /// Receipts of a POP for a purge.
    pub receipts: u64,
    /// What was found purged.
    pub purged: u64,
    /// Validations that ended in a 304.
    pub validated: u64,
    /// Fetches through a parent, and those of them that could not have what it had, for it had not heard of all that they know.
    pub through: u64,
    /// See `through`.
    pub anew: u64,
    /// Found on a disk and brought back.
    pub from_disk: u64,
    /// The same of what a life before stored.
    pub from_earlier: u64,
    /// Lives that ended without notice.
    pub crashes: u64,
    /// Ways that were cut.
    pub cuts: u64,
}

impl Seen {
    /// Adds what another run saw.
    pub fn add(&mut self, other: &Seen) {
        let Seen { operations, requests, answers, hits, stale, collapsed, purges, receipts, .. } = other;
        let Seen { purged, validated, through, anew, from_disk, from_earlier, crashes, cuts, .. } = other;
        for (sum, more) in [
            (&mut self.operations, operations),
            (&mut self.requests, requests),
            (&mut self.answers, answers),
            (&mut self.hits, hits),
            (&mut self.stale, stale),
            (&mut self.collapsed, collapsed),
            (&mut self.purges, purges),
            (&mut self.receipts, receipts),
            (&mut self.purged, purged),
            (&mut self.validated, validated),
            (&mut self.through, through),
            (&mut self.anew, anew),
            (&mut self.from_disk, from_disk),
            (&mut self.from_earlier, from_earlier),
            (&mut self.crashes, crashes),
            (&mut self.cuts, cuts),
        ] {
            *sum += more;
        }
    }

    /// The part of the answers that came from what was stored.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        (self.hits + self.stale) as f64 / self.answers.max(1) as f64
    }
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// An answer was older than a purge allowed.
    Stale,
    /// Something was purged that nobody purged.
    Gone,
    /// A purge did not get everywhere when all trouble was over.
    Missing,
}

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which kind.
    pub wrong: Wrong,
    /// What replays it.
    pub seed: u64,
    /// After so many operations.
    pub operations: u64,
    /// The same in words.
    pub what: String,
    /// What came before, the last one last: of the thing that it is about, and what befell the cluster.
    pub before: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { wrong: _, seed, operations, what, before } = self;
        writeln!(formatter, "seed {seed}, operation {operations}: {what}; before that:")?;
        before.iter().try_for_each(|line| writeln!(formatter, "  {line}"))
    }
}
