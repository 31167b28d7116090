//! The sessions of a node, by the keyed hash of their ids: bounded, and joined with what peers say.
//!
//! A session that does not fit may be forgotten before it is over, the one that was quiet longest first: one that is not known has no attributes
//! and is not fresh, and whether it is revoked is not said here. What this node wrote goes with it, so whatever it writes next into that session
//! is a row of its own ([`Hand`]).

use std::sync::atomic::{AtomicU64, Ordering};

use super::dirty::Dirty;
use super::named::{Named, SAMPLE};
use super::shards::{GiveWay, Shards};
use super::watches::Watches;
use super::{Ingested, Told};
use crate::fact::Joined;
use crate::identity::{Actor, Author, Nameable, PopId};
use crate::key::{Key128, Spread};
use crate::session::{Flaw, Hand, Row, Session, SessionError, SessionLife, SessionWrite, Written};
use crate::time::Time;
use crate::version::Version;
use crate::void::Voids;

/// A room that pushed something out is not compared with peers for so long, ms: it would differ, and repair would bring what does not fit.
const PARTIAL: u64 = 60_000;

/// When a write is a version of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Where it says something new.
    News,
    /// In any case.
    Anyway,
}

/// What is held of one session.
pub(super) struct Held {
    session: Session,
    /// The birth of the row that this life writes, once it does.
    open: Option<Version>,
    /// Whether anything came of others since this life raised its row: that row does not stand for it.
    news: bool,
    /// Whether it waits to be sent.
    dirty: bool,
    named_by: Option<Actor>,
}

impl Nameable for Held {
    fn set_named_by(&mut self, peer: Actor) {
        self.named_by = Some(peer);
    }

    fn named_by(&self) -> Option<Actor> {
        self.named_by
    }

    fn is_only_of(&self, pop: PopId) -> bool {
        self.session.rows.iter().all(|row| row.author.actor.pop == pop)
    }
}

impl Held {
    fn new(session: Session) -> Held {
        Held { session, open: None, news: true, dirty: false, named_by: None }
    }

    fn is_over(&self, now: Time) -> bool {
        self.session.over() <= now
    }

    /// Joins what another node knows, but for the row that this life goes on with.
    fn join(&mut self, other: &Session, me: Author, now: Time) -> Joined {
        if self.is_over(now) {
            (self.session, self.open) = (other.clone(), None);
            return Joined::Changed;
        }
        let open = self.open;
        let is_open = |row: &Row| row.author == me && Some(row.born) == open;
        let joined = if other.rows.iter().any(is_open) {
            let mut told = other.clone();
            told.rows.retain(|row| !is_open(row));
            self.session.join(&told)
        } else {
            self.session.join(other)
        };
        self.news |= joined == Joined::Changed;
        joined
    }

    /// The version of this life's row, where that stands for all that is known here.
    fn sealed(&self, me: Author) -> Option<Version> {
        let open = self.open.filter(|_| !self.news)?;
        self.session.rows.iter().find(|row| row.author == me && row.born == open).map(|row| row.version)
    }

    /// Who makes room for another one: one that is over, else the one seen longest ago. What waits to be sent stays.
    fn rank(&self, now: Time) -> Option<Time> {
        match (self.is_over(now), self.dirty) {
            (true, _) => Some(Time::ZERO),
            (false, true) => None,
            (false, false) => Some(self.session.seen),
        }
    }
}

/// All sessions of a node.
pub(super) struct Sessions {
    me: Author,
    held: Shards<Key128, Held>,
    named: Named<Key128>,
    /// The greatest version that this life gave to any session.
    newest: AtomicU64,
    partial_until: AtomicU64,
    watches: Watches,
}

impl Sessions {
    pub(super) fn new(max: usize, me: Author, spread: Spread) -> Sessions {
        Sessions {
            me,
            held: Shards::new(max, spread),
            named: Named::default(),
            newest: AtomicU64::new(0),
            partial_until: AtomicU64::new(0),
            watches: Watches::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn max(&self) -> usize {
        self.held.max()
    }

    /// Who waits for news of them.
    pub(super) fn watches(&self) -> &Watches {
        &self.watches
    }

    fn newest(&self) -> Version {
        Version(self.newest.load(Ordering::Relaxed))
    }

    /// Whether it holds all that is said, as far as anybody can know.
    pub(super) fn is_whole(&self, now: Time) -> bool {
        self.partial_until.load(Ordering::Relaxed) <= now.0
    }

    fn leave_out(&self, now: Time) {
        self.partial_until.fetch_max(now.plus(PARTIAL).0, Ordering::Relaxed);
    }

    pub(super) fn read<R>(&self, key: Key128, now: Time, read: impl FnOnce(&Session) -> R) -> Option<R> {
        self.held.read(key, |held| (!held.is_over(now)).then(|| read(&held.session))).flatten()
    }

    pub(super) fn get(&self, key: Key128, now: Time) -> Option<Session> {
        self.read(key, now, Session::clone)
    }

    /// The version of this life's row, where that stands for all that is known here of a session.
    pub(super) fn sealed(&self, key: Key128, now: Time) -> Option<Version> {
        self.held.read(key, |held| held.sealed(self.me).filter(|_| !held.is_over(now))).flatten()
    }

    /// Changes a session that is made by `make` if there is none, or it is over.
    fn visit<R>(
        &self,
        (dirty, key): (&Dirty, Key128),
        make: impl Fn() -> Session,
        now: Time,
        change: impl FnOnce(&mut Held, Version) -> (Result<R, SessionError>, bool),
    ) -> Result<R, SessionError> {
        let mut newly = false;
        let visit = |held: &mut Held| {
            if held.is_over(now) {
                (held.session, held.open) = (make(), None);
            }
            let (said, changed) = change(held, self.newest());
            newly = changed && dirty.tracks(&mut held.dirty);
            said
        };
        let said = self.held.visit(key, || None, || Held::new(make()), self.give_way(now), visit);
        if newly {
            dirty.session(key);
        }
        said.unwrap_or(Err(SessionError::Full { max: self.held.max() }))
    }

    /// Writes into a session; says which version it is, if it said anything.
    pub(super) fn write(
        &self,
        at: (&Dirty, Key128),
        make: impl Fn() -> Session,
        (life, (write, wanted)): (&SessionLife, (&SessionWrite<'_>, Wanted)),
        now: Time,
    ) -> Result<Option<Version>, SessionError> {
        self.visit(at, make, now, |held, newest| {
            let hand = Hand { me: self.me, open: held.open, newest };
            let session = &mut held.session;
            let says = wanted == Wanted::Anyway || session.would_change(write);
            let written = match session.check_write(write, &hand) {
                Ok(()) if says => session.write(write, &hand, now).map(Some),
                Ok(()) => Ok(None),
                Err(error) => Err(error),
            };
            if written.is_err() {
                return (written.map(|_| None), false);
            }
            let seen = session.see(life, now);
            if let Ok(Some(Written { version, born })) = written {
                (held.open, held.news) = (Some(born), false);
                self.newest.fetch_max(version.0, Ordering::Relaxed);
            }
            (written.map(|written| written.map(|written| written.version)), seen || says)
        })
    }

    /// Joins what a peer, or an earlier life of this node, knows. What is only [`Told::Known`] makes no other session be forgotten.
    pub(super) fn offer(
        &self,
        (by, key): (Option<Actor>, Key128),
        mut session: Session,
        (told, voids): (Told, &Voids),
        now: Time,
    ) -> Ingested {
        match session.check(now) {
            Ok(()) => {}
            Err(Flaw::Ahead) => return Ingested { ahead: 1, ..Ingested::default() },
            Err(Flaw::Over) => return Ingested { expired: 1, ..Ingested::default() },
        }
        session.void(voids);
        // What this life wrote it knows best. What it has forgotten it may be told, but not what it never wrote.
        let newest = self.newest();
        session.rows.retain(|row| row.author != self.me || row.version <= newest);
        let pushed = self.held.is_full() && self.held.read(key, |_| ()).is_none();
        let withheld = || (told == Told::Known && self.held.is_full()).then_some(Joined::Crowded);
        let mut is_new = false;
        let make = || {
            is_new = true;
            let new = Held::new(session.clone());
            match by {
                Some(by) => self.named.note(by, key, new),
                None => new,
            }
        };
        let make_room = || {
            if let Some(by) = by {
                let is_over = |held: &Held| held.is_over(now);
                self.named.make_room(&self.held, (by, key), self.give_way(now), is_over);
            }
        };
        let joined = self.held.visit_or(key, withheld, make, make_room, |held| held.join(&session, self.me, now));
        let full = matches!(joined, None | Some(Joined::Crowded));
        if full || pushed {
            self.leave_out(now);
        }
        let raised = joined == Some(Joined::Changed) || (is_new && !full);
        if raised {
            self.watches.wake(key);
        }
        Ingested { full, pushed, raised, ..Ingested::default() }
    }

    fn give_way(&self, now: Time) -> GiveWay<impl Fn(&Held) -> Option<Time>, impl Fn(Key128, &Held)> {
        let last = move |key, held: &Held| {
            self.named.forget(key, held.named_by);
            if !held.is_over(now) {
                self.leave_out(now);
            }
        };
        GiveWay { sample: SAMPLE, rank: move |held: &Held| held.rank(now), last }
    }

    /// A changed session, not marked as changed any more.
    pub(super) fn take(&self, key: Key128) -> Option<Session> {
        self.held.change(key, |held| {
            held.dirty = false;
            held.session.clone()
        })
    }

    pub(super) fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        self.held.keys(shard, after)
    }

    /// Visits the sessions of one shard, in no order.
    pub(super) fn each_in(&self, shard: u8, mut visit: impl FnMut(Key128, &Session)) {
        self.held.each_in(shard, |key, held| visit(key, &held.session));
    }

    pub(super) fn sweep(&self, shard: u8, now: Time) {
        self.held.retain_mut(shard, |key, held| {
            let keep = held.dirty || !held.is_over(now);
            if !keep {
                self.named.forget(key, held.named_by);
            }
            keep
        });
    }

    /// Drops what is void.
    pub(super) fn void(&self, voids: &Voids) {
        self.held.change_each(|held| held.session.void(voids));
    }
}
