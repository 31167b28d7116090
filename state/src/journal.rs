//! The journal of purges: what was applied at this node since it was read last, in the order of its numbers, for whoever writes it down.
//!
//! A number is given and noted in one step, so whoever reads the journal has all of what was numbered until then. What is not read in time
//! is not kept: the journal says up to which number it forgot, which has to be taken as a purge of all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::key::Key128;
use crate::marks::Dot;
use crate::time::Time;

/// Applications that wait to be read at most.
pub(crate) const JOURNAL_MAX: usize = 100_000;

/// The newest applications that are kept for those who have to be [told](Numbers::since): as many as fit a header of a request.
pub(crate) const RECENT_MAX: usize = 256;

/// One application of a purge at this node, and all that it takes to make its mark again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Its number among the applications of this life.
    pub number: u64,
    /// The name of what was purged; None for all that there is.
    pub key: Option<Key128>,
    /// Which purge it was.
    pub dot: Dot,
    /// When it was applied, node time.
    pub at: Time,
    /// When it was made, by the clock of who made it.
    pub made_at: Time,
    /// Until when its mark is remembered.
    pub kept: Time,
}

/// What was applied since the journal was read last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Journal {
    /// Applications, as they came. Those of one name and author rise.
    pub applied: Vec<Applied>,
    /// What had a number up to this one was forgotten, since too much waited: it counts as a purge of all.
    pub lost: Option<u64>,
    /// The last number that was given. All up to it are here, or were read before.
    pub up_to: u64,
}

type Wake = Box<dyn Fn() + Send + Sync>;

/// Parts by which the last application of a name is known without looking it up; a power of two. Half a MiB, from the first purge on: it stays
/// in the caches of a processor, and what was looked at lately meets few purges of other names in its part.
const PARTS: usize = 1 << 16;

/// Gives applications their numbers, and notes them where somebody reads the journal.
#[derive(Default)]
pub(crate) struct Numbers {
    last: AtomicU64,
    /// The last number of each part of the names.
    parts: OnceLock<Box<[AtomicU64]>>,
    /// The last one when the journal began.
    before: AtomicU64,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// Who is told that something waits; nobody where nothing is noted.
    wake: Option<Wake>,
    applied: Vec<Applied>,
    lost: Option<u64>,
    /// The newest ones, whether or not anybody reads the journal; oldest first.
    recent: VecDeque<Applied>,
    /// The last number before those.
    forgotten: u64,
}

impl Numbers {
    /// The last one that was given.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    /// The last one that was given before the journal began: up to there are purges of lives before, whose place among what those lives
    /// filled only the reader of the journal knows. 0 without one.
    pub(crate) fn before(&self) -> u64 {
        self.before.load(Ordering::SeqCst)
    }

    /// The next one. What was applied by it is noted.
    pub(crate) fn next(&self, applied: impl FnOnce(u64) -> Applied) -> u64 {
        let mut noted = self.lock();
        let number = self.last().saturating_add(1);
        let applied = applied(number);
        if let Some(part) = applied.key.and_then(|key| self.part(key)) {
            part.store(number, Ordering::Release);
        }
        // Behind its part: who sees the number sees that too.
        self.last.store(number, Ordering::SeqCst);
        noted.push(|| applied);
        noted.remember(applied);
        number
    }

    /// The next one, for what is no purge, or for an instant between two applications: what a fill remembers is at least this from here on, and was less before.
    pub(crate) fn tick(&self) -> u64 {
        let _noted = self.lock();
        let number = self.last().saturating_add(1);
        self.last.store(number, Ordering::SeqCst);
        number
    }

    /// All that was applied after `known`, or after a later number where that was too long ago: the number, which is none that is yet to
    /// come, the applications, oldest first, and the last number that was given.
    pub(crate) fn since(&self, known: u64) -> (u64, Vec<Applied>, u64) {
        let noted = self.lock();
        let from = known.min(self.last()).max(noted.forgotten);
        let since = noted.recent.iter().skip(noted.recent.partition_point(|applied| applied.number <= from));
        (from, since.copied().collect(), self.last())
    }

    /// Whether a purge of this name may have been applied after a number that was the [last](Numbers::last) once; if not, none was. One load.
    pub(crate) fn may_be_since(&self, key: Key128, number: u64) -> bool {
        let Some(parts) = self.parts.get() else { return false };
        parts.get(part_of(key)).is_none_or(|part| part.load(Ordering::Acquire) > number)
    }

    fn part(&self, key: Key128) -> Option<&AtomicU64> {
        self.parts.get_or_init(|| (0..PARTS).map(|_| AtomicU64::new(0)).collect()).get(part_of(key))
    }

    /// Notes an application that has its number already.
    pub(crate) fn note(&self, applied: Applied) {
        self.lock().push(|| applied);
    }

    /// Notes from here on. `wake` is called when something waits and nothing did before.
    pub(crate) fn journal(&self, wake: Wake) {
        let mut noted = self.lock();
        self.before.store(self.last(), Ordering::SeqCst);
        noted.wake = Some(wake);
    }

    /// What waits.
    pub(crate) fn take(&self) -> Journal {
        let mut noted = self.lock();
        Journal { applied: std::mem::take(&mut noted.applied), lost: noted.lost.take(), up_to: self.last() }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names are hashes, so they spread evenly.
fn part_of(key: Key128) -> usize {
    (key.0 % PARTS as u128) as usize
}

impl Noted {
    fn remember(&mut self, applied: Applied) {
        if self.recent.len() >= RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.forgotten = oldest.number;
        }
        self.recent.push_back(applied);
    }

    fn push(&mut self, applied: impl FnOnce() -> Applied) {
        let Some(wake) = &self.wake else { return };
        if self.applied.len() >= JOURNAL_MAX {
            let last = self.applied.drain(..).map(|applied| applied.number).max();
            self.lost = self.lost.max(last);
        }
        self.applied.push(applied());
        if self.applied.len() == 1 {
            wake();
        }
    }
}
