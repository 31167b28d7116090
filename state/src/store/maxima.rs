//! Numbers that only grow, by space and key.

use super::facts::Said;
use super::{Store, TableFull};
use crate::fact::{About, Kind};
use crate::key::{Domain, Key128, Keyed};
use crate::maximum::{Most, Raised};
use crate::time::Time;

/// A space of numbers of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxId(u16);

/// Why a number could not be raised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaxError {
    /// The space is of another store.
    #[error("no space of numbers has this number")]
    NoSpace,
    /// The number is greater than is plausible.
    #[error("{value} is more than is plausible there, {most}")]
    Implausible {
        /// What it was to be.
        value: u64,
        /// The most that it may be now.
        most: u64,
    },
}

impl Store {
    /// Finds or makes the space of numbers of this name and bound, the same at every node that names it so.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`](crate::TABLES_MAX) of them already; nothing is made then.
    pub fn maxima(&self, uid: &str, most: Most, now: Time) -> Result<MaxId, TableFull> {
        let identity = self.names.hash64(Domain::Maxima, &[uid.as_bytes(), &most.bytes()]);
        self.maxima.space(identity, uid, (most, now)).map(MaxId)
    }

    /// Raises a number everywhere, to be remembered until an instant (ten years away at most) and an hour more. A greater one
    /// stays. It always fits: where the room is full, all numbers of a space are raised to the least ones that are remembered.
    ///
    /// # Errors
    /// [`MaxError`] when the number is more than is plausible in its space; nothing changes then.
    pub fn max_raise(&self, space: MaxId, key: &[u8], value: u64, until: Time, now: Time) -> Result<(), MaxError> {
        let at = self.maxima.named(space.0).ok_or(MaxError::NoSpace)?;
        let most = at.most.at(now);
        if value > most {
            return Err(MaxError::Implausible { value, most });
        }
        let key = self.max_key(at.identity, key).now;
        let about = About { space: at.identity, key: Some(key) };
        let raised = Raised::new(about, (value, until), self.me, now);
        let (_, changes) = self.maxima.join_in(key, &raised, Said::Here, now);
        self.dirty.fact(Kind::Maximum, changes);
        Ok(())
    }

    /// The number of a key, or the floor of its space where that is greater; 0 where nothing is said.
    #[must_use]
    pub fn max_get(&self, space: MaxId, key: &[u8], now: Time) -> u64 {
        self.max_entry(space, key, now).map_or(0, |(value, _)| value)
    }

    /// The same, and the first instant at which it is not remembered any more. One relaxed load where nothing is said of any key of
    /// the space.
    #[must_use]
    pub fn max_entry(&self, space: MaxId, key: &[u8], now: Time) -> Option<(u64, Time)> {
        let space = self.maxima.named(space.0).filter(|space| space.is_spoken_of())?;
        let read = |known: &Raised| (now < known.kept).then_some((known.value, known.kept));
        let own = self.max_key(space.identity, key).each().filter_map(|key| self.maxima.read(key, read)?).max();
        own.max(self.maxima.floor(Some(space.identity), read).flatten())
    }

    fn max_key(&self, space: u64, key: &[u8]) -> Keyed<Key128> {
        self.secrets.key128(Domain::Maximum, &[&space.to_le_bytes(), key])
    }
}
