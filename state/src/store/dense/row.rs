//! A revocation in 21 bytes: of its name what the shard does not tell, scrambled; its instant in 40 bits, when it is forgotten in hours, its
//! author by a number.

use std::hash::BuildHasher;

use crate::key::{Key128, Spread};
use crate::revocation::{EPOCH, Revocable, Revoked};
use crate::store::packed::{Authors, cut, whole};
use crate::time::Time;

/// Bytes of a name: what lies below the shard's bits and above those that tell the kind.
const NAME: usize = 11;

/// The bits of that.
pub(super) const NAME_BITS: u32 = 88;

/// Bits of the number of hours: what three bytes have beside the kind and whether it waits.
const HOUR_BITS: u32 = 21;

/// Names times a number that no peer knows, modulo their size: the first bits of that are spread evenly, whatever names a peer chooses (M. Dietzfelbinger et
/// al., "A reliable randomized algorithm for the closest-pair problem", 1997), and it is undone by the inverse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scramble {
    times: u128,
    back: u128,
}

impl Scramble {
    pub(super) fn new(spread: Spread) -> Scramble {
        let half = |part: u128| u128::from(spread.hash_one(Key128(part)));
        let times = (half(1) << 64 | half(2)) & SIZE | 1;
        // The inverse modulo a power of two, by Newton's method: each step doubles the bits that are right, three at first.
        let back = (0..6).fold(times, |back, _| back.wrapping_mul(2_u128.wrapping_sub(times.wrapping_mul(back))));
        Scramble { times, back: back & SIZE }
    }

    /// Where a key lies among all of its shard.
    pub(super) fn place(self, key: Key128) -> u128 {
        (key.0 >> 32).wrapping_mul(self.times) & SIZE
    }

    fn name(self, place: u128) -> u128 {
        place.wrapping_mul(self.back) & SIZE
    }
}

/// All bits of a name.
const SIZE: u128 = (1 << NAME_BITS) - 1;

/// One revocation, and whether it waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// The first bytes first, so that it is compared as it lies.
    place: [u8; NAME],
    before: [u8; 5],
    /// Hours, kind (2 bits), whether it waits.
    rest: [u8; 3],
    author: [u8; 2],
}

impl Row {
    /// `None` for what does not fit: a floor, or one of too many authors.
    pub(super) fn new(fact: &Revoked, waits: bool, (authors, scramble): (&Authors, Scramble)) -> Option<Row> {
        let rest = fact.hours << 3 | u64::from(fact.what.code()) << 1 | u64::from(waits);
        let before = fact.before.0.checked_sub(EPOCH.0)?;
        let (before, rest) = (cut(before)?, cut(rest)?);
        let author = authors.number(fact.author)?.to_le_bytes();
        let place = (scramble.place(fact.key?) << (u128::BITS - NAME_BITS)).to_be_bytes();
        Some(Row { place: *place.first_chunk()?, before, rest, author })
    }

    /// Where it lies among all of its shard.
    pub(super) fn place(&self) -> u128 {
        let mut bytes = [0; 16];
        if let Some(first) = bytes.first_chunk_mut() {
            *first = self.place;
        }
        u128::from_be_bytes(bytes) >> (u128::BITS - NAME_BITS)
    }

    fn rest(&self) -> u32 {
        whole(self.rest) as u32
    }

    /// Of its kind.
    pub(super) fn code(&self) -> u8 {
        (self.rest() >> 1 & 3) as u8
    }

    /// Which key it is of, in a shard.
    pub(super) fn key(&self, shard: u8, scramble: Scramble) -> Key128 {
        Key128(u128::from(shard) << 120 | scramble.name(self.place()) << 32 | u128::from(self.code()))
    }

    /// What was issued before it is meant.
    pub(super) fn before(&self) -> Time {
        EPOCH.plus(whole(self.before))
    }

    /// When it is forgotten, in hours since 1970.
    pub(super) fn forgotten(&self) -> u64 {
        u64::from(self.rest() >> 3 & ((1 << HOUR_BITS) - 1))
    }

    /// The revocation that it was made of, and whether that waits to be sent.
    pub(super) fn fact(&self, shard: u8, (authors, scramble): (&Authors, Scramble)) -> Option<(Revoked, bool)> {
        let fact = Revoked {
            what: Revocable::of_code(self.code())?,
            key: Some(self.key(shard, scramble)),
            before: self.before(),
            author: authors.get(u16::from_le_bytes(self.author))?,
            hours: self.forgotten(),
        };
        Some((fact, self.rest() & 1 == 1))
    }
}
