//! What a hit cannot go below here: the same keys looked up and changed in a bare `dashmap` of values as large as a counter.

use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use dashmap::{DashMap, Entry};

use super::hits::EXPONENT;
use crate::figures::median;
use crate::zipf::zipf;

/// Shards of the map, as many locks as a table of the store has.
const SHARDS: usize = 512;

/// Keys are random numbers, and taken as they are.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// ns of single looks, without what looking at the clock takes; the median.
pub(super) fn measure(keys: usize) -> Option<f64> {
    let mut random = fastrand::Rng::with_seed(9);
    let names: Vec<u64> = (0..keys).map(|_| random.u64(..)).collect();
    let hasher = BuildHasherDefault::<AsIs>::default();
    let map: DashMap<u64, [u64; 8], _> = DashMap::with_capacity_and_hasher_and_shard_amount(0, hasher, SHARDS);
    for name in &names {
        map.insert(*name, [0; 8]);
    }
    let asked: Vec<u64> = zipf(keys, EXPONENT, keys, 2).iter().filter_map(|rank| names.get(*rank).copied()).collect();
    let touch = |name: u64| {
        if let Entry::Occupied(mut known) = map.entry(name) {
            known.get_mut().iter_mut().for_each(|number| *number += 1);
        }
    };
    asked.iter().for_each(|name| touch(*name));
    let looks = asked.iter().map(|_| Instant::now().elapsed().as_nanos() as f64).collect();
    let look = median(looks)?;
    let single = |name: &u64| {
        let began = Instant::now();
        touch(*name);
        began.elapsed().as_nanos() as f64 - look
    };
    median(asked.iter().map(single).collect())
}
