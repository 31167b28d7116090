//! Repair: what deltas do not bring. A new link starts with everything that this node knows, rows of all authors, sent as
//! fast as it is acknowledged, within a window, and from the first missing frame on when an acknowledgement stays out. After
//! that, about every second, one peer after another is asked whether it knows the same ([`compare`](super::compare)).

use super::link::Piece;
use super::{LinkId, Replica};
use crate::time::Time;
use crate::walk::Filled;
use crate::wire::{Builder, RangeHead};

/// Between two frames of the standing repair, ms, before jitter.
const PERIOD: u64 = 1_000;

/// Between two looks through the store that found little to say, ms.
const BREATH: u64 = 1;

/// Jitter is up to so much less or more, ms.
const JITTER: u64 = 200;

/// Whose turn it is in the standing repair.
#[derive(Debug)]
pub(super) struct Turn {
    due: Option<Time>,
    link: usize,
    seed: u64,
}

impl Turn {
    pub(super) fn new(seed: u64) -> Turn {
        Turn { due: None, link: 0, seed }
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    pub(super) fn random(&mut self) -> u64 {
        // A 64-bit xorshift (Marsaglia, 2003); 0 would stay 0.
        let mut x = self.seed | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed = x;
        x
    }

    /// Goes on to the next of so many links.
    fn next(&mut self, links: usize) -> usize {
        self.link = (self.link + 1) % links.max(1);
        self.link
    }
}

impl Replica {
    /// Starts the next turn of the standing repair when it is due.
    pub(super) fn take_turn(&mut self, now: Time) {
        if self.turn.due.is_some_and(|due| now < due) {
            return;
        }
        if self.links.established_len() == 0 {
            self.turn.due = None;
            return;
        }
        let delay = PERIOD - JITTER + self.turn.random() % (2 * JITTER + 1);
        if self.turn.due.is_some() {
            let next = self.turn.next(self.links.established_len());
            let link = self.links.established().nth(next).map(|(id, _)| id);
            if let Some(id) = link {
                self.stand(id, now);
            }
        }
        self.turn.due = Some(now.plus(delay));
    }

    /// Sends the next frames of a link's repair, as far as there is room.
    pub(super) fn repair(&mut self, id: LinkId, now: Time) {
        if let Some(link) = self.links.get_mut(id) {
            link.repair.again = None;
        }
        loop {
            let Some(link) = self.links.get_mut(id) else { return };
            let Some(receiver) = link.author.filter(|_| link.has_room() && link.repair.has_room()) else { return };
            let Some(mut walk) = link.repair.walk.take() else { return };
            let from = walk.clone();
            let mut builder = Builder::new();
            let filled = walk.fill(&self.store, &mut builder, receiver, now);
            link.repair.walk = match filled {
                Filled::Frame | Filled::Looks => Some(walk),
                Filled::Walk => link.repair.next_walk(),
            };
            if filled == Filled::Looks {
                link.repair.again = Some(now.plus(BREATH));
            }
            if builder.is_empty() {
                if filled == Filled::Looks || link.repair.walk.is_none() {
                    return;
                }
                continue;
            }
            let (follows, to) = (link.repair.follows, link.repair.last + 1);
            let frame = builder.range(&RangeHead { from: follows, to, at: now.0 }, link.version);
            link.repair.sent(Piece { to, bytes: frame.len(), from }, now);
            self.send(id, frame, now);
            if filled == Filled::Looks {
                return;
            }
        }
    }
}
