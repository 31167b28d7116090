//! What one value leaves in a sketch.

/// Bits of a hash that name a mark: so many that two of a hundred values share one about once in ten thousand times.
const PREFIX_BITS: u32 = 26;

/// Bits of a hash that name a register of the large form.
pub(super) const INDEX_BITS: u32 = 10;

/// Bits of the prefix behind the register's index.
const INNER_BITS: u32 = PREFIX_BITS - INDEX_BITS;

/// The greatest rank behind a prefix: a hash whose other 38 bits are all 0.
const TAIL_MAX: u8 = (64 - PREFIX_BITS + 1) as u8;

/// The greatest rank of a register: a hash whose other 54 bits are all 0.
pub(crate) const RANK_MAX: u8 = (64 - INDEX_BITS + 1) as u8;

/// The first 26 bits of a hash and the place of the first 1 bit behind them, from 1; in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u32);

impl Mark {
    /// What a hash leaves.
    pub(crate) fn of(hash: u64) -> Mark {
        // The bit behind the last one stands for the end of the hash.
        let tail = (hash << PREFIX_BITS | 1 << (PREFIX_BITS - 1)).leading_zeros() + 1;
        Mark(((hash >> (64 - PREFIX_BITS)) as u32) << 6 | tail)
    }

    /// All of it, for a digest.
    pub(crate) fn bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// `None` out of range.
    pub(crate) fn new(prefix: u64, tail: u8) -> Option<Mark> {
        let prefix = u32::try_from(prefix).ok().filter(|prefix| *prefix < 1 << PREFIX_BITS)?;
        (1..=TAIL_MAX).contains(&tail).then(|| Mark(prefix << 6 | u32::from(tail)))
    }

    pub(crate) fn prefix(self) -> u32 {
        self.0 >> 6
    }

    pub(crate) fn tail(self) -> u8 {
        (self.0 & 0x3f) as u8
    }

    /// The register of the large form that it falls to, and its rank there.
    pub(super) fn register(self) -> (usize, u8) {
        let inner = self.prefix() << (32 - INNER_BITS);
        let rank = if inner == 0 { INNER_BITS as u8 + self.tail() } else { inner.leading_zeros() as u8 + 1 };
        ((self.prefix() >> INNER_BITS) as usize, rank)
    }
}
