//! Which POP answers for a key. Of all POPs of the roster, whether they live or not: two that saw others alive would have two homes, and run it twice.

use selvedge_state::PopId;

use super::sha::Name;
use crate::shield;

/// The POP that answers for a key, of those that may; none without any. Their order says nothing.
pub fn home(name: &Name, pops: impl IntoIterator<Item = PopId>) -> Option<PopId> {
    shield::first(&name.to_bytes(), pops)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(pops: &[u16]) -> Vec<Option<PopId>> {
        let names = (0..3_000_u32).map(|nth| Name::of([&nth.to_be_bytes()[..]]));
        names.map(|name| home(&name, pops.iter().copied().map(PopId))).collect()
    }

    #[test]
    fn keys_are_spread_and_none_moves_but_from_a_pop_that_is_gone() {
        let (three, two) = (homes(&[1, 2, 3]), homes(&[3, 1]));
        assert_eq!(homes(&[]), vec![None; 3_000]);
        for pop in 1..=3 {
            let count = three.iter().filter(|home| **home == Some(PopId(pop))).count();
            assert!((850..1_150).contains(&count), "{count} at {pop}");
        }
        let mut moved = three.iter().zip(&two).filter(|(before, after)| before != after);
        assert!(moved.all(|(before, _)| *before == Some(PopId(2))));
    }
}
