//! Who is relied on, and whose clock is right, in numbers that are kept up with each change of a peer: going through all of them at each
//! would make a start of many nodes the cube of their number.

use std::collections::BTreeSet;

use super::clocks::{Clocks, Votes};
use super::peer::Peer;
use crate::identity::Actor;
use crate::time::Time;

/// A node that is heard is relied on when it has said all that it knows, after so long at the latest, ms.
pub(super) const TOLD_WITHIN: u64 = 10_000;

/// What is counted of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    untold: bool,
    relied: Relied,
    clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Relied {
    #[default]
    Not,
    Now,
    /// Whatever it says.
    From(Time),
}

/// What is known of a peer's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Clock {
    #[default]
    Unknown,
    Agrees,
    Ahead,
    Behind,
}

impl Share {
    pub(super) fn of(peer: &Peer) -> Share {
        let relied = match (peer.is_up && peer.clocks == Clocks::Agree, peer.told) {
            (false, _) => Relied::Not,
            (true, true) => Relied::Now,
            (true, false) => Relied::From(peer.up_at.plus(TOLD_WITHIN)),
        };
        let clock = match (peer.rtt.offset().filter(|_| peer.is_up), peer.clocks) {
            (None, _) => Clock::Unknown,
            (Some(_), Clocks::Agree) => Clock::Agrees,
            (Some(offset), Clocks::Differ) if offset.ahead_ms > 0 => Clock::Ahead,
            (Some(_), Clocks::Differ) => Clock::Behind,
        };
        Share { untold: !peer.told, relied, clock }
    }
}

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Nodes whose counts are known here, as far as they may be known by now: they are heard, by a clock that goes with this
    /// node's, and have said what they know.
    pub(super) relied: usize,
    /// Nodes that have not said what they know, those not heard included.
    pub(super) untold: usize,
    pub(super) votes: Votes,
    /// When those that are heard are relied on whatever they say.
    waiting: BTreeSet<(Time, Actor)>,
}

impl Tally {
    pub(super) fn add(&mut self, actor: Actor, share: Share) {
        self.untold += usize::from(share.untold);
        match share.relied {
            Relied::Not => {}
            Relied::Now => self.relied += 1,
            Relied::From(at) => {
                self.waiting.insert((at, actor));
            }
        }
        if let Some(votes) = self.votes.of(share.clock) {
            *votes += 1;
        }
        self.votes.known += usize::from(share.clock != Clock::Unknown);
    }

    /// Takes back what was added.
    pub(super) fn take(&mut self, actor: Actor, share: Share) {
        self.untold -= usize::from(share.untold);
        match share.relied {
            Relied::Not => {}
            Relied::Now => self.relied -= 1,
            // One that does not wait any more is relied on.
            Relied::From(at) => self.relied -= usize::from(!self.waiting.remove(&(at, actor))),
        }
        if let Some(votes) = self.votes.of(share.clock) {
            *votes -= 1;
        }
        self.votes.known -= usize::from(share.clock != Clock::Unknown);
    }

    /// Relies on those that had their time to say what they know.
    pub(super) fn ripen(&mut self, now: Time) {
        while self.next().is_some_and(|next| next <= now) && self.waiting.pop_first().is_some() {
            self.relied += 1;
        }
    }

    /// When the next one is relied on whatever it says.
    pub(super) fn next(&self) -> Option<Time> {
        self.waiting.first().map(|(at, _)| *at)
    }
}

impl Votes {
    fn of(&mut self, clock: Clock) -> Option<&mut usize> {
        match clock {
            Clock::Unknown | Clock::Agrees => None,
            Clock::Ahead => Some(&mut self.ahead),
            Clock::Behind => Some(&mut self.behind),
        }
    }
}
