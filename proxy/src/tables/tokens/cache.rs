//! What tokens came to, remembered for a while, so that a signature is checked once and not with every request.
//!
//! Bounded: [`SETS`] sets of [`WAYS`] tokens each, every set with a lock of its own. In a full set what expired goes first, then
//! what was not believed, then what expires soonest; what is not believed never drives out what is, so that a flood of forged
//! tokens costs no valid one its place.

use std::hash::Hasher;
use std::sync::{Arc, Mutex, PoisonError};

use selvedge_filters::Token;
use selvedge_state::Time;
use siphasher::sip128::{Hasher128, SipHasher13};

/// Sets of tokens.
const SETS: usize = 4096;
/// Tokens of one set.
const WAYS: usize = 8;
/// How long a token that is believed is remembered at most, ms; less when it expires earlier.
const BELIEVED_MS: u64 = 3_600_000;
/// How long one that is not believed is remembered, ms: its time may come.
const DOUBTFUL_MS: u64 = 10_000;

/// When a token that is believed, and expires at `until` if ever, is to be looked at again.
pub(super) fn believed(until: Option<Time>, now: Time) -> Time {
    let most = Time(now.0.saturating_add(BELIEVED_MS));
    until.map_or(most, |until| until.min(most))
}

/// When a token that is not believed, and begins at `from` if it says so, is to be looked at again.
pub(super) fn doubtful(from: Option<Time>, now: Time) -> Time {
    let most = Time(now.0.saturating_add(DOUBTFUL_MS));
    from.filter(|from| *from > now).map_or(most, |from| from.min(most))
}

/// What tokens of one issuer came to.
#[derive(Debug)]
pub(super) struct Cache {
    /// Nobody who does not know it can make two tokens of one id.
    secret: [u8; 16],
    sets: Box<[Mutex<Vec<Entry>>]>,
}

/// A keyed hash of a token: tokens themselves are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u128);

#[derive(Debug)]
struct Entry {
    id: Id,
    until: Time,
    token: Arc<Token>,
}

impl Entry {
    /// The lower, the sooner it makes room.
    fn worth(&self, now: Time) -> (bool, bool, Time) {
        (self.until > now, is_believed(&self.token), self.until)
    }
}

impl Cache {
    pub(super) fn new() -> Result<Cache, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        Ok(Cache { secret, sets: (0..SETS).map(|_| Mutex::default()).collect() })
    }

    pub(super) fn id(&self, token: &str) -> Id {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(token.as_bytes());
        Id(hasher.finish128().as_u128())
    }

    /// What is remembered of a token and still holds.
    pub(super) fn get(&self, id: Id, now: Time) -> Option<Arc<Token>> {
        let set = self.set(id)?.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = set.iter().find(|entry| entry.id == id && entry.until > now)?;
        Some(Arc::clone(&entry.token))
    }

    /// Remembers what a token came to until an instant.
    pub(super) fn put(&self, id: Id, token: &Arc<Token>, until: Time, now: Time) {
        let entry = Entry { id, until, token: Arc::clone(token) };
        let Some(set) = self.set(id) else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        set.retain(|entry| entry.id != id);
        if set.len() < WAYS {
            set.push(entry);
            return;
        }
        let Some(least) = set.iter_mut().min_by_key(|entry| entry.worth(now)) else { return };
        if is_believed(token) || least.until <= now || !is_believed(&least.token) {
            *least = entry;
        }
    }

    fn set(&self, id: Id) -> Option<&Mutex<Vec<Entry>>> {
        let index = usize::try_from(id.0 % SETS as u128).ok()?;
        self.sets.get(index)
    }
}

fn is_believed(token: &Token) -> bool {
    matches!(token, Token::Valid(_))
}

#[cfg(test)]
mod tests {
    use selvedge_filters::Believed;

    use super::*;

    const NOW: Time = Time(1_000);

    fn valid() -> Arc<Token> {
        Arc::new(Token::Valid(Believed::default()))
    }

    fn invalid() -> Arc<Token> {
        Arc::new(Token::Invalid("forged"))
    }

    /// Ids of one set.
    fn id(n: usize) -> Id {
        Id((n * SETS) as u128)
    }

    #[test]
    fn what_was_put_holds_until_its_time() {
        let cache = Cache::new().unwrap();
        cache.put(id(1), &valid(), Time(2_000), NOW);
        assert_eq!(cache.get(id(1), Time(1_999)), Some(valid()));
        assert_eq!(cache.get(id(1), Time(2_000)), None);
        assert_eq!(cache.get(id(2), NOW), None);
    }

    #[test]
    fn a_set_is_bounded_and_the_one_that_expires_soonest_makes_room() {
        let cache = Cache::new().unwrap();
        for n in 0..=WAYS {
            cache.put(id(n), &valid(), Time(2_000 + n as u64), NOW);
        }
        assert_eq!(cache.get(id(0), NOW), None);
        assert!((1..=WAYS).all(|n| cache.get(id(n), NOW).is_some()));
        assert_eq!(cache.sets[0].lock().unwrap().len(), WAYS);
    }

    #[test]
    fn forged_tokens_drive_out_no_valid_one() {
        let cache = Cache::new().unwrap();
        for n in 0..WAYS {
            cache.put(id(n), &valid(), Time(2_000), NOW);
        }
        cache.put(id(100), &invalid(), Time(9_000), NOW);
        assert_eq!(cache.get(id(100), NOW), None);
        assert!((0..WAYS).all(|n| cache.get(id(n), NOW).is_some()));
        cache.put(id(100), &invalid(), Time(9_000), Time(2_000));
        assert_eq!(cache.get(id(100), Time(2_000)), Some(invalid()), "expired ones make room for anything");
        for n in 0..WAYS {
            cache.put(id(n), &valid(), Time(5_000), Time(2_000));
        }
        assert_eq!(cache.get(id(100), Time(2_000)), None, "a forged one makes room for a valid one");
    }

    #[test]
    fn a_token_is_never_remembered_longer_than_it_holds() {
        assert_eq!(believed(Some(Time(1_500)), NOW), Time(1_500));
        assert_eq!(believed(Some(Time(u64::MAX)), NOW), Time(NOW.0 + BELIEVED_MS));
        assert_eq!(believed(None, NOW), Time(NOW.0 + BELIEVED_MS));
    }
}
