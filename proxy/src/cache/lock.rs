//! Collapsing: of the requests that miss one key together, one goes to the origin and the others wait for its answer.
//!
//! A leader may take `age`; then one of those who wait becomes the second leader. Nobody waits longer than `wait`, and
//! `age < wait <= 2 * age`, so whoever waits has seen at most two leaders, however slow the origin is. Then the answer is a
//! stale response or 503, never one more fetch (see [`Cache::before_origin`](super::Cache::before_origin)).
//!
//! Pingora's own lock table keeps the entry of a leader that took too long until the key is asked for again. Here an entry
//! goes when its leader does, so the table is no larger than the number of leaders.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Extensions;
use pingora::cache::lock::{CacheKeyLock, LockStatus, LockStub, Locked, WritePermit};
use pingora::cache::{CacheKey, CacheOptionOverrides};

use super::storage::EntryKey;

const SHARDS: usize = 16;

/// The most leaders in one of the table's shards. Past it, a request leads without being waited for.
const LEADERS_MAX: usize = 64 * 1024;

/// How often a waiting request may look again: once when its leader takes too long, and after this many leaders that
/// failed. After that it is refused, so an origin that fails fast is not asked by everyone in turn.
const RETRIES: usize = 4;

/// One leader's turn, carried by both ends of its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn(u64);

/// The table of leaders.
#[derive(Debug)]
pub(crate) struct Collapse {
    leaders: Box<[Mutex<HashMap<EntryKey, LockStub>>]>,
    leaders_max: usize,
    next: AtomicU64,
    wait: Duration,
}

impl Collapse {
    /// Nobody waits longer than `wait` for another's answer.
    pub(crate) fn new(wait: Duration) -> Collapse {
        Collapse::bounded(wait, LEADERS_MAX)
    }

    fn bounded(wait: Duration, leaders_max: usize) -> Collapse {
        let leaders = (0..SHARDS).map(|_| Mutex::default()).collect();
        Collapse { leaders, leaders_max, next: AtomicU64::new(0), wait }
    }

    /// How long a leader may take before another is chosen: two thirds of the wait, so that the second leader's turn
    /// outlasts the wait of all who saw the first.
    pub(crate) fn age(&self) -> Duration {
        self.wait * 2 / 3
    }

    /// What `HttpCache::enable` takes beside the lock.
    pub(crate) fn overrides(&self) -> CacheOptionOverrides {
        let mut overrides = CacheOptionOverrides::default();
        overrides.wait_timeout = Some(self.wait);
        overrides.max_lock_retries = Some(RETRIES);
        overrides
    }

    fn leaders(&self, key: EntryKey) -> MutexGuard<'_, HashMap<EntryKey, LockStub>> {
        let index = (key.0 % SHARDS as u128) as usize;
        // SHARDS tables were made, so the index is always one of them.
        #[allow(clippy::indexing_slicing)]
        self.leaders[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collapse {
    /// A turn that nobody waits for.
    pub(crate) fn alone(&self) -> Locked {
        let (permit, _) = WritePermit::new(self.age(), true, self.turn());
        Locked::Write(permit)
    }

    fn turn(&self) -> Extensions {
        let mut turn = Extensions::new();
        turn.insert(Turn(self.next.fetch_add(1, Ordering::Relaxed)));
        turn
    }
}

impl CacheKeyLock for Collapse {
    fn lock(&self, key: &CacheKey, stale_writer: bool) -> Locked {
        let key = EntryKey::of(key);
        let mut leaders = self.leaders(key);
        if let Some(leader) = leaders.get(&key) {
            let follow = leader.read_lock();
            if !matches!(follow.lock_status(), LockStatus::Dangling | LockStatus::AgeTimeout) {
                return Locked::Read(follow);
            }
        }
        let (permit, stub) = WritePermit::new(self.age(), stale_writer, self.turn());
        if leaders.len() < self.leaders_max || leaders.contains_key(&key) {
            leaders.insert(key, stub);
        }
        Locked::Write(permit)
    }

    fn release(&self, key: &CacheKey, mut permit: WritePermit, reason: LockStatus) {
        let key = EntryKey::of(key);
        let mine = permit.extensions().get::<Turn>().copied();
        let mut leaders = self.leaders(key);
        let is_mine = leaders.get(&key).is_some_and(|leader| leader.extensions().get::<Turn>().copied() == mine);
        // A first leader that answers late still answers for those who wait for the second.
        let answers = matches!(reason, LockStatus::Done | LockStatus::GiveUp);
        let other = if is_mine || answers { leaders.remove(&key) } else { None };
        drop(leaders);
        permit.unlock(reason);
        if let Some(other) = other.filter(|_| !is_mine) {
            other.0.unlock(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::cache::lock::{ReadLock, WaitOutcome};

    fn key(name: &str) -> CacheKey {
        CacheKey::new(name, "")
    }

    fn lead(collapse: &Collapse, name: &str) -> WritePermit {
        match collapse.lock(&key(name), false) {
            Locked::Write(permit) => permit,
            Locked::Read(_) => panic!("{name} has a leader"),
        }
    }

    fn follow(collapse: &Collapse, name: &str) -> ReadLock {
        match collapse.lock(&key(name), false) {
            Locked::Read(lock) => lock,
            Locked::Write(_) => panic!("{name} has no leader"),
        }
    }

    fn leaders(collapse: &Collapse) -> usize {
        collapse.leaders.iter().map(|shard| shard.lock().expect("not poisoned").len()).sum()
    }

    #[test]
    fn nobody_sees_a_third_leader() {
        let collapse = Collapse::new(Duration::from_secs(9));
        let wait = collapse.overrides().wait_timeout.expect("set");
        assert!(collapse.age() < wait && wait <= 2 * collapse.age());
        assert!(collapse.overrides().max_lock_retries.expect("set") >= 1, "one look after the first leader");
    }

    #[test]
    fn one_leads_and_the_others_follow() {
        let collapse = Collapse::new(Duration::from_secs(60));
        let permit = lead(&collapse, "a");
        let waiting: Vec<_> = (0..3).map(|_| follow(&collapse, "a")).collect();
        let other = lead(&collapse, "b");
        collapse.release(&key("a"), permit, LockStatus::Done);
        assert!(waiting.iter().all(|lock| lock.lock_status() == LockStatus::Done && !lock.locked()));
        assert_eq!(leaders(&collapse), 1);
        collapse.release(&key("b"), other, LockStatus::TransientError);
        assert_eq!(leaders(&collapse), 0);
    }

    #[tokio::test]
    async fn a_leader_that_takes_too_long_is_replaced_and_still_answers_for_all() {
        let collapse = Collapse::new(Duration::ZERO);
        let first = lead(&collapse, "a");
        let second = lead(&collapse, "a");
        assert_eq!(leaders(&collapse), 1, "the second took the first's place");
        // Someone who waits for the second: not for long with an age of zero, so the lock is looked at directly.
        let waiting = {
            let table = collapse.leaders(EntryKey::of(&key("a")));
            table.get(&EntryKey::of(&key("a"))).expect("the second").read_lock()
        };
        assert!(waiting.locked());
        collapse.release(&key("a"), first, LockStatus::Done);
        assert!(!waiting.locked());
        waiting.wait().await;
        assert_eq!(leaders(&collapse), 0);
        collapse.release(&key("a"), second, LockStatus::Done);
        assert_eq!(leaders(&collapse), 0);
    }

    #[tokio::test]
    async fn a_failed_first_leader_does_not_speak_for_the_second() {
        let collapse = Collapse::new(Duration::ZERO);
        let first = lead(&collapse, "a");
        let second = lead(&collapse, "a");
        collapse.release(&key("a"), first, LockStatus::TransientError);
        assert_eq!(leaders(&collapse), 1);
        collapse.release(&key("a"), second, LockStatus::TransientError);
        assert_eq!(leaders(&collapse), 0);
    }

    #[tokio::test]
    async fn who_waits_for_an_aged_leader_competes_again() {
        let collapse = Collapse::new(Duration::from_secs(3600));
        let permit = lead(&collapse, "a");
        let waiting = follow(&collapse, "a");
        assert!(waiting.locked());
        collapse.release(&key("a"), permit, LockStatus::TransientError);
        assert_eq!(
            waiting.wait_unless_published(&pingora::cache::lock::UnusableFills::new([])).await,
            WaitOutcome::Released
        );
        let again = lead(&collapse, "a");
        collapse.release(&key("a"), again, LockStatus::Done);
    }

    #[test]
    fn past_the_bound_requests_lead_alone() {
        let collapse = Collapse::bounded(Duration::from_secs(60), 0);
        let (one, two) = (lead(&collapse, "a"), lead(&collapse, "a"));
        assert_eq!(leaders(&collapse), 0);
        collapse.release(&key("a"), one, LockStatus::Done);
        collapse.release(&key("a"), two, LockStatus::Done);
    }
}
