//! The form of protocol version 1:
//!
//! ```text
//! table (u64, LE), authors (count, then POP, node, incarnation each), rows (count), greatest head,
//! keys (difference to the one before), author indexes (if there are several authors), heads (difference to the greatest),
//! masks (one byte of fine cells, one of coarse cells; bit i is the slot i before the head), values
//! ```
//!
//! All numbers are varints, but for the table and the masks. Rows are in the order of (key, author). Counts end at 32 bits there: greater
//! ones are said as the greatest, and a row that is said again never falls.

use super::{Rows, authors, authors_of, mask, put_authors, values};
use crate::counter::Row;
use crate::identity::Author;
use crate::key::Key64;
use crate::wire::WireError;
use crate::wire::reader::{Reader, put_varint};

/// The fewest bytes of a row: a byte of key, one of head, two of masks, one value.
const ROW_LEAST: usize = 5;

/// Rows are in the order of (key, author), each with a cell.
pub(in crate::wire) fn encode(table: u64, rows: &[(Key64, Author, Row)]) -> Vec<u8> {
    let authors = authors_of(rows);
    let mut out = table.to_le_bytes().to_vec();
    put_authors(&mut out, &authors);
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
            put_varint(&mut out, (*count).min(u32::MAX.into()));
        }
    }
    out
}

pub(in crate::wire) fn decode(body: &[u8]) -> Result<Rows, WireError> {
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
