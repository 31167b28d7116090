//! The nodes that this one keeps in step with, by who they are: all that ever said hello, and a place for each POP of the roster
//! of which nobody did. A POP may have several nodes; they come and go, the roster stays.

use std::collections::BTreeSet;

use super::clocks::median;
use super::missed::Missed;
use super::peer::Peer;
use super::places::Places;
use super::soonest::Soonest;
use super::tally::{Share, Tally};
use crate::identity::{Actor, PopId};
use crate::time::Time;

/// Nodes that are known at once, places included. The mesh is meant for some hundreds.
pub(super) const PEERS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Peers {
    by_actor: Places<Actor, Peer>,
    /// The other POPs, and this one: its other nodes are peers.
    roster: BTreeSet<PopId>,
    /// By when the newest that is known of them happened, oldest first; those never heard come before all. One is filed anew when
    /// it comes first and has been heard since.
    by_news: Soonest<(Option<Time>, Actor)>,
    /// The first of them, while it was not heard since it was filed.
    oldest: Option<(Option<Time>, Actor)>,
    missed: Missed,
    /// When one of those that are up may have fallen silent.
    look: Option<Time>,
    tally: Tally,
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
        for actor in left.collect::<Vec<_>>() {
            self.remove(actor);
        }
    }

    /// Whether the roster names this POP.
    pub(super) fn is_in_roster(&self, pop: PopId) -> bool {
        self.roster.contains(&pop)
    }

    /// The POPs of the roster, this one included.
    pub(super) fn pops(&self) -> impl Iterator<Item = PopId> {
        self.roster.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_actor.len()
    }

    /// Who is relied on now.
    pub(super) fn tally(&mut self, now: Time) -> &mut Tally {
        self.tally.ripen(now);
        &mut self.tally
    }

    /// Something that the tally counts of a node has changed.
    pub(super) fn recount(&mut self, actor: Actor) {
        let Some(peer) = self.by_actor.get_mut(actor) else { return };
        let share = Share::of(peer);
        let before = std::mem::replace(&mut peer.share, share);
        if before != share {
            self.tally.take(actor, before);
            self.tally.add(actor, share);
        }
    }

    /// A node has said all that it knows.
    pub(super) fn told(&mut self, actor: Actor) {
        if let Some(peer) = self.by_actor.get_mut(actor).filter(|peer| !peer.told) {
            peer.told = true;
            self.recount(actor);
        }
    }

    /// How far the median of the clocks heard is ahead of this node's, ms.
    pub(super) fn median_ahead(&self) -> i64 {
        let up = self.by_actor.values().filter(|peer| peer.is_up);
        median(up.filter_map(|peer| peer.rtt.offset()).map(|offset| offset.ahead_ms))
    }

    pub(super) fn get(&self, actor: Actor) -> Option<&Peer> {
        self.by_actor.get(actor)
    }

    pub(super) fn get_mut(&mut self, actor: Actor) -> Option<&mut Peer> {
        self.by_actor.get_mut(actor)
    }

    /// The first that is known of a POP, or its place.
    pub(super) fn first_of(&mut self, pop: PopId) -> Option<&mut Peer> {
        let nodes = Actor { pop, node: 0 }..=Actor { pop, node: u32::MAX };
        let first = self.by_actor.first_in(nodes)?;
        self.by_actor.get_mut(first)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.by_actor.values()
    }

    /// Whoever said hello from a POP of the roster, or would have its place; `None` when too many are known already.
    pub(super) fn meet(&mut self, actor: Actor) -> Option<&mut Peer> {
        if self.by_actor.get(actor).is_none() {
            if self.by_actor.len() >= PEERS_MAX {
                return None;
            }
            self.clear_place(actor.pop);
            self.add(actor);
        }
        self.by_actor.get_mut(actor)
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
        if self.by_actor.get(place).is_some_and(|peer| peer.heard_at.is_none() && peer.link.is_none()) {
            self.remove(place);
        }
    }

    fn add(&mut self, actor: Actor) {
        self.by_actor.insert(actor, Peer::new(actor));
        self.by_news.insert((None, actor));
        self.tally.add(actor, Share::default());
        self.recount(actor);
    }

    fn remove(&mut self, actor: Actor) {
        if let Some(place) = self.by_actor.place(actor) {
            self.missed.forget(place);
        }
        if let Some(peer) = self.by_actor.remove(actor) {
            self.by_news.remove((peer.filed, actor));
            self.tally.take(actor, peer.share);
        }
    }

    /// A peer says whom it does not hear.
    pub(super) fn miss(&mut self, actor: Actor, missed: impl IntoIterator<Item = Actor>) {
        if let Some(place) = self.by_actor.place(actor) {
            self.missed.set(place, missed);
        }
    }

    /// Whether anybody misses it.
    pub(super) fn is_missed(&self, actor: Actor) -> bool {
        self.missed.is_missed(actor)
    }

    /// Whether `actor` misses `other`.
    pub(super) fn misses(&self, actor: Actor, other: Actor) -> bool {
        self.by_actor.place(actor).is_some_and(|place| self.missed.misses(place, other))
    }

    /// Those who miss it, in order.
    pub(super) fn missers(&self, actor: Actor) -> Vec<Actor> {
        let missers = self.missed.missers(actor).filter_map(|place| self.by_actor.at(place));
        let mut missers: Vec<Actor> = missers.map(|peer| peer.actor).collect();
        missers.sort_unstable();
        missers
    }

    /// A frame came from it; true if it was not heard before.
    pub(super) fn heard(&mut self, actor: Actor, now: Time) -> bool {
        let Some(peer) = self.by_actor.get_mut(actor) else { return false };
        peer.heard_at = peer.heard_at.max(Some(now));
        peer.news = peer.newest();
        self.oldest = self.oldest.filter(|(_, oldest)| *oldest != actor);
        // Round trips got longer.
        if peer.news < peer.filed {
            self.by_news.remove((peer.filed, actor));
            self.by_news.insert((peer.news, actor));
            peer.filed = peer.news;
        }
        if peer.is_up {
            return false;
        }
        (peer.is_up, peer.up_at) = (true, now);
        let silent = now.plus(peer.heard_for);
        self.look = Some(self.look.map_or(silent, |look| look.min(silent)));
        self.recount(actor);
        true
    }

    /// Those that have fallen silent by now; they are not up any more.
    pub(super) fn fall_silent(&mut self, now: Time) -> Vec<Actor> {
        if self.look.is_none_or(|look| now < look) {
            return Vec::new();
        }
        let until = |peer: &Peer| peer.heard_at.unwrap_or_default().plus(peer.heard_for);
        let up = || self.by_actor.values().filter(|peer| peer.is_up);
        let silent: Vec<Actor> = up().filter(|peer| until(peer) <= now).map(|peer| peer.actor).collect();
        self.look = up().map(until).filter(|until| *until > now).min();
        for actor in &silent {
            // Nobody can help it from here, and what it said of others is old.
            self.miss(*actor, []);
            if let Some(peer) = self.by_actor.get_mut(*actor) {
                // What it counts while it is not heard it has to say again.
                (peer.is_up, peer.told) = (false, false);
            }
            self.recount(*actor);
        }
        silent
    }

    /// When one of them may have fallen silent, or is relied on whatever it said.
    pub(super) fn next_look(&self) -> Option<Time> {
        self.look.into_iter().chain(self.tally.next()).min()
    }

    /// When the newest happened that is known of the one heard least: `Some(None)` if that one was never heard, `None` without
    /// peers.
    pub(super) fn oldest_news(&mut self) -> Option<Option<Time>> {
        loop {
            let first = self.by_news.first()?;
            if self.oldest == Some(first) {
                return Some(first.0);
            }
            let (filed, actor) = first;
            match self.by_actor.get_mut(actor).filter(|peer| peer.news != filed) {
                None => self.oldest = Some(first),
                Some(peer) => {
                    peer.filed = peer.news;
                    self.by_news.remove(first);
                    self.by_news.insert((peer.news, actor));
                }
            }
        }
    }
}
