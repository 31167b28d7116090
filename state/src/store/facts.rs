//! The room of one kind of facts, by the keyed hash of what they are about: bounded, and joined with what peers say.
//!
//! Facts may be of spaces, such as lists. Peers may speak of a space before this node's config names it: what they say is kept
//! all the same, so that nothing has to wait for a repair when the config comes. Whether anything is said of a space costs one
//! load: each entry of a named space holds a reference to it, and the number of references is the answer. It also says how many
//! entries the space has: one takes half of the room at most, so that whoever can make a rule fill one leaves the others theirs.

use std::sync::Arc;

use super::TableFull;
use super::registry::Registry;
use super::shards::Shards;
use crate::fact::{Flaw, Joined, Stated};
use crate::key::{Key128, Secret, Sharded};
use crate::time::Time;

/// Facts that are looked at to find one to forget.
const SAMPLE: usize = 1024;

/// What became of a peer's fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    Known,
    Refused,
    /// Its stamp is too far ahead.
    Ahead,
    Full,
}

/// Why a new fact does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The room is full.
    All,
    /// Its space has its share.
    Share,
}

/// A space that a config names.
pub(super) struct Space {
    pub(super) identity: u64,
    pub(super) name: Arc<str>,
}

impl Space {
    /// How many entries hold a reference beside the registry's.
    fn entries(self: &Arc<Self>) -> usize {
        Arc::strong_count(self).saturating_sub(1)
    }

    pub(super) fn is_spoken_of(self: &Arc<Self>) -> bool {
        self.entries() > 0
    }
}

struct Entry<F> {
    fact: F,
    /// Whether it waits to be sent.
    dirty: bool,
    /// Its space, once a config names it.
    space: Option<Arc<Space>>,
}

impl<F: Stated> Entry<F> {
    /// Who makes room for a new one: a spent one, else the one that may be spared for the longest time.
    fn rank(&self, now: Time) -> Option<Time> {
        if self.fact.is_spent(now) { Some(Time::ZERO) } else { self.fact.spared_since(now) }
    }

    fn is_of(&self, space: &Space) -> bool {
        self.fact.space() == Some(space.identity)
    }

    fn join(&mut self, fact: F, now: Time) -> Joined {
        let joined = self.fact.join(fact);
        if joined == Joined::Changed {
            self.fact.applied(now);
        }
        joined
    }

    /// True if it has to go into the queue.
    fn mark(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }
}

/// All facts of one kind.
pub(super) struct Facts<F> {
    spaces: Registry<Arc<Space>>,
    entries: Shards<Key128, Entry<F>>,
}

impl<F: Stated> Facts<F> {
    pub(super) fn new(max: usize) -> Facts<F> {
        Facts { spaces: Registry::new(), entries: Shards::new(max) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn max(&self) -> usize {
        self.entries.max()
    }

    /// The most entries of one space: half of all, rounded up. Threads that add at once may each be one over it.
    pub(super) fn share(&self) -> usize {
        self.max().div_ceil(2)
    }

    /// Finds or makes the space of an identity.
    pub(super) fn space(&self, identity: u64, name: &str) -> Result<u16, TableFull> {
        self.spaces.find_or(identity, || {
            let space = Arc::new(Space { identity, name: Arc::from(name) });
            // What peers said before. No entry of this space can be made meanwhile: `offer` waits for the lock.
            self.entries.change_each(|entry| {
                if entry.is_of(&space) {
                    entry.space = Some(Arc::clone(&space));
                }
            });
            space
        })
    }

    pub(super) fn named(&self, number: u16) -> Option<&Arc<Space>> {
        self.spaces.get(number)
    }

    /// States what follows on what is known under a name; says what is read of it, and the key if it has to go into the queue.
    pub(super) fn state<R>(
        &self,
        (key, space): (Key128, Option<&Arc<Space>>),
        next: impl Fn(Option<&F>) -> F,
        read: impl Fn(&F) -> R,
        now: Time,
    ) -> Result<(R, Option<Key128>), NoRoom> {
        let over = |entry: &mut Entry<F>| {
            let next = next(Some(&entry.fact));
            let changed = next != entry.fact;
            entry.fact = next;
            (read(&entry.fact), (changed && entry.mark()).then_some(key))
        };
        if let Some(known) = self.entries.change(key, over) {
            return Ok(known);
        }
        self.make_room(key, space, now);
        if space.is_some_and(|space| self.has_its_share(space)) {
            return Err(NoRoom::Share);
        }
        let make = || Entry { fact: next(None), dirty: false, space: space.cloned() };
        let made = self.entries.change_or(key, make, |entry| {
            // Another thread may have made one between the two looks.
            entry.fact = next(Some(&entry.fact));
            (read(&entry.fact), entry.mark().then_some(key))
        });
        made.ok_or(NoRoom::All)
    }

    /// Whether a fact of this name could be stated.
    pub(super) fn could_state(&self, key: Key128, space: Option<&Arc<Space>>, now: Time) -> Result<(), NoRoom> {
        if self.entries.read(key, |_| ()).is_some() {
            return Ok(());
        }
        let spare = |counts: &dyn Fn(&Entry<F>) -> bool| {
            self.entries.least(key.shard(), SAMPLE, |entry| entry.rank(now).filter(|_| counts(entry))).is_some()
        };
        match space.filter(|space| self.has_its_share(space)) {
            Some(space) if !spare(&|entry| entry.is_of(space)) => Err(NoRoom::Share),
            None if self.entries.is_full() && !spare(&|_| true) => Err(NoRoom::All),
            _ => Ok(()),
        }
    }

    /// States what follows on what is known under a name, if `next` finds that there is something to say; says what `next` says
    /// of it, and the key if it has to go into the queue.
    pub(super) fn amend<R>(&self, key: Key128, next: impl FnOnce(&F) -> Option<(F, R)>) -> Option<(R, Option<Key128>)> {
        let amend = |entry: &mut Entry<F>| {
            let (fact, said) = next(&entry.fact)?;
            entry.fact = fact;
            Some((said, entry.mark().then_some(key)))
        };
        self.entries.change(key, amend).flatten()
    }

    pub(super) fn read<R>(&self, key: Key128, read: impl FnOnce(&F) -> R) -> Option<R> {
        self.entries.read(key, |entry| read(&entry.fact))
    }

    /// What `read` finds in all facts, in no order.
    pub(super) fn collect<R>(&self, read: impl Fn(&F) -> Option<R>) -> Vec<R> {
        let mut found = Vec::new();
        self.entries.each(|_, entry| found.extend(read(&entry.fact)));
        found
    }

    pub(super) fn sweep(&self, shard: u8, now: Time) {
        self.entries.retain(shard, |entry| !entry.fact.is_spent(now));
    }

    /// Drops what passes.
    pub(super) fn drop_all(&self, shard: u8, drop: impl Fn(&F) -> bool) {
        self.entries.retain(shard, |entry| !drop(&entry.fact));
    }

    /// Joins a peer's fact. Never forwarded: its author tells everybody.
    pub(super) fn offer(&self, secret: &Secret, fact: F, now: Time) -> Offered {
        match fact.check(now) {
            Ok(()) => {}
            Err(Flaw::Ahead) => return Offered::Ahead,
            Err(Flaw::Unfit) => return Offered::Refused,
        }
        let key = fact.key(secret);
        let mut offered = Some(fact);
        let join = |entry: &mut Entry<F>| offered.take().map(|fact| entry.join(fact, now));
        let joined = match self.entries.change(key, join).flatten() {
            Some(joined) => Some(joined),
            None => {
                let Some(fact) = offered else { return Offered::Known };
                let space = fact.space().and_then(|identity| self.spaces.find_then(identity, |number| number));
                let space = space.and_then(|number| self.named(number));
                self.make_room(key, space, now);
                if space.is_some_and(|space| self.has_its_share(space)) { None } else { self.make(key, &fact, now) }
            }
        };
        match joined {
            Some(Joined::Changed) => Offered::Taken,
            Some(Joined::Unchanged) => Offered::Known,
            None => Offered::Full,
        }
    }

    /// Makes an entry of what a peer said.
    fn make(&self, key: Key128, fact: &F, now: Time) -> Option<Joined> {
        let make = |space: Option<Arc<Space>>| {
            let new = || {
                let mut fact = fact.clone();
                fact.applied(now);
                Entry { fact, dirty: false, space }
            };
            let join = |entry: &mut Entry<F>| {
                let _ = entry.join(fact.clone(), now);
            };
            self.entries.change_or(key, new, join).map(|()| Joined::Changed)
        };
        match fact.space() {
            Some(identity) => {
                self.spaces.find_then(identity, |number| make(number.and_then(|number| self.named(number)).cloned()))
            }
            None => make(None),
        }
    }

    /// Forgets one entry where the space's share or the room of all is full.
    fn make_room(&self, key: Key128, space: Option<&Arc<Space>>, now: Time) {
        if let Some(space) = space.filter(|space| self.has_its_share(space)) {
            self.entries.evict(key.shard(), SAMPLE, |entry| entry.rank(now).filter(|_| entry.is_of(space)));
        } else if self.entries.is_full() {
            self.entries.evict(key.shard(), SAMPLE, |entry| entry.rank(now));
        }
    }

    fn has_its_share(&self, space: &Arc<Space>) -> bool {
        space.entries() >= self.share()
    }

    /// Visits the facts of one shard, in no order.
    pub(super) fn each_in(&self, shard: u8, mut visit: impl FnMut(Key128, &F)) {
        self.entries.each_in(shard, |key, entry| visit(key, &entry.fact));
    }

    /// A changed fact, not marked as changed any more.
    pub(super) fn take(&self, key: Key128) -> Option<F> {
        self.entries.change(key, |entry| {
            entry.dirty = false;
            entry.fact.clone()
        })
    }

    pub(super) fn get(&self, key: Key128) -> Option<F> {
        self.read(key, F::clone)
    }

    pub(super) fn keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        self.entries.keys(shard, after)
    }
}
