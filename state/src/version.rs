//! Versions: which of two things that one author said is the later one. A hybrid of its clock and a count (Kulkarni et al., "Logical
//! physical clocks", 2014), so a version tells when it was made, and is greater than all that its author knew when it made it.

use crate::time::Time;

/// Bits of a version below its time.
const CHANGES: u32 = 20;

/// Which of two statements of one author is the later one: ms of its author's node time, and changes within one ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub(crate) u64);

impl Version {
    /// As a number, the same at every node.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Of such a number.
    #[must_use]
    pub const fn numbered(number: u64) -> Version {
        Version(number)
    }

    /// The next one, at `now`: greater than this one even where the clock stands still. It would run ahead of the clock at more than a
    /// million changes in a ms.
    pub(crate) fn next(self, now: Time) -> Version {
        let earliest = now.0.min(u64::MAX >> CHANGES) << CHANGES;
        Version(self.0.saturating_add(1).max(earliest))
    }

    /// Changes within one ms that are told apart.
    pub(crate) const MOST: u64 = (1 << CHANGES) - 1;

    /// One that was made at this instant, as so many changes before it; `None` where there is no such version.
    pub(crate) fn new(at: Time, changes: u64) -> Option<Version> {
        (at.0 <= u64::MAX >> CHANGES && changes <= Version::MOST).then_some(Version(at.0 << CHANGES | changes))
    }

    /// How many were made before it in the same ms.
    pub(crate) fn changes(self) -> u64 {
        self.0 & Version::MOST
    }

    /// When it was made, by the clock of who made it.
    #[must_use]
    pub fn at(self) -> Time {
        Time(self.0 >> CHANGES)
    }
}
