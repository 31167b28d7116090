//! The room of one kind of facts, by the keyed hash of what they are about: bounded, and joined with what peers say.
//!
//! Facts may be of spaces, such as lists. Peers may speak of a space before this node's config names it: what they say is kept
//! all the same, so that nothing has to wait for a repair when the config comes. Whether anything is said of a space costs one
//! load: each entry of a named space holds a reference to it, and the number of references is the answer. It also says how many
//! entries the space has: one takes half of the room at most, so that whoever can make a rule fill one leaves the others theirs.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::TableFull;
use super::entries::{Entries, Entry};
use super::registry::Registry;
use super::settle::Settling;
use super::shards::Shards;
use crate::fact::{Flaw, Joined, Stated};
use crate::identity::Author;
use crate::journal::Numbers;
use crate::key::{Key128, Secret, Sharded, Spread};
use crate::maximum::Most;
use crate::time::Time;
use crate::void::{Void, Voids};

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
    /// All that it says is void, by this void of who made it.
    Void(Option<Void>),
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
    /// The greatest number that is plausible in it.
    pub(super) most: Most,
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

impl<F: Stated> Entry<F> {
    /// Who makes room for a new one: a spent one, else the one that may be spared for the longest time.
    fn rank(&self, now: Time) -> Option<Time> {
        if self.fact.is_spent(now) { Some(Time::ZERO) } else { self.fact.spared_since(now) }
    }

    fn is_of(&self, space: &Space) -> bool {
        self.fact.space() == Some(space.identity)
    }

    fn join(&mut self, fact: F, now: Time, numbers: &Numbers) -> Joined {
        let joined = self.fact.join(fact);
        if joined == Joined::Changed {
            self.fact.applied(now, numbers);
        }
        joined
    }

    /// True if it has to go into the queue.
    fn mark(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }
}

/// All facts of one kind.
pub(super) struct Facts<F, E = Shards<Key128, Entry<F>>> {
    me: Author,
    secret: Secret,
    spaces: Registry<Arc<Space>>,
    entries: E,
    of: PhantomData<F>,
    /// Those that were given to what came to be known here.
    pub(super) numbers: Numbers,
    /// Held while a floor is raised, and while something new is looked at against it and made.
    pub(super) raising: Mutex<()>,
    has_floors: AtomicBool,
    /// What floors cover and is not forgotten yet.
    pub(super) settling: Settling,
}

/// Who says a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// This node: it goes into the queue.
    Here,
    /// A peer, who tells everybody itself.
    There,
}

/// What came of a new entry.
enum Made {
    /// It is there; true if it has to go into the queue.
    New(bool),
    /// The floor says it.
    Covered,
    Full,
}

impl<F: Stated, E: Entries<F>> Facts<F, E> {
    pub(super) fn new(max: usize, me: Author, (secret, spread): (&Secret, Spread)) -> Facts<F, E> {
        Facts {
            me,
            secret: secret.clone(),
            spaces: Registry::new(),
            entries: E::with_room(max, spread),
            of: PhantomData,
            numbers: Numbers::default(),
            raising: Mutex::default(),
            has_floors: AtomicBool::new(false),
            settling: Settling::new(),
        }
    }

    pub(super) fn me(&self) -> Author {
        self.me
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn has_floors(&self) -> bool {
        self.has_floors.load(Ordering::Relaxed)
    }

    /// Where they lie.
    pub(super) fn entries(&self) -> &E {
        &self.entries
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

    /// Finds or makes the space of an identity. What peers said of it that is not plausible is forgotten then.
    pub(super) fn space(&self, identity: u64, name: &str, (most, now): (Most, Time)) -> Result<u16, TableFull> {
        self.spaces.find_or(identity, || {
            let space = Arc::new(Space { identity, name: Arc::from(name), most });
            self.retain(|fact| fact.space() != Some(identity) || fact.is_plausible(most, now));
            // What peers said before. No entry of this space can be made meanwhile: `offer` waits for the lock.
            self.each_entry(|entry| {
                if entry.is_of(&space) {
                    entry.space = Some(Arc::clone(&space));
                }
                true
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
        self.make_room(key, space, self.max(), now);
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
            let changed = fact != entry.fact;
            entry.fact = fact;
            Some((said, (changed && entry.mark()).then_some(key)))
        };
        self.entries.change(key, amend).flatten()
    }

    pub(super) fn read<R>(&self, key: Key128, read: impl FnOnce(&F) -> R) -> Option<R> {
        self.entries.read(key, |entry| read(&entry.fact))
    }

    /// What `read` finds in all facts, in no order.
    pub(super) fn collect<R>(&self, read: impl Fn(&F) -> Option<R>) -> Vec<R> {
        let mut found = Vec::new();
        (0..=u8::MAX).for_each(|shard| self.each_in(shard, |_, fact| found.extend(read(fact))));
        found
    }

    pub(super) fn sweep(&self, shard: u8, now: Time) {
        self.settle(shard);
        self.entries.sweep(shard, now);
    }

    /// The space that a fact is of, once a config names it.
    pub(super) fn named_of(&self, fact: &F) -> Option<&Arc<Space>> {
        self.named(self.spaces.find_then(fact.space()?, |number| number)?)
    }

    /// Joins a peer's fact. The keys are those of what this node has to say because of it.
    pub(super) fn offer(&self, fact: F, now: Time) -> (Offered, Vec<Key128>) {
        match fact.check(now) {
            Ok(()) => {}
            Err(Flaw::Ahead) => return (Offered::Ahead, Vec::new()),
            Err(Flaw::Unfit) => return (Offered::Refused, Vec::new()),
        }
        match self.named_of(&fact).map(|space| space.most).filter(|most| !fact.is_plausible(*most, now)) {
            Some(Most::Ahead(_)) => (Offered::Ahead, Vec::new()),
            Some(Most::Value(_)) => (Offered::Refused, Vec::new()),
            None if fact.is_floor() => (self.offer_floor(&fact, now), Vec::new()),
            None => self.join_in(fact.key(&self.secret), &fact, Said::There, now),
        }
    }

    /// Joins a fact to what is known. The keys are those that have to go into the queue.
    pub(super) fn join_in(&self, key: Key128, fact: &F, said: Said, now: Time) -> (Offered, Vec<Key128>) {
        let join = |entry: &mut Entry<F>| {
            let joined = entry.join(fact.clone(), now, &self.numbers);
            (joined, joined == Joined::Changed && said == Said::Here && entry.mark())
        };
        match self.entries.change(key, join) {
            Some((Joined::Changed, newly)) => return (Offered::Taken, newly.then_some(key).into_iter().collect()),
            Some((Joined::Unchanged, _)) => return (Offered::Known, Vec::new()),
            Some((Joined::Crowded, _)) => return self.sink(fact, now),
            None => {}
        }
        let space = self.named_of(fact).filter(|_| fact.height().is_none());
        self.make_room(key, space, fact.places(self.max()), now);
        let mut made = self.make(key, fact, said, now);
        let mut keys = Vec::new();
        if matches!(made, Made::Full) && fact.height().is_some() {
            keys.extend(self.raise_for(fact, now));
            made = self.make(key, fact, said, now);
            match made {
                Made::Covered => return (Offered::Taken, keys),
                Made::New(_) => {}
                // A room so small that the floor alone fills it, or others were faster.
                Made::Full => {
                    let (offered, sunk) = self.sink(fact, now);
                    keys.extend(sunk);
                    return (offered, keys);
                }
            }
        }
        match made {
            Made::New(newly) => {
                keys.extend(newly.then_some(key));
                (Offered::Taken, keys)
            }
            Made::Covered => (Offered::Known, keys),
            Made::Full => (Offered::Full, keys),
        }
    }

    /// Makes an entry.
    fn make(&self, key: Key128, fact: &F, said: Said, now: Time) -> Made {
        let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_covered(fact) {
            return Made::Covered;
        }
        let make = |space: Option<&Arc<Space>>| {
            let shares = fact.height().is_none() && space.is_some_and(|space| self.has_its_share(space));
            if shares || self.len() >= fact.places(self.max()) {
                return None;
            }
            let new = || {
                let mut fact = fact.clone();
                fact.applied(now, &self.numbers);
                Entry { fact, dirty: false, space: space.cloned() }
            };
            self.entries.change_or(key, new, |entry| {
                // Another thread may have made one between the two looks.
                let _ = entry.join(fact.clone(), now, &self.numbers);
                said == Said::Here && entry.mark()
            })
        };
        let made = match fact.space() {
            Some(identity) => {
                self.spaces.find_then(identity, |number| make(number.and_then(|number| self.named(number))))
            }
            None => make(None),
        };
        made.map_or(Made::Full, Made::New)
    }

    /// Joins a floor, which has room in any case. True if it has to go into the queue.
    pub(super) fn put_floor(&self, key: Key128, floor: &F, said: Said, now: Time) -> (Joined, bool) {
        self.has_floors.store(true, Ordering::Relaxed);
        let space = self.named_of(floor).cloned();
        let mut is_new = false;
        let make = || {
            is_new = true;
            let mut fact = floor.clone();
            fact.applied(now, &self.numbers);
            Entry { fact, dirty: false, space }
        };
        let joined = self.entries.change_always(key, make, |entry| {
            let joined = entry.join(floor.clone(), now, &self.numbers);
            if joined != Joined::Crowded {
                entry.fact.took(floor, &self.numbers);
            }
            (joined, said == Said::Here && joined != Joined::Crowded && entry.mark())
        });
        let (joined, newly) = joined.unwrap_or((Joined::Unchanged, false));
        (if is_new { Joined::Changed } else { joined }, newly)
    }

    /// Forgets one entry where the space's share or the room for its like is full.
    fn make_room(&self, key: Key128, space: Option<&Arc<Space>>, places: usize, now: Time) {
        if let Some(space) = space.filter(|space| self.has_its_share(space)) {
            self.entries.evict(key.shard(), SAMPLE, |entry| entry.rank(now).filter(|_| entry.is_of(space)));
        } else if self.len() >= places {
            self.entries.evict(key.shard(), SAMPLE, |entry| entry.rank(now));
        }
    }

    /// Keeps what passes.
    pub(super) fn retain(&self, keep: impl Fn(&F) -> bool) {
        self.each_entry(|entry| keep(&entry.fact));
    }

    /// Drops what is void.
    pub(super) fn void(&self, voids: &Voids) {
        self.each_entry(|entry| {
            let left = entry.fact.without(voids);
            left.map(|left| entry.fact = left).is_some()
        });
    }

    /// Changes all entries and keeps what passes.
    fn each_entry(&self, keep: impl Fn(&mut Entry<F>) -> bool) {
        (0..=u8::MAX).for_each(|shard| self.entries.retain(shard, &keep));
    }

    pub(super) fn has_its_share(&self, space: &Arc<Space>) -> bool {
        space.entries() >= self.share()
    }

    /// Visits the facts of one shard, in no order.
    pub(super) fn each_in(&self, shard: u8, mut visit: impl FnMut(Key128, &F)) {
        self.settle(shard);
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
        self.settle(shard);
        self.entries.keys(shard, after)
    }
}
