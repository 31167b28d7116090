//! Rows of one table, in columns. Neighbours in a column are alike, so numbers stay small:
//!
//! ```text
//! table (u64, LE), authors (count, then POP, node, incarnation each), rows (count), greatest head,
//! keys (difference to the one before), author indexes (if there are several authors), heads (difference to the greatest),
//! masks (one byte of fine cells, one of coarse cells; bit i is the slot i before the head), values
//! ```
//!
//! All numbers are varints, but for the table and the masks. Rows are in the order of (key, author). A changed counter with
//! one fine and one coarse cell takes about 13 bytes among a thousand.

use super::WireError;
use super::reader::{Reader, put_varint, varint_len};
use crate::counter::Row;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::Key64;

/// The fewest bytes of a row: a byte of key, one of head, two of masks, one value.
const ROW_LEAST: usize = 5;

/// The fewest bytes of an author.
const AUTHOR_LEAST: usize = 3;

/// The most bytes of an author: varints of 16, 32 and 64 bits.
pub(super) const AUTHOR_MOST: usize = 3 + 5 + 10;

/// The most bytes of a block beside authors and rows.
pub(super) const TABLE_MOST: usize = 8 + 5 + 5 + 10;

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) table: u64,
    pub(crate) rows: Vec<(Key64, Author, Row)>,
}

/// The most bytes that a row takes beside its author.
pub(super) fn weight(row: &Row) -> usize {
    let values = row.fine.iter().chain(&row.coarse).filter(|count| **count > 0);
    // Key, author index, head, masks.
    10 + 3 + 10 + 2 + values.map(|count| varint_len(u64::from(*count))).sum::<usize>()
}

/// Rows are in the order of (key, author), each with a cell.
pub(super) fn encode(table: u64, rows: &[(Key64, Author, Row)]) -> Vec<u8> {
    let mut authors: Vec<Author> = rows.iter().map(|(_, author, _)| *author).collect();
    authors.sort_unstable();
    authors.dedup();
    let mut out = table.to_le_bytes().to_vec();
    put_varint(&mut out, authors.len() as u64);
    for author in &authors {
        put_varint(&mut out, u64::from(author.actor.pop.0));
        put_varint(&mut out, u64::from(author.actor.node));
        put_varint(&mut out, author.incarnation.0);
    }
    put_varint(&mut out, rows.len() as u64);
    let greatest = rows.iter().map(|(_, _, row)| row.head).max().unwrap_or_default();
    put_varint(&mut out, greatest);
    let mut before = 0;
    for (key, _, _) in rows {
        put_varint(&mut out, key.0.wrapping_sub(before));
        before = key.0;
    }
    if authors.len() > 1 {
        for (_, author, _) in rows {
            put_varint(&mut out, authors.partition_point(|other| other < author) as u64);
        }
    }
    for (_, _, row) in rows {
        put_varint(&mut out, greatest - row.head);
    }
    for (_, _, row) in rows {
        out.push(mask(&row.fine));
        out.push(mask(&row.coarse));
    }
    for (_, _, row) in rows {
        for count in row.fine.iter().chain(&row.coarse).filter(|count| **count > 0) {
            put_varint(&mut out, u64::from(*count));
        }
    }
    out
}

fn mask(counts: &[u32; 8]) -> u8 {
    (0..8).zip(counts).fold(0, |mask, (bit, count)| mask | u8::from(*count > 0) << bit)
}

pub(super) fn decode(body: &[u8]) -> Result<Rows, WireError> {
    let mut reader = Reader::new(body, "a block of counters");
    let table = reader.u64()?;
    let authors = authors(&mut reader)?;
    let count = reader.count(ROW_LEAST)?;
    let greatest = reader.varint()?;
    let mut keys = Vec::with_capacity(count);
    let mut before = 0_u64;
    for _ in 0..count {
        before = before.checked_add(reader.varint()?).ok_or(WireError::Range("a key"))?;
        keys.push(Key64(before));
    }
    let mut by = Vec::with_capacity(count);
    for _ in 0..count {
        let index = if authors.len() > 1 { reader.varint()? } else { 0 };
        let author = usize::try_from(index).ok().and_then(|index| authors.get(index));
        by.push(*author.ok_or(WireError::Range("an author's index"))?);
    }
    let mut rows: Vec<(Key64, Author, Row)> = Vec::with_capacity(count);
    for (key, author) in keys.into_iter().zip(by) {
        let head = greatest.checked_sub(reader.varint()?).ok_or(WireError::Range("a head"))?;
        if rows.last().is_some_and(|(known, by, _)| (*known, *by) >= (key, author)) {
            return Err(WireError::Order("a row"));
        }
        rows.push((key, author, Row { head, fine: [0; 8], coarse: [0; 8] }));
    }
    let mut masks = Reader::new(reader.take(count.saturating_mul(2))?, "masks");
    for (_, _, row) in &mut rows {
        let (fine, coarse) = (masks.u8()?, masks.u8()?);
        values(&mut reader, fine, &mut row.fine)?;
        values(&mut reader, coarse, &mut row.coarse)?;
    }
    reader.end()?;
    Ok(Rows { table, rows })
}

fn authors(reader: &mut Reader<'_>) -> Result<Vec<Author>, WireError> {
    let count = reader.count(AUTHOR_LEAST)?;
    let mut authors: Vec<Author> = Vec::with_capacity(count);
    for _ in 0..count {
        let pop = u16::try_from(reader.varint()?).map_err(|_| WireError::Range("an author's POP"))?;
        let node = u32::try_from(reader.varint()?).map_err(|_| WireError::Range("an author's node"))?;
        let author = Author { actor: Actor { pop: PopId(pop), node }, incarnation: Incarnation(reader.varint()?) };
        if authors.last().is_some_and(|last| *last >= author) {
            return Err(WireError::Order("an author"));
        }
        authors.push(author);
    }
    Ok(authors)
}

fn values(reader: &mut Reader<'_>, mask: u8, counts: &mut [u32; 8]) -> Result<(), WireError> {
    for (bit, count) in (0..8).zip(counts) {
        if mask & (1 << bit) != 0 {
            *count = u32::try_from(reader.varint()?).map_err(|_| WireError::Range("a count"))?;
        }
    }
    Ok(())
}
