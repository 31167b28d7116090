//! Marks of a node, by the keyed hash of their purge key.

use std::sync::atomic::Ordering;

use super::Store;
use super::facts::{Offered, Said};
use crate::fact::Kind;
use crate::identity::Seq;
use crate::key::{Domain, Key128, PurgeKey};
use crate::marks::{Application, Dot, FLOOR_DOTS_MAX, Marked};
use crate::time::Time;

/// How many purges were applied at this node when a fill began. The default is that none was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fill(u64);

impl Fill {
    /// One that was written down in this life of the node.
    #[must_use]
    pub fn numbered(number: u64) -> Fill {
        Fill(number)
    }

    /// How many: the numbers of those applications are at most this one.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Why something could not be purged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurgeError {
    /// As many nodes as are remembered have purged something.
    #[error("{FLOOR_DOTS_MAX} nodes have purged already, the most that are remembered")]
    Crowded,
}

impl Store {
    /// The keyed hash of a purge key's parts, such as a kind and a tag. Parts are framed by length.
    #[must_use]
    pub fn purge_key(&self, parts: &[&[u8]]) -> PurgeKey {
        self.secrets.key128(Domain::Mark, parts)
    }

    /// Purges everywhere what has this key and was filled before. `until` (ten years away at most) is when nothing that was
    /// filled before is in use any more; it is remembered for an hour longer. Here it is applied when this returns. It always
    /// fits: where the room is full, everything that was filled before the oldest purges is purged with them.
    ///
    /// # Errors
    /// [`PurgeError`] when more than [`FLOOR_DOTS_MAX`] nodes purge.
    pub fn purge(&self, PurgeKey { now: key, .. }: PurgeKey, until: Time, now: Time) -> Result<Dot, PurgeError> {
        let seq = self.purges.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let dot = Dot { author: self.me, seq: Seq(seq) };
        let (offered, changes) = self.marks.join_in(key, &Marked::new(key, dot, until, now), Said::Here, now);
        self.dirty.fact(Kind::Mark, changes);
        if offered == Offered::Full { Err(PurgeError::Crowded) } else { Ok(dot) }
    }

    /// What a fill remembers, taken before its request is sent.
    #[must_use]
    pub fn fill(&self) -> Fill {
        Fill(self.marks.numbers.last())
    }

    /// The first application here, after a fill began, of a purge of any of these names, or of one that took all with it. Of each
    /// actor only the last purge of a name is remembered, so there may have been an earlier one.
    ///
    /// Whoever takes [`fill`](Self::fill) before asking and is told of none knows that up to it there was none: a purge has its
    /// number and its mark before anything else is read of its key.
    #[must_use]
    pub fn first_purge(&self, keys: &[Key128], fill: Fill) -> Option<Application> {
        if self.marks.numbers.last() == fill.0 {
            return None;
        }
        let since = |mark: &Marked| mark.first_since(fill.0);
        let may_be = |key: &&Key128| self.marks.numbers.may_be_since(**key, fill.0);
        let of_keys = keys.iter().filter(may_be).filter_map(|key| self.marks.read(*key, since).flatten());
        of_keys.min_by_key(|application| application.number).or_else(|| self.marks.floor(None, since).flatten())
    }

    /// When a purge, or a later one of its author, of this key was applied here; for receipts.
    #[must_use]
    pub fn purge_applied(&self, key: PurgeKey, dot: Dot) -> Option<Application> {
        let applied = |mark: &Marked| mark.application(dot);
        key.each()
            .find_map(|key| self.marks.read(key, applied).flatten())
            .or_else(|| self.marks.floor(None, applied).flatten())
    }
}
