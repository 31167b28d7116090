//! Who is relied on, and whose clock is right, in numbers that are kept up with each change of a peer: going through all of them at each
//! would make a start of many nodes the cube of their number.

use std::collections::{BTreeMap, BTreeSet};

use super::clocks::{Clocks, Votes};
use super::peer::Peer;
use crate::identity::{Actor, PopId};
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

/// Nodes of one POP.
#[derive(Debug, Clone, Copy, Default)]
struct OfPop {
    known: u32,
    relied: u32,
}

/// What of that which all share is for this node and those it relies on, and for this node alone; see [`Peers`](crate::store::Peers).
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) relied: f64,
    pub(super) own: f64,
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
    /// By POP, this node not counted.
    pops: BTreeMap<PopId, OfPop>,
    /// Reckoned anew after a change.
    parts: Option<Parts>,
    /// When those that are heard are relied on whatever they say.
    waiting: BTreeSet<(Time, Actor)>,
}

impl Tally {
    pub(super) fn add(&mut self, actor: Actor, share: Share) {
        self.parts = None;
        self.untold += usize::from(share.untold);
        self.pops.entry(actor.pop).or_default().known += 1;
        match share.relied {
            Relied::Not => {}
            Relied::Now => self.rely(actor),
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
        self.parts = None;
        self.untold -= usize::from(share.untold);
        match share.relied {
            Relied::Not => {}
            Relied::Now => self.leave(actor),
            // One that does not wait any more is relied on.
            Relied::From(at) if self.waiting.remove(&(at, actor)) => {}
            Relied::From(_) => self.leave(actor),
        }
        if let Some(of_pop) = self.pops.get_mut(&actor.pop) {
            of_pop.known -= 1;
            if of_pop.known == 0 {
                self.pops.remove(&actor.pop);
            }
        }
        if let Some(votes) = self.votes.of(share.clock) {
            *votes -= 1;
        }
        self.votes.known -= usize::from(share.clock != Clock::Unknown);
    }

    /// Relies on those that had their time to say what they know.
    pub(super) fn ripen(&mut self, now: Time) {
        while let Some((_, actor)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.pop_first();
            self.parts = None;
            self.rely(actor);
        }
    }

    fn rely(&mut self, actor: Actor) {
        self.relied += 1;
        self.pops.entry(actor.pop).or_default().relied += 1;
    }

    fn leave(&mut self, actor: Actor) {
        self.relied -= 1;
        if let Some(of_pop) = self.pops.get_mut(&actor.pop) {
            of_pop.relied -= 1;
        }
    }

    /// The parts of a node of POP `mine`. Goes through all POPs after a change.
    pub(super) fn parts(&mut self, mine: PopId) -> Parts {
        if let Some(parts) = self.parts {
            return parts;
        }
        // This node is known and relied on.
        let me = self.pops.get(&mine).copied().unwrap_or_default();
        let mine_too = f64::from(me.relied + 1) / f64::from(me.known + 1);
        let others = self.pops.iter().filter(|(pop, _)| **pop != mine);
        let (pops, relied) = others.fold((1.0, mine_too), |(pops, sum), (_, OfPop { known, relied })| {
            (pops + 1.0, sum + f64::from(*relied) / f64::from(*known))
        });
        let parts = Parts { relied: relied / pops, own: 1.0 / f64::from(me.known + 1) / pops };
        self.parts = Some(parts);
        parts
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
