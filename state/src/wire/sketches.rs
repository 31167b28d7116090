//! Sketches of one table of distinct counts, each of one slot of one key:
//!
//! ```text
//! table (u64, LE), greatest slot, sketches (count), then for each:
//! key (difference to the one before), slot (difference to the greatest), marks (count),
//!   a small form: each mark's prefix (difference to the one before) and tail (u8)
//!   a large form, told by a count of 0: the ranks of all registers, six bits each, the first one lowest
//! ```
//!
//! All numbers are varints, but for the table, tails and ranks. Sketches are in the order of (key, slot). A value that was seen
//! takes about 5 bytes, and a large form 768.

use super::WireError;
use super::reader::{Reader, put_varint};
use crate::key::Key64;
use crate::unique::{Mark, RANK_MAX, REGISTERS, SPARSE_MAX, Sketch};

/// The fewest bytes of a sketch: a byte each of key, slot and count, and one mark.
const SKETCH_LEAST: usize = 5;

/// Bytes of a large form.
const PACKED: usize = REGISTERS / 4 * 3;

/// The most bytes of a block beside its sketches.
pub(super) const UNIQUES_MOST: usize = 8 + 10 + 5;

/// What is known of one slot of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) key: Key64,
    pub(crate) slot: u64,
    pub(crate) sketch: Sketch,
}

/// Sketches of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sketches {
    pub(crate) table: u64,
    pub(crate) seen: Vec<Seen>,
}

/// The most bytes that a sketch takes.
pub(super) fn weight(sketch: &Sketch) -> usize {
    let form = match sketch {
        // Prefixes have 26 bits, four bytes of a varint.
        Sketch::Sparse(marks) => marks.len() * 5,
        Sketch::Dense(_) => PACKED,
    };
    10 + 10 + 2 + form
}

/// In the order of (key, slot), none of them empty.
pub(super) fn encode(table: u64, seen: &[Seen]) -> Vec<u8> {
    let mut out = table.to_le_bytes().to_vec();
    let greatest = seen.iter().map(|seen| seen.slot).max().unwrap_or_default();
    put_varint(&mut out, greatest);
    put_varint(&mut out, seen.len() as u64);
    let mut before = 0;
    for Seen { key, slot, sketch } in seen {
        put_varint(&mut out, key.0.wrapping_sub(before));
        before = key.0;
        put_varint(&mut out, greatest - slot);
        match sketch {
            Sketch::Sparse(marks) => sparse(&mut out, marks),
            Sketch::Dense(ranks) => {
                out.push(0);
                for four in ranks.chunks_exact(4) {
                    let bits = four.iter().rev().fold(0_u32, |bits, rank| bits << 6 | u32::from(*rank));
                    out.extend(bits.to_le_bytes().into_iter().take(3));
                }
            }
        }
    }
    out
}

fn sparse(out: &mut Vec<u8>, marks: &[Mark]) {
    put_varint(out, marks.len() as u64);
    let mut before = 0;
    for mark in marks {
        put_varint(out, u64::from(mark.prefix().wrapping_sub(before)));
        before = mark.prefix();
        out.push(mark.tail());
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Sketches, WireError> {
    let mut reader = Reader::new(body, "a block of sketches");
    let table = reader.u64()?;
    let greatest = reader.varint()?;
    let count = reader.count(SKETCH_LEAST)?;
    let mut seen: Vec<Seen> = Vec::with_capacity(count);
    let mut before = 0_u64;
    for _ in 0..count {
        before = before.checked_add(reader.varint()?).ok_or(WireError::Range("a key"))?;
        let key = Key64(before);
        let slot = greatest.checked_sub(reader.varint()?).ok_or(WireError::Range("a slot"))?;
        if seen.last().is_some_and(|last| (last.key, last.slot) >= (key, slot)) {
            return Err(WireError::Order("a sketch"));
        }
        let sketch = match reader.count(2)? {
            0 => packed(reader.take(PACKED)?)?,
            marks => marked(&mut reader, marks)?,
        };
        seen.push(Seen { key, slot, sketch });
    }
    reader.end()?;
    Ok(Sketches { table, seen })
}

fn marked(reader: &mut Reader<'_>, count: usize) -> Result<Sketch, WireError> {
    if count > SPARSE_MAX {
        return Err(WireError::Range("a number of marks"));
    }
    let mut marks: Vec<Mark> = Vec::with_capacity(count);
    let mut before = 0_u64;
    for _ in 0..count {
        before = before.checked_add(reader.varint()?).ok_or(WireError::Range("a mark"))?;
        let mark = Mark::new(before, reader.u8()?).ok_or(WireError::Range("a mark"))?;
        if marks.last().is_some_and(|last| last.prefix() >= mark.prefix()) {
            return Err(WireError::Order("a mark"));
        }
        marks.push(mark);
    }
    Ok(Sketch::Sparse(marks))
}

fn packed(bytes: &[u8]) -> Result<Sketch, WireError> {
    let mut ranks = Box::new([0_u8; REGISTERS]);
    for (four, bits) in ranks.chunks_exact_mut(4).zip(bytes.chunks_exact(3)) {
        let mut bits = bits.iter().rev().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        for rank in four {
            *rank = (bits & 0x3f) as u8;
            bits >>= 6;
        }
    }
    if ranks.iter().any(|rank| *rank > RANK_MAX) {
        return Err(WireError::Range("a rank"));
    }
    Ok(Sketch::Dense(ranks))
}
