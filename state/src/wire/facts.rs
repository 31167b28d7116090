//! Facts of all kinds: each kind in a block of its own, in bincode, few and rare beside counters. Each says in its own file what
//! one looks like; here is what bounds them in a frame and in memory.

use bincode::{Decode, Encode};

use super::WireError;
use super::block::{self, BLOCK_HEAD, FACTS, LISTINGS, MARKS, MAXIMA, REGISTERS, REVOCATIONS};
use super::{FRAME_MAX, bans, listings, marks, maxima, registers, revocations};
use crate::fact::{Fact, Kind};

/// Facts in one block.
const FACTS_MAX: usize = 256;

/// The most bytes of the blocks of all kinds before their facts.
pub(super) const HEADS_MOST: usize = Kind::ALL.len() * (BLOCK_HEAD + 3);

/// The most memory that decoding a block may claim.
const DECODE_MAX: usize = 128 * 1024;

/// The facts of a frame, by kinds.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    bans: Vec<bans::WireBan>,
    listings: Vec<listings::WireListing>,
    registers: Vec<registers::WireRegister>,
    maxima: Vec<maxima::WireMaximum>,
    marks: Vec<marks::WireMark>,
    revocations: Vec<revocations::WireRevocation>,
}

impl Facts {
    pub(super) fn is_empty(&self) -> bool {
        self.bans.is_empty()
            && self.listings.is_empty()
            && self.registers.is_empty()
            && self.maxima.is_empty()
            && self.marks.is_empty()
            && self.revocations.is_empty()
    }

    /// Takes a fact if a frame of this weight has room for it; says what it weighs.
    pub(super) fn take(&mut self, fact: &Fact, weight: usize) -> Option<usize> {
        match fact {
            Fact::Ban(fact) => take(&mut self.bans, fact, bans::MOST, weight),
            Fact::Listing(fact) => take(&mut self.listings, fact, listings::MOST, weight),
            Fact::Register(fact) => take(&mut self.registers, fact, registers::most(fact), weight),
            Fact::Maximum(fact) => take(&mut self.maxima, fact, maxima::MOST, weight),
            Fact::Mark(fact) => take(&mut self.marks, fact, marks::most(fact), weight),
            Fact::Revocation(fact) => take(&mut self.revocations, fact, revocations::MOST, weight),
        }
    }

    /// Writes what peers of this version know.
    pub(super) fn put(&self, out: &mut Vec<u8>, version: u16) {
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_in(version)) {
            match kind {
                Kind::Ban => put(out, FACTS, &self.bans),
                Kind::Listing => put(out, LISTINGS, &self.listings),
                Kind::Register => put(out, REGISTERS, &self.registers),
                Kind::Maximum => put(out, MAXIMA, &self.maxima),
                Kind::Mark => put(out, MARKS, &self.marks),
                Kind::Revocation => put(out, REVOCATIONS, &self.revocations),
            }
        }
    }
}

fn take<F, W: for<'f> From<&'f F>>(facts: &mut Vec<W>, fact: &F, most: usize, weight: usize) -> Option<usize> {
    if facts.len() >= FACTS_MAX || weight + most > FRAME_MAX {
        return None;
    }
    facts.push(W::from(fact));
    Some(most)
}

fn put<W: Encode>(out: &mut Vec<u8>, kind: u8, facts: &Vec<W>) {
    if !facts.is_empty() {
        // Writing to memory does not fail; should it, the peer refuses an empty block by name.
        block::put(out, kind, &bincode::encode_to_vec(facts, bincode::config::standard()).unwrap_or_default());
    }
}

/// The facts of a block of this kind.
pub(super) fn decode<W: Decode<()>>(
    body: &[u8],
    what: &'static str,
    fact: impl Fn(W) -> Fact,
) -> Result<Vec<Fact>, WireError> {
    let limited = bincode::config::standard().with_limit::<DECODE_MAX>();
    let read: Result<(Vec<W>, usize), _> = bincode::decode_from_slice(body, limited);
    let (wire, read) = read.map_err(|error| WireError::Facts { what, cause: error.to_string() })?;
    if read < body.len() {
        return Err(WireError::Trailing(body.len() - read));
    }
    Ok(wire.into_iter().map(fact).collect())
}
