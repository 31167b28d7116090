//! Which POP all others fetch an origin's responses through. All that go by one roster agree without a word: the POP with the highest
//! weight is it (rendezvous hashing: Thaler and Ravishankar, 1998). A POP that comes takes over an equal part of the origins, one that goes
//! leaves its own to the others, and no other origin moves.

use std::hash::Hasher;

use selvedge_state::PopId;
use siphasher::sip::SipHasher13;

/// The one of these POPs that shields an origin, by the origin's name; none without POPs. Their order says nothing.
pub fn parent(origin: &str, pops: impl IntoIterator<Item = PopId>) -> Option<PopId> {
    first(origin.as_bytes(), pops)
}

/// The POP with the highest weight for something of this name.
pub(crate) fn first(name: &[u8], pops: impl IntoIterator<Item = PopId>) -> Option<PopId> {
    pops.into_iter().max_by_key(|pop| (weight(name, *pop), *pop))
}

/// A hash without a key, since every version at every POP has to come to the same.
fn weight(name: &[u8], pop: PopId) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(&pop.0.to_le_bytes());
    hasher.write(name);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parents(pops: &[u16], origins: usize) -> Vec<Option<PopId>> {
        (0..origins).map(|nth| parent(&format!("origin-{nth}"), pops.iter().copied().map(PopId))).collect()
    }

    /// POPs of other versions choose by this table, too.
    #[test]
    fn the_choice_never_changes() {
        for (origin, pops, expected) in [
            ("app", &[][..], None),
            ("app", &[7], Some(7)),
            ("app", &[1, 2, 3], Some(1)),
            ("api", &[1, 2, 3], Some(3)),
            ("static", &[1, 2, 3], Some(3)),
            ("media", &[1, 2, 3, 4, 5], Some(1)),
            ("", &[1, 2], Some(1)),
        ] {
            let found = parent(origin, pops.iter().copied().map(PopId)).map(|pop| pop.0);
            assert_eq!(found, expected, "{origin}");
        }
    }

    #[test]
    fn the_order_of_pops_says_nothing() {
        assert_eq!(parents(&[1, 2, 3, 9], 100), parents(&[9, 3, 1, 2], 100));
    }

    #[test]
    fn origins_are_spread_over_pops() {
        let mut of: BTreeMap<PopId, usize> = BTreeMap::new();
        parents(&[1, 2, 3, 4], 4_000).into_iter().flatten().for_each(|pop| *of.entry(pop).or_default() += 1);
        assert!(of.len() == 4 && of.values().all(|count| (850..1_150).contains(count)), "{of:?}");
    }

    /// One that comes takes from each; one that goes leaves its own, and nothing else moves.
    #[test]
    fn no_origin_moves_but_to_the_new_pop_or_from_the_gone_one() {
        let (few, more) = (parents(&[1, 2, 3], 1_000), parents(&[1, 2, 3, 4], 1_000));
        let moved: Vec<_> = few.iter().zip(&more).filter(|(before, after)| before != after).collect();
        assert!(moved.iter().all(|(_, after)| **after == Some(PopId(4))), "{moved:?}");
        assert!((180..320).contains(&moved.len()), "{}", moved.len());
    }
}
