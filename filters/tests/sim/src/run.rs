//! A run: time, what is due, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use selvedge_filters::purge::Reach;
use selvedge_sim::{Network, World};
use selvedge_state::{Standing, Store, Time};

use crate::breaks::Break;
use crate::disk::Disk;
use crate::fetch::{Fetch, Said};
use crate::judge::{Judge, WAIT};
use crate::origin::Origin;
use crate::pop::{FetchId, Pop};
use crate::seen::{Failure, Seen, Wrong};
use crate::things::{THINGS, Target, Thing, things};
use crate::trouble::Note;

/// POPs.
const POPS: usize = 4;

/// What happened last and is told of a failure.
const TOLD: usize = 60;

/// How frames fare between POPs.
const NETWORK: Network = Network { lost: 5, doubled: 5, delay: (1, 60) };

/// When all trouble is over, everything is applied everywhere within this, virtual ms.
const SETTLED: u64 = 60_000;

/// Long enough for all to be fetched that is asked for at once, virtual ms.
const QUIET: u64 = 2_500;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where everything random comes from; the same seed gives the same run.
    pub seed: u64,
    /// Random operations.
    pub operations: u64,
    /// What is left out.
    pub broken: Option<Break>,
}

/// What is due.
#[derive(Debug)]
pub(crate) enum Event {
    Send(FetchId),
    Asked(FetchId),
    Header(FetchId, Said),
    Body(FetchId),
    Waited(FetchId, u64),
    Log(usize, u64),
    Write(usize, u64, usize),
    Back(usize),
}

pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) rng: fastrand::Rng,
    pub(crate) world: World,
    pub(crate) things: Vec<Thing>,
    pub(crate) origin: Origin,
    pub(crate) pops: Vec<Pop>,
    pub(crate) judge: Judge,
    pub(crate) fetches: BTreeMap<FetchId, Fetch>,
    pub(crate) next_fetch: FetchId,
    pub(crate) next_request: u64,
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// Whether clocks may be seconds apart.
    pub(crate) is_skewed: bool,
    pub(crate) seen: Seen,
    is_quiet: bool,
    due: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    notes: Vec<(Time, Note)>,
    failure: Option<Failure>,
}

/// Runs it. In the end, when all trouble is over, all purges are applied everywhere, and what is asked for twice is stored.
///
/// # Errors
/// What was answered that must not be, or purged that nobody purged, and what came before.
pub fn check(plan: Plan) -> Result<Seen, Box<Failure>> {
    let mut run = Run::new(plan);
    for _ in 0..plan.operations {
        run.operate();
        if run.failure.is_some() {
            break;
        }
    }
    if run.failure.is_none() {
        run.end();
    }
    run.failure.map_or(Ok(run.seen), |failure| Err(Box::new(failure)))
}

impl Run {
    fn new(plan: Plan) -> Run {
        let mut rng = fastrand::Rng::with_seed(!plan.seed);
        let mut world = World::new(plan.seed, POPS as u16, &[], NETWORK);
        let is_skewed = plan.seed.is_multiple_of(2);
        for pop in 0..POPS {
            let ahead = if is_skewed { rng.u64(..10_000) * u64::from(rng.bool()) } else { rng.u64(..200) };
            world.set_ahead(pop, ahead);
        }
        let mut run = Run {
            plan,
            rng,
            world,
            things: things(POPS),
            origin: Origin::new(THINGS),
            pops: (0..POPS).map(|_| Pop::default()).collect(),
            judge: Judge::new(POPS),
            fetches: BTreeMap::new(),
            next_fetch: 0,
            next_request: 0,
            cut: BTreeSet::new(),
            is_skewed,
            seen: Seen::default(),
            is_quiet: false,
            due: BTreeMap::new(),
            next_event: 0,
            notes: Vec::new(),
            failure: None,
        };
        for pop in 0..POPS {
            let (life, now) = (run.world.nodes[pop].life, run.world.clock(pop));
            // Half of them have a disk.
            run.pops[pop].disk = (pop % 2 == 0).then(|| Disk::new(life, run.store(pop), now));
            run.pops[pop].begin(life);
        }
        run
    }

    pub(crate) fn store(&self, pop: usize) -> &Arc<Store> {
        &self.world.nodes[pop].store
    }

    pub(crate) fn breaks(&self, what: Break) -> bool {
        self.plan.broken == Some(what)
    }

    /// Something is due after so many ms.
    pub(crate) fn after(&mut self, takes: Range<u64>, event: Event) {
        self.next_event += 1;
        let at = self.world.now.plus(self.rng.u64(takes));
        self.due.insert((at, self.next_event), event);
    }

    /// What a message takes to the origin or to another POP, ms: not long as a rule.
    pub(crate) fn way(&mut self) -> Range<u64> {
        if self.rng.u8(..10) == 0 { 1..200 } else { 1..30 }
    }

    pub(crate) fn breaks_off(&mut self) -> bool {
        !self.is_quiet && self.rng.u8(..40) == 0
    }

    /// Lets time pass, with all that is due on the way.
    pub(crate) fn pass(&mut self, until: Time) {
        loop {
            let next = self.due.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= until);
            let target = next.unwrap_or(until);
            while self.world.step(target) {
                self.look_around();
            }
            self.look_around();
            if next.is_none() {
                return;
            }
            if let Some((_, event)) = self.due.pop_first() {
                self.happens(event);
            }
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Send(fetch) => self.send(fetch),
            Event::Asked(fetch) => self.come(fetch),
            Event::Header(fetch, said) => self.header(fetch, said),
            Event::Body(fetch) => self.body(fetch),
            Event::Waited(leader, request) => self.waited(leader, request),
            Event::Back(pop) => self.come_back(pop),
            Event::Log(pop, life) if self.pops[pop].is_up && self.pops[pop].life == life => {
                let journal = self.store(pop).take_journal();
                self.pops[pop].is_logging = false;
                if let Some(disk) = &mut self.pops[pop].disk {
                    disk.write(&journal);
                }
            }
            Event::Write(pop, life, thing) if self.pops[pop].is_up && self.pops[pop].life == life => {
                if let Some(disk) = &mut self.pops[pop].disk {
                    disk.write_behind(thing);
                }
            }
            Event::Log(..) | Event::Write(..) => {}
        }
    }

    fn look_around(&mut self) {
        (0..POPS).for_each(|pop| self.look_at(pop));
    }

    /// Takes note of what was applied at a POP since it was looked at last.
    pub(crate) fn look_at(&mut self, pop: usize) {
        let store = Arc::clone(self.store(pop));
        let of = &mut self.pops[pop];
        if !of.is_up || of.looked_at == store.fill() {
            return;
        }
        of.looked_at = store.fill();
        self.judge.look(pop, &store, self.world.now);
        let life = of.life;
        let is_behind = of.disk.as_ref().is_some_and(|disk| disk.durable < store.fill().number());
        if is_behind && !std::mem::replace(&mut self.pops[pop].is_logging, true) {
            self.after(1..40, Event::Log(pop, life));
        }
    }

    /// A link that a replica has closed is made anew, as whoever drives links does.
    pub(crate) fn redial(&mut self) {
        for (a, b) in (0..POPS).flat_map(|a| (a + 1..POPS).map(move |b| (a, b))) {
            let is_up = self.pops[a].is_up && self.pops[b].is_up;
            if is_up && !self.world.is_linked(a, b) {
                self.world.link(a, b);
            }
        }
    }

    /// Who purged asks the others, and a POP that has heard what others know serves from its disk.
    pub(crate) fn give_receipts(&mut self) {
        for pop in 0..POPS {
            if !self.pops[pop].is_up {
                continue;
            }
            let (store, now) = (Arc::clone(&self.world.nodes[pop].store), self.world.clock(pop));
            if let Some(disk) = self.pops[pop].disk.as_mut().filter(|disk| !disk.may_serve) {
                disk.may_serve = store.peers(now).standing == Standing::Settled;
            }
            let (pops, cut, at) = (&self.pops, &self.cut, self.world.now);
            let durable = pops[pop].disk.as_ref().map_or(u64::MAX, |disk| disk.durable);
            let durable = if self.plan.broken == Some(Break::Unlogged) { u64::MAX } else { durable };
            let is_early = self.plan.broken == Some(Break::Early);
            self.seen.receipts += self.judge.receipts(pop, |purge| {
                let (by, life) = purge.by;
                if !pops[by].is_up || pops[by].life != life || at > purge.at.plus(WAIT) {
                    return None;
                }
                let is_reached = !cut.contains(&(by, pop)) && !cut.contains(&(pop, by));
                let applied = store.purge_applied(purge.key, purge.dot);
                Some(is_reached && (is_early || applied.is_some_and(|applied| applied.number <= durable)))
            });
        }
    }

    /// All trouble is over.
    fn end(&mut self) {
        self.is_quiet = true;
        self.heal();
        self.world.nodes.iter_mut().for_each(|node| node.slow = 0);
        let until = self.world.now.plus(SETTLED);
        self.settle(until);
        self.purge_at(0, Target::All, Reach::Hard);
        self.settle(until.plus(SETTLED));
        let lasting: Vec<usize> = (0..THINGS).filter(|thing| self.things[*thing].fresh > 2 * QUIET).collect();
        let mut hits = 0;
        for _ in 0..2 {
            let before = self.seen.hits;
            for pop in 0..POPS {
                lasting.iter().for_each(|thing| self.ask_for(pop, *thing));
            }
            hits = self.seen.hits - before;
            self.pass(self.world.now.plus(QUIET));
        }
        let all = POPS * lasting.len();
        if hits < all as u64 {
            self.fail(Wrong::Gone, 0, format!("{hits} of {all} are stored, and nothing was purged since"));
        }
    }

    /// Waits until all purges are applied everywhere.
    fn settle(&mut self, until: Time) {
        while self.world.now < until && (self.judge.missing().is_some() || self.pops.iter().any(|pop| !pop.is_up)) {
            self.pass(self.world.now.plus(200));
            self.redial();
            self.give_receipts();
        }
        if let Some((pop, purge)) = self.judge.missing() {
            let what = format!("POP {pop} has not applied the purge of {:?} by POP {}", purge.target, purge.by.0);
            self.fail(Wrong::Missing, 0, what);
        }
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push((self.world.now, note));
    }

    /// What is wrong first counts.
    pub(crate) fn fail(&mut self, wrong: Wrong, thing: usize, what: String) {
        if self.failure.is_some() {
            return;
        }
        let about = self.notes.iter().filter(|(_, note)| note.is_about(thing)).rev().take(TOLD);
        let mut before: Vec<String> = about.map(|(at, note)| format!("{}: {note:?}", at.0 % 1_000_000)).collect();
        before.reverse();
        let (seed, operations) = (self.plan.seed, self.seen.operations);
        self.failure = Some(Failure { wrong, seed, operations, what, before });
    }
}
