//! Sending changes. A tick encodes what changed once, for all peers that are up to date; the others catch up with the
//! current values of what they lack. Ticks follow at once on a silence and are 25 ms apart otherwise, so a lone change is
//! fast and a storm is cheap. Facts do not wait for ticks.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::clocks::Clocks;
use super::index::Item;
use super::tempo::Reach;
use super::{Event, LinkId, Output, Replica};
use crate::identity::Seq;
use crate::store::FRAME_WORTH;
use crate::time::Time;
use crate::walk::Whose;
use crate::wire::{Builder, DeltaHead, FRAME_MAX, OLDEST, RangeHead, Room, Seen};

/// After so much silence a change is sent at once, ms.
const SILENCE: u64 = 5;

/// Between ticks under load, ms, at the most.
pub(super) const TICK: u64 = 25;

/// A tick comes up to so much earlier, ms, so that nodes that began together do not go on together.
const JITTER: u64 = 5;

/// A link on which so many bytes wait to leave for the network is congested.
const CONGESTED: usize = FRAME_MAX;

/// The longest time between ticks, ms, however long round trips take.
const TICK_LONGEST: u64 = 500;

/// Between urgent frames, ms.
const URGENT: u64 = 1;

/// A thread may charge with a time that it read so long ago, ms. Cells that ended longer before a tick were in that tick;
/// what straggles more shows in the coarse cell or comes by repair.
const STRAGGLE: u64 = 20;

/// When things were sent.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The last tick: what changed before it was in it or earlier ones.
    ticked: Option<Time>,
    /// When the next one is due; none while nothing waits.
    due: Option<Time>,
    /// Whether that one waits for the network.
    congested: bool,
    /// When counters near a limit last went ahead of a tick, and when they do again.
    near: Option<Time>,
    near_due: Option<Time>,
    urgent: Option<Time>,
    /// When the next urgent frame is due.
    pub(super) urgent_due: Option<Time>,
}

impl Pace {
    pub(super) fn due(&self) -> Option<Time> {
        [self.due, self.near_due, self.urgent_due].into_iter().flatten().min()
    }

    /// Something waits that did not before. After a silence it does not wait long, unless the network is what it waits for.
    fn begin(&mut self, period: u64, now: Time) {
        let silence = if period > TICK { period } else { SILENCE };
        self.congested = period > TICK;
        self.due = Some(match self.ticked {
            Some(ticked) if now < ticked.plus(silence) => ticked.plus(period),
            _ => now,
        });
    }

    /// Counters near a limit wait, and the next tick waits for the network: when they go ahead of it.
    fn wait_near(&mut self, now: Time) -> Time {
        let soonest = self.near.map_or(now, |near| near.plus(TICK).max(now));
        *self.near_due.get_or_insert(soonest)
    }

    fn wait_urgent(&mut self, now: Time) -> Time {
        let soonest = self.urgent.map_or(now, |urgent| urgent.plus(URGENT).max(now));
        *self.urgent_due.get_or_insert(soonest)
    }
}

impl Replica {
    /// Sends what is due.
    pub(super) fn flush(&mut self, now: Time) {
        let waiting = self.store.waiting();
        if waiting.facts > 0 && self.pace.wait_urgent(now) <= now {
            self.pace.urgent = Some(now);
            self.pace.urgent_due = None;
            let facts: Vec<Item> = self.store.take_facts().into_iter().map(Item::Fact).collect();
            self.publish(facts.clone(), now, now);
            self.hurry(&facts, now);
        }
        let waits = waiting.near + waiting.counters + waiting.uniques + waiting.ledgers + waiting.sessions > 0;
        if !waits {
            return;
        }
        if self.pace.due.is_none() {
            let period = self.period();
            self.pace.begin(period, now);
        }
        let full = waiting.near + waiting.counters >= FRAME_WORTH && !self.pace.congested;
        if full || self.pace.due.is_some_and(|due| due <= now) {
            self.tick(now);
        } else if waiting.near > 0
            && self.pace.congested
            && self.clock == Clocks::Agree
            && self.pace.wait_near(now) <= now
        {
            self.go_ahead(now);
        } else if self.clock == Clocks::Differ {
            // They are kept back until the tick.
            self.pace.near_due = None;
        }
    }

    /// Counters near a limit do not wait with the rest for a full network, nor behind what a lagging link has yet to catch up with. They do not end the
    /// tick: what they say reaches back to the last one.
    fn go_ahead(&mut self, now: Time) {
        self.pace.near = Some(now);
        self.pace.near_due = None;
        let since = self.pace.ticked.map_or(Time::ZERO, |ticked| ticked.minus(STRAGGLE));
        let near: Vec<Item> =
            self.store.take_near().into_iter().map(|(table, key)| Item::Counter(table, key)).collect();
        self.publish(near.clone(), since, now);
        self.hurry(&near, now);
    }

    /// Sends all that changed.
    fn tick(&mut self, now: Time) {
        self.pace.near_due = None;
        let since = self.pace.ticked.map_or(Time::ZERO, |ticked| ticked.minus(STRAGGLE));
        self.pace.ticked = Some(now);
        self.pace.due = None;
        let near = self.store.take_near();
        let counters = near.into_iter().chain(self.store.take_counters()).map(|(table, key)| Item::Counter(table, key));
        let uniques = self.store.take_uniques().into_iter().map(|(table, key)| Item::Uniques(table, key));
        let ledgers = self.store.take_ledgers().into_iter().map(|(table, key)| Item::Ledger(table, key));
        let sessions = self.store.take_sessions().into_iter().map(Item::Session);
        let (cells, timeless) = (counters.chain(uniques), ledgers.chain(sessions));
        match self.clock {
            Clocks::Agree => self.publish(cells.chain(timeless).collect(), since, now),
            Clocks::Differ => {
                self.keep_back(cells.collect(), since);
                self.publish(timeless.collect(), since, now);
            }
        }
        self.index.mark(now.minus(STRAGGLE));
    }

    /// How long changes gather, ms. While most links are congested it is the round trip of the slowest one: what changes again meanwhile is
    /// said once.
    fn period(&mut self) -> u64 {
        let (mut links, mut congested, mut slowest) = (0, 0, TICK);
        for (_, link) in self.links.established() {
            links += 1;
            if link.unsent >= CONGESTED {
                congested += 1;
                slowest = slowest.max(link.rtt.unwrap_or(0));
            }
        }
        if congested * 2 > links {
            return slowest.min(TICK_LONGEST);
        }
        TICK - self.turn.random() % (JITTER + 1)
    }

    /// Takes what changed and tells nobody; repair brings it when clocks go together again.
    fn keep_back(&self, items: Vec<Item>, since: Time) {
        let mut nowhere = Builder::new();
        for item in items {
            let _ = self.put(&mut nowhere, item, since, Fresh::Yes);
        }
    }

    /// Gives each item its place in the sequence and sends the frames. Items say what changed since `since`, or since what
    /// is not acknowledged by everybody.
    fn publish(&mut self, items: Vec<Item>, since: Time, now: Time) {
        let mut builder = Builder::new();
        let mut from = self.index.last();
        for item in items {
            let since = self.index.since(item).unwrap_or(since);
            if self.put(&mut builder, item, since, Fresh::Yes) == Room::Full {
                let full = std::mem::replace(&mut builder, Builder::new());
                self.ship(full, from, now);
                from = self.index.last();
                // An empty frame has room for any item. It was taken for the full one.
                let _ = self.put(&mut builder, item, since, Fresh::No);
            }
            self.index.note(item, since);
        }
        self.ship(builder, from, now);
        self.rebase_the_lost(now);
    }

    /// Puts an item's own state into a frame.
    fn put(&self, builder: &mut Builder, item: Item, since: Time, fresh: Fresh) -> Room {
        match item {
            Item::Counter(table, key) => {
                let row = match fresh {
                    Fresh::Yes => self.store.take_row(table, key, since),
                    Fresh::No => self.store.own_row(table, key, since),
                };
                match (self.store.identity(table), row) {
                    (Some(identity), Some((author, row))) => builder.row(identity, key, author, row),
                    // Forgotten meanwhile: there is nothing left to say.
                    _ => Room::Taken,
                }
            }
            Item::Uniques(table, key) => {
                let sketches = match fresh {
                    Fresh::Yes => self.store.take_sketches(table, key, since),
                    Fresh::No => self.store.sketches_since(table, key, since),
                };
                let Some(identity) = self.store.uniques_identity(table) else { return Room::Taken };
                let mut seen = sketches.into_iter().map(|(slot, sketch)| Seen { key, slot, sketch });
                // What is in the frame already when it turns out to be full does no harm: it comes again with the rest.
                if seen.any(|seen| builder.seen(identity, seen) == Room::Full) { Room::Full } else { Room::Taken }
            }
            Item::Ledger(table, key) => {
                let account = match fresh {
                    Fresh::Yes => self.store.take_account(table, key),
                    Fresh::No => self.store.own_account(table, key),
                };
                match (self.store.ledgers_identity(table), account) {
                    (Some(identity), Some(account)) => builder.account(identity, key, self.me, account),
                    _ => Room::Taken,
                }
            }
            Item::Session(key) => {
                let session = match fresh {
                    Fresh::Yes => self.store.take_session_said(key),
                    Fresh::No => self.store.session_said(key),
                };
                session.map_or(Room::Taken, |session| builder.session(key, session))
            }
            Item::Fact(name) => {
                let fact = match fresh {
                    Fresh::Yes => self.store.take_fact(name),
                    Fresh::No => self.store.fact(name),
                };
                // One that another node has superseded meanwhile is that node's to tell.
                match fact.and_then(|fact| fact.said_by(self.me.actor)) {
                    Some(fact) => builder.fact(&fact),
                    None => Room::Taken,
                }
            }
        }
    }

    /// Facts and counters near a limit do not wait behind what a lagging link has yet to catch up with: they go ahead in a frame without a
    /// number, and come again in their place.
    fn hurry(&mut self, items: &[Item], now: Time) {
        let last = self.index.last();
        let lags = |id: &LinkId| self.links.get(*id).is_some_and(|link| !link.out.is_at(last) && link.has_room());
        let lagging: Vec<LinkId> = self.established().into_iter().filter(lags).collect();
        if lagging.is_empty() {
            return;
        }
        let mut builder = Builder::new();
        let since = |item: Item| self.index.since(item).unwrap_or(now);
        let fits = |item: &&Item| self.put(&mut builder, **item, since(**item), Fresh::No) != Room::Full;
        if items.iter().take_while(fits).count() == 0 {
            return;
        }
        let head = RangeHead { from: 0, to: 0, at: now.0 };
        for (links, frame) in self.by_version(&lagging, builder, |builder, version| builder.range(&head, version)) {
            for id in links {
                self.send(id, frame.clone(), now);
            }
        }
    }

    /// Frames of one content for links, one frame for each protocol version among them.
    fn by_version(
        &self,
        links: &[LinkId],
        builder: Builder,
        make: impl Fn(Builder, u16) -> Bytes,
    ) -> Vec<(Vec<LinkId>, Bytes)> {
        let mut versions: BTreeMap<u16, Vec<LinkId>> = BTreeMap::new();
        for id in links {
            versions.entry(self.version(*id)).or_default().push(*id);
        }
        let (mut left, mut builder) = (versions.len(), Some(builder));
        let frame = |(version, links)| {
            left -= 1;
            let builder = if left == 0 { builder.take() } else { builder.clone() };
            (links, make(builder.unwrap_or_else(Builder::new), version))
        };
        versions.into_iter().map(frame).collect()
    }

    /// The protocol version that both ends of a link speak.
    pub(super) fn version(&self, id: LinkId) -> u16 {
        self.links.get(id).map_or(OLDEST, |link| link.version)
    }

    fn delta(&self, builder: Builder, from: Seq, to: Seq, version: u16, now: Time) -> Bytes {
        builder.delta(&DeltaHead { author: self.me.into(), from: from.0, to: to.0, at: now.0 }, version)
    }

    /// Sends one shared frame to every link that is up to date and has room.
    fn ship(&mut self, builder: Builder, from: Seq, now: Time) {
        let to = self.index.last();
        if to == from {
            return;
        }
        self.changed = Some(now);
        let (mut shared, mut direct) = (Vec::new(), Vec::new());
        for (id, link) in self.links.established().filter(|(_, link)| link.out.is_at(from) && link.has_room()) {
            match link.reach {
                Reach::Shared => shared.push(id),
                Reach::Direct => direct.push(id),
            }
        }
        if !shared.is_empty() {
            self.publish_frame(&shared, builder.clone(), (from, to), now);
        }
        let frames = self.by_version(&direct, builder, |builder, version| self.delta(builder, from, to, version, now));
        for (links, frame) in frames {
            for id in links {
                if let Some(link) = self.links.get_mut(id) {
                    link.out.sent(to, now);
                }
                self.send(id, frame.clone(), now);
            }
        }
    }

    /// Publishes one frame for all links over the shared fabric, in the newest version that all of them speak.
    fn publish_frame(&mut self, links: &[LinkId], builder: Builder, (from, to): (Seq, Seq), now: Time) {
        let version = links.iter().map(|id| self.version(*id)).min().unwrap_or(OLDEST);
        let frame = self.delta(builder, from, to, version, now);
        for id in links {
            if let Some(link) = self.links.get_mut(*id) {
                link.out.sent(to, now);
                link.last_out = now;
            }
        }
        self.published.note(to, frame.len(), now);
        self.outputs.push_back(Output::Publish { frame });
    }

    /// Links that lack what the index dropped: their changes are repair's business from here on.
    fn rebase_the_lost(&mut self, now: Time) {
        let (floor, last) = (self.index.floor(), self.index.last());
        let (me, mut lost) = (self.me.actor, Vec::new());
        if self.links.acked().is_none_or(|acked| acked >= floor) {
            return;
        }
        for id in self.links.behind(floor) {
            let Some(link) = self.links.get_mut(id) else { continue };
            link.out.rebase(last, now);
            // What the index drops is this node's own.
            link.repair.start(Whose::One(me));
            lost.push(link.peer);
        }
        for pop in lost {
            self.tell(Event::FellBehind { pop });
        }
    }

    /// Sends a link what it lacks, as current values, as far as it has room.
    pub(super) fn catch_up(&mut self, id: LinkId, now: Time) {
        loop {
            let Some(link) = self.links.get(id).filter(|link| link.author.is_some() && link.has_room()) else {
                return;
            };
            let last = self.index.last();
            let (sent, follows) = (link.out.sent, link.out.follows());
            if link.out.is_at(last) {
                return;
            }
            self.index.unmark();
            let mut builder = Builder::new();
            let mut to = last;
            let mut before = sent;
            for (seq, item, since) in self.index.after(sent) {
                if self.put(&mut builder, item, since, Fresh::No) == Room::Full {
                    to = before;
                    break;
                }
                before = seq;
            }
            let frame = self.delta(builder, follows, to, self.version(id), now);
            let Some(link) = self.links.get_mut(id) else { return };
            link.out.sent(to, now);
            self.send(id, frame, now);
        }
    }

    /// Goes back to what the peer acknowledged, when it did not acknowledge more in time.
    pub(super) fn resend(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.out.rewind(now);
        self.catch_up(id, now);
    }
}

/// Whether an item goes out for the first time since it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Yes,
    No,
}
