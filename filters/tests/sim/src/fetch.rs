//! A fetch: asked for, answered by the origin or a parent, and stored.

use std::sync::Arc;

use selvedge_filters::purge::{Renewal, Stamp, Stamped};
use selvedge_state::{Carried, Fill, PopId, Taken, Time};

use crate::breaks::Break;
use crate::look::{Asker, Request};
use crate::pop::FetchId;
use crate::run::{Event, Run};
use crate::stored::{Asked, Stored};
use crate::trouble::Note;

/// Where a fetch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Origin,
    Parent(usize),
}

/// What a POP fetches, or validates.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) pop: usize,
    pub(crate) thing: usize,
    pub(crate) way: Way,
    /// Who caused it, and is answered with what comes; nobody where it was answered with what is stale.
    pub(crate) leader: Option<Request>,
    /// What is validated.
    pub(crate) held: Option<Stored>,
    /// Those who wait until its header is here.
    pub(crate) waiting: Vec<Request>,
    /// Those who read along.
    pub(crate) along: Vec<Request>,
    stamped: Arc<Stamped>,
    asked: Asked,
    /// What it tells a parent of purges.
    carried: Option<Carried>,
    brought: Option<Stored>,
}

/// What comes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// The body's version, and its validator; None of a 304.
    pub(crate) body: Option<(u64, u64)>,
    pub(crate) vouched: u64,
    /// How long it is fresh yet, ms; less than none if it is stale.
    pub(crate) left: i64,
    /// Of a parent: who it is, and up to which of this POP's applications it has them.
    pub(crate) has: Option<(usize, u64)>,
}

impl Run {
    /// Goes for something; others wait for it.
    pub(crate) fn fetch(&mut self, (pop, thing): (usize, usize), leader: Option<Request>, held: Option<Stored>) {
        // A parent asks no other.
        let is_of_child = leader.is_some_and(|leader| matches!(leader.asker, Asker::Child { .. }));
        let parent =
            self.things[thing].parent.filter(|parent| *parent != pop && !is_of_child && self.pops[*parent].is_up);
        let way = parent.map_or(Way::Origin, Way::Parent);
        self.next_fetch += 1;
        let id = self.next_fetch;
        self.pops[pop].leaders.insert(thing, id);
        let (stamped, asked) = (Arc::new(Stamped::new(Stamp::default())), Asked::default());
        let fetch = Fetch {
            pop,
            thing,
            way,
            leader,
            held,
            waiting: Vec::new(),
            along: Vec::new(),
            stamped,
            asked,
            carried: None,
            brought: None,
        };
        self.fetches.insert(id, fetch);
        // It may have to connect before.
        let takes = if self.rng.bool() { 0..1 } else { 1..40 };
        self.after(takes, Event::Send(id));
    }

    fn fresh(&self, thing: usize) -> i64 {
        self.things[thing].fresh.cast_signed()
    }

    fn stamp(&self, pop: usize, thing: usize) -> (Arc<Stamped>, Asked) {
        let store = self.store(pop);
        let stamp = Stamp::new(store, store.fill(), &self.things[thing].names());
        (Arc::new(Stamped::new(stamp)), self.judge.asked((pop, self.pops[pop].life), thing))
    }

    /// The request leaves its POP: this is when it is asked for.
    pub(crate) fn send(&mut self, id: FetchId) {
        let Some(Fetch { pop, thing, way, .. }) = self.fetches.get(&id) else { return };
        let (pop, thing, way) = (*pop, *thing, *way);
        let (stamped, asked) = self.stamp(pop, thing);
        let carried = match way {
            Way::Parent(parent) => {
                let known = self.pops[pop].told.get(&parent).copied().unwrap_or_default();
                Some(self.store(pop).carry(known, self.world.clock(pop)))
            }
            Way::Origin => None,
        };
        if let Some(fetch) = self.fetches.get_mut(&id) {
            (fetch.stamped, fetch.asked, fetch.carried) = (stamped, asked, carried);
        }
        let held = self.fetches.get(&id).and_then(|fetch| fetch.held.as_ref());
        let (validates, fill) = (held.map(|held| held.body), self.store(pop).fill().number());
        self.note(Note::Sent { pop, thing, way, fill, validates });
        let takes = self.way();
        self.after(takes, Event::Asked(id));
    }

    /// It comes to where it goes.
    pub(crate) fn come(&mut self, id: FetchId) {
        let Some(fetch) = self.fetches.get_mut(&id) else { return };
        let (thing, etag) = (fetch.thing, fetch.held.as_ref().map(|held| held.etag));
        let (way, carried) = ((fetch.pop, fetch.way), fetch.carried.take());
        match way {
            (_, Way::Origin) => {
                let (version, fresh) = (self.origin.now(thing), self.fresh(thing));
                let body = (etag != Some(version.etag)).then_some((version.number, version.etag));
                let takes = self.way();
                self.after(takes, Event::Header(id, Said { body, vouched: version.number, left: fresh, has: None }));
            }
            (child, Way::Parent(parent)) if self.pops[parent].is_up => {
                self.seen.through += 1;
                let taken = carried
                    .filter(|_| !self.breaks(Break::Untold))
                    .map(|carried| self.take_in((child, thing), parent, &carried));
                let asker = Asker::Child { fetch: id, etag, have: taken.map(|taken| taken.have) };
                let request = self.request(parent, thing, asker);
                self.look(request.since(taken.map_or(Fill::default(), |taken| taken.since)));
            }
            (_, Way::Parent(_)) => self.turn_to_origin(id),
        }
    }

    /// What the child knows of purges is taken in before anything is looked up.
    fn take_in(&mut self, (child, thing): (usize, usize), parent: usize, carried: &Carried) -> Taken {
        let (now, child) = (self.world.clock(parent), PopId(self.world.nodes[child].pop));
        let taken = self.store(parent).take_carried(child, &carried.bytes, now).expect("a child tells what it knows");
        self.look_at(parent);
        let (pop, have, since) = (usize::from(child.0) - 1, taken.have, taken.since.number());
        self.note(Note::Told { pop, thing, parent, have, since });
        taken
    }

    /// A parent does not answer: the request begins anew, at the origin.
    pub(crate) fn turn_to_origin(&mut self, id: FetchId) {
        if let Some(fetch) = self.fetches.get_mut(&id) {
            fetch.way = Way::Origin;
            self.after(0..30, Event::Send(id));
        }
    }

    /// The header is here.
    pub(crate) fn header(&mut self, id: FetchId, said: Said) {
        let Some(Fetch { pop, thing, way, stamped, asked, .. }) = self.fetches.get(&id) else { return };
        let (pop, thing, way, mut stamped, mut asked) = (*pop, *thing, *way, Arc::clone(stamped), *asked);
        if self.breaks(Break::Late) {
            (stamped, asked) = self.stamp(pop, thing);
        }
        let is_refreshed = self.breaks(Break::Refreshed) && way != Way::Origin;
        let left = if is_refreshed { self.fresh(thing) } else { said.left };
        let now = self.world.clock(pop);
        let fresh_until = Time(now.0.saturating_add_signed(left));
        let life = self.pops[pop].life;
        if let Some((parent, have)) = said.has {
            let told = self.pops[pop].told.entry(parent).or_default();
            *told = have.max(*told);
        }
        match said.body {
            Some((body, etag)) => {
                let body_asked = (life, stamped.fill());
                let stored = Stored { body, vouched: said.vouched, etag, fresh_until, stamped, body_asked, asked };
                self.begin(id, stored);
            }
            None => {
                let held = self.fetches.get(&id).and_then(|fetch| fetch.held.clone());
                let held = held.expect("only what is held is validated");
                self.validated(id, Stored { vouched: said.vouched, fresh_until, stamped, asked, ..held });
            }
        }
    }

    /// A body comes: who asks from now on reads along.
    fn begin(&mut self, id: FetchId, stored: Stored) {
        let Some(fetch) = self.fetches.get_mut(&id) else { return };
        let (pop, thing) = (fetch.pop, fetch.thing);
        self.pops[pop].list(thing, id, &stored.stamped);
        fetch.brought = Some(stored);
        self.pops[pop].release(thing, id);
        let waiting = std::mem::take(&mut fetch.waiting);
        if self.plan.broken == Some(Break::Waiter) {
            fetch.along.extend(waiting);
        } else {
            waiting.into_iter().for_each(|request| self.look(request));
        }
        let takes = self.way();
        self.after(takes, Event::Body(id));
    }

    /// What is held is still what the origin has.
    fn validated(&mut self, id: FetchId, stored: Stored) {
        let Some(fetch) = self.fetches.remove(&id) else { return };
        let (pop, thing) = (fetch.pop, fetch.thing);
        self.seen.validated += 1;
        let (version, fill) = (stored.body, stored.stamped.fill().number());
        self.note(Note::Validated { pop, thing, version, vouched: stored.vouched, fill });
        let store = Arc::clone(self.store(pop));
        if let Some(known) = self.pops[pop].memory.get(&thing).filter(|known| known.etag == stored.etag) {
            match known.stamped.renewal(&stored.stamped, &store) {
                Renewal::Renewed => {
                    let renewed = Stored { body: known.body, body_asked: known.body_asked, ..stored.clone() };
                    self.pops[pop].memory.insert(thing, renewed);
                }
                Renewal::Newer => {}
                Renewal::Gone => drop(self.pops[pop].memory.remove(&thing)),
            }
        }
        let is_looked_at = !self.breaks(Break::Rewritten);
        if let Some(disk) = &mut self.pops[pop].disk {
            disk.renew(thing, &stored, is_looked_at, &store);
        }
        self.pops[pop].release(thing, id);
        if let Some(leader) = fetch.leader {
            self.answer(leader, &stored);
        }
        fetch.waiting.into_iter().for_each(|request| self.look(request));
    }

    /// The body is whole, or breaks off.
    pub(crate) fn body(&mut self, id: FetchId) {
        let Some(fetch) = self.fetches.remove(&id) else { return };
        let (pop, thing) = (fetch.pop, fetch.thing);
        let is_listed = self.pops[pop].unlist(thing, id);
        let Some(stored) = fetch.brought else { return };
        if self.breaks_off() {
            self.note(Note::BrokeOff { pop, thing });
            return fetch.leader.into_iter().chain(fetch.along).for_each(|request| self.unanswered(request));
        }
        if is_listed && !stored.stamped.is_gone(self.store(pop)) {
            self.store_it(pop, thing, stored.clone());
        }
        self.seen.collapsed += fetch.along.len() as u64;
        fetch.leader.into_iter().chain(fetch.along).for_each(|request| self.answer(request, &stored));
    }

    fn store_it(&mut self, pop: usize, thing: usize, stored: Stored) {
        self.note(Note::Stored { pop, thing, version: stored.body, fill: stored.stamped.fill().number() });
        if let Some(disk) = &mut self.pops[pop].disk {
            // It must not come back if this one is gone before it is written.
            disk.files.remove(&thing);
            disk.waiting.insert(thing, stored.clone());
            let life = self.pops[pop].life;
            self.after(1..300, Event::Write(pop, life, thing));
        }
        self.pops[pop].put(thing, stored);
    }
}
