//! Columns of numbers that take a fixed number of bits each, lowest bit first; a column ends at a whole byte.

use super::WireError;
use super::reader::Reader;

/// The bits that a place in a list of so many takes; none where there is no choice.
pub(super) fn width_of(list: usize) -> u32 {
    match list {
        0 | 1 => 0,
        several => usize::BITS - (several - 1).leading_zeros(),
    }
}

/// Writes a column.
pub(super) struct BitWriter<'o> {
    out: &'o mut Vec<u8>,
    width: u32,
    held: u128,
    bits: u32,
}

impl<'o> BitWriter<'o> {
    /// Numbers of `width` bits, 64 at most.
    pub(super) fn new(out: &'o mut Vec<u8>, width: u32) -> BitWriter<'o> {
        BitWriter { out, width, held: 0, bits: 0 }
    }

    /// A number that the width holds.
    pub(super) fn put(&mut self, number: u64) {
        self.held |= u128::from(number) << self.bits;
        self.bits += self.width;
        while self.bits >= 8 {
            self.byte();
        }
    }

    pub(super) fn end(mut self) {
        if self.bits > 0 {
            self.byte();
        }
    }

    fn byte(&mut self) {
        self.out.push(self.held as u8);
        self.held >>= 8;
        self.bits = self.bits.saturating_sub(8);
    }
}

/// Reads a column. All of it is there.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    width: u32,
    held: u128,
    bits: u32,
}

impl<'a> BitReader<'a> {
    /// The next column of a block: so many numbers of `width` bits, 64 at most.
    pub(super) fn new(reader: &mut Reader<'a>, count: usize, width: u32) -> Result<BitReader<'a>, WireError> {
        let bits = count.saturating_mul(width as usize);
        Ok(BitReader { bytes: reader.take(bits.div_ceil(8))?, width, held: 0, bits: 0 })
    }

    /// The next number; 0 behind the last one.
    #[inline]
    pub(super) fn take(&mut self) -> u64 {
        if self.bits < self.width {
            self.fill();
        }
        let number = self.held & ((1 << self.width) - 1);
        self.held >>= self.width;
        self.bits = self.bits.saturating_sub(self.width);
        number as u64
    }

    /// Holds 64 bits more, or what there is.
    fn fill(&mut self) {
        if let Some((bytes, rest)) = self.bytes.split_first_chunk() {
            self.held |= u128::from(u64::from_le_bytes(*bytes)) << self.bits;
            self.bits += 64;
            self.bytes = rest;
            return;
        }
        while self.bits < self.width {
            let Some((byte, rest)) = self.bytes.split_first() else { break };
            self.held |= u128::from(*byte) << self.bits;
            self.bits += 8;
            self.bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(width in 0..=64_u32, numbers in prop::collection::vec(any::<u64>(), 0..40)) {
            let numbers: Vec<u64> = numbers.iter().map(|n| if width == 64 { *n } else { n & ((1 << width) - 1) }).collect();
            let mut out = Vec::new();
            let mut bits = BitWriter::new(&mut out, width);
            numbers.iter().for_each(|number| bits.put(*number));
            bits.end();
            prop_assert_eq!(out.len(), (numbers.len() * width as usize).div_ceil(8));
            out.push(0xff);
            let mut reader = Reader::new(&out, "bits");
            let mut column = BitReader::new(&mut reader, numbers.len(), width).unwrap();
            let read: Vec<u64> = numbers.iter().map(|_| column.take()).collect();
            prop_assert_eq!(read, numbers);
            prop_assert_eq!(reader.left(), 1);
        }
    }

    #[test]
    fn widths() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(width_of), [0, 0, 1, 2, 2, 3, 8, 9]);
    }
}
