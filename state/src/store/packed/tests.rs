//! Packed marks are a map like any other, however its rows move about, and take as little as they are packed for.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::identity::{Actor, Author, Incarnation, PopId, Seq};
use crate::key::Secret;
use crate::marks::{Application, Dot, Row};
use crate::time::Time;

const MAX: usize = 40;

fn room() -> PackedMarks {
    PackedMarks::with_room(MAX, Spread::new(&Secret::new([7; 16]), 3))
}

/// A mark of so many actors.
fn entry(key: Key128, actors: u16, number: u64) -> Entry<Marked> {
    let row = |pop: u16| Row {
        dot: Dot {
            author: Author { actor: Actor { pop: PopId(pop), node: 0 }, incarnation: Incarnation(number) },
            seq: Seq(number),
        },
        made_at: Time(1_800_000_000_000),
        applied: Some(Application { number: number + u64::from(pop), at: Time(number) }),
    };
    let mut fact = Marked::of_one(key, row(0), Time(1_900_000_000_000));
    fact.rows = (0..actors.max(1)).map(row).collect();
    Entry { fact, dirty: number.is_multiple_of(2), space: None }
}

#[derive(Debug, Clone)]
enum Step {
    /// Which key, of so many actors.
    Put(u8, u16),
    Always(u8, u16),
    Forget(u8),
    /// Keeps keys that are a multiple of it.
    Retain(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let actors = || prop_oneof![5 => Just(1_u16), 1 => 2..4_u16];
    let step = prop_oneof![
        8 => (0..60_u8, actors()).prop_map(|(key, actors)| Step::Put(key, actors)),
        1 => (0..60_u8, actors()).prop_map(|(key, actors)| Step::Always(key, actors)),
        4 => (0..60_u8).prop_map(Step::Forget),
        1 => (1..4_u8).prop_map(Step::Retain),
    ];
    prop::collection::vec(step, 0..300)
}

/// Few shards, so that rows move about in them.
fn key(number: u8) -> Key128 {
    Key128((u128::from(number % 3) << 120) + u128::from(number) * 0x9e37_79b9_7f4a_7c15)
}

fn all(room: &PackedMarks) -> BTreeMap<Key128, (Marked, bool, u64)> {
    let mut all = BTreeMap::new();
    for shard in 0..=u8::MAX {
        room.each_in(shard, |key, Entry { fact, dirty, .. }| {
            let twice = all.insert(key, (fact.clone(), *dirty, fact.last()));
            assert!(twice.is_none() && key.shard() == shard);
        });
    }
    all
}

proptest! {
    #[test]
    fn it_is_a_map(steps in steps()) {
        let room = room();
        let mut model: BTreeMap<Key128, (Marked, bool, u64)> = BTreeMap::new();
        for (number, step) in (1_u64..).zip(steps) {
            let as_model = |entry: &Entry<Marked>| (entry.fact.clone(), entry.dirty, entry.fact.last());
            match step {
                Step::Put(at, actors) | Step::Always(at, actors) => {
                    let (key, new) = (key(at), entry(key(at), actors, number));
                    let made = || entry(key, 1, 0);
                    let change = |known: &mut Entry<Marked>| {
                        *known = new.clone();
                        number
                    };
                    let fits = model.contains_key(&key) || model.len() < MAX;
                    let said = match step {
                        Step::Put(..) => room.change_or(key, made, change),
                        _ => room.change_always(key, made, change),
                    };
                    let is_in = fits || matches!(step, Step::Always(..));
                    prop_assert_eq!(said, is_in.then_some(number));
                    if is_in {
                        model.insert(key, as_model(&new));
                    }
                }
                Step::Forget(at) => {
                    room.forget(key(at), |entry| entry.dirty);
                    if model.get(&key(at)).is_some_and(|(_, dirty, _)| *dirty) {
                        model.remove(&key(at));
                    }
                }
                Step::Retain(of) => {
                    let keeps = |fact: &Marked| fact.last().is_multiple_of(u64::from(of));
                    (0..=u8::MAX).for_each(|shard| room.retain(shard, |entry| keeps(&entry.fact)));
                    model.retain(|_, (fact, ..)| keeps(fact));
                }
            }
            prop_assert_eq!(room.len(), model.len());
        }
        prop_assert_eq!(&all(&room), &model);
        for number in 0..60 {
            let read = room.read(key(number), |Entry { fact, dirty, .. }| (fact.clone(), *dirty, fact.last()));
            prop_assert_eq!(read.as_ref(), model.get(&key(number)));
        }
        let keys: Vec<Key128> = (0..=u8::MAX).flat_map(|shard| room.keys(shard, None)).collect();
        prop_assert_eq!(keys, model.keys().copied().collect::<Vec<_>>());
    }
}

/// At whatever number: the table of places doubles, and is half empty then.
#[test]
fn a_mark_takes_64_bytes_of_heap() {
    let room = PackedMarks::with_room(usize::MAX, Spread::new(&Secret::new([7; 16]), 3));
    let mut random = fastrand::Rng::with_seed(1);
    for (from, to) in [(0, 230_000), (230_000, 250_000), (250_000, 460_000)] {
        for number in from..to {
            let key = Key128(random.u128(..));
            room.change_or(key, || entry(key, 1, number + 1), |_| ()).expect("room");
        }
        let heap = |shelf: &Shelf| shelf.rows.capacity() * size_of::<Packed>() + shelf.places.allocation_size();
        let heap: usize = (0..=u8::MAX).filter_map(|shard| room.shelf(shard)).map(|shelf| heap(&shelf)).sum();
        let each = heap as f64 / to as f64;
        assert!(each <= 64.0, "{each:.1} bytes each of {to}");
    }
}
