//! How a quota begins: which part of it each POP of a roster mints by itself, so that the first requests of a key find some wherever they
//! come to, and what its home mints, which is all the rest.
//!
//! The parts follow from the quota and the roster alone. They are stepped: from one quota to the next no more than one POP opens with one more,
//! so the rest never gets smaller, and POPs that go by different quotas mint no more together than the greatest of them.

/// One in so many of a quota is what a POP opens with, where the roster is not that large.
const PARTS: u64 = 64;

/// What the POP at this place of a roster of so many mints by itself: 1 at least, but that POPs have none, the later ones first, of a quota
/// that has not about two for each.
pub(crate) fn opening(quota: u64, place: usize, pops: usize) -> u64 {
    let (place, pops) = (place as u64, pops.max(1) as u64);
    if quota < pops.saturating_add(place) {
        return 0;
    }
    let step = PARTS.max(pops.saturating_mul(2));
    let part = quota.saturating_add(place.saturating_mul(step / pops)) / step;
    part.max(1)
}

/// What the home of a key mints, at this place of such a roster: what no other POP does.
pub(crate) fn rest(quota: u64, home: usize, pops: usize) -> u64 {
    let others = (0..pops).filter(|place| *place != home).map(|place| opening(quota, place, pops));
    quota.saturating_sub(others.fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What all mint, the home by one quota and the others by another one.
    fn all(ours: u64, theirs: u64, home: usize, pops: usize) -> u64 {
        let others = (0..pops).filter(|place| *place != home).map(|place| opening(theirs, place, pops));
        rest(ours, home, pops) + others.sum::<u64>()
    }

    #[test]
    fn all_parts_are_the_quota() {
        for pops in [1, 2, 3, 5, 31, 32, 33, 64, 100, 4_000] {
            for quota in (0..300).chain([1_000, 9_999, 1 << 40, u64::MAX]) {
                assert_eq!(all(quota, quota, pops / 2, pops), quota, "{quota} of {pops} POPs");
                assert!(rest(quota, pops / 2, pops) >= quota / 2, "{quota} of {pops} POPs");
            }
        }
    }

    #[test]
    fn quotas_that_differ_are_never_more_than_the_greatest() {
        for pops in [2, 3, 5, 33, 100] {
            for ours in 0..300_u64 {
                for theirs in ours.saturating_sub(70)..ours + 70 {
                    for home in [0, pops - 1] {
                        let minted = all(ours, theirs, home, pops);
                        assert!(minted <= ours.max(theirs), "{minted} of {ours} at home and {theirs}, {pops} POPs");
                    }
                }
            }
        }
    }

    #[test]
    fn a_part_is_one_in_64_or_one_or_nothing() {
        let openings = |quota, pops| (0..pops).map(|place| opening(quota, place, pops)).collect::<Vec<_>>();
        assert_eq!(openings(6_400, 3), [100, 100, 100]);
        assert_eq!(openings(10, 3), [1, 1, 1]);
        assert_eq!(openings(4, 3), [1, 1, 0]);
        assert_eq!(openings(2, 3), [0, 0, 0]);
        assert_eq!(openings(1_000, 100), [vec![5; 100]].concat());
    }
}
