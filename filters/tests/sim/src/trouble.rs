//! What happens at random: requests, versions, purges, and what befalls POPs and the ways between them.

use std::sync::Arc;

use selvedge_filters::purge::Reach;
use selvedge_state::FACT_LONGEST;

use crate::fetch::Way;
use crate::judge::{Judge, Purge};
use crate::look::Asker;
use crate::run::{Event, Run};
use crate::stored::Age;
use crate::things::{THINGS, Target};

/// What happened, for whoever looks for the cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    Bumped { thing: usize, version: u64 },
    Purged { by: usize, target: Target, reach: Reach, is_about: Vec<usize> },
    Sent { pop: usize, thing: usize, way: Way, fill: u64, validates: Option<u64> },
    Told { pop: usize, thing: usize, parent: usize, have: u64, since: u64 },
    Validated { pop: usize, thing: usize, version: u64, vouched: u64, fill: u64 },
    Stored { pop: usize, thing: usize, version: u64, fill: u64 },
    Answered { pop: usize, thing: usize, version: u64, vouched: u64, age: Age },
    BroughtBack { pop: usize, thing: usize, version: u64 },
    BrokeOff { pop: usize, thing: usize },
    Evicted { pop: usize, thing: usize },
    Crashed { pop: usize },
    Back { pop: usize, life: u64 },
    Cut { from: usize, to: usize },
    Healed,
    Ahead { pop: usize, ms: u64 },
    Slow { pop: usize, ms: u64 },
}

impl Note {
    /// Whether it may have to do with a thing.
    pub(crate) fn is_about(&self, of: usize) -> bool {
        match self {
            Note::Bumped { thing, .. }
            | Note::Sent { thing, .. }
            | Note::Told { thing, .. }
            | Note::Validated { thing, .. }
            | Note::Stored { thing, .. }
            | Note::Answered { thing, .. }
            | Note::BroughtBack { thing, .. }
            | Note::BrokeOff { thing, .. }
            | Note::Evicted { thing, .. } => *thing == of,
            Note::Purged { is_about, .. } => is_about.contains(&of),
            Note::Crashed { .. } | Note::Back { .. } | Note::Cut { .. } | Note::Healed => true,
            Note::Ahead { .. } | Note::Slow { .. } => true,
        }
    }
}

impl Run {
    fn any_pop(&mut self) -> usize {
        self.rng.usize(..self.pops.len())
    }

    /// Some are asked for more often.
    fn any_thing(&mut self) -> usize {
        (0..3).map(|_| self.rng.usize(..THINGS)).min().unwrap_or_default()
    }

    /// One random operation.
    pub(crate) fn operate(&mut self) {
        self.seen.operations += 1;
        match self.rng.u16(..1_000) {
            0..700 => self.ask(),
            700..740 => {
                let thing = self.any_thing();
                self.bump(thing);
            }
            740..765 => self.purge(),
            765..825 => self.evict(),
            825..828 => self.snapshot(),
            828..838 => self.trouble(),
            _ => {
                let until = self.world.now.plus(self.rng.u64(..20));
                self.pass(until);
            }
        }
        let until = self.world.now.plus(self.rng.u64(..10));
        self.pass(until);
        self.give_receipts();
        if self.seen.operations.is_multiple_of(100) {
            self.redial();
        }
    }

    fn ask(&mut self) {
        let (pop, thing) = (self.any_pop(), self.any_thing());
        self.ask_for(pop, thing);
    }

    pub(crate) fn ask_for(&mut self, pop: usize, thing: usize) {
        if self.pops[pop].is_up {
            self.seen.requests += 1;
            let request = self.request(pop, thing, Asker::Client);
            self.look(request);
        }
    }

    fn bump(&mut self, thing: usize) {
        let changes_etag = self.rng.bool();
        self.origin.bump(thing, changes_etag);
        self.note(Note::Bumped { thing, version: self.origin.now(thing).number });
    }

    /// New versions, and a purge of what was before.
    fn purge(&mut self) {
        let (by, target) = (self.any_pop(), Target::draw(&mut self.rng, &self.things));
        let reach = if self.rng.u8(..5) < 2 { Reach::Soft } else { Reach::Hard };
        if !self.pops[by].is_up {
            return;
        }
        self.purge_at(by, target, reach);
        // Now and then it ends at the worst moment, when receipts may be out.
        if self.rng.u8(..8) == 0 {
            self.give_receipts();
            self.crash(by);
        }
    }

    pub(crate) fn purge_at(&mut self, by: usize, target: Target, reach: Reach) {
        let is_about: Vec<usize> = (0..THINGS).filter(|nth| target.is_about(*nth, &self.things[*nth])).collect();
        is_about.iter().for_each(|thing| self.bump(*thing));
        let (store, now) = (Arc::clone(self.store(by)), self.world.clock(by));
        let key = target.wanted(&self.things).name().key(&store, reach);
        let dot = store.purge(key, now.plus(FACT_LONGEST), now).expect("few POPs purge");
        let versions = Judge::versions(&target, &self.things, |nth| self.origin.now(nth).number);
        let (at, of) = (self.world.now, (by, self.pops[by].life));
        self.note(Note::Purged { by, target: target.clone(), reach, is_about });
        self.judge.made(Purge { target, reach, key, dot, by: of, at, versions, last_applied: at });
        self.seen.purges += 1;
        self.look_at(by);
    }

    fn evict(&mut self) {
        let (pop, thing) = (self.any_pop(), self.any_thing());
        if self.pops[pop].memory.remove(&thing).is_some() {
            self.note(Note::Evicted { pop, thing });
        }
    }

    fn snapshot(&mut self) {
        let pop = self.any_pop();
        if !self.pops[pop].is_up {
            return;
        }
        let frames = self.world.snapshot(pop);
        if let Some(disk) = &mut self.pops[pop].disk {
            disk.snapshot = frames;
        }
    }

    /// Something befalls the cluster.
    fn trouble(&mut self) {
        let (pop, other) = (self.any_pop(), self.any_pop());
        match self.rng.u8(..100) {
            0..15 => self.crash(pop),
            15..35 if pop != other => {
                self.cut(pop, other);
                self.cut(other, pop);
            }
            35..45 if pop != other => self.cut(pop, other),
            45..55 => (0..self.pops.len()).filter(|near| *near != pop).for_each(|far| {
                self.cut(pop, far);
                self.cut(far, pop);
            }),
            55..85 => self.heal(),
            85..90 if self.is_skewed => {
                let ms = self.rng.u64(..10_000);
                self.world.set_ahead(pop, ms);
                self.note(Note::Ahead { pop, ms });
            }
            90..100 => {
                let ms = self.rng.u64(..200) * u64::from(self.rng.bool());
                self.world.nodes[pop].slow = ms;
                self.note(Note::Slow { pop, ms });
            }
            _ => {}
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.world.cut_way(from, to);
        self.cut.insert((from, to));
        self.seen.cuts += 1;
        self.note(Note::Cut { from, to });
    }

    pub(crate) fn heal(&mut self) {
        self.world.heal();
        self.cut.clear();
        self.note(Note::Healed);
    }

    /// A POP ends without notice, and is away for a while.
    fn crash(&mut self, pop: usize) {
        if !self.pops[pop].is_up {
            return;
        }
        self.note(Note::Crashed { pop });
        self.seen.crashes += 1;
        let journal = self.store(pop).take_journal();
        let written = self.rng.usize(..=journal.applied.len());
        self.pops[pop].is_up = false;
        if let Some(disk) = &mut self.pops[pop].disk {
            disk.crash(&journal, written);
        }
        self.world.stop(pop);
        self.judge.ended(pop);
        let over: Vec<_> = self.fetches.extract_if(.., |_, fetch| fetch.pop == pop).map(|(_, fetch)| fetch).collect();
        for fetch in over {
            let requests = fetch.leader.into_iter().chain(fetch.waiting).chain(fetch.along);
            requests.for_each(|request| self.unanswered(request));
        }
        self.after(20..1_500, Event::Back(pop));
    }

    /// Its next life begins, with what is on its disk.
    pub(crate) fn come_back(&mut self, pop: usize) {
        self.world.crash(pop);
        let (store, now, life) = (Arc::clone(self.store(pop)), self.world.clock(pop), self.world.nodes[pop].life);
        let with_snapshot = self.rng.u8(..4) > 0;
        if let Some(disk) = &mut self.pops[pop].disk {
            for frame in disk.snapshot.iter().filter(|_| with_snapshot) {
                let _ = store.restore(frame, now);
            }
            disk.begin(life, &store, now);
        }
        self.pops[pop].begin(life);
        self.note(Note::Back { pop, life });
        self.look_at(pop);
    }
}
