//! Tables of distinct counts: the sketches of one kind of thing, by key.

use super::dirty::Dirty;
use super::named::{Named, SAMPLE};
use super::registry::Registry;
use super::shards::{GiveWay, Shards};
use super::{Ingested, TableFull, Told};
use crate::identity::{Actor, Nameable};
use crate::key::{Domain, Key, Key64, Names, Secrets, Spread};
use crate::rung::Rung;
use crate::time::Time;
use crate::unique::{Distinct, Mark, Sketch, Span, Standing};
use crate::walk::Reach;

/// What a table of distinct counts is. Its identity is a hash of the name, the shape of its keys and its slot, the same
/// at every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniquesSpec {
    /// A name that stays when the config is edited.
    pub uid: String,
    /// What its keys are made of: keys of another shape mean something else.
    pub shape: String,
    /// Width of a slot, see [`Rung::eighth_of`]; windows of up to eight of them are covered. 100 ms is taken where it is narrower.
    pub slot: Rung,
    /// Whether what is seen goes to peers.
    pub replicated: bool,
}

impl UniquesSpec {
    fn identity(&self, names: &Names) -> u64 {
        let slot = Span::new(self.slot).millis().to_le_bytes();
        // A table that stays at home must not meet a replicated one of the same name.
        let replicated = [u8::from(self.replicated)];
        names.hash64(Domain::Uniques, &[self.uid.as_bytes(), self.shape.as_bytes(), &slot, &replicated])
    }
}

/// A table of distinct counts of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniquesId(u16);

/// All tables of distinct counts of a node.
pub(super) struct Uniques {
    tables: Registry<Sketches>,
    keys_max: usize,
    spread: Spread,
}

/// One table.
struct Sketches {
    identity: u64,
    span: Span,
    replicated: bool,
    keys: Shards<Key64, Distinct>,
    /// The keys that peers named first.
    named: Named,
}

impl Sketches {
    /// Changes a key's sketches where a value was seen here, made if there are none. When the table is full one key gives way: one of
    /// which all is over, else the one touched longest ago of a sample; what waits to be sent stays.
    fn visit<R>(&self, key: Key64, now: Time, visit: impl FnOnce(&mut Distinct) -> R) -> Option<R> {
        self.keys.visit(key, || None, || Distinct::new(now), self.give_way(now), visit)
    }

    /// Changes a key's sketches of which somebody tells, made if there are none; where there are none, what `aside` says stands instead.
    /// What peers named makes room, as [`Named`] says, never what was seen here.
    fn visit_told<R>(
        &self,
        (by, key): (Option<Actor>, Key64),
        aside: impl FnOnce() -> Option<R>,
        now: Time,
        visit: impl FnOnce(&mut Distinct) -> R,
    ) -> Option<R> {
        let new = || Distinct::new(now);
        let make = || by.map_or_else(new, |by| self.named.note(by, key, new()));
        let is_over = |known: &Distinct| known.is_expired(self.span, now);
        let make_room = || {
            if let Some(by) = by {
                self.named.make_room(&self.keys, (by, key), self.give_way(now), is_over);
            }
        };
        self.keys.visit_or(key, aside, make, make_room, visit)
    }

    fn give_way(&self, now: Time) -> GiveWay<impl Fn(&Distinct) -> Option<Time>, impl Fn(Key64, &Distinct)> {
        let rank = move |known: &Distinct| match (known.is_expired(self.span, now), known.dirty) {
            (true, _) => Some(Time::ZERO),
            (false, true) => None,
            (false, false) => Some(known.touched()),
        };
        GiveWay { sample: SAMPLE, rank, last: move |key, known: &Distinct| self.named.forget(key, known.named_by()) }
    }
}

impl Sketches {
    fn is_in(&self, reach: Reach) -> bool {
        reach == Reach::All || self.replicated
    }
}

impl Uniques {
    pub(super) fn new(keys_max: usize, spread: Spread) -> Uniques {
        Uniques { tables: Registry::new(), keys_max, spread }
    }

    pub(super) fn table(&self, names: &Names, spec: &UniquesSpec) -> Result<UniquesId, TableFull> {
        let identity = spec.identity(names);
        let make = || Sketches {
            identity,
            span: Span::new(spec.slot),
            replicated: spec.replicated,
            keys: Shards::new(self.keys_max, self.spread),
            named: Named::default(),
        };
        self.tables.find_or(identity, make).map(UniquesId)
    }

    /// Marks of one value by two secrets are two, so a union over both would say too much. So what is seen is seen under each
    /// secret that is known, and while a secret is rotated either name alone tells it all.
    pub(super) fn observe(
        &self,
        secrets: &Secrets,
        dirty: &Dirty,
        (id, key): (UniquesId, Key),
        element: &[u8],
        now: Time,
    ) {
        let Some(table) = self.tables.get(id.0) else { return };
        for (key, secret) in key.each().zip(secrets.each()) {
            let mark = Mark::of(secret.hash64(Domain::Element, &[element]));
            let newly = table.visit(key, now, |known| {
                known.observe(table.span, mark, now) && table.replicated && dirty.tracks(&mut known.dirty)
            });
            if newly == Some(true) {
                dirty.uniques(id, key);
            }
        }
    }

    pub(super) fn distinct(&self, id: UniquesId, key: Key, window: u64, now: Time) -> u64 {
        let Some(table) = self.tables.get(id.0) else { return 0 };
        let distinct = |key| table.keys.read(key, |known| known.distinct(table.span, window, now));
        key.each().filter_map(distinct).max().unwrap_or(0)
    }

    pub(super) fn len(&self, id: UniquesId) -> usize {
        self.tables.get(id.0).map_or(0, |table| table.keys.len())
    }

    pub(super) fn sweep(&self, shard: u8, now: Time) {
        for (_, table) in self.tables.after(None) {
            table.keys.retain_mut(shard, |key, known| {
                let is_over = known.is_expired(table.span, now);
                is_over.then(|| table.named.forget(key, known.named_by()));
                !is_over
            });
        }
    }

    /// What a table is called on the wire.
    pub(super) fn identity(&self, id: UniquesId) -> Option<u64> {
        self.tables.get(id.0).map(|table| table.identity)
    }

    /// The table of an identity within a reach.
    pub(super) fn by_identity(&self, identity: u64, reach: Reach) -> Option<UniquesId> {
        let number = self.tables.find_then(identity, |number| number)?;
        self.tables.get(number).filter(|table| table.is_in(reach)).map(|_| UniquesId(number))
    }

    /// The table after this one within a reach; the first one after `None`.
    pub(super) fn next(&self, after: Option<UniquesId>, reach: Reach) -> Option<UniquesId> {
        let mut tables = self.tables.after(after.map(|id| id.0));
        tables.find(|(_, table)| table.is_in(reach)).map(|(number, _)| UniquesId(number))
    }

    /// The identities of the tables that go to peers.
    pub(super) fn identities(&self) -> impl Iterator<Item = u64> {
        self.tables.after(None).filter(|(_, table)| table.replicated).map(|(_, table)| table.identity)
    }

    /// Keys of all tables that go to peers.
    pub(super) fn keys_of_all(&self) -> usize {
        let lens = self.tables.after(None).filter(|(_, table)| table.replicated).map(|(_, table)| table.keys.len());
        lens.fold(0, usize::saturating_add)
    }

    /// Visits the sketches of one shard that go to peers and live at an instant, those that are about to be over left out, in no order:
    /// table, key, slot and when that ends.
    pub(super) fn each_live(&self, shard: u8, at: Time, mut visit: impl FnMut(u64, Key64, (u64, Time), &Sketch)) {
        for (_, table) in self.tables.after(None).filter(|(_, table)| table.replicated) {
            table.keys.each_in(shard, |key, known| {
                known.each_live(table.span, at, |slot, sketch| {
                    visit(table.identity, key, (slot, table.span.start(slot.saturating_add(1))), sketch);
                });
            });
        }
    }

    pub(super) fn keys(&self, id: UniquesId, shard: u8, after: Option<Key64>) -> Vec<Key64> {
        self.tables.get(id.0).map(|table| table.keys.keys(shard, after)).unwrap_or_default()
    }

    /// What can have risen here since an instant, and marks the key as taken: what rises from now on marks it again.
    pub(super) fn take(&self, id: UniquesId, key: Key64, since: Time) -> Vec<(u64, Sketch)> {
        let Some(table) = self.tables.get(id.0) else { return Vec::new() };
        let take = |known: &mut Distinct| {
            known.dirty = false;
            known.since(table.span, since)
        };
        table.keys.change(key, take).unwrap_or_default()
    }

    pub(super) fn since(&self, id: UniquesId, key: Key64, since: Time) -> Vec<(u64, Sketch)> {
        let Some(table) = self.tables.get(id.0) else { return Vec::new() };
        table.keys.read(key, |known| known.since(table.span, since)).unwrap_or_default()
    }

    /// All of a key that lives.
    pub(super) fn live(&self, id: UniquesId, key: Key64, now: Time) -> Vec<(u64, Sketch)> {
        let Some(table) = self.tables.get(id.0) else { return Vec::new() };
        table.keys.read(key, |known| known.live(table.span, now)).unwrap_or_default()
    }

    /// Joins what is known of one slot: to a peer, or to an earlier life of this node. What is only [`Told::Known`] makes no other key be
    /// forgotten.
    pub(super) fn offer(
        &self,
        (id, key): (UniquesId, Key64),
        (by, (slot, sketch)): (Option<Actor>, (u64, &Sketch)),
        told: Told,
        now: Time,
    ) -> Ingested {
        let Some(table) = self.tables.get(id.0) else { return Ingested::default() };
        match table.span.standing(slot, now) {
            Standing::Ahead => Ingested { ahead: 1, ..Ingested::default() },
            Standing::Over => Ingested { expired: 1, ..Ingested::default() },
            Standing::Live => {
                let pushed = table.keys.is_full() && table.keys.read(key, |_| ()).is_none();
                let withheld = || (told == Told::Known && table.keys.is_full()).then_some(false);
                let join = |known: &mut Distinct| known.join(table.span, by, (slot, sketch), now);
                let joined = table.visit_told((by, key), withheld, now, join);
                Ingested { full: joined.is_none(), pushed, raised: joined == Some(true), ..Ingested::default() }
            }
        }
    }
}
