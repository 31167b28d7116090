//! What may be answered, told from what was purged where: kept by slow and obvious means.
//!
//! A POP is *covered* by a purge from when that is applied there, or it gave a receipt. In a life of which nothing outlives a crash, what
//! was applied in the life before covers no more until it is heard of again; but what a receipt was given for covers all that was
//! stored on disk in lives before.

use selvedge_filters::purge::Reach;
use selvedge_state::{Dot, PurgeKey, Store, Time};

use crate::stored::{Age, Asked, STALE, Stored};
use crate::things::{THINGS, Target, Thing};

/// What an answer may take on its way from a parent, and a clock's jump, beyond the window of what is stale, ms.
const SLACK: u64 = 500;

/// Virtual ms for which a receipt is waited for.
pub(crate) const WAIT: u64 = 60_000;

/// A purge that was made.
#[derive(Debug)]
pub(crate) struct Purge {
    pub(crate) target: Target,
    pub(crate) reach: Reach,
    pub(crate) key: PurgeKey,
    pub(crate) dot: Dot,
    /// Where, in which life, and when.
    pub(crate) by: (usize, u64),
    pub(crate) at: Time,
    /// The version of each thing that it is about when it was made; 0 of others.
    pub(crate) versions: [u64; THINGS],
    /// When it was applied last at any POP.
    pub(crate) last_applied: Time,
}

/// The least version that a request may be answered with, hard and soft.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    /// By what covers its POP in this life.
    now: [u64; 2],
    /// By receipts in any of its lives.
    ever: [u64; 2],
}

/// Who judges.
#[derive(Debug)]
pub(crate) struct Judge {
    purges: Vec<Purge>,
    /// Of each POP, purges that it has not applied in this life.
    unapplied: Vec<Vec<usize>>,
    /// Of each POP, purges whose receipt is waited for.
    unproven: Vec<Vec<usize>>,
    floors: Vec<[Floor; THINGS]>,
    /// Of each thing, one more than the number of the last purge that is about it.
    last: [[usize; 2]; THINGS],
}

fn nth(reach: Reach) -> usize {
    match reach {
        Reach::Hard => 0,
        Reach::Soft => 1,
    }
}

impl Judge {
    pub(crate) fn new(pops: usize) -> Judge {
        Judge {
            purges: Vec::new(),
            unapplied: vec![Vec::new(); pops],
            unproven: vec![Vec::new(); pops],
            floors: vec![[Floor::default(); THINGS]; pops],
            last: [[0; 2]; THINGS],
        }
    }

    pub(crate) fn made(&mut self, purge: Purge) {
        let number = self.purges.len();
        self.unapplied.iter_mut().chain(&mut self.unproven).for_each(|of| of.push(number));
        for (last, _) in self.last.iter_mut().zip(purge.versions).filter(|(_, version)| *version > 0) {
            last[nth(purge.reach)] = number + 1;
        }
        self.purges.push(purge);
    }

    /// A life of a POP ended; the next one knows nothing yet.
    pub(crate) fn ended(&mut self, pop: usize) {
        self.unapplied[pop] = (0..self.purges.len()).collect();
        self.floors[pop].iter_mut().for_each(|floor| floor.now = [0; 2]);
    }

    /// Takes note of what came to be applied at a POP.
    pub(crate) fn look(&mut self, pop: usize, store: &Store, now: Time) {
        let unapplied = std::mem::take(&mut self.unapplied[pop]);
        for number in unapplied {
            let purge = &mut self.purges[number];
            if store.purge_applied(purge.key, purge.dot).is_none() {
                self.unapplied[pop].push(number);
                continue;
            }
            purge.last_applied = now;
            self.cover(pop, number, false);
        }
    }

    fn cover(&mut self, pop: usize, number: usize, is_for_good: bool) {
        let Purge { reach, versions, .. } = &self.purges[number];
        let reach = nth(*reach);
        for (floor, version) in self.floors[pop].iter_mut().zip(versions) {
            floor.now[reach] = floor.now[reach].max(*version);
            if is_for_good {
                floor.ever[reach] = floor.ever[reach].max(*version);
            }
        }
    }

    /// A POP gives the receipts that it can: `says` is whether it has applied a purge for good, None where nobody asks any more. Says how
    /// many it gave.
    pub(crate) fn receipts(&mut self, pop: usize, mut says: impl FnMut(&Purge) -> Option<bool>) -> u64 {
        let mut given = 0;
        for number in std::mem::take(&mut self.unproven[pop]) {
            match says(&self.purges[number]) {
                None => {}
                Some(false) => self.unproven[pop].push(number),
                Some(true) => {
                    self.cover(pop, number, true);
                    given += 1;
                }
            }
        }
        given
    }

    /// What a request that comes now may be answered with.
    pub(crate) fn floor(&self, pop: usize, thing: usize) -> Floor {
        self.floors[pop][thing]
    }

    /// What is the case when something is asked for now.
    pub(crate) fn asked(&self, (pop, life): (usize, u64), thing: usize) -> Asked {
        let mut unapplied = [false; 2];
        let about = self.unapplied[pop].iter().map(|number| &self.purges[*number]);
        for purge in about.filter(|purge| purge.versions[thing] > 0) {
            unapplied[nth(purge.reach)] = true;
        }
        Asked { life, purges: self.purges.len(), unapplied }
    }

    /// Whether something that was asked for then may be found purged now.
    pub(crate) fn may_be_purged(&self, asked: Asked, thing: usize, reach: Reach) -> bool {
        asked.unapplied[nth(reach)] || self.last[thing][nth(reach)] > asked.purges
    }

    /// A purge that some POP has not applied, and others have: one that was made in a life which ended before it told anybody is lost.
    pub(crate) fn missing(&self) -> Option<(usize, &Purge)> {
        let is_lost = |number: &usize| self.unapplied.iter().all(|of| of.contains(number));
        let mut all = self.unapplied.iter().enumerate();
        all.find_map(|(pop, of)| Some((pop, &self.purges[*of.iter().find(|number| !is_lost(number))?])))
    }

    /// Whether a request that came at `floor` may be answered with this.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn allows(
        &self,
        (pop, life): (usize, u64),
        thing: usize,
        floor: Floor,
        (answer, age): (&Stored, Age),
        now: Time,
    ) -> Result<(), String> {
        // What a life before stored is bound by what was proven then.
        let is_earlier = answer.body_asked.0 != life;
        let least = |reach: usize| floor.now[reach].max(if is_earlier { floor.ever[reach] } else { 0 });
        let told =
            || format!("thing {thing} at POP {pop} is version {} (vouched for: {})", answer.body, answer.vouched);
        if answer.body < least(0) {
            return Err(format!("{}, and version {} was purged hard", told(), least(0)));
        }
        if answer.vouched >= least(1) {
            return Ok(());
        }
        if age == Age::Fresh {
            return Err(format!("{} and counts as fresh, and version {} was purged softly", told(), least(1)));
        }
        // Of one author and name only the last purge is remembered, so the window counts from the last one.
        let later = self
            .purges
            .iter()
            .enumerate()
            .filter(|(_, purge)| purge.reach == Reach::Soft && purge.versions[thing] > answer.vouched);
        let may_be = later.clone().any(|(number, purge)| {
            now <= purge.last_applied.plus(STALE + SLACK) || self.unapplied.iter().any(|of| of.contains(&number))
        });
        if may_be { Ok(()) } else { Err(format!("{}, and its window since the last soft purge is over", told())) }
    }

    /// The version of each thing that a purge is about.
    pub(crate) fn versions(target: &Target, things: &[Thing], version: impl Fn(usize) -> u64) -> [u64; THINGS] {
        std::array::from_fn(|nth| if target.is_about(nth, &things[nth]) { version(nth) } else { 0 })
    }
}
