//! Repair: what deltas do not bring. A new link starts with everything that this node knows, rows of all authors, in
//! frames of ranges; after that one shard about every second goes to one peer after another. A repair is sent as fast as
//! it is acknowledged, within a window, and from the first missing frame on when an acknowledgement stays out.

use super::link::Piece;
use super::walk::{Filled, Walk};
use super::{LinkId, Replica};
use crate::time::Time;
use crate::wire::{Builder, RangeHead};

/// Between two shards of the standing repair, ms, before jitter.
const PERIOD: u64 = 1_000;

/// Jitter is up to so much less or more, ms.
const JITTER: u64 = 200;

/// Whose turn it is in the standing repair.
#[derive(Debug)]
pub(super) struct Turn {
    due: Option<Time>,
    link: usize,
    shard: u8,
    seed: u64,
}

impl Turn {
    pub(super) fn new(seed: u64) -> Turn {
        // Nodes start at different shards, so that they do not all repair the same one.
        Turn { due: None, link: 0, shard: (seed >> 32) as u8, seed }
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    fn delay(&mut self) -> u64 {
        // A 64-bit xorshift (Marsaglia, 2003); 0 would stay 0.
        let mut x = self.seed | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.seed = x;
        PERIOD - JITTER + x % (2 * JITTER + 1)
    }

    /// Goes on to the next link, and to the next shard when all links had this one.
    fn next(&mut self, links: usize) -> (usize, u8) {
        let turn = (self.link.min(links.saturating_sub(1)), self.shard);
        self.link = turn.0 + 1;
        if self.link >= links {
            self.link = 0;
            self.shard = self.shard.wrapping_add(1);
        }
        turn
    }
}

impl Replica {
    /// Starts the next turn of the standing repair when it is due.
    pub(super) fn take_turn(&mut self, now: Time) {
        let links = self.established();
        if links.is_empty() {
            self.turn.due = None;
            return;
        }
        match self.turn.due {
            Some(due) if due <= now => {
                let (index, shard) = self.turn.next(links.len());
                let link = links.get(index).and_then(|id| self.links.get_mut(id));
                // A link that is still being repaired gets this shard by that.
                if let Some(link) = link.filter(|link| link.repair.is_idle()) {
                    link.repair.start(Walk::shard(shard));
                }
            }
            Some(_) => return,
            None => {}
        }
        self.turn.due = Some(now.plus(self.turn.delay()));
    }

    /// Sends the next frames of a link's repair, as far as there is room.
    pub(super) fn repair(&mut self, id: LinkId, now: Time) {
        loop {
            let Some(link) = self.links.get_mut(&id) else { return };
            let Some(receiver) = link.author.filter(|_| link.has_room() && link.repair.has_room()) else { return };
            let Some(mut walk) = link.repair.walk.take() else { return };
            let from = walk.clone();
            let mut builder = Builder::new();
            let filled = walk.fill(&self.store, &mut builder, receiver, now);
            if filled == Filled::Frame {
                link.repair.walk = Some(walk);
            }
            if builder.is_empty() {
                return;
            }
            let (follows, to) = (link.repair.follows, link.repair.last + 1);
            let frame = builder.range(&RangeHead { from: follows, to, at: now.0 });
            link.repair.sent(Piece { to, bytes: frame.len(), from }, now);
            self.send(id, frame, now);
        }
    }
}
