//! Floors: what a full room does with facts that take something back. The lowest eighth of the negatives of the space that has
//! most of them, the new one counted, become one fact that says what all of them said: of the registers removed, "what was
//! stated up to then is void". What a floor covers is refused from then on, and [forgotten](super::settle).

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::entries::Entries;
use super::facts::{Facts, Offered, Said};
use crate::fact::{Joined, Stated, floor_key};
use crate::key::{Key128, Sharded as _};
use crate::time::Time;

/// The part of a space's negatives that becomes its floor.
const PART: usize = 8;

impl<F: Stated, E: Entries<F>> Facts<F, E> {
    /// Whether the floor of its space covers a fact.
    pub(super) fn is_covered(&self, fact: &F) -> bool {
        self.floor(fact.space(), |floor| fact.is_under(floor)) == Some(true)
    }

    /// Reads the floor of a space, if there is one.
    pub(super) fn floor<R>(&self, space: Option<u64>, read: impl FnOnce(&F) -> R) -> Option<R> {
        if !self.has_floors() {
            return None;
        }
        self.read(floor_key(self.secret(), space), read)
    }

    /// Makes room for a negative: what floors cover goes first, else a floor rises; says the key of the floor, if it has to go into the queue.
    pub(super) fn raise_for(&self, new: &F, now: Time) -> Option<Key128> {
        let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        if self.settle_until(new.places(self.max())) {
            return None;
        }
        let sample = self.sample(new.key(self.secret()).shard());
        let mut heights: BTreeMap<Option<u64>, Vec<u64>> = BTreeMap::new();
        let mut measure = |fact: &F| {
            if let Some(height) = fact.height().filter(|_| !fact.is_floor()) {
                heights.entry(fact.space()).or_default().push(height);
            }
        };
        measure(new);
        sample.iter().for_each(|shard| self.each_in(*shard, |_, fact| measure(fact)));
        let (space, mut heights) = heights.into_iter().max_by_key(|(_, heights)| heights.len())?;
        let eighth = heights.len() / PART;
        let (_, cut, _) = heights.select_nth_unstable(eighth);
        let cut = *cut;
        let mut floor: Option<F> = None;
        let mut sink = |fact: &F| {
            if fact.space() != space || fact.is_floor() || fact.height().is_none_or(|at| at > cut) {
                return;
            }
            let next = fact.clone().surfaced(&self.numbers).into_floor(self.me(), now);
            match &mut floor {
                // A floor that is crowded takes no more: what it lacks stays where it is.
                Some(floor) => drop(floor.join(next)),
                None => floor = Some(next),
            }
        };
        sample.iter().for_each(|shard| self.each_in(*shard, |_, fact| sink(fact)));
        sink(new);
        let floor = floor?;
        let key = floor.key(self.secret());
        let (_, newly) = self.put_floor(key, &floor, Said::Here, now);
        self.risen(key);
        self.settle_until(new.places(self.max()));
        newly.then_some(key)
    }

    /// Shards with as many facts as it takes to know which are the lowest, from one on. Names spread evenly, so one shard is like the others; and whatever
    /// is not in the sample is forgotten only where the floor says all that it says.
    fn sample(&self, near: u8) -> Vec<u8> {
        let (mut shards, mut facts) = (Vec::new(), 0);
        for shard in (near..=u8::MAX).chain(0..near) {
            shards.push(shard);
            self.each_in(shard, |_, _| facts += 1);
            if facts >= F::SAMPLE {
                break;
            }
        }
        shards
    }

    /// Takes what its entry has no place for into the floor.
    pub(super) fn sink(&self, fact: &F, now: Time) -> (Offered, Vec<Key128>) {
        let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_covered(fact) {
            return (Offered::Known, Vec::new());
        }
        let floor = fact.clone().surfaced(&self.numbers).into_floor(self.me(), now);
        let key = floor.key(self.secret());
        let (joined, newly) = self.put_floor(key, &floor, Said::Here, now);
        self.risen(key);
        let offered = if joined == Joined::Crowded { Offered::Full } else { Offered::Taken };
        (offered, newly.then_some(key).into_iter().collect())
    }

    /// Joins a peer's floor.
    pub(super) fn offer_floor(&self, floor: &F, now: Time) -> Offered {
        let key = floor.key(self.secret());
        let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = self.read(key, |_| ()).is_some() || self.named_of(floor).is_some() || floor.space().is_none();
        if !is_known && self.len() >= self.max() {
            return Offered::Full;
        }
        match self.put_floor(key, floor, Said::There, now).0 {
            Joined::Changed => {
                self.risen(key);
                Offered::Taken
            }
            Joined::Unchanged => Offered::Known,
            Joined::Crowded => Offered::Full,
        }
    }
}
