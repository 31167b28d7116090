//! The nodes that this one keeps in step with, by who they are: all that ever said hello, and a place for each POP of the roster
//! of which nobody did. A POP may have several nodes; they come and go, the roster stays.

use std::collections::{BTreeMap, BTreeSet};

use super::clocks::{Clocks, Votes, median};
use super::peer::Peer;
use crate::identity::{Actor, PopId};
use crate::time::Time;

/// Nodes that are known at once, places included. The mesh is meant for some hundreds.
pub(super) const PEERS_MAX: usize = 4096;

/// A node that is heard is relied on when it has said all that it knows, after so long at the latest, ms.
pub(super) const TOLD_WITHIN: u64 = 10_000;

/// Who is relied on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Nodes whose counts are known here, as far as they may be known by now: they are heard, by a clock that goes with this
    /// node's, and have said what they know.
    pub(super) relied: usize,
    /// Nodes that have not said what they know, those not heard included.
    pub(super) untold: usize,
    pub(super) votes: Votes,
    /// What of that which all share is for this node and those relied on, and for this node alone; see [`Peers`](crate::store::Peers).
    pub(super) part: f64,
    pub(super) own: f64,
    /// When one that is heard is relied on whatever it said.
    next: Option<Time>,
}

#[derive(Debug, Default)]
pub(super) struct Peers {
    by_actor: BTreeMap<Actor, Peer>,
    /// The other POPs, and this one: its other nodes are peers.
    roster: BTreeSet<PopId>,
    /// By when the newest that is known of them happened, oldest first; those never heard come before all.
    by_news: BTreeSet<(Option<Time>, Actor)>,
    /// By how many each is missed.
    missed: BTreeMap<Actor, usize>,
    /// When one of those that are up may have fallen silent.
    look: Option<Time>,
    tally: Tally,
    /// Something that the tally counts has changed.
    is_stale: bool,
}

impl Peers {
    /// A place for each of these POPs but `me`'s.
    pub(super) fn new(me: Actor, pops: &[PopId]) -> Peers {
        let mut peers = Peers::default();
        peers.set_roster(me.pop, pops);
        peers
    }

    /// The roster names these POPs beside `mine`: those that are new get a place.
    pub(super) fn set_roster(&mut self, mine: PopId, pops: &[PopId]) {
        self.roster = pops.iter().copied().chain([mine]).collect();
        for pop in pops.iter().filter(|pop| **pop != mine) {
            if self.first_of(*pop).is_none() {
                self.add(Actor { pop: *pop, node: 0 });
            }
        }
    }

    /// Forgets the nodes of POPs that the roster does not name any more.
    pub(super) fn leave(&mut self) {
        let left = self.by_actor.keys().filter(|actor| !self.roster.contains(&actor.pop));
        for actor in left.copied().collect::<Vec<_>>() {
            self.remove(actor);
        }
    }

    /// Whether the roster names this POP.
    pub(super) fn is_in_roster(&self, pop: PopId) -> bool {
        self.roster.contains(&pop)
    }

    pub(super) fn len(&self) -> usize {
        self.by_actor.len()
    }

    /// Who is relied on now. Counts only after a change.
    pub(super) fn tally(&mut self, mine: PopId, now: Time) -> Tally {
        if self.is_stale || self.tally.next.is_some_and(|next| next <= now) {
            self.is_stale = false;
            self.tally = self.count(mine, now);
        }
        self.tally
    }

    fn count(&self, mine: PopId, now: Time) -> Tally {
        let mut tally = Tally { votes: Votes::of(self.by_actor.values()), ..Tally::default() };
        // Of each POP, who is relied on and who is known; this node is both.
        let mut pops: BTreeMap<PopId, (u32, u32)> = BTreeMap::from([(mine, (1, 1))]);
        for peer in self.by_actor.values() {
            let (relied, known) = pops.entry(peer.actor.pop).or_default();
            *known += 1;
            tally.untold += usize::from(!peer.told);
            if peer.is_up && peer.clocks == Clocks::Agree {
                let by = peer.up_at.plus(TOLD_WITHIN);
                if peer.told || by <= now {
                    tally.relied += 1;
                    *relied += 1;
                } else {
                    tally.next = Some(tally.next.map_or(by, |next| next.min(by)));
                }
            }
        }
        let each = |(relied, known): &(u32, u32)| f64::from(*relied) / f64::from(*known);
        let shares = pops.len() as f64;
        tally.part = pops.values().map(each).sum::<f64>() / shares;
        tally.own = pops.get(&mine).map_or(0.0, |(_, known)| 1.0 / f64::from(*known)) / shares;
        tally
    }

    /// Something that the tally counts has changed.
    pub(super) fn recount(&mut self) {
        self.is_stale = true;
    }

    /// A node has said all that it knows.
    pub(super) fn told(&mut self, actor: Actor) {
        if let Some(peer) = self.by_actor.get_mut(&actor).filter(|peer| !peer.told) {
            peer.told = true;
            self.is_stale = true;
        }
    }

    /// How far the median of the clocks heard is ahead of this node's, ms.
    pub(super) fn median_ahead(&self) -> i64 {
        let up = self.by_actor.values().filter(|peer| peer.is_up);
        median(up.filter_map(|peer| peer.rtt.offset()).map(|offset| offset.ahead_ms))
    }

    pub(super) fn get(&self, actor: Actor) -> Option<&Peer> {
        self.by_actor.get(&actor)
    }

    pub(super) fn get_mut(&mut self, actor: Actor) -> Option<&mut Peer> {
        self.by_actor.get_mut(&actor)
    }

    /// The first that is known of a POP, or its place.
    pub(super) fn first_of(&mut self, pop: PopId) -> Option<&mut Peer> {
        let nodes = Actor { pop, node: 0 }..=Actor { pop, node: u32::MAX };
        self.by_actor.range_mut(nodes).next().map(|(_, peer)| peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.by_actor.values()
    }

    /// Whoever said hello from a POP of the roster, or would have its place; `None` when too many are known already.
    pub(super) fn meet(&mut self, actor: Actor) -> Option<&mut Peer> {
        if !self.by_actor.contains_key(&actor) {
            if self.by_actor.len() >= PEERS_MAX {
                return None;
            }
            self.clear_place(actor.pop);
            self.add(actor);
        }
        self.by_actor.get_mut(&actor)
    }

    /// A node is gone for good. The last one of a POP leaves its place.
    pub(super) fn forget(&mut self, actor: Actor, mine: PopId) {
        self.remove(actor);
        let pop = actor.pop;
        if pop != mine && self.is_in_roster(pop) && !self.by_actor.keys().any(|known| known.pop == pop) {
            self.add(Actor { pop, node: 0 });
        }
    }

    /// The place that was kept for a POP is not needed any more once one of its nodes is known.
    fn clear_place(&mut self, pop: PopId) {
        let place = Actor { pop, node: 0 };
        if self.by_actor.get(&place).is_some_and(|peer| peer.heard_at.is_none() && peer.link.is_none()) {
            self.remove(place);
        }
    }

    fn add(&mut self, actor: Actor) {
        self.is_stale = true;
        self.by_actor.insert(actor, Peer::new(actor));
        self.by_news.insert((None, actor));
    }

    fn remove(&mut self, actor: Actor) {
        if let Some(peer) = self.by_actor.remove(&actor) {
            self.by_news.remove(&(peer.news, actor));
            self.is_stale = true;
            peer.misses.iter().for_each(|missed| self.found(*missed));
        }
    }

    /// A peer says whom it does not hear.
    pub(super) fn miss(&mut self, actor: Actor, missed: BTreeSet<Actor>) {
        let Some(peer) = self.by_actor.get_mut(&actor) else { return };
        for actor in &missed {
            *self.missed.entry(*actor).or_default() += 1;
        }
        let before = std::mem::replace(&mut peer.misses, missed);
        before.iter().for_each(|missed| self.found(*missed));
    }

    /// One less misses it.
    fn found(&mut self, actor: Actor) {
        if let Some(by) = self.missed.get_mut(&actor) {
            *by -= 1;
            if *by == 0 {
                self.missed.remove(&actor);
            }
        }
    }

    /// Whether anybody misses it.
    pub(super) fn is_missed(&self, actor: Actor) -> bool {
        self.missed.contains_key(&actor)
    }

    /// Whether `actor` misses `other`.
    pub(super) fn misses(&self, actor: Actor, other: Actor) -> bool {
        self.by_actor.get(&actor).is_some_and(|peer| peer.misses.contains(&other))
    }

    /// A frame came from it; true if it was not heard before.
    pub(super) fn heard(&mut self, actor: Actor, now: Time) -> bool {
        let Some(peer) = self.by_actor.get_mut(&actor) else { return false };
        peer.heard_at = peer.heard_at.max(Some(now));
        let news = peer.newest();
        if peer.news != news {
            self.by_news.remove(&(peer.news, actor));
            self.by_news.insert((news, actor));
            peer.news = news;
        }
        if peer.is_up {
            return false;
        }
        (peer.is_up, peer.up_at) = (true, now);
        self.is_stale = true;
        let silent = now.plus(peer.heard_for);
        self.look = Some(self.look.map_or(silent, |look| look.min(silent)));
        true
    }

    /// Those that have fallen silent by now; they are not up any more.
    pub(super) fn fall_silent(&mut self, now: Time) -> Vec<Actor> {
        if self.look.is_none_or(|look| now < look) {
            return Vec::new();
        }
        let mut silent = Vec::new();
        self.look = None;
        for peer in self.by_actor.values_mut().filter(|peer| peer.is_up) {
            let until = peer.heard_at.unwrap_or_default().plus(peer.heard_for);
            if until <= now {
                // What it counts while it is not heard it has to say again.
                (peer.is_up, peer.told) = (false, false);
                self.is_stale = true;
                silent.push(peer.actor);
            } else {
                self.look = Some(self.look.map_or(until, |look| look.min(until)));
            }
        }
        silent
    }

    /// When one of them may have fallen silent, or is relied on whatever it said.
    pub(super) fn next_look(&self) -> Option<Time> {
        self.look.into_iter().chain(self.tally.next).min()
    }

    /// When the newest happened that is known of the one heard least: `Some(None)` if that one was never heard, `None` without
    /// peers.
    pub(super) fn oldest_news(&self) -> Option<Option<Time>> {
        self.by_news.first().map(|(news, _)| *news)
    }
}
