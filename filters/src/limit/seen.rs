//! Who was charged or refused lately, in clear: the store has hashes alone, and operators ask for names. A sample of one process, never
//! replicated and never decided by.
//!
//! Each key has one place, by its hash, and a place has one key. Who holds it keeps it while it is charged again within a second, or
//! refused within ten; so the busy ones are found there, and a flood of keys that come once writes each place once a second at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use selvedge_state::{Key, Key64, Time};

/// Keys of one limit that are known by name.
pub const SEEN_MAX: usize = 256;

/// The longest value of one part that is kept, bytes; keys with longer ones are not.
const VALUE_MAX: usize = 256;

/// For how long a place is held after a charge, ms.
const CHARGED: u64 = 1_000;

/// For how long after a refusal.
const REFUSED: u64 = 10_000;

/// A time that is lengthened by less is left, so that threads share the cache line, ms.
const LITTLE: u64 = 100;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was charged.
    Charged,
    /// It was refused, or would have been.
    Refused,
}

/// The sample of one limit. It takes room with the first key.
#[derive(Debug, Default)]
pub struct Seen {
    places: OnceLock<Box<[Place]>>,
}

#[derive(Debug, Default)]
struct Place {
    /// Whose it is; what the lock says counts.
    key: AtomicU64,
    /// Until when it is held, ms.
    until: AtomicU64,
    held: Mutex<Option<(Key64, Vec<String>)>>,
}

impl Seen {
    /// A key came. Its values are asked for only when its place is free.
    pub(crate) fn note(&self, key: Key, came: Came, now: Time, values: impl FnOnce() -> Vec<String>) {
        let Some(name) = key.each().next() else { return };
        let Some(place) = self.places.get_or_init(room).get(at(name)) else { return };
        let lasts = if came == Came::Refused { REFUSED } else { CHARGED };
        let (until, held_until) = (now.plus(lasts).0, place.until.load(Ordering::Relaxed));
        if held_until > 0 && place.key.load(Ordering::Relaxed) == number(name) {
            if until >= held_until.saturating_add(LITTLE) {
                place.until.store(until, Ordering::Relaxed);
            }
            return;
        }
        // One that is refused takes the place of one that is only charged.
        let free_at = if came == Came::Refused { now.plus(CHARGED) } else { now };
        if held_until > free_at.0 {
            return;
        }
        let values = values();
        if values.iter().any(|value| value.len() > VALUE_MAX) {
            return;
        }
        // Another thread is at it: then that one's key is as good.
        let Ok(mut held) = place.held.try_lock() else { return };
        *held = Some((name, values));
        place.key.store(number(name), Ordering::Relaxed);
        place.until.store(until, Ordering::Relaxed);
    }

    /// The values of a key, if it came lately; a value for each part, in the config's order.
    pub fn values(&self, name: Key64) -> Option<Vec<String>> {
        let held = self.places.get()?.get(at(name))?.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|(held, _)| *held == name).map(|(_, values)| values.clone())
    }
}

fn room() -> Box<[Place]> {
    (0..SEEN_MAX).map(|_| Place::default()).collect()
}

fn number(name: Key64) -> u64 {
    u64::from_le_bytes(name.to_bytes())
}

fn at(name: Key64) -> usize {
    (number(name) % SEEN_MAX as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);

    fn key(number: u64) -> Key {
        Key::new(Key64::from_bytes(number.to_le_bytes()), None)
    }

    fn note(seen: &Seen, number: u64, came: Came, at: u64) {
        seen.note(key(number), came, NOW.plus(at), || vec![number.to_string()]);
    }

    fn knows(seen: &Seen, number: u64) -> bool {
        let name = key(number).each().next().unwrap();
        seen.values(name).inspect(|values| assert_eq!(*values, [number.to_string()])).is_some()
    }

    #[test]
    fn one_that_comes_again_and_again_keeps_its_place() {
        let (seen, places) = (Seen::default(), SEEN_MAX as u64);
        assert!(!knows(&seen, 1));
        for at in (0..5_000).step_by(500) {
            note(&seen, 1, Came::Charged, at);
            note(&seen, 1 + places, Came::Charged, at + 1);
        }
        assert!(knows(&seen, 1) && !knows(&seen, 1 + places));
        note(&seen, 1 + places, Came::Charged, 5_500);
        assert!(!knows(&seen, 1) && knows(&seen, 1 + places), "the first one came no more");
    }

    #[test]
    fn one_that_is_refused_comes_first_and_stays_longer() {
        let (seen, places) = (Seen::default(), SEEN_MAX as u64);
        note(&seen, 1, Came::Charged, 0);
        note(&seen, 1 + places, Came::Refused, 1);
        assert!(knows(&seen, 1 + places));
        note(&seen, 1 + 2 * places, Came::Refused, 2);
        note(&seen, 1, Came::Charged, 9_000);
        assert!(knows(&seen, 1 + places), "neither another one that is refused nor a charge takes its place");
        note(&seen, 1, Came::Charged, 10_001);
        assert!(knows(&seen, 1));
    }

    #[test]
    fn as_many_are_known_as_there_are_places() {
        let seen = Seen::default();
        let many = 4 * SEEN_MAX as u64;
        (0..many).for_each(|number| note(&seen, number, Came::Refused, 0));
        assert_eq!((0..many).filter(|number| knows(&seen, *number)).count(), SEEN_MAX);
        seen.note(key(many), Came::Refused, NOW.plus(60_000), || vec!["v".repeat(VALUE_MAX + 1)]);
        assert!(!knows(&seen, many), "its value is too long");
    }
}
