//! A walk over the store in a fixed order: shard by shard, in each shard the facts, kind by kind, and then every table, in
//! key order. It stops anywhere and goes on from there, so a repair or a snapshot of any size is a sequence of bounded frames.

use crate::fact::{Fact, Kind, Name};
use crate::identity::{Actor, Author};
use crate::key::{Key64, Key128, Sharded};
use crate::range::Range;
use crate::store::{LedgerId, Store, TableId, UniquesId};
use crate::time::Time;
use crate::wire::{Builder, Room, Seen};

/// Keys that one fill looks at: a store that has little to say to a receiver must not be walked in one go.
const LOOKS: usize = 4096;

/// Where a walk is.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    reach: Reach,
    whose: Whose,
    range: Range,
    shard: u8,
    place: Place,
}

/// Which tables a walk visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that go to peers.
    Shared,
    /// All.
    All,
}

/// Whose rows, accounts and statements a walk tells. Sketches have no author, and are told in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of all.
    Everybody,
    /// Those of one node, in all its lives.
    One(Actor),
}

impl Whose {
    fn holds(self, actor: Actor) -> bool {
        match self {
            Whose::Everybody => true,
            Whose::One(one) => one == actor,
        }
    }

    /// What it tells of a fact.
    fn of(self, fact: Fact) -> Option<Fact> {
        match self {
            Whose::Everybody => Some(fact),
            Whose::One(one) => fact.said_by(one),
        }
    }
}

/// Inside a shard: after this key.
#[derive(Debug, Clone, Copy)]
enum Place {
    Facts(Kind, Option<Key128>),
    Table(TableId, Option<Key64>),
    Uniques(UniquesId, Option<Key64>),
    /// After this key; of the next one after this author, if any of it was told: what is known of one key need not fit a frame.
    Ledgers(LedgerId, Option<Key64>, Option<(Key64, Author)>),
    Sessions(Option<Key128>),
}

/// Why a fill stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The frame is full; there is more.
    Frame,
    /// Enough was looked at for now, whatever is in the frame; there is more.
    Looks,
    /// The walk is over.
    Walk,
}

impl Walk {
    /// Everything that goes to peers.
    pub(crate) fn all() -> Walk {
        Walk::within(Range::ALL)
    }

    /// Everything that goes to peers, of a range.
    pub(crate) fn within(range: Range) -> Walk {
        let (reach, whose) = (Reach::Shared, Whose::Everybody);
        Walk { reach, whose, range, shard: *range.shards().start(), place: Place::FIRST }
    }

    /// Everything of these that goes to peers.
    pub(crate) fn of(whose: Whose) -> Walk {
        Walk { whose, ..Walk::all() }
    }

    /// Everything there is.
    pub(crate) fn everything() -> Walk {
        Walk { reach: Reach::All, ..Walk::all() }
    }

    /// Everything that goes to peers, from a shard on.
    pub(crate) fn from(shard: u8) -> Walk {
        Walk { shard, ..Walk::all() }
    }

    /// Goes on until the frame is full. Leaves out what only the receiver may say: its rows of its present life.
    pub(crate) fn fill(&mut self, store: &Store, builder: &mut Builder, receiver: Author, now: Time) -> Filled {
        // A newcomer walks once for each peer.
        if self.reach == Reach::Shared && store.tells_nothing() {
            return Filled::Walk;
        }
        let mut fill = Fill { store, builder, receiver, whose: self.whose, range: self.range, now, looks: LOOKS };
        loop {
            let stopped = match self.place {
                Place::Facts(kind, after) => fill.facts(self, kind, after),
                Place::Table(table, after) => fill.table(self, table, after),
                Place::Uniques(table, after) => fill.uniques(self, table, after),
                Place::Ledgers(table, after, told) => fill.ledgers(self, table, (after, told)),
                Place::Sessions(after) => fill.sessions(self, after),
            };
            if let Some(stopped) = stopped {
                return stopped;
            }
            match self.place.next(store, self.reach) {
                Some(place) => self.place = place,
                None => match self.shard.checked_add(1).filter(|shard| self.range.shards().contains(shard)) {
                    Some(shard) => *self = Walk { shard, place: Place::FIRST, ..*self },
                    None => return Filled::Walk,
                },
            }
        }
    }
}

impl Place {
    const FIRST: Place = Place::Facts(Kind::Ban, None);

    /// The place after all keys of this one, in the same shard.
    fn next(self, store: &Store, reach: Reach) -> Option<Place> {
        let ledgers = |after| {
            let next = store.next_ledgers(after, reach).map(|table| Place::Ledgers(table, None, None));
            next.or(Some(Place::Sessions(None)))
        };
        let uniques = |after| {
            let next = store.next_uniques(after, reach).map(|table| Place::Uniques(table, None));
            next.or_else(|| ledgers(None))
        };
        let table = |after| {
            let next = store.next_table(after, reach).map(|table| Place::Table(table, None));
            next.or_else(|| uniques(None))
        };
        match self {
            Place::Facts(kind, _) => match kind.next() {
                Some(kind) => Some(Place::Facts(kind, None)),
                None => table(None),
            },
            Place::Table(at, _) => table(Some(at)),
            Place::Uniques(at, _) => uniques(Some(at)),
            Place::Ledgers(at, ..) => ledgers(Some(at)),
            Place::Sessions(_) => None,
        }
    }
}

/// One frame being filled.
struct Fill<'a> {
    store: &'a Store,
    builder: &'a mut Builder,
    receiver: Author,
    whose: Whose,
    range: Range,
    now: Time,
    /// Keys that may still be looked at.
    looks: usize,
}

impl Fill<'_> {
    /// Another key is looked at; says when it is one too many.
    fn look(&mut self) -> Option<Filled> {
        self.looks = self.looks.saturating_sub(1);
        (self.looks == 0).then_some(Filled::Looks)
    }

    fn within<K: Sharded>(&self, mut keys: Vec<K>) -> Vec<K> {
        keys.retain(|key| self.range.holds(key));
        keys
    }

    fn facts(&mut self, walk: &mut Walk, kind: Kind, after: Option<Key128>) -> Option<Filled> {
        for key in self.within(self.store.fact_keys(kind, walk.shard, after)) {
            if let Some(enough) = self.look() {
                return Some(enough);
            }
            let name = Name { kind, key };
            let trail = if walk.reach == Reach::All { self.store.trail(name) } else { Vec::new() };
            let mut facts = self.store.fact(name).into_iter().chain(trail).filter(|fact| !fact.is_spent(self.now));
            if facts.any(|fact| self.whose.of(fact).is_some_and(|fact| self.builder.fact(&fact) == Room::Full)) {
                return Some(Filled::Frame);
            }
            walk.place = Place::Facts(kind, Some(key));
        }
        None
    }

    fn table(&mut self, walk: &mut Walk, table: TableId, after: Option<Key64>) -> Option<Filled> {
        let identity = self.store.identity(table)?;
        for key in self.within(self.store.keys_of(table, walk.shard, after)) {
            if let Some(enough) = self.look() {
                return Some(enough);
            }
            // Looked at before the rows, so that those hold all that it comes of.
            let debt = (walk.reach == Reach::All).then(|| self.store.hidden_debt(table, key, self.now)).flatten();
            for (author, row) in self.store.rows(table, key, self.now) {
                // A key whose rows do not all fit is said again in the next frame; a frame holds all rows of one key.
                let is_told = self.whose.holds(author.actor) && !self.receiver.covers(author);
                if is_told && self.builder.row(identity, key, author, row) == Room::Full {
                    return Some(Filled::Frame);
                }
            }
            if debt.is_some_and(|owed| self.builder.debt(identity, key, owed) == Room::Full) {
                return Some(Filled::Frame);
            }
            walk.place = Place::Table(table, Some(key));
        }
        None
    }

    fn uniques(&mut self, walk: &mut Walk, table: UniquesId, after: Option<Key64>) -> Option<Filled> {
        let identity = self.store.uniques_identity(table)?;
        for key in self.within(self.store.uniques_keys_of(table, walk.shard, after)) {
            if let Some(enough) = self.look() {
                return Some(enough);
            }
            for (slot, sketch) in self.store.live_sketches(table, key, self.now) {
                // A frame holds all sketches of one key.
                if self.builder.seen(identity, Seen { key, slot, sketch }) == Room::Full {
                    return Some(Filled::Frame);
                }
            }
            walk.place = Place::Uniques(table, Some(key));
        }
        None
    }

    fn ledgers(
        &mut self,
        walk: &mut Walk,
        table: LedgerId,
        (mut after, told): (Option<Key64>, Option<(Key64, Author)>),
    ) -> Option<Filled> {
        let identity = self.store.ledgers_identity(table)?;
        for key in self.within(self.store.ledger_keys_of(table, walk.shard, after)) {
            if let Some(enough) = self.look() {
                return Some(enough);
            }
            for (author, account) in self.store.accounts(table, key, self.now) {
                let was_told = told.is_some_and(|(of, last)| of == key && author <= last);
                let is_told = !was_told && self.whose.holds(author.actor) && author != self.receiver;
                if is_told && self.builder.account(identity, key, author, account) == Room::Full {
                    return Some(Filled::Frame);
                }
                walk.place = Place::Ledgers(table, after, Some((key, author)));
            }
            after = Some(key);
            walk.place = Place::Ledgers(table, after, None);
        }
        None
    }

    fn sessions(&mut self, walk: &mut Walk, after: Option<Key128>) -> Option<Filled> {
        for key in self.within(self.store.session_keys(walk.shard, after)) {
            if let Some(enough) = self.look() {
                return Some(enough);
            }
            let session = self.store.session_said(key).filter(|session| session.over() > self.now);
            let told = session.filter(|session| session.authors().any(|author| self.whose.holds(author.actor)));
            if told.is_some_and(|session| self.builder.session(key, session) == Room::Full) {
                return Some(Filled::Frame);
            }
            walk.place = Place::Sessions(Some(key));
        }
        None
    }
}
