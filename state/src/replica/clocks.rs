//! Whose clock is right. Cells are counts of absolute time, so they mean the same only to nodes that have the same time.
//!
//! *Of two.* A peer that is certainly more than the drift bound away is one with which no cells are exchanged: what it counts is not
//! taken, and it is not counted upon, so limits go by shares as if the two were cut off from each other. Facts go on: they carry their times.
//!
//! *Of many.* A node is wrong if the median of its peers' clocks and its own, the one nearer to its own where there are two, is that far
//! away: then more than half of all are certainly ahead of it, or behind it. It says so, and tells nobody what it counts until that is over. Of two nodes
//! alone neither is wrong, for nobody knows which; each goes by its share.
//!
//! *Again.* Node time follows the wall clock only slowly, so a node whose clock was mended is back when it has made up for the
//! difference, or with its next life. Its cells of meanwhile are told then: it counted them by a clock that never stepped, so if the clock is
//! right now to the bound, a cell of `t` ago is to the bound and `t / 2000`. Links begin anew, and so with everything that both sides know.

use super::rtt::{Offset, Times};
use super::{CloseReason, Event, LinkId, Replica};
use crate::counter::DRIFT_MAX;
use crate::identity::Actor;

/// Clocks that differed go together again when they are this close, ms: below the bound, so that they do not part and meet in turns.
const AGAIN: u64 = DRIFT_MAX * 4 / 5;

/// Whether two clocks go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clocks {
    /// As far as is known.
    #[default]
    Agree,
    /// They are further apart than the drift bound.
    Differ,
}

impl Clocks {
    fn judge(self, offset: Offset) -> Clocks {
        let apart = offset.ahead_ms.unsigned_abs();
        match self {
            Clocks::Agree if apart.saturating_sub(offset.within_ms) > DRIFT_MAX => Clocks::Differ,
            Clocks::Differ if apart <= AGAIN => Clocks::Agree,
            Clocks::Agree | Clocks::Differ => self,
        }
    }
}

/// What the clocks of those that are heard are to this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Votes {
    /// Those that are known.
    pub(super) known: usize,
    pub(super) ahead: usize,
    pub(super) behind: usize,
}

impl Votes {
    /// Whether the clocks of so many peers are known.
    pub(super) fn are_all_in(self, peers: usize) -> bool {
        self.known >= peers
    }

    /// Whether this node's clock goes with that of most, which was thought to be so until now. Without a majority it still is.
    pub(super) fn clock(self, before: Clocks) -> Clocks {
        // This node's is one of them.
        let (apart, all) = (self.ahead.max(self.behind) * 2, self.known + 1);
        match before {
            Clocks::Agree if apart > all => Clocks::Differ,
            Clocks::Differ if apart < all && all > 1 => Clocks::Agree,
            Clocks::Agree | Clocks::Differ => before,
        }
    }
}

/// How far the median of these clocks and this node's own is ahead of the latter; of two in the middle, the nearer one.
pub(super) fn median(ahead_ms: impl Iterator<Item = i64>) -> i64 {
    let mut all: Vec<i64> = ahead_ms.chain([0]).collect();
    all.sort_unstable();
    let middle = [all.get((all.len() - 1) / 2), all.get(all.len() / 2)];
    middle.into_iter().flatten().copied().min_by_key(|ahead| ahead.unsigned_abs()).unwrap_or(0)
}

impl Replica {
    /// A round trip of a link is over.
    pub(super) fn measured(&mut self, id: LinkId, times: Times) {
        let Some(actor) = self.links.get(id).and_then(|link| link.actor()) else { return };
        // A life that hands over is not asked for the time.
        let Some(peer) = self.peers.get_mut(actor).filter(|peer| peer.link == Some(id)) else { return };
        peer.rtt.take(times);
        let Some(offset) = peer.rtt.offset() else { return };
        let (before, now) = (peer.clocks, peer.clocks.judge(offset));
        peer.clocks = now;
        let rtt = peer.rtt.worst();
        self.peers.recount(actor);
        if let Some(link) = self.links.get_mut(id) {
            link.rtt = rtt;
        }
        match (before, now) {
            (Clocks::Agree, Clocks::Differ) => self.tell(Event::ClocksDiffer { actor, ahead_ms: offset.ahead_ms }),
            (Clocks::Differ, Clocks::Agree) => {
                self.tell(Event::ClocksAgree { actor });
                self.close(id, CloseReason::Afresh);
            }
            _ => {}
        }
    }

    /// Whether cells are exchanged with a node.
    pub(super) fn clocks(&self, with: Actor) -> Clocks {
        match self.clock {
            Clocks::Agree => self.peers.get(with).map_or(Clocks::Agree, |peer| peer.clocks),
            Clocks::Differ => Clocks::Differ,
        }
    }

    /// Most of those heard have another time, or not any more.
    pub(super) fn set_clock(&mut self, clock: Clocks) {
        if std::mem::replace(&mut self.clock, clock) == clock {
            return;
        }
        match clock {
            Clocks::Differ => {
                let ahead_ms = self.peers.median_ahead();
                self.tell(Event::ClockWrong { ahead_ms });
            }
            Clocks::Agree => {
                self.tell(Event::ClockRight);
                for id in self.established() {
                    self.close(id, CloseReason::Afresh);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_most_and_of_two_the_nearer() {
        for (others, expected) in [
            (vec![], 0),
            (vec![900], 0),
            (vec![900, 800], 800),
            (vec![900, -900], 0),
            (vec![900, 800, 700], 700),
            (vec![-900, -800, 0], 0),
            (vec![-900, -800, -700, 5], -700),
            (vec![i64::MIN, i64::MIN], i64::MIN),
        ] {
            assert_eq!(median(others.iter().copied()), expected, "{others:?}");
        }
    }

    #[test]
    fn only_what_is_certain_parts_clocks_and_they_meet_again_well_within_the_bound() {
        let judge = |clocks: Clocks, ahead_ms, within_ms| clocks.judge(Offset { ahead_ms, within_ms });
        for (ahead_ms, within_ms, expected) in [
            (500, 0, Clocks::Agree),
            (501, 0, Clocks::Differ),
            (-501, 0, Clocks::Differ),
            (700, 200, Clocks::Agree),
            (-701, 200, Clocks::Differ),
            (i64::MIN, u64::MAX, Clocks::Agree),
        ] {
            assert_eq!(judge(Clocks::Agree, ahead_ms, within_ms), expected, "{ahead_ms} +- {within_ms}");
        }
        assert_eq!(judge(Clocks::Differ, 401, 0), Clocks::Differ);
        assert_eq!(judge(Clocks::Differ, -400, 0), Clocks::Agree);
    }
}
