//! Floors: what a full room does with facts that take something back. The lowest eighth of the negatives of the space that has
//! most of them, the new one counted, become one fact that says what all of them said: of the registers removed, "what was
//! stated up to then is void". What a floor covers is forgotten at once and refused from then on, so nodes with one floor agree on
//! what there is beside it.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::entries::Entries;
use super::facts::{Facts, Offered, Said};
use crate::fact::{Joined, Stated, floor_key};
use crate::key::Key128;
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

    /// Makes room for a negative by raising a floor; says the key of the floor, and whether it has to go into the queue.
    pub(super) fn raise_for(&self, new: &F, now: Time) -> Option<Key128> {
        let _raising = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heights: BTreeMap<Option<u64>, Vec<u64>> = BTreeMap::new();
        heights.entry(new.space()).or_default().extend(new.height());
        let height = |fact: &F| Some((fact.space(), fact.height().filter(|_| !fact.is_floor())?));
        for (space, height) in self.collect(height) {
            heights.entry(space).or_default().push(height);
        }
        let (space, mut heights) = heights.into_iter().max_by_key(|(_, heights)| heights.len())?;
        let eighth = heights.len() / PART;
        let (_, cut, _) = heights.select_nth_unstable(eighth);
        let cut = *cut;
        let sinks = |fact: &F| fact.space() == space && !fact.is_floor() && fact.height().is_some_and(|at| at <= cut);
        let mut floor: Option<F> = None;
        let mut sink = |fact: &F| {
            let next = fact.clone().surfaced(&self.numbers).into_floor(self.me(), now);
            match &mut floor {
                // A floor that is crowded takes no more: what it lacks stays where it is.
                Some(floor) => drop(floor.join(next)),
                None => floor = Some(next),
            }
        };
        for shard in 0..=u8::MAX {
            self.each_in(shard, |_, fact| {
                if sinks(fact) {
                    sink(fact)
                }
            });
        }
        if sinks(new) {
            sink(new);
        }
        let floor = floor?;
        let key = floor.key(self.secret());
        let (_, newly) = self.put_floor(key, &floor, Said::Here, now);
        self.drop_covered(key);
        newly.then_some(key)
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
        self.drop_covered(key);
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
                self.drop_covered(key);
                Offered::Taken
            }
            Joined::Unchanged => Offered::Known,
            Joined::Crowded => Offered::Full,
        }
    }

    /// Forgets what a floor covers.
    fn drop_covered(&self, key: Key128) {
        let Some(floor) = self.get(key) else { return };
        self.retain(|fact| fact.is_floor() || fact.space() != floor.space() || !fact.is_under(&floor));
    }
}
