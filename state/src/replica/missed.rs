//! Who misses whom. In a fleet that is split half of it misses the other half, and each node keeps what each of its peers says of that: so it
//! is a bit for each pair.

use std::collections::BTreeMap;

use super::peers::PEERS_MAX;
use crate::identity::Actor;

/// By whom an actor is missed: bits of the places that peers have.
#[derive(Debug, Default)]
struct Missers(Vec<u64>);

/// Actors that are remembered as missed; beyond them it is as if they were not.
const MISSED_MAX: usize = 2 * PEERS_MAX;

/// For each actor that is missed, by which peers.
#[derive(Debug, Default)]
pub(super) struct Missed {
    by_actor: BTreeMap<Actor, Missers>,
}

impl Missers {
    fn holds(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn insert(&mut self, place: usize) {
        if self.0.len() <= place / 64 {
            self.0.resize(place / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.0.iter().enumerate().flat_map(move |(at, word)| bits(*word).map(move |bit| at * 64 + bit))
    }
}

impl Missed {
    /// The peer of a place misses these from now on, and nobody else.
    pub(super) fn set(&mut self, place: usize, actors: impl IntoIterator<Item = Actor>) {
        self.forget(place);
        self.by_actor.retain(|_, missers| !missers.is_empty());
        for actor in actors {
            if self.by_actor.len() < MISSED_MAX || self.by_actor.contains_key(&actor) {
                self.by_actor.entry(actor).or_default().insert(place);
            }
        }
    }

    /// The peer of a place is no more.
    pub(super) fn forget(&mut self, place: usize) {
        self.by_actor.values_mut().for_each(|missers| missers.remove(place));
    }

    /// Whether anybody misses an actor.
    pub(super) fn is_missed(&self, actor: Actor) -> bool {
        self.by_actor.get(&actor).is_some_and(|missers| !missers.is_empty())
    }

    /// Whether the peer of a place misses an actor.
    pub(super) fn misses(&self, place: usize, actor: Actor) -> bool {
        self.by_actor.get(&actor).is_some_and(|missers| missers.holds(place))
    }

    /// The places of those who miss an actor.
    pub(super) fn missers(&self, actor: Actor) -> impl Iterator<Item = usize> {
        self.by_actor.get(&actor).into_iter().flat_map(Missers::places)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::identity::PopId;

    fn actor(pop: u16) -> Actor {
        Actor { pop: PopId(pop), node: 0 }
    }

    #[test]
    fn it_remembers_so_many() {
        let mut missed = Missed::default();
        missed.set(1, (0..=MISSED_MAX as u32).map(|node| Actor { pop: PopId(1), node }));
        assert_eq!(missed.by_actor.len(), MISSED_MAX);
        missed.set(1, [actor(2)]);
        assert!(missed.is_missed(actor(2)) && missed.by_actor.len() == 1);
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_pairs(steps in prop::collection::vec((0..150_usize, prop::collection::vec(0..20_u16, 0..9), 0..4_u8), 0..40)) {
            let (mut missed, mut pairs) = (Missed::default(), BTreeSet::new());
            for (place, actors, what) in steps {
                pairs.retain(|(by, _)| *by != place);
                if what == 0 {
                    missed.forget(place);
                } else {
                    missed.set(place, actors.iter().map(|pop| actor(*pop)));
                    pairs.extend(actors.iter().map(|pop| (place, *pop)));
                }
                for pop in 0..20 {
                    let by: Vec<usize> = pairs.iter().filter(|(_, other)| *other == pop).map(|(by, _)| *by).collect();
                    prop_assert_eq!(missed.missers(actor(pop)).collect::<Vec<_>>(), by.clone());
                    prop_assert_eq!(missed.is_missed(actor(pop)), !by.is_empty());
                    prop_assert!((0..150).all(|place| missed.misses(place, actor(pop)) == by.contains(&place)));
                }
            }
        }
    }
}
