//! Rules that are left out on purpose, so that it is known that the judge finds it.

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Rule L: a fill takes its stamp when the answer is there and not before it asks.
    Late,
    /// Rule W: who waited, or comes while a fill is on its way, takes what that brings without a look at purges.
    Waiter,
    /// Rule T: a fill through a parent carries no purges.
    Untold,
    /// Rule T: what a parent has validated since counts as fetched since, where it could not take in what a child knows.
    Vouched,
    /// Rule H: what was purged hard is validated as if it were stale.
    Validated,
    /// Rule H: a 304 renews what is on the disk without a look at what was purged since that was looked up.
    Rewritten,
    /// Rule B: receipts do not wait for the log of purges.
    Unlogged,
    /// A POP says that it has applied a purge before it has.
    Early,
    /// What a parent answers stale is stored as if it were fresh.
    Refreshed,
}

impl Break {
    /// All of them.
    pub const ALL: [Break; 9] = [
        Break::Late,
        Break::Waiter,
        Break::Untold,
        Break::Vouched,
        Break::Validated,
        Break::Rewritten,
        Break::Unlogged,
        Break::Early,
        Break::Refreshed,
    ];
}
