//! The heads and masks of rows are few different ones, so each *shape* is told once:
//!
//! ```text
//! table (u64, LE), authors (count, then POP, node, incarnation each), rows (count),
//! shapes (count), greatest head, for each shape: difference to the greatest head, mask of fine cells, mask of coarse cells
//! (a byte each; bit i is the slot i before the head),
//! first key (u64, LE), width (a byte), keys (differences to the one before, so many bits each),
//! author indexes, shape indexes (as many bits each as it takes; none where there is only one),
//! values
//! ```
//!
//! Numbers are varints where no width is said; columns of bits begin with the lowest bit and end at a whole byte. Rows are in the
//! order of (key, author), shapes in the order of (head, masks). Hashed keys are spread evenly, so the widest of their
//! differences is about three bits above the mean: a changed counter with one fine and one coarse cell takes about 9 bytes
//! among a thousand of ten million.

use super::{Rows, authors, authors_of, mask, put_authors, values};
use crate::counter::Row;
use crate::identity::Author;
use crate::key::Key64;
use crate::wire::WireError;
use crate::wire::bits::{BitReader, BitWriter, width_of};
use crate::wire::reader::{Reader, put_varint};

/// The fewest bytes of a row: one value.
const ROW_LEAST: usize = 1;

/// The fewest bytes of a shape: one of head, two of masks.
const SHAPE_LEAST: usize = 3;

/// Head, mask of fine cells, mask of coarse cells.
type Shape = (u64, u8, u8);

fn shape(row: &Row) -> Shape {
    (row.head, mask(&row.fine), mask(&row.coarse))
}

/// Rows are in the order of (key, author), each with a cell.
pub(in crate::wire) fn encode(table: u64, rows: &[(Key64, Author, Row)]) -> Vec<u8> {
    let authors = authors_of(rows);
    let of_rows: Vec<Shape> = rows.iter().map(|(_, _, row)| shape(row)).collect();
    let mut shapes = of_rows.clone();
    shapes.sort_unstable();
    shapes.dedup();
    let mut out = table.to_le_bytes().to_vec();
    put_authors(&mut out, &authors);
    put_varint(&mut out, rows.len() as u64);
    put_varint(&mut out, shapes.len() as u64);
    let greatest = shapes.last().map_or(0, |(head, _, _)| *head);
    put_varint(&mut out, greatest);
    for (head, fine, coarse) in &shapes {
        put_varint(&mut out, greatest - head);
        out.extend([fine, coarse]);
    }
    put_keys(&mut out, rows);
    let by = rows.iter().map(|(_, author, _)| authors.partition_point(|other| other < author));
    put_indexes(&mut out, authors.len(), by);
    put_indexes(&mut out, shapes.len(), of_rows.iter().map(|shape| shapes.partition_point(|other| other < shape)));
    for (_, _, row) in rows {
        row.fine.iter().chain(&row.coarse).filter(|count| **count > 0).for_each(|count| put_varint(&mut out, *count));
    }
    out
}

fn put_keys(out: &mut Vec<u8>, rows: &[(Key64, Author, Row)]) {
    let keys = rows.iter().map(|(key, _, _)| key.0);
    let steps = || keys.clone().zip(keys.clone().skip(1)).map(|(before, key)| key.wrapping_sub(before));
    let width = steps().max().map_or(0, |widest| 64 - widest.leading_zeros());
    out.extend_from_slice(&keys.clone().next().unwrap_or_default().to_le_bytes());
    out.push(width as u8);
    let mut bits = BitWriter::new(out, width);
    steps().for_each(|step| bits.put(step));
    bits.end();
}

/// Places in a list of so many.
fn put_indexes(out: &mut Vec<u8>, of: usize, indexes: impl Iterator<Item = usize>) {
    let mut bits = BitWriter::new(out, width_of(of));
    indexes.for_each(|index| bits.put(index as u64));
    bits.end();
}

pub(in crate::wire) fn decode(body: &[u8]) -> Result<Rows, WireError> {
    let mut reader = Reader::new(body, "a block of counters");
    let table = reader.u64()?;
    let authors = authors(&mut reader)?;
    let count = reader.count(ROW_LEAST)?;
    let shapes = shapes(&mut reader)?;
    let mut key = reader.u64()?;
    let width = reader.u8().map(u32::from)?;
    if width > 64 {
        return Err(WireError::Range("a width"));
    }
    let mut keys = BitReader::new(&mut reader, count.saturating_sub(1), width)?;
    let mut by = BitReader::new(&mut reader, count, width_of(authors.len()))?;
    let mut of = BitReader::new(&mut reader, count, width_of(shapes.len()))?;
    let mut rows: Vec<(Key64, Author, Row)> = Vec::with_capacity(count);
    for nth in 0..count {
        if nth > 0 {
            key = key.checked_add(keys.take()).ok_or(WireError::Range("a key"))?;
        }
        let author = *at(&authors, by.take()).ok_or(WireError::Range("an author's index"))?;
        let (head, fine, coarse) = *at(&shapes, of.take()).ok_or(WireError::Range("a shape's index"))?;
        if rows.last().is_some_and(|(known, by, _)| (*known, *by) >= (Key64(key), author)) {
            return Err(WireError::Order("a row"));
        }
        let mut row = Row { head, fine: [0; 8], coarse: [0; 8] };
        values(&mut reader, fine, &mut row.fine)?;
        values(&mut reader, coarse, &mut row.coarse)?;
        rows.push((Key64(key), author, row));
    }
    reader.end()?;
    Ok(Rows { table, rows })
}

fn at<T>(list: &[T], index: u64) -> Option<&T> {
    list.get(usize::try_from(index).ok()?)
}

fn shapes(reader: &mut Reader<'_>) -> Result<Vec<Shape>, WireError> {
    let count = reader.count(SHAPE_LEAST)?;
    let greatest = reader.varint()?;
    let mut shapes: Vec<Shape> = Vec::with_capacity(count);
    for _ in 0..count {
        let head = greatest.checked_sub(reader.varint()?).ok_or(WireError::Range("a head"))?;
        let shape = (head, reader.u8()?, reader.u8()?);
        if shapes.last().is_some_and(|last| *last >= shape) {
            return Err(WireError::Order("a shape"));
        }
        shapes.push(shape);
    }
    Ok(shapes)
}
