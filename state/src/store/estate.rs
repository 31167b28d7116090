//! What a life of a node leaves to the next one: what it has left of quotas, and what it knows of rosters, by which it is decided who mints.
//!
//! A quota outlives the process that holds it only where nobody can have it twice. So a life that ends in order says first that it gives nothing any
//! more ([`Store::close_rights`]), then writes its last snapshot, and then what it leaves ([`Store::estate`]). The next life reads all of
//! it, makes sure for good that nobody else can read the estate again, and only then [inherits](Store::inherit): it moves what is left to
//! itself, in the name of the life that ended. Where a process hands over to its successor, it moves what it has itself.
//!
//! A life that dies leaves no estate, and what it had is void until the epochs end; but for a POP that stands alone: nobody else holds
//! anything of it, so it goes on from what it last wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::Store;
use super::ledgers::{Held, Table};
use super::rosters::{Knowledge, NEVER, OVERLAP, Roster, Rosters, SPREAD, ended};
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::snapshot::SnapshotHead;
use crate::time::Time;
use crate::wire::{NEWEST, SavedEstate, decode_estate, saved_estate};

/// Whether this life gives nothing any more, and to whom it left what it had.
#[derive(Default)]
pub(super) struct Closing(AtomicU64);

impl Closing {
    const NO_HEIR: u64 = u64::MAX;

    /// Read under the lock of a key, written before all keys are looked at: a key is changed before that, or not any more.
    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    pub(super) fn heir(&self, me: Actor) -> Option<Author> {
        match self.0.load(Ordering::Relaxed) {
            0 | Closing::NO_HEIR => None,
            life => Some(Author { actor: me, incarnation: Incarnation(life) }),
        }
    }

    /// Once.
    fn close(&self, heir: Option<Incarnation>) {
        let to = heir.map_or(Closing::NO_HEIR, |heir| heir.0);
        let _ = self.0.compare_exchange(0, to, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What a life leaves to the next one of its node, beside what its last snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estate {
    life: Option<Incarnation>,
    heir: Option<Incarnation>,
    at: Time,
    /// `None` where this POP stands alone.
    knowledge: Option<Knowledge>,
    /// All tables of rights that it or a life before it had, and from when on what began is known there.
    tables: BTreeMap<u64, Time>,
}

/// Tables of rights that an estate names at most; with more nothing is left.
const TABLES_NAMED_MAX: usize = 2048;

/// What came of inheriting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inheritance {
    /// Keys of quotas, one for each epoch, that the life before had.
    pub keys: u64,
    /// What there is left of them now, all in all.
    pub left: u64,
}

impl Estate {
    /// Of a POP that stands alone, has no cluster and never had one by this name: what a snapshot of this life holds is still its own, whether or not
    /// it ended in order. What was used after the snapshot began may be used once more. Without a life nothing is known of any.
    #[must_use]
    pub fn of_one_alone(life: Option<Incarnation>) -> Estate {
        Estate { life, heir: None, at: Time::ZERO, knowledge: None, tables: BTreeMap::new() }
    }

    /// Of nobody: the cluster begins with this roster, and this node with this life, so nobody claimed anything before. Until this life goes by what it
    /// knows itself it claims what its roster gives it.
    #[must_use]
    pub fn of_founder(now: Time) -> Estate {
        let vouched = vec![(Time::ZERO, now.plus(SPREAD + OVERLAP))];
        let knowledge = Knowledge { rosters: Vec::new(), vouched, ended: now };
        Estate { life: None, heir: None, at: now, knowledge: Some(knowledge), tables: BTreeMap::new() }
    }

    #[cfg(test)]
    pub(super) fn into_knowledge(self) -> Option<Knowledge> {
        self.knowledge
    }

    /// Whether it goes with this snapshot, the last one of its life.
    #[must_use]
    pub fn goes_with(&self, head: &SnapshotHead) -> bool {
        self.life == Some(head.incarnation) && self.at == head.at
    }

    /// As one frame, with a checksum. `None` where it leaves nothing that can be written.
    #[must_use]
    pub fn encode(&self) -> Option<Bytes> {
        let Estate { life: Some(life), heir, at, knowledge: Some(knowledge), tables } = self else { return None };
        if tables.len() > TABLES_NAMED_MAX {
            return None;
        }
        let roster = |Roster { revision, since, pops }: &Roster| {
            (*revision, since.0, pops.iter().map(|pop| pop.0).collect::<Vec<u16>>())
        };
        let saved = SavedEstate {
            version: NEWEST,
            life: life.0,
            heir: heir.map(|heir| heir.0),
            at: at.0,
            rosters: knowledge.rosters.iter().map(roster).collect(),
            vouched: knowledge.vouched.iter().map(|(from, until)| (from.0, until.0)).collect(),
            tables: tables.iter().map(|(table, known)| (*table, known.0)).collect(),
        };
        Some(saved_estate(&saved))
    }

    /// What was written; `None` when it is no estate.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Estate> {
        let SavedEstate { version: _, life, heir, at, rosters, vouched, tables } = decode_estate(bytes).ok()?;
        let roster = |(revision, since, pops): (u64, u64, Vec<u16>)| {
            let pops = pops.into_iter().map(PopId).collect::<BTreeSet<PopId>>();
            Roster { revision, since: Time(since), pops }
        };
        let rosters = rosters.into_iter().map(roster).collect();
        let vouched = vouched.into_iter().map(|(from, until)| (Time(from), Time(until))).collect();
        let (life, heir) = (Some(Incarnation(life)), heir.map(Incarnation));
        let knowledge = Some(Knowledge { rosters, vouched, ended: ended(Time(at)) });
        let tables = tables.into_iter().map(|(table, known)| (table, Time(known))).collect();
        Some(Estate { life, heir, at: Time(at), knowledge, tables })
    }
}

impl Store {
    /// This life takes nothing of quotas any more, gives nothing away and wants nothing. What it has left it moves to its heir, if it knows one,
    /// now and when more comes back: the life of a process that takes over. For good; who is said first is the heir.
    pub fn close_rights(&self, heir: Option<Incarnation>, now: Time) {
        self.closing.close(heir);
        let heir = self.closing.heir(self.me.actor);
        self.ledgers.change_rights(&self.dirty, |_, held| held.ledger.bequeath(self.me, heir, now));
    }

    /// What this life leaves, once it is [closed](Store::close_rights): to be told after the snapshot that begins `at` then. `None`
    /// before, and where a later life of this node was heard of.
    #[must_use]
    pub fn estate(&self, at: Time) -> Option<Estate> {
        let heir = self.closing.heir(self.me.actor).map(|heir| heir.incarnation);
        let is_heard_of = heir.is_none() && self.cluster.with_rosters(Rosters::are_succeeded);
        if !self.closing.is_closed() || is_heard_of {
            return None;
        }
        let knowledge = Some(self.cluster.with_rosters(|rosters| rosters.knowledge(at)));
        let own = self.cluster.with_rosters(Rosters::own_from).unwrap_or(NEVER);
        let tables = self.ledgers.tables_known(own);
        Some(Estate { life: Some(self.me.incarnation), heir, at, knowledge, tables })
    }

    /// Takes over what a life before left, of which a snapshot was [restored](Store::restore) just now. To be called once for each estate,
    /// by one life, when nobody can do so again: what is inherited twice is there twice. One that is another life's, or void, is left.
    pub fn inherit(&self, estate: Estate, now: Time) -> Inheritance {
        let Estate { life, heir, knowledge, tables, .. } = estate;
        let from = life.map(|incarnation| Author { actor: self.me.actor, incarnation });
        let is_void = from.is_some_and(|from| self.voids.cover(from));
        if is_void || heir.is_some_and(|heir| heir != self.me.incarnation) || life == Some(self.me.incarnation) {
            return Inheritance::default();
        }
        let mut all = Inheritance::default();
        if let Some(from) = from {
            all = self.succeed_to(from, heir.is_none(), now);
        }
        self.ledgers.inherit(&tables, now);
        let names_me = self.voids.of(self.me.actor).is_some();
        self.cluster.change_rosters(|rosters| match knowledge {
            // What a life claimed that is void is not known.
            _ if names_me => {}
            Some(knowledge) => rosters.inherit(knowledge),
            None => rosters.vouch_for_all(),
        });
        all
    }

    /// What a life before had left of quotas, as far as is known here, and nobody has inherited.
    #[must_use]
    pub fn left_by(&self, life: Incarnation) -> Inheritance {
        let from = Author { actor: self.me.actor, incarnation: life };
        let all = std::cell::Cell::new(Inheritance::default());
        self.ledgers.change_rights(&self.dirty, |_, held: &mut Held| {
            let left = held.ledger.left_of(from);
            let Inheritance { keys, left: sum } = all.get();
            all.set(Inheritance { keys: keys + u64::from(left > 0), left: sum.saturating_add(left) });
            false
        });
        all.get()
    }

    fn succeed_to(&self, from: Author, moves: bool, now: Time) -> Inheritance {
        let all = std::cell::Cell::new(Inheritance::default());
        self.ledgers.change_rights(&self.dirty, |table: &Table, held: &mut Held| {
            let quota = moves.then(|| table.terms().said.0);
            let succeeds = held.ledger.succeed((from, self.me), quota, now);
            if succeeds {
                let Inheritance { keys, left } = all.get();
                let left = left.saturating_add(held.ledger.left(self.me));
                all.set(Inheritance { keys: keys.saturating_add(1), left });
            }
            succeeds
        });
        all.get()
    }
}
