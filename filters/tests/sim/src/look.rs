//! A request: looked up, answered, or sent on.

use std::sync::Arc;

use selvedge_filters::purge::{Reach, Standing};
use selvedge_state::Fill;

use crate::breaks::Break;
use crate::disk::Found;
use crate::fetch::Said;
use crate::judge::Floor;
use crate::pop::{FetchId, Kept};
use crate::run::{Event, Run};
use crate::seen::Wrong;
use crate::stored::{Age, Asked, Stored};
use crate::trouble::Note;

/// How long a leader may take before somebody else leads, ms.
const LEADS: u64 = 120;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asker {
    Client,
    /// Another POP, with the validator of what it holds.
    Child {
        fetch: FetchId,
        etag: Option<u64>,
        /// Up to which of its applications they are known here, if it told of any.
        have: Option<u64>,
    },
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) pop: usize,
    pub(crate) thing: usize,
    pub(crate) asker: Asker,
    /// What it may be answered with, from when it came.
    floor: Floor,
    /// What was asked for before this is not for it.
    since: Fill,
}

impl Request {
    pub(crate) fn since(self, since: Fill) -> Request {
        Request { since, ..self }
    }

    /// Whether something may be its answer whose body was asked for then. A validation does not count: what is not known of may be a hard purge.
    fn may_have(&self, (life, body): (u64, Fill), ours: u64) -> bool {
        self.since == Fill::default() || life == ours && body >= self.since
    }
}

impl Run {
    /// A request comes.
    pub(crate) fn request(&mut self, pop: usize, thing: usize, asker: Asker) -> Request {
        self.next_request += 1;
        Request {
            number: self.next_request,
            pop,
            thing,
            asker,
            floor: self.judge.floor(pop, thing),
            since: Fill::default(),
        }
    }

    /// Looks for an answer, and goes for one where there is none.
    pub(crate) fn look(&mut self, request: Request) {
        let Request { pop, thing, .. } = request;
        let (store, now) = (Arc::clone(self.store(pop)), self.world.clock(pop));
        if let Some((fetch, stamped)) = self.pops[pop].listed.get(&thing) {
            let is_valid = self.breaks(Break::Waiter) || stamped.standing(&store) == Standing::Valid;
            let life = self.pops[pop].life;
            let may_follow = is_valid && request.may_have((life, stamped.fill()), life);
            if let Some(fetch) = self.fetches.get_mut(fetch).filter(|_| may_follow) {
                return fetch.along.push(request);
            }
        }
        match self.pops[pop].kept(thing, &store, now) {
            Kept::Usable(stored) => return self.found(request, stored),
            Kept::Softly(stored) => {
                self.is_purged(pop, thing, stored.asked, Reach::Soft);
                return self.found(request, stored);
            }
            Kept::Gone(stored) => {
                self.is_purged(pop, thing, stored.asked, Reach::Hard);
                if self.breaks(Break::Validated) {
                    return self.go(request, Some(stored));
                }
            }
            Kept::Nothing => {}
        }
        let Some(disk) = &mut self.pops[pop].disk else { return self.go(request, None) };
        match disk.find(thing, &store, now) {
            Found::Usable(stored) => {
                self.seen.from_disk += 1;
                self.seen.from_earlier += u64::from(stored.body_asked.0 != self.pops[pop].life);
                self.note(Note::BroughtBack { pop, thing, version: stored.body });
                self.pops[pop].put(thing, stored.clone());
                self.found(request, stored);
            }
            Found::Gone(asked) => {
                self.is_purged(pop, thing, asked, Reach::Hard);
                self.go(request, None);
            }
            Found::Nothing => self.go(request, None),
        }
    }

    /// Nothing is found purged that was stored after all that was purged of it.
    fn is_purged(&mut self, pop: usize, thing: usize, asked: Asked, reach: Reach) {
        self.seen.purged += 1;
        let is_known = self.pops[pop].is_of_this_life(asked);
        if is_known && !self.judge.may_be_purged(asked, thing, reach) {
            self.fail(
                Wrong::Gone,
                thing,
                format!("thing {thing} at POP {pop} is purged, {}, and nobody did that", reach.as_str()),
            );
        }
    }

    fn found(&mut self, request: Request, stored: Stored) {
        let Request { pop, thing, asker, .. } = request;
        let life = self.pops[pop].life;
        let asked = if self.breaks(Break::Vouched) { (life, stored.stamped.fill()) } else { stored.body_asked };
        if !request.may_have(asked, life) {
            self.seen.anew += 1;
            return self.go(request, None);
        }
        match stored.age(self.world.clock(pop)) {
            Age::Old => return self.go(request, Some(stored)),
            Age::Fresh => self.seen.hits += u64::from(matches!(asker, Asker::Client)),
            Age::Stale => {
                self.seen.stale += u64::from(matches!(asker, Asker::Client));
                if !self.pops[pop].leaders.contains_key(&thing) {
                    self.fetch((pop, thing), None, Some(stored.clone()));
                }
            }
        }
        self.answer(request, &stored);
    }

    /// Waits for whoever asks for the same, or asks.
    fn go(&mut self, request: Request, held: Option<Stored>) {
        let Request { pop, thing, number, .. } = request;
        let leader = self.pops[pop].leaders.get(&thing).copied();
        match leader.and_then(|leader| Some((leader, self.fetches.get_mut(&leader)?))) {
            Some((leader, fetch)) => {
                fetch.waiting.push(request);
                self.after(LEADS..LEADS + 1, Event::Waited(leader, number));
            }
            None => self.fetch((pop, thing), Some(request), held),
        }
    }

    /// Somebody has waited for long.
    pub(crate) fn waited(&mut self, leader: FetchId, number: u64) {
        let Some(fetch) = self.fetches.get_mut(&leader) else { return };
        let Some(at) = fetch.waiting.iter().position(|request| request.number == number) else { return };
        let (request, pop, thing) = (fetch.waiting.remove(at), fetch.pop, fetch.thing);
        self.pops[pop].release(thing, leader);
        self.look(request);
    }

    /// Gives an answer, and has it judged.
    pub(crate) fn answer(&mut self, request: Request, stored: &Stored) {
        let Request { pop, thing, floor, asker, .. } = request;
        let now = self.world.clock(pop);
        let age = stored.age(now);
        let of = (pop, self.pops[pop].life);
        let allowed = self.judge.allows(of, thing, floor, (stored, age), self.world.now);
        self.note(Note::Answered { pop, thing, version: stored.body, vouched: stored.vouched, age });
        if let Err(why) = allowed {
            self.fail(Wrong::Stale, thing, why);
        }
        match asker {
            Asker::Client => self.seen.answers += 1,
            Asker::Child { fetch, etag, have } => {
                let body = (etag != Some(stored.etag)).then_some((stored.body, stored.etag));
                let left = stored.fresh_until.0.cast_signed() - now.0.cast_signed();
                let takes = self.way();
                self.after(
                    takes,
                    Event::Header(
                        fetch,
                        Said { body, vouched: stored.vouched, left, has: have.map(|have| (pop, have)) },
                    ),
                );
            }
        }
    }

    /// Nothing comes of a request here.
    pub(crate) fn unanswered(&mut self, request: Request) {
        if let Asker::Child { fetch, .. } = request.asker {
            self.turn_to_origin(fetch);
        }
    }
}
