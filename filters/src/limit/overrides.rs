//! Overrides: for one key of a limit, said at run time, another rate, another number at once, or no limit, until an instant. Facts like a ban: whoever said the last
//! one is right, and every POP comes to the same.
//!
//! An override is a register under the key's hash. While the cluster's secret is rotated a key has two of those; it is said under both,
//! and looked for under both. One that is known by its hash alone is said under that, and one that was said before the rotation ends with
//! the former secret.

use selvedge_state::{Actor, Key, Key64, RegisterEntry, RegisterError, RegistersId, Store, TableFull, Time};

use super::told::{self, Saying, Told, Whose};
use crate::key::KeyShape;

/// Where the registers of overrides are, beside the notes of resets.
const OVERRIDE: u8 = b'o';

/// What is said of the keys of one limit.
#[derive(Debug, Clone, Copy)]
pub struct Overrides {
    space: RegistersId,
}

/// One override in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key.
    pub whose: Whose,
    /// What holds for it.
    pub told: Told,
    /// The first instant at which that is over.
    pub until: Time,
    /// When it was said, by the clock of the POP that did.
    pub made_at: Time,
    /// Who said it.
    pub made_by: Actor,
}

impl Overrides {
    /// Those of a limit of this name and key: keys of another shape mean something else.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another space of registers.
    pub(crate) fn new(name: &str, shape: &KeyShape, store: &Store) -> Result<Overrides, TableFull> {
        Ok(Overrides { space: space(name, shape, store)? })
    }

    /// What holds for a key instead of what the config says. One relaxed load while nothing is said of any.
    pub fn of(&self, key: Key, store: &Store, now: Time) -> Option<Told> {
        self.entry(key, store, now).and_then(|entry| told::told(&entry.value))
    }

    /// Says at every POP what holds for a key until an instant, ten years away at most.
    ///
    /// # Errors
    /// [`RegisterError`] when there is no room for it; then nothing is said, or under one of two names alone.
    pub fn set(&self, whose: &Whose, told: Told, until: Time, store: &Store, now: Time) -> Result<(), RegisterError> {
        let bytes = told::encode(&Saying::Told(told), whose);
        whose.key.each().try_for_each(|name| store.register_set(self.space, &place(OVERRIDE, name), &bytes, until, now))
    }

    /// Takes back at every POP what was said of a key; says what that was.
    ///
    /// # Errors
    /// [`RegisterError`] when it was said by a clock that is too far ahead.
    pub fn clear(&self, key: Key, store: &Store, now: Time) -> Result<Option<Told>, RegisterError> {
        let Some(entry) = self.entry(key, store, now) else { return Ok(None) };
        for name in key.each() {
            store.register_remove(self.space, &place(OVERRIDE, name), entry.until, now)?;
        }
        Ok(told::told(&entry.value))
    }

    /// All that are in force, by key. Visits the registers of all spaces.
    pub fn all(&self, store: &Store, now: Time) -> Vec<Override> {
        let said = |entry: RegisterEntry| match told::decode(&entry.value)? {
            (Saying::Told(told), whose) => {
                let RegisterEntry { until, made_at, made_by, .. } = entry;
                Some(Override { whose, told, until, made_at, made_by })
            }
            (Saying::Reset, _) => None,
        };
        let mut all: Vec<Override> = store.register_entries(self.space, now).into_iter().filter_map(said).collect();
        // What was said by a secret that is forgotten is there, and holds no longer; what another one beats under another name neither.
        all.retain(|held| self.of(held.whose.key, store, now) == Some(held.told));
        all.sort_by(|a, b| (&a.whose.values, a.whose.key).cmp(&(&b.whose.values, b.whose.key)));
        all.dedup_by(|a, b| a.whose.key == b.whose.key);
        all
    }

    fn entry(&self, key: Key, store: &Store, now: Time) -> Option<RegisterEntry> {
        let entries = key.each().filter_map(|name| store.register_entry(self.space, &place(OVERRIDE, name), now));
        entries.max_by_key(|entry| (entry.made_at, entry.made_by))
    }
}

/// The registers of a limit of this name and key.
pub(super) fn space(name: &str, shape: &KeyShape, store: &Store) -> Result<RegistersId, TableFull> {
    store.registers(&uid(name, shape))
}

/// What a limit of this name and key calls what was said of it.
pub(super) fn uid(name: &str, shape: &KeyShape) -> String {
    format!("limits/{name} {}", shape.name())
}

/// The register of one kind and name.
pub(super) fn place(kind: u8, name: Key64) -> [u8; 9] {
    let mut place = [kind; 9];
    if let Some(rest) = place.last_chunk_mut::<8>() {
        *rest = name.to_bytes();
    }
    place
}
