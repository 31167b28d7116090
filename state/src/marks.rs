//! Marks: what a purge leaves. A purge is a *dot*: the so-manieth one of its author. The mark of a purge key holds the newest dot
//! of each actor; two join by the newer dot of each (a version vector, Parker et al., 1983).
//!
//! Each dot that comes to be known here, whatever its order or clock, is an *application* and takes the next number of this node.
//! A fill remembers the last number at its start, and a key was purged since if one of its mark's is greater. No wall clock takes
//! part. A plain maximum of times would be wrong: a purge that arrives after a later-stamped one would count as applied.
//!
//! Where no more marks fit, those applied longest ago become the *floor*, a mark that is on every key. So more may be purged than
//! was asked for, never less.

use crate::fact::{self, About, FACT_LONGEST, FACT_MEMORY, Flaw, Joined, Stated};
use crate::identity::{Actor, Author, Incarnation, Seq};
use crate::journal::{Applied, Numbers};
use crate::key::{Key128, Secret};
use crate::time::Time;
use crate::void::Voids;

/// Actors that may have purged one key; a purge by another one is one of all keys.
pub const DOTS_MAX: usize = 64;

/// Actors that may have a dot in the floor.
pub const FLOOR_DOTS_MAX: usize = 1024;

/// One purge: the so-manieth of its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Who purged.
    pub author: Author,
    /// Which of its purges; the first one is 1.
    pub seq: Seq,
}

/// When and as which one a purge was applied at this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Application {
    /// Its number among the applications of this node.
    pub number: u64,
    /// Node time.
    pub at: Time,
}

/// The newest dot of an actor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) dot: Dot,
    pub(crate) made_at: Time,
    /// None while it is only told of. Local: neither replicated nor part of the order.
    pub(crate) applied: Option<Application>,
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Row {}

impl Row {
    fn actor(&self) -> Actor {
        self.dot.author.actor
    }

    /// Among the dots of one actor.
    fn order(&self) -> (Actor, Incarnation, Seq, Time) {
        (self.actor(), self.dot.author.incarnation, self.dot.seq, self.made_at)
    }
}

/// What is known of one purge key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) about: About,
    /// One of each actor, by actor.
    pub(crate) rows: Vec<Row>,
    /// Until when it must be remembered.
    pub(crate) kept: Time,
}

impl Marked {
    pub(crate) fn new(key: Key128, dot: Dot, until: Time, now: Time) -> Marked {
        let kept = until.min(now.plus(FACT_LONGEST)).max(now).plus(FACT_MEMORY);
        Marked::of_one(key, Row { dot, made_at: now, applied: None }, kept)
    }

    /// Of a key, with one dot.
    pub(crate) fn of_one(key: Key128, row: Row, kept: Time) -> Marked {
        Marked { about: About { space: 0, key: Some(key) }, rows: vec![row], kept }
    }

    /// What was applied in a life before, as a peer would say it.
    pub(crate) fn of(Applied { key, dot, made_at, kept, .. }: Applied) -> Marked {
        Marked { about: About { space: 0, key }, rows: vec![Row { dot, made_at, applied: None }], kept }
    }

    /// Its last application here.
    pub(crate) fn last(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.applied).map(|applied| applied.number).max().unwrap_or(0)
    }

    /// Its first application here after that number.
    pub(crate) fn first_since(&self, number: u64) -> Option<Application> {
        let applied = self.rows.iter().filter_map(|row| row.applied);
        applied.filter(|applied| applied.number > number).min_by_key(|applied| applied.number)
    }

    /// When a dot, or a later one of its actor, was applied.
    pub(crate) fn application(&self, dot: Dot) -> Option<Application> {
        self.row(dot.author.actor).filter(|row| row.dot >= dot).and_then(|row| row.applied)
    }

    /// How each of its dots was applied here.
    pub(crate) fn each_applied(&self) -> impl Iterator<Item = Applied> {
        self.rows.iter().filter_map(|row| self.applied_as(row))
    }

    fn applied_as(&self, Row { dot, made_at, applied }: &Row) -> Option<Applied> {
        let Application { number, at } = (*applied)?;
        let (dot, made_at) = (*dot, *made_at);
        Some(Applied { number, key: self.about.key, dot, at, made_at, kept: self.kept })
    }

    fn row(&self, actor: Actor) -> Option<&Row> {
        let at = self.rows.binary_search_by_key(&actor, Row::actor).ok()?;
        self.rows.get(at)
    }

    fn most(&self) -> usize {
        if self.is_floor() { FLOOR_DOTS_MAX } else { DOTS_MAX }
    }

    fn newest(&self) -> Option<&Row> {
        self.rows.iter().max_by_key(|row| (row.made_at, row.actor()))
    }

    fn with(&self, keep: impl Fn(&Row) -> bool) -> Option<Marked> {
        let rows: Vec<Row> = self.rows.iter().copied().filter(keep).collect();
        (!rows.is_empty()).then_some(Marked { rows, ..*self })
    }
}

impl Stated for Marked {
    fn key(&self, secret: &Secret) -> Key128 {
        self.about.name(secret)
    }

    /// Of the newest dot.
    fn made_by(&self) -> Actor {
        self.newest().map_or(Actor::NOBODY, Row::actor)
    }

    /// Of the newest dot.
    fn made_at(&self) -> Time {
        self.newest().map_or(Time::ZERO, |row| row.made_at)
    }

    fn kept(&self) -> Time {
        self.kept
    }

    fn spared_since(&self, _now: Time) -> Option<Time> {
        None
    }

    fn check(&self, now: Time) -> Result<(), Flaw> {
        if self.made_at() > now.plus(crate::counter::DRIFT_MAX) {
            return Err(Flaw::Ahead);
        }
        let fits = (1..=self.most()).contains(&self.rows.len())
            && self.rows.is_sorted_by(|a, b| a.actor() < b.actor())
            && fact::is_remembered(self.kept, now);
        if fits { Ok(()) } else { Err(Flaw::Unfit) }
    }

    /// Takes the newer dot of each actor, and the longer memory. What is crowded takes nothing.
    fn join(&mut self, other: Marked) -> Joined {
        let new = other.rows.iter().filter(|row| self.row(row.actor()).is_none()).count();
        if self.rows.len() + new > self.most() {
            return Joined::Crowded;
        }
        let kept = self.kept.max(other.kept);
        let mut joined = if kept > self.kept { Joined::Changed } else { Joined::Unchanged };
        self.kept = kept;
        for row in other.rows {
            match self.rows.binary_search_by_key(&row.actor(), Row::actor) {
                Err(at) => {
                    self.rows.insert(at, row);
                    joined = Joined::Changed;
                }
                Ok(at) => {
                    let Some(known) = self.rows.get_mut(at) else { continue };
                    // One that sinks into a floor does not undo what the floor was applied as.
                    let later = known.applied.into_iter().chain(row.applied).max_by_key(|applied| applied.number);
                    if row.order() > known.order() {
                        *known = Row { applied: row.applied.and(later), ..row };
                        joined = Joined::Changed;
                    } else if row.applied.is_some() {
                        known.applied = later;
                    }
                }
            }
        }
        joined
    }

    fn applied(&mut self, now: Time, numbers: &Numbers) {
        let (key, kept) = (self.about.key, self.kept);
        for row in self.rows.iter_mut().filter(|row| row.applied.is_none()) {
            let (dot, made_at) = (row.dot, row.made_at);
            let number = numbers.next(|number| Applied { number, key, dot, at: now, made_at, kept });
            row.applied = Some(Application { number, at: now });
        }
    }

    fn surfaced(mut self, numbers: &Numbers) -> Marked {
        for row in &mut self.rows {
            row.applied = row.applied.filter(|applied| applied.number > numbers.before());
        }
        self
    }

    fn took(&self, sunk: &Marked, numbers: &Numbers) {
        let before = sunk.rows.iter().filter(|row| row.applied.is_some());
        let now = before.filter_map(|row| self.row(row.actor()));
        now.filter_map(|row| self.applied_as(row)).for_each(|applied| numbers.note(applied));
    }

    fn digest(&self, secret: &Secret) -> u64 {
        let (space, high, low) = self.about.numbers();
        let mut numbers = vec![space, high, low, self.kept.0];
        for Row { dot, made_at, .. } in &self.rows {
            let Author { actor, incarnation } = dot.author;
            numbers.extend([actor.pop.0.into(), actor.node.into(), incarnation.0, dot.seq.0, made_at.0]);
        }
        fact::hash(secret, self.made_by(), &numbers, &[])
    }

    fn height(&self) -> Option<u64> {
        // One that is not applied yet will be the last.
        let is_new = self.rows.iter().any(|row| row.applied.is_none());
        Some(if is_new { u64::MAX } else { self.last() })
    }

    fn is_floor(&self) -> bool {
        self.about.key.is_none()
    }

    /// Whether the floor has as new a dot of each actor.
    fn is_under(&self, floor: &Marked) -> bool {
        self.rows.iter().all(|row| floor.row(row.actor()).is_some_and(|of_floor| of_floor.order() >= row.order()))
    }

    fn into_floor(self, _by: Author, _now: Time) -> Marked {
        Marked { about: self.about.floor(), ..self }
    }

    fn is_all_of(&self, actor: Actor) -> bool {
        self.rows.iter().all(|row| row.actor() == actor)
    }

    fn said_by(&self, actor: Actor) -> Option<Marked> {
        self.with(|row| row.actor() == actor)
    }

    fn without(&self, voids: &Voids) -> Option<Marked> {
        self.with(|row| !voids.cover(row.dot.author))
    }
}
