//! Ranges of names: all whose hash begins with the same few bits. What nodes compare, and what they repair; the same at every node.

use crate::key::Sharded;

/// Parts that a range has: what the next four bits tell apart.
pub(crate) const PARTS: usize = 16;

/// Bits that a part's range has more.
const PART_BITS: u8 = 4;

/// The most bits that a range's names share: a sixteenth of a shard.
const BITS_MAX: u8 = 12;

/// The names that begin with `bits` bits of `prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    prefix: u16,
    bits: u8,
}

impl Range {
    /// All names.
    pub(crate) const ALL: Range = Range { prefix: 0, bits: 0 };

    /// A range of 0, 4, 8 or 12 bits; `None` for any other, and for a prefix that has more.
    pub(crate) fn new(prefix: u16, bits: u8) -> Option<Range> {
        (bits <= BITS_MAX && bits.is_multiple_of(PART_BITS) && prefix >> bits == 0).then_some(Range { prefix, bits })
    }

    pub(crate) fn prefix(self) -> u16 {
        self.prefix
    }

    pub(crate) fn bits(self) -> u8 {
        self.bits
    }

    /// One of its [`PARTS`]; `None` when it is too small to have any.
    pub(crate) fn part(self, part: u16) -> Option<Range> {
        Range::new((self.prefix << PART_BITS) | (part % PARTS as u16), self.bits + PART_BITS)
    }

    /// Ranges of so many bits, one after another, round and round.
    pub(crate) fn next(self, bits: u8) -> Range {
        let prefix = if self.bits == bits { (u32::from(self.prefix) + 1) & ((1 << bits) - 1) } else { 0 };
        Range { prefix: prefix as u16, bits }
    }

    /// The shards that its names are in.
    pub(crate) fn shards(self) -> std::ops::RangeInclusive<u8> {
        let of = |rest: u16| (self.prefix << (BITS_MAX - self.bits) | rest) >> PART_BITS;
        of(0) as u8..=of((1 << (BITS_MAX - self.bits)) - 1) as u8
    }

    pub(crate) fn holds(self, name: &impl Sharded) -> bool {
        name.top() >> (16 - u32::from(self.bits)).min(15) == self.prefix || self.bits == 0
    }

    /// Which of its parts a name of it is in.
    pub(crate) fn part_of(self, name: &impl Sharded) -> usize {
        usize::from(name.top() >> (BITS_MAX - self.bits) & (PARTS as u16 - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key64;

    #[test]
    fn parts_are_the_whole() {
        for range in [Range::ALL, Range::new(3, 4).unwrap(), Range::new(0xab, 8).unwrap()] {
            for top in 0..=u16::MAX {
                let name = Key64(u64::from(top) << 48 | 7);
                let within: Vec<u16> = (0..16).filter(|part| range.part(*part).unwrap().holds(&name)).collect();
                assert_eq!(range.holds(&name), !within.is_empty(), "{range:?} {top:x}");
                assert!(within.is_empty() || within == [range.part_of(&name) as u16], "{range:?} {top:x}");
                assert!(!range.holds(&name) || range.shards().contains(&name.shard()), "{range:?} {top:x}");
            }
        }
        assert_eq!(Range::new(0xabc, 12).unwrap().part(0), None);
        assert_eq!((Range::ALL.shards(), Range::new(0xabc, 12).unwrap().shards()), (0..=255, 0xab..=0xab));
    }

    #[test]
    fn ranges_follow_one_another() {
        let mut seen = Vec::new();
        let mut range = Range::ALL;
        for _ in 0..17 {
            range = range.next(4);
            seen.push(range.prefix());
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0]);
        assert_eq!(range.next(0), Range::ALL);
        assert_eq!([Range::new(16, 4), Range::new(0, 5), Range::new(0, 16), Range::new(1, 0)], [None; 4]);
    }
}
