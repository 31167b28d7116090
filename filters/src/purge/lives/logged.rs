//! What a log says, read to its end: of each name the last purge of each actor, and the place before which all is gone.

use std::collections::HashMap;

use selvedge_state::{Actor, Applied, Incarnation, Key128, Store, Time};

use super::earlier::{Earlier, Known, Place};

/// Purges that a log keeps: twice as many as names that a store remembers, since several actors may purge one. Those that were applied
/// longest ago give way, and all that was filled before them is gone with them.
pub const LOGGED_MAX: usize = 200_000;

/// One record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// A purge was applied in a life.
    Applied(Incarnation, Applied),
    /// All that was filled before this place is gone.
    All(Place),
}

/// The content of a log.
#[derive(Debug, Default)]
pub struct Logged {
    last: HashMap<(Option<Key128>, Actor), (Place, Applied)>,
    all: Option<Place>,
}

impl Logged {
    /// Takes a record. What is known better stays.
    pub fn add(&mut self, record: Record) {
        match record {
            Record::All(place) => self.all = self.all.max(Some(place)),
            Record::Applied(life, applied) => {
                let place = (life, applied.number);
                let known = self.last.entry((applied.key, applied.dot.author.actor)).or_insert((place, applied));
                let latest = if known.0 > place { known.1 } else { applied };
                // What came again under another number is the newest dot, at the last place.
                let newest = if known.1.dot > applied.dot { known.1 } else { applied };
                let kept = known.1.kept.max(applied.kept);
                *known = (known.0.max(place), Applied { at: latest.at, kept, ..newest });
            }
        }
    }

    /// Whether it has this purge, or a later one of its author that says the same and more: whatever was filled after that one knows of this one.
    pub fn has(&self, applied: &Applied) -> bool {
        let actor = applied.dot.author.actor;
        let is_in = |key| self.last.get(&(key, actor)).is_some_and(|(_, known)| known.dot >= applied.dot);
        is_in(applied.key) || is_in(None)
    }

    /// What a store takes in again.
    pub fn purges(&self) -> impl Iterator<Item = Applied> + '_ {
        self.last.values().map(|(_, applied)| *applied)
    }

    /// All of it, no more than fits.
    pub fn records(mut self, max: usize) -> Vec<Record> {
        let mut last: Vec<_> = self.last.drain().map(|(_, known)| known).collect();
        if let Some(over) = last.len().checked_sub(max).filter(|over| *over > 0) {
            last.select_nth_unstable_by_key(over, |(place, _)| *place);
            let gone = last.drain(..over).map(|(place, _)| place).max();
            self.all = self.all.max(gone);
        }
        let applied =
            last.into_iter().map(|((life, number), applied)| Record::Applied(life, Applied { number, ..applied }));
        self.all.map(Record::All).into_iter().chain(applied).collect()
    }

    /// A life begins with it: what it says is taken into a store that has what the snapshot knows, while nobody says anything to that. `last`
    /// is the life that wrote it last; None where it is not that of the lives before this one, or damaged, and says nothing of what they
    /// stored. Gives what is known of them, and what the log of this life begins with.
    pub fn begin(
        mut self,
        last: Option<Incarnation>,
        life: Incarnation,
        store: &Store,
        now: Time,
    ) -> (Earlier, Logged) {
        // What nobody else heard of goes to the others again.
        let _ = store.restore_purges(self.purges(), now);
        let fill = store.fill();
        // What the snapshot alone knows was applied after anything that the log knows of: the log lost its end.
        let unlogged: Vec<_> = store.purges().into_iter().filter(|applied| !self.has(applied)).collect();
        unlogged.into_iter().for_each(|applied| self.add(Record::Applied(life, applied)));
        if last.is_none() {
            // For good: the next life finds a log that is sound.
            self.add(Record::All((life, fill.number())));
        }
        (Earlier::new(last.map(|last| self.known(last)), fill), self)
    }

    /// What it says of things that were stored by this life at the latest.
    fn known(&self, last: Incarnation) -> Known {
        let mut known = Known { last, keys: HashMap::with_capacity(self.last.len()), all: self.all };
        for ((key, _), (place, applied)) in &self.last {
            match key {
                Some(key) => {
                    let of_key = known.keys.entry(*key).or_insert((*place, applied.at));
                    if *place > of_key.0 {
                        *of_key = (*place, applied.at);
                    }
                }
                None => known.all = known.all.max(Some(*place)),
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use selvedge_state::{Author, Dot, PopId, Seq, Time};

    use super::*;

    fn record(key: u8, life: u64, number: u64) -> Record {
        let author = Author { actor: Actor { pop: PopId(1), node: 0 }, incarnation: Incarnation(life) };
        let (key, dot) = (Some(Key128::from_bytes([key; 16])), Dot { author, seq: Seq(number) });
        let applied = Applied { number, key, dot, at: Time(number), made_at: Time(0), kept: Time(9) };
        Record::Applied(Incarnation(life), applied)
    }

    fn of(records: &[Record]) -> Logged {
        let mut logged = Logged::default();
        records.iter().for_each(|record| logged.add(*record));
        logged
    }

    #[test]
    fn those_applied_longest_ago_give_way_and_take_what_was_filled_before_with_them() {
        let all = [record(1, 1, 8), record(2, 2, 3), record(3, 2, 4), record(4, 3, 1)];
        let (two, four) = (of(&all).records(2), of(&all).records(4));
        assert_eq!((two.len(), four.len()), (3, 4));
        assert!(two.contains(&Record::All((Incarnation(2), 3))) && two.contains(&all[2]) && two.contains(&all[3]));
        assert!(all.iter().all(|record| four.contains(record)));
    }

    #[test]
    fn of_one_name_and_actor_the_newest_purge_at_its_last_place_is_left() {
        let Record::Applied(_, again) = record(1, 1, 5) else { panic!("none") };
        // An older one comes to be known once more, in a later life.
        let again = Record::Applied(Incarnation(3), Applied { number: 1, at: Time(7), ..again });
        for order in [[record(1, 2, 4), again], [again, record(1, 2, 4)]] {
            let logged = of(&order);
            let [Record::Applied(life, last)] = logged.records(9)[..] else { panic!("not one") };
            assert_eq!((life, last.number, last.at), (Incarnation(3), 1, Time(7)));
            assert_eq!((last.dot.author.incarnation, last.dot.seq), (Incarnation(2), Seq(4)));
        }
    }
}
