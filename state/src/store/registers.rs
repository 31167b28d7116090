//! Registers of a node, by space and key.

use std::sync::Arc;

use super::facts::{Facts, Offered, Said, Space};
use super::{Store, TableFull};
use crate::fact::{About, Kind};
use crate::identity::Actor;
use crate::key::{Domain, Key128, Keyed};
use crate::maximum::Most;
use crate::register::{Registered, VALUE_MAX, Wish};
use crate::time::Time;

/// A space of registers of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistersId(u16);

/// A register that has a value, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterEntry {
    /// The value.
    pub value: Arc<[u8]>,
    /// The first instant at which it has none any more.
    pub until: Time,
    /// When it was stated, by its author's clock.
    pub made_at: Time,
    /// Who stated it.
    pub made_by: Actor,
}

/// Why a register could not be set or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The value is too long.
    #[error("a value has at most {VALUE_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The space is of another store.
    #[error("no space of registers has this number")]
    NoSpace,
    /// It was stated by clocks so far ahead, or so often at once, that what is stated now would be refused by peers.
    #[error("it was stated too far ahead of this node's clock; try again when that has caught up")]
    Ahead,
    /// No more values fit, and none was found that may be forgotten yet. Removals always fit.
    #[error(
        "{max} values are remembered already, the most that are kept, and none was found that can be forgotten yet"
    )]
    Full {
        /// How many values fit, in all spaces.
        max: usize,
    },
    /// No more values of this space fit, and none of them was found that may be forgotten yet.
    #[error(
        "the space {space:?} has {max} remembered values already, the most of one space, and none was found that can be \
         forgotten yet"
    )]
    SpaceFull {
        /// The space's name.
        space: Arc<str>,
        /// How many of one space fit.
        max: usize,
    },
}

impl Store {
    /// Finds or makes the space of registers of this name, the same at every node that names it so.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`](crate::TABLES_MAX) of them already; nothing is made then.
    pub fn registers(&self, uid: &str) -> Result<RegistersId, TableFull> {
        let identity = self.names.hash64(Domain::Registers, &[uid.as_bytes()]);
        self.registers.space(identity, uid, (Most::Value(u64::MAX), Time::ZERO)).map(RegistersId)
    }

    /// Gives a register a value, everywhere, until an instant (ten years away at most). The last statement counts, whoever
    /// made it; one made here comes after all that this node knows of the register.
    ///
    /// # Errors
    /// [`RegisterError`] when the value is too long, no more fit, or peers would refuse it; nothing changes then.
    pub fn register_set(
        &self,
        space: RegistersId,
        key: &[u8],
        value: &[u8],
        until: Time,
        now: Time,
    ) -> Result<(), RegisterError> {
        if value.len() > VALUE_MAX {
            return Err(RegisterError::TooLong(value.len()));
        }
        self.register(space, key, Some(Arc::from(value)), until, now)
    }

    /// Removes a register everywhere, also one that is not known here yet: a removal beats all that was stated before it and
    /// ends by `until`. It always fits: where the room is full, all values of a space that were stated up to an instant are
    /// removed instead of being remembered one by one.
    ///
    /// # Errors
    /// [`RegisterError::NoSpace`] and [`RegisterError::Ahead`]; nothing changes then.
    pub fn register_remove(&self, space: RegistersId, key: &[u8], until: Time, now: Time) -> Result<(), RegisterError> {
        self.register(space, key, None, until, now)
    }

    /// The value of a register, while it has one. None of those that a floor covers.
    #[must_use]
    pub fn register_get(&self, space: RegistersId, key: &[u8], now: Time) -> Option<Arc<[u8]>> {
        self.register_entry(space, key, now).map(|entry| entry.value)
    }

    /// The same, with who gave it the value, and until when. One relaxed load where nothing is said of any register of the space.
    #[must_use]
    pub fn register_entry(&self, space: RegistersId, key: &[u8], now: Time) -> Option<RegisterEntry> {
        let space = self.registers.named(space.0).filter(|space| space.is_spoken_of())?;
        let keys = self.register_key(space.identity, key);
        let Some(beside) = keys.beside else {
            return self.registers.read(keys.now, |known| known.entry(now)).flatten();
        };
        later(self.registers.get(keys.now), self.registers.get(beside))?.entry(now)
    }

    /// All registers of a space that have a value, by value. Which keys they are under is not kept: a value has to tell, where somebody
    /// asks. Visits the registers of all spaces.
    #[must_use]
    pub fn register_entries(&self, space: RegistersId, now: Time) -> Vec<RegisterEntry> {
        let Some(space) = self.registers.named(space.0).filter(|space| space.is_spoken_of()) else { return Vec::new() };
        let held = |known: &Registered| known.entry(now).filter(|_| known.about.space == space.identity);
        let mut entries = self.registers.collect(held);
        entries.sort_unstable_by(|a, b| (&a.value, a.made_at, a.made_by).cmp(&(&b.value, b.made_at, b.made_by)));
        entries
    }

    /// A number that grows with each change of a register that comes to be known here by a peer, or by a snapshot.
    #[must_use]
    pub fn registers_heard(&self) -> u64 {
        self.registers.numbers.last()
    }

    /// The instant up to which all that was stated in a space is void, if its removals once did not fit.
    #[must_use]
    pub fn registers_floor(&self, space: RegistersId) -> Option<Time> {
        let space = self.registers.named(space.0)?;
        self.registers.floor(Some(space.identity), |floor| floor.stamp)
    }

    fn register_key(&self, space: u64, key: &[u8]) -> Keyed<Key128> {
        self.secrets.key128(Domain::Register, &[&space.to_le_bytes(), key])
    }

    fn register(
        &self,
        space: RegistersId,
        key: &[u8],
        value: Option<Arc<[u8]>>,
        until: Time,
        now: Time,
    ) -> Result<(), RegisterError> {
        let space = self.registers.named(space.0).ok_or(RegisterError::NoSpace)?;
        let keys = self.register_key(space.identity, key);
        let about = About { space: space.identity, key: Some(keys.now) };
        let beside = keys.beside.and_then(|beside| self.registers.get(beside));
        let wish = Wish { value, until, by: self.me, now };
        self.dirty.fact(Kind::Register, self.registers.wish(space, (about, beside.as_ref()), &wish)?);
        Ok(())
    }
}

impl Registered {
    fn entry(&self, now: Time) -> Option<RegisterEntry> {
        let value = Arc::clone(self.value(now)?);
        Some(RegisterEntry { value, until: self.until, made_at: self.stamp, made_by: self.author.actor })
    }
}

/// The later one of two statements about one register, by its two names.
fn later(one: Option<Registered>, other: Option<Registered>) -> Option<Registered> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.is_after(&one) { other } else { one }),
        (one, other) => one.or(other),
    }
}

impl Facts<Registered> {
    /// States a register on top of what is known of it, also by its name beside; says the keys that have to be sent.
    fn wish(
        &self,
        space: &Arc<Space>,
        (about, beside): (About, Option<&Registered>),
        wish: &Wish,
    ) -> Result<Vec<Key128>, RegisterError> {
        let key = about.name(self.secret());
        let said = self.amend(key, |known| {
            let latest = beside.filter(|beside| beside.is_after(known)).unwrap_or(known);
            let next = Registered::next(Some(latest), about, wish);
            // Too far ahead of the clock: what is known by the name beside stays as it is.
            let fits = next.about == about;
            let says = fits && next.says(wish);
            Some((if fits { next } else { known.clone() }, says))
        });
        match said {
            Some((true, change)) => return Ok(change.into_iter().collect()),
            Some((false, _)) => return Err(RegisterError::Ahead),
            None => {}
        }
        // What the floor covers is gone, so what is left is after it.
        let over_beside = beside.map(|beside| Registered::next(Some(beside), about, wish));
        let over_floor = || self.floor(Some(about.space), |floor| Registered::next(Some(floor), about, wish));
        let first = over_beside.or_else(over_floor).unwrap_or_else(|| Registered::next(None, about, wish));
        if first.about != about {
            return Err(RegisterError::Ahead);
        }
        match self.join_in(key, &first, Said::Here, wish.now) {
            (Offered::Full, _) if self.has_its_share(space) => {
                Err(RegisterError::SpaceFull { space: Arc::clone(&space.name), max: self.share() })
            }
            (Offered::Full, _) => Err(RegisterError::Full { max: self.max() - self.max() / 4 }),
            (_, changes) => Ok(changes),
        }
    }
}
