//! A map for what is looked up several times for each input: one step finds a key's place, and values lie beside each other. What goes
//! through all of them goes in the order of keys, never in that of the hashes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::RangeBounds;

/// Values by their keys.
#[derive(Debug)]
pub(super) struct Places<K, V> {
    places: HashMap<K, usize, BuildHasherDefault<Mixed>>,
    values: Vec<Option<V>>,
    free: Vec<usize>,
    /// Keys with their places, in order.
    order: Vec<(K, usize)>,
}

impl<K, V> Default for Places<K, V> {
    fn default() -> Places<K, V> {
        Places { places: HashMap::default(), values: Vec::new(), free: Vec::new(), order: Vec::new() }
    }
}

impl<K: Copy + Eq + Ord + Hash, V> Places<K, V> {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.values.get(*self.places.get(&key)?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.values.get_mut(*self.places.get(&key)?)?.as_mut()
    }

    /// The place of a key, which stays while it is there.
    pub(super) fn place(&self, key: K) -> Option<usize> {
        self.places.get(&key).copied()
    }

    /// What is at a place.
    pub(super) fn at(&self, place: usize) -> Option<&V> {
        self.values.get(place)?.as_ref()
    }

    /// Gives back what was there before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.remove(key);
        let place = self.free.pop().unwrap_or_else(|| {
            self.values.push(None);
            self.values.len() - 1
        });
        if let Some(free) = self.values.get_mut(place) {
            *free = Some(value);
        }
        self.places.insert(key, place);
        self.order.insert(self.order.partition_point(|(other, _)| *other < key), (key, place));
        before
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.places.remove(&key)?;
        self.free.push(place);
        if let Ok(at) = self.order.binary_search_by_key(&key, |(other, _)| *other) {
            self.order.remove(at);
        }
        self.values.get_mut(place)?.take()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = K> {
        self.order.iter().map(|(key, _)| *key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.order.iter().filter_map(|(key, place)| Some((*key, self.values.get(*place)?.as_ref()?)))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The first key of a range.
    pub(super) fn first_in(&self, range: impl RangeBounds<K>) -> Option<K> {
        let from = match range.start_bound() {
            std::ops::Bound::Included(from) => self.order.partition_point(|(key, _)| key < from),
            std::ops::Bound::Excluded(from) => self.order.partition_point(|(key, _)| key <= from),
            std::ops::Bound::Unbounded => 0,
        };
        self.order.get(from).map(|(key, _)| *key).filter(|key| range.contains(key))
    }
}

/// A hash of few instructions. Keys are numbers that this node or its roster gave; whoever makes them collide makes a look-up as long as
/// the map, which is bounded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mixed(u64);

impl Mixed {
    fn mix(&mut self, number: u64) {
        // The golden ratio: neighbours are spread over the upper bits, and stay neighbours in the lower ones (Knuth, 6.4).
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..3_u8, 0..20_u64), 0..200)) {
            let (mut places, mut map) = (Places::default(), BTreeMap::new());
            for (nth, (what, key)) in steps.into_iter().enumerate() {
                match what {
                    0 => prop_assert_eq!(places.remove(key), map.remove(&key)),
                    1 => prop_assert_eq!(places.insert(key, nth), map.insert(key, nth)),
                    _ => prop_assert_eq!(places.get_mut(key).copied(), map.get(&key).copied()),
                }
                prop_assert!(places.iter().map(|(key, value)| (key, *value)).eq(map.clone()));
                prop_assert_eq!(places.place(key).and_then(|place| places.at(place)), map.get(&key));
                let first = map.range(key..key + 3).next().map(|(key, _)| *key);
                prop_assert_eq!((places.len(), places.first_in(key..key + 3)), (map.len(), first));
            }
            prop_assert!(places.values.len() <= 20, "places are used again");
        }
    }
}
