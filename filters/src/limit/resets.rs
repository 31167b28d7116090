//! Resets: a key of a limit starts afresh at every POP. No count is ever lowered, which no join could keep: the key gets a *generation*,
//! and is counted under the name that it has in that. What was counted under the one before, here or late by peers, does not matter.
//!
//! The generation is a number that only grows, so of two resets the later one holds, and repeating one changes nothing. It has to be
//! known for as long as something that was counted in it matters: a key that was forgotten to be in its second generation would be in
//! its first, empty by then, and have its burst once more. So it is remembered for twice the limit's memory, and whoever charges the key
//! while less than once that is left has it remembered anew. A key that nobody charges is in its first generation again at the end.

use selvedge_conf::{Allows, Limit, Measure, Rate, Tier};
use selvedge_state::{
    EPOCH_LONGEST, FACT_MEMORY, Key, Key64, MaxId, Most, RegisterEntry, RegistersId, Rung, Store, TableFull, Time,
};

use super::overrides::{Overrides, place, space, uid};
use super::told::{self, Saying, Told, Whose};
use crate::key::KeyShape;

/// Where the notes of resets are, beside the registers of overrides.
const NOTE: u8 = b'r';

/// The greatest generation that a POP may say, an instant some 35,000 years away: one that is greater could not be followed by another.
const MOST: Most = Most::Value(1 << 50);

/// How long a request in flight may matter, ms: a day.
const FLIGHT: u64 = 24 * 3_600_000;

/// Slots of a limit's window that are remembered.
const SLOTS: u64 = 8;

/// The resets of one limit.
#[derive(Debug, Clone, Copy)]
pub struct Resets {
    generations: MaxId,
    /// A note goes with each generation, since a number does not keep what it is of.
    notes: RegistersId,
    /// How long what is counted for a key may matter, ms.
    memory: u64,
    /// What is said of keys: one that has a longer time matters longer.
    overrides: Overrides,
}

/// Under which names a key is counted. The default is those it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generation {
    number: u64,
    /// Until when it is remembered.
    kept: Time,
}

/// One reset that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The key.
    pub whose: Whose,
    /// The generation it is in since.
    pub generation: Generation,
    /// When it was reset last, by the clock of the POP that did.
    pub made_at: Time,
    /// Until when it is remembered, if nobody charges the key.
    pub until: Time,
}

impl Generation {
    /// Whether the key was reset.
    pub fn is_reset(self) -> bool {
        self.number > 0
    }

    /// What a key is called in it; what is called so in it gives the key again.
    pub fn of(self, key: Key, store: &Store) -> Key {
        if self.is_reset() { key.map(|name| self.of_name(name, store)) } else { key }
    }

    /// What one name is in it: such as one that lasts.
    pub fn of_name(self, name: Key64, store: &Store) -> Key64 {
        store.in_generation(name, self.number)
    }
}

impl Resets {
    /// Those of a limit of this name and key.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another space of numbers or registers.
    pub(crate) fn new(
        facts: &Limit,
        shape: &KeyShape,
        overrides: Overrides,
        store: &Store,
    ) -> Result<Resets, TableFull> {
        let generations = store.maxima(&uid(&facts.name, shape), MOST, Time::ZERO)?;
        Ok(Resets { generations, notes: space(&facts.name, shape, store)?, memory: memory(facts), overrides })
    }

    /// How long what is counted for one key may matter, ms.
    fn memory_of(&self, key: Key, store: &Store, now: Time) -> u64 {
        match self.overrides.of(key, store, now) {
            Some(Told::Rate { count, per, burst }) => self.memory.max(of_bucket(Rate { count, per }, burst)),
            Some(Told::InFlight(_) | Told::Unlimited) | None => self.memory,
        }
    }

    /// The generation a key is in. One relaxed load while none was reset.
    pub fn generation(&self, key: Key, store: &Store, now: Time) -> Generation {
        let known = key.each().filter_map(|name| store.max_entry(self.generations, &name.to_bytes(), now)).max();
        known.map_or(Generation::default(), |(number, kept)| Generation { number, kept })
    }

    /// Under which names a key is counted now.
    pub fn named(&self, key: Key, store: &Store, now: Time) -> Key {
        self.generation(key, store, now).of(key, store)
    }

    /// A key is charged, in its generation: has that remembered for as long as this charge matters. Writes once in the limit's memory
    /// for each key that was reset.
    pub fn renew(&self, key: Key, generation: Generation, store: &Store, now: Time) {
        if !generation.is_reset() || generation.kept >= now.plus(self.memory_of(key, store, now)) {
            return;
        }
        let until = self.until(key, store, now);
        for name in key.each() {
            // What is not taken here is tried again with the next charge.
            let _ = store.max_raise(self.generations, &name.to_bytes(), generation.number, until, now);
            let note = place(NOTE, name);
            if let Some(entry) = store.register_entry(self.notes, &note, now) {
                let _ = store.register_set(self.notes, &note, &entry.value, until.plus(FACT_MEMORY), now);
            }
        }
    }

    /// A key starts afresh at every POP; says the generation it is in from now on.
    ///
    /// # Errors
    /// In words: a peer says that it was reset in a future too far away, and nothing changes; or it is reset, but there is no room to
    /// list it.
    pub fn reset(&self, whose: &Whose, store: &Store, now: Time) -> Result<Generation, String> {
        let known = self.generation(whose.key, store, now);
        let (number, until) = (known.number.saturating_add(1).max(now.0), self.until(whose.key, store, now));
        for name in whose.key.each() {
            store
                .max_raise(self.generations, &name.to_bytes(), number, until, now)
                .map_err(|error| error.to_string())?;
        }
        let note = told::encode(&Saying::Reset, whose);
        for name in whose.key.each() {
            store
                .register_set(self.notes, &place(NOTE, name), &note, until.plus(FACT_MEMORY), now)
                .map_err(|error| format!("it is reset, but not listed: {error}"))?;
        }
        Ok(self.generation(whose.key, store, now))
    }

    /// All that are remembered, by key. Visits the registers of all spaces.
    pub fn all(&self, store: &Store, now: Time) -> Vec<Reset> {
        let noted = |entry: RegisterEntry| {
            let (Saying::Reset, whose) = told::decode(&entry.value)? else { return None };
            let generation = self.generation(whose.key, store, now);
            let (made_at, until) = (Time(generation.number), generation.kept);
            generation.is_reset().then_some(Reset { whose, generation, made_at, until })
        };
        let mut all: Vec<Reset> = store.register_entries(self.notes, now).into_iter().filter_map(noted).collect();
        all.sort_by(|a, b| (&a.whose.values, a.whose.key).cmp(&(&b.whose.values, b.whose.key)));
        all.dedup_by(|a, b| a.whose.key == b.whose.key);
        all
    }

    fn until(&self, key: Key, store: &Store, now: Time) -> Time {
        now.plus(self.memory_of(key, store, now).saturating_mul(2))
    }
}

/// How long what a bucket counts may matter, ms: its eight windows, and the time in which twice its burst drains.
fn of_bucket(rate: Rate, burst: u32) -> u64 {
    let windows = Rung::coarse_for(rate.per).millis().saturating_mul(SLOTS);
    let drains = 2.0 * f64::from(burst) * rate.per.as_secs_f64() * 1000.0 / f64::from(rate.count);
    windows.saturating_add(drains as u64)
}

/// How long what a limit counts for any key of its config may matter, ms: that of its bucket, the longest time of a quota, or a day of what is
/// in flight; and that of its penalty.
fn memory(facts: &Limit) -> u64 {
    let special = facts.overrides.iter().filter_map(|one| match &one.allows {
        Allows::Rate(tier) => Some(tier),
        Allows::Everything | Allows::Amount(_) | Allows::InFlight(_) => None,
    });
    let of_tier = |Tier { rate, burst, .. }: &Tier| of_bucket(*rate, *burst);
    let measured = match &facts.measure {
        Measure::Rates(tiers) => tiers.iter().chain(special).map(of_tier).max().unwrap_or(0),
        Measure::Quota(_) => EPOCH_LONGEST,
        Measure::InFlight(_) => FLIGHT,
    };
    let within =
        facts.penalty.as_ref().map_or(0, |penalty| u64::try_from(penalty.within.as_millis()).unwrap_or(u64::MAX));
    measured.max(within)
}
