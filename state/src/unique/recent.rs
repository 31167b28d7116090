//! What made a slot's sketch rise here, and when: so that a change costs a few bytes on the wire and not the whole sketch. It
//! is a short log; who asks for more than it remembers is told the whole.

use super::mark::Mark;
use super::sketch::Sketch;
use crate::time::Time;

/// Rises that are remembered. More than so many since a peer last heard are better told as a whole.
const LOG_MAX: usize = 64;

/// The last rises of one slot by this node's own observations.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    /// When, in ms after the slot's start, and what.
    log: Vec<(u32, Mark)>,
    /// The log has every rise from this instant on.
    complete_from: Time,
}

impl Recent {
    /// Of a slot that has not begun to rise.
    pub(super) fn new() -> Recent {
        Recent { log: Vec::new(), complete_from: Time::ZERO }
    }

    /// A slot that is long over: its log is not kept.
    pub(super) fn close(&mut self) {
        *self = Recent { log: Vec::new(), complete_from: Time(u64::MAX) };
    }

    pub(super) fn rose(&mut self, mark: Mark, start: Time, now: Time) {
        if self.complete_from == Time(u64::MAX) {
            return;
        }
        if self.log.len() >= LOG_MAX {
            let newest = self.log.drain(..LOG_MAX / 2).map(|(after, _)| after).max().unwrap_or_default();
            self.complete_from = self.complete_from.max(start.plus(u64::from(newest) + 1));
        }
        // Slots of 31 days' windows have four days, which is far below 32 bits.
        self.log.push((u32::try_from(now.since(start)).unwrap_or(u32::MAX), mark));
    }

    /// What rose at `since` or later; `None` if the log does not reach so far back.
    pub(super) fn told(&self, start: Time, since: Time) -> Option<Sketch> {
        let rises = self.log.iter().filter(|(after, _)| start.plus(u64::from(*after)) >= since);
        (since >= self.complete_from).then(|| rises.map(|(_, mark)| *mark).collect())
    }
}
