//! A hash for maps whose keys come from the config. Clients choose what is looked up but not what is in the map, so nobody can
//! make it slow, and the keyed hash of std's maps would cost more than the rest of a look-up. Multiply and rotate, as Firefox and
//! rustc do ("FxHash").

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map with keys of the config.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Fast>>;

/// The hash so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fast(u64);

/// The golden ratio as a fraction of 2^64: its bits are as good as any.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Fast {
    fn take(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for Fast {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.take(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.take(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.take(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.take(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.take(word as u64);
    }

    /// The map looks at the top bits and at the bottom ones; a product is best at the top.
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
