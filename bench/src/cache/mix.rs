//! What is asked for: objects by Zipf's law, with scans of what nobody asks for again, and with a loop that is larger than the cache.

use crate::zipf::zipf;

/// Objects that are asked for by Zipf's law.
const OBJECTS: usize = 100_000;

/// The exponent of Zipf's law: what traces of the web show (L. Breslau et al., 1999, find 0.64 to 0.83; of CDNs up to 1).
const EXPONENT: f64 = 0.9;

/// Requests of a scan, and of Zipf's law between two scans.
const SCAN: usize = 5_000;
const BETWEEN: usize = 20_000;

/// Bytes of the loop's objects together, over the bytes of the cache.
const LOOP_OVER_CACHE: f64 = 1.25;

/// The smallest object in bytes, and how often its size doubles at most: 1 KiB to 64 KiB.
const SMALLEST: u32 = 1024;
const DOUBLINGS: u32 = 7;

/// A thing to ask for: its number and its size in bytes, which its number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) id: u32,
    pub(super) bytes: u32,
}

impl Object {
    pub(super) fn new(id: usize) -> Object {
        let id = u32::try_from(id).unwrap_or(u32::MAX);
        // A multiplicative hash (D. Knuth), so that size and rank have nothing to do with each other.
        let doublings = (id.wrapping_mul(2_654_435_761) >> 16) % DOUBLINGS;
        Object { id, bytes: SMALLEST << doublings }
    }
}

/// The shape of a load.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mix {
    /// By Zipf's law.
    Zipf,
    /// The same, and now and then a walk over what was never asked for before.
    Scan,
    /// Half of it by Zipf's law, half round and round over more than fits.
    Loop,
}

pub(super) const MIXES: [(&str, Mix); 3] = [("zipf", Mix::Zipf), ("scan", Mix::Scan), ("loop", Mix::Loop)];

impl Mix {
    /// So many requests, for a cache of so many bytes.
    pub(super) fn requests(self, count: usize, cache: u64, seed: u64) -> Vec<Object> {
        let mut popular = zipf(OBJECTS, EXPONENT, count, seed).into_iter().map(Object::new);
        match self {
            Mix::Zipf => popular.collect(),
            Mix::Scan => {
                let mut fresh = (OBJECTS..).map(Object::new);
                let next = |nth: usize| if nth % (BETWEEN + SCAN) < BETWEEN { popular.next() } else { fresh.next() };
                (0..count).filter_map(next).collect()
            }
            Mix::Loop => {
                let round = round(cache);
                let mut turns = round.iter().copied().cycle();
                (0..count).filter_map(|nth| if nth % 2 == 0 { popular.next() } else { turns.next() }).collect()
            }
        }
    }
}

/// The objects of the loop, none of which is popular.
fn round(cache: u64) -> Vec<Object> {
    let (most, mut sum) = (cache as f64 * LOOP_OVER_CACHE, 0.0);
    let objects = (OBJECTS..).map(Object::new);
    objects
        .take_while(|object| {
            sum += f64::from(object.bytes);
            sum < most
        })
        .collect()
}
