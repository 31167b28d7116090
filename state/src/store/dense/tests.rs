//! Against a plain map, and what a row takes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::key::Secret;
use crate::tests::given::author;

fn dense(max: usize) -> Dense {
    Dense::with_room(max, Spread::new(&Secret::new([7; 16]), 3))
}

/// The nth name; those of one shard lie close together.
fn name(nth: u32, what: Revocable) -> Key128 {
    Key128(u128::from(nth % 3) << 120 | u128::from(nth) << 32 | u128::from(what.code()))
}

fn fact(nth: u32, what: Revocable, before: u64, hours: u64) -> Revoked {
    let key = Some(name(nth, what));
    Revoked { what, key, before: Time(crate::revocation::EPOCH.0 + before), author: author(nth as u16 % 5, 9), hours }
}

fn entry(fact: &Revoked, dirty: bool) -> Entry<Revoked> {
    Entry { fact: fact.clone(), dirty, space: None }
}

#[derive(Debug, Clone)]
enum Step {
    Put(u32, u8, u64, u64, bool),
    Take(u32, u8),
    Sweep(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0..500_u32, 0..4_u8, 0..1_u64 << 40, 0..9_u64, any::<bool>());
    let put = put.prop_map(|(nth, what, before, hours, dirty)| Step::Put(nth, what, before, hours, dirty));
    let take = (0..500_u32, 0..4_u8).prop_map(|(nth, what)| Step::Take(nth, what));
    prop::collection::vec(prop_oneof![30 => put, 4 => take, 1 => (0..8_u64).prop_map(Step::Sweep)], 0..900)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_map(steps in steps()) {
        let (dense, mut plain) = (dense(1 << 20), BTreeMap::<Key128, (Revoked, bool)>::new());
        for step in steps {
            match step {
                Step::Put(nth, what, before, hours, dirty) => {
                    let fact = fact(nth, Revocable::of_code(what).unwrap(), before, hours);
                    let key = fact.key.unwrap();
                    let change = |known: &mut Entry<Revoked>| *known = entry(&fact, dirty);
                    prop_assert_eq!(dense.change_or(key, || entry(&fact, false), change), Some(()));
                    plain.insert(key, (fact, dirty));
                }
                Step::Take(nth, what) => {
                    let key = name(nth, Revocable::of_code(what).unwrap());
                    dense.forget(key, |_| true);
                    plain.remove(&key);
                }
                Step::Sweep(hour) => {
                    (0..=u8::MAX).for_each(|shard| dense.sweep(shard, Time(hour * HOUR)));
                    plain.retain(|_, (fact, _)| fact.hours > hour);
                }
            }
        }
        prop_assert_eq!(dense.len(), plain.len());
        let mut all = BTreeMap::new();
        for shard in 0..=u8::MAX {
            dense.each_in(shard, |key, entry| {
                all.insert(key, (entry.fact.clone(), entry.dirty));
            });
            let keys: Vec<Key128> = plain.keys().copied().filter(|key| key.shard() == shard).collect();
            prop_assert_eq!(dense.keys(shard, None), keys);
        }
        prop_assert_eq!(&all, &plain);
        for what in Revocable::ALL {
            let of_kind = plain.values().filter(|(fact, _)| fact.what == what).count();
            prop_assert_eq!(dense.kind(what).unwrap().entries.load(Ordering::Relaxed), of_kind);
            for nth in 0..500 {
                let key = name(nth, what);
                prop_assert_eq!(dense.before(key), plain.get(&key).map(|(fact, _)| fact.before));
            }
        }
    }
}

#[test]
fn a_row_is_small_and_what_does_not_fit_one_is_kept_all_the_same() {
    assert_eq!(std::mem::size_of::<row::Row>(), 21);
    let dense = dense(10);
    let mut floor = fact(1, Revocable::User, 5, 6);
    let named = floor.clone();
    floor.key = None;
    let far = Revoked { hours: 1 << 21, ..fact(2, Revocable::User, 5, 6) };
    for (key, fact) in
        [(Key128(7 << 120), &floor), (name(1, Revocable::User), &named), (name(2, Revocable::User), &far)]
    {
        assert_eq!(dense.change_or(key, || entry(fact, false), |_| ()), Some(()));
        assert_eq!(dense.read(key, |entry| entry.fact.clone()).as_ref(), Some(fact));
    }
    assert_eq!((dense.floor(Revocable::User), dense.floor(Revocable::Tenant)), (floor.before, Time::ZERO));
    dense.forget(Key128(7 << 120), |_| true);
    assert_eq!((dense.floor(Revocable::User), dense.is_clear(Revocable::User), dense.len()), (Time::ZERO, false, 2));
    (0..=u8::MAX).for_each(|shard| dense.sweep(shard, Time(u64::MAX)));
    assert_eq!((dense.is_clear(Revocable::User), dense.len()), (true, 0));
}
