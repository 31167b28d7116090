//! Relaying: when A and C meet only through B. Each node tells the others whom it does not hear. What rises here of an author whom a
//! neighbour misses is passed on to it, once, with the next tick: only what rose, so it goes round no circle, and only rows and facts
//! of the roster's nodes. Of several nodes that could, the lowest one does. Nothing of it is acknowledged: what is lost on the way comes by
//! the standing repair ([`compare`](super::compare)), which brings all else that is missing, too.
//!
//! A process that [hands over](super::retire) and its successor never have a link: what rises of the one is passed on to the other as well.

use std::collections::{BTreeMap, BTreeSet};

use super::flush::TICK;
use super::index::Item;
use super::peers::PEERS_MAX;
use super::{LinkId, Replica};
use crate::identity::{Actor, Author};
use crate::time::Time;
use crate::wire::{self, Builder, Misses, RELAYS, RangeHead, Room, Seen};

/// What rose and waits to be passed on; beyond it, it is the business of repair.
const RISEN_MAX: usize = 1 << 16;

/// How long a change of who is heard waits for others of its kind, ms: when links come up or go, many do at once.
const GATHER: u64 = 300;

/// Who misses somebody says so again after this time, ms: over a fabric it may have been lost.
const AGAIN: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Relay {
    /// What rose of others that some neighbour misses, by author.
    risen: BTreeMap<Actor, BTreeSet<Item>>,
    waiting: usize,
    /// Of which of these authors the successor is to hear it: it rose of a life that hands over.
    pub(super) heirs: BTreeSet<Actor>,
    /// When it is passed on.
    due: Option<Time>,
    /// Whom this node said it misses.
    told: Vec<Actor>,
    /// When it says it next.
    tell_due: Option<Time>,
}

impl Relay {
    pub(super) fn due(&self) -> Option<Time> {
        self.due.into_iter().chain(self.tell_due).min()
    }

    /// Somebody is heard, or not heard, or listens, who did not before.
    pub(super) fn changed(&mut self, now: Time) {
        let soon = now.plus(GATHER);
        self.tell_due = Some(self.tell_due.map_or(soon, |due| due.min(soon)));
    }

    /// Something of another node rose here, and somebody misses it.
    pub(super) fn note(&mut self, author: Actor, item: Item, now: Time) {
        if self.waiting < RISEN_MAX && self.risen.entry(author).or_default().insert(item) {
            self.waiting += 1;
            self.due.get_or_insert(now.plus(TICK));
        }
    }
}

impl Replica {
    /// A peer says whom it does not hear.
    pub(super) fn misses_in(&mut self, id: LinkId, misses: &Misses) {
        let Some(actor) = self.links.get(id).and_then(|link| link.actor()) else { return };
        let roster = |actor: &Actor| self.peers.is_in_roster(actor.pop);
        let missed: Vec<Actor> = misses.actors().filter(roster).take(PEERS_MAX).collect();
        self.peers.miss(actor, missed);
    }

    /// Passes on what is due, and says whom this node misses.
    pub(super) fn relay(&mut self, now: Time) {
        if self.relay.due.is_some_and(|due| due <= now) {
            self.relay.due = None;
            self.relay.waiting = 0;
            let heirs = std::mem::take(&mut self.relay.heirs);
            for (author, items) in std::mem::take(&mut self.relay.risen) {
                let heir = heirs.get(&author).and_then(|author| self.peers.get(*author)?.link);
                for id in self.relayed_to(author, heir) {
                    self.pass_on(id, author, &items, now);
                }
            }
        }
        if self.relay.tell_due.is_some_and(|due| due <= now) {
            self.tell_misses(now);
        }
    }

    fn tell_misses(&mut self, now: Time) {
        let missed: Vec<Actor> = self.peers.iter().filter(|peer| !peer.is_up).map(|peer| peer.actor).collect();
        self.relay.tell_due = (!missed.is_empty()).then(|| now.plus(AGAIN));
        if missed.is_empty() && self.relay.told.is_empty() {
            return;
        }
        let frame = wire::misses(&Misses::of(&missed));
        self.relay.told = missed;
        let tells = self.links.established().filter(|(_, link)| link.features & RELAYS != 0 && link.has_room());
        for id in tells.map(|(id, _)| id).collect::<Vec<_>>() {
            self.send(id, frame.clone(), now);
        }
    }

    /// Links to those who miss an author and hear this node, and to the author's heir, as far as it is this node's turn to help them.
    fn relayed_to(&self, author: Actor, heir: Option<LinkId>) -> Vec<LinkId> {
        let missers = self.peers.missers(author);
        let lacks = missers.into_iter().filter(|actor| *actor != author);
        let lacks = lacks.filter_map(|actor| Some((actor, self.peers.get(actor)?)));
        let lacks = lacks.filter(|(actor, peer)| peer.is_up && !self.peers.misses(*actor, self.me.actor));
        let links = lacks.flat_map(|(actor, peer)| [peer.link, peer.draining].map(|link| (actor, link)));
        let (mut helpers, mut known) = (self.helpers(author), Vec::new());
        let mut is_helped = |to: Actor| {
            let helps = |helper: &Actor| self.meet(*helper, to);
            known.iter().any(helps)
                || helpers.by_ref().inspect(|helper| known.push(*helper)).any(|helper| helps(&helper))
        };
        let links = links.chain([(author, heir)]).filter_map(|(to, link)| Some((to, link?)));
        links.filter(|(to, _)| !is_helped(*to)).map(|(_, link)| link).collect()
    }

    /// Whose turn comes before this node's to pass on what an author says: those who hear it, the lowest first.
    fn helpers(&self, author: Actor) -> impl Iterator<Item = Actor> {
        let hears = self.peers.get(author).is_some_and(|peer| peer.is_up);
        let before = self.peers.iter().take_while(move |peer| !hears || peer.actor < self.me.actor);
        let helps = before.filter(move |peer| peer.is_up && peer.tells && peer.actor != author);
        helps.map(|peer| peer.actor).filter(move |helper| !self.peers.misses(*helper, author))
    }

    /// Whether two others hear one another.
    fn meet(&self, a: Actor, b: Actor) -> bool {
        a != b && !self.peers.misses(a, b) && !self.peers.misses(b, a)
    }

    /// Puts what is known of an author into a frame, but for what its receiver says itself. Sketches have none: what is known of them goes on
    /// whole.
    fn put_of(&self, builder: &mut Builder, item: Item, (author, to): (Actor, Author), now: Time) -> Room {
        let is_of = |by: &Author| by.actor == author && !to.covers(*by);
        match item {
            Item::Counter(table, key) => {
                let Some(identity) = self.store.identity(table) else { return Room::Taken };
                let rows = self.store.rows(table, key, now);
                let mut of_author = rows.into_iter().filter(|(by, _)| is_of(by));
                // Rows of several lives; those that fitted come again with the rest.
                let full = of_author.any(|(by, row)| builder.row(identity, key, by, row) == Room::Full);
                if full { Room::Full } else { Room::Taken }
            }
            Item::Uniques(table, key) => {
                let Some(identity) = self.store.uniques_identity(table) else { return Room::Taken };
                let mut seen = self.store.live_sketches(table, key, now).into_iter();
                let full = seen.any(|(slot, sketch)| builder.seen(identity, Seen { key, slot, sketch }) == Room::Full);
                if full { Room::Full } else { Room::Taken }
            }
            Item::Ledger(table, key) => {
                let Some(identity) = self.store.ledgers_identity(table) else { return Room::Taken };
                let accounts = self.store.accounts(table, key, now);
                let mut of_author = accounts.into_iter().filter(|(by, _)| is_of(by));
                let full = of_author.any(|(by, account)| builder.account(identity, key, by, account) == Room::Full);
                if full { Room::Full } else { Room::Taken }
            }
            // A session is said whole, by whoever knows of it.
            Item::Session(key) => {
                self.store.session_said(key).map_or(Room::Taken, |session| builder.session(key, session))
            }
            Item::Fact(name) => self.store.fact(name).map_or(Room::Taken, |fact| builder.fact(&fact)),
        }
    }

    fn pass_on(&mut self, id: LinkId, author: Actor, items: &BTreeSet<Item>, now: Time) {
        let Some(to) = self.links.get(id).and_then(|link| link.author) else { return };
        let version = self.version(id);
        let head = RangeHead { from: 0, to: 0, at: now.0 };
        let mut builder = Builder::new();
        for item in items {
            if !self.links.get(id).is_some_and(|link| link.has_room()) {
                return;
            }
            if self.put_of(&mut builder, *item, (author, to), now) == Room::Full {
                let full = std::mem::replace(&mut builder, Builder::new());
                self.send(id, full.range(&head, version), now);
                // An empty frame has room for any item.
                let _ = self.put_of(&mut builder, *item, (author, to), now);
            }
        }
        if !builder.is_empty() {
            self.send(id, builder.range(&head, version), now);
        }
    }
}
