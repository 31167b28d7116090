//! Rows of one table, in columns: neighbours in a column are alike, so numbers stay small ([`packed`]).

mod packed;

pub(super) use self::packed::{decode, encode};

use super::WireError;
use super::reader::{Reader, put_varint, varint_len};
use crate::counter::Row;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::Key64;

/// The fewest bytes of an author.
const AUTHOR_LEAST: usize = 3;

/// The most bytes of an author: varints of 16, 32 and 64 bits.
pub(super) const AUTHOR_MOST: usize = 3 + 5 + 10;

/// The most bytes of a block beside authors and rows: table, counts of authors, rows and shapes, greatest head,
/// first key, width.
pub(super) const TABLE_MOST: usize = 8 + 3 * 5 + 10 + 8 + 1;

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) table: u64,
    pub(crate) rows: Vec<(Key64, Author, Row)>,
}

/// The most bytes that a row takes beside its author.
pub(super) fn weight(row: &Row) -> usize {
    let values = row.fine.iter().chain(&row.coarse).filter(|count| **count > 0);
    // Key, author's index, head, masks, shape's index.
    10 + 3 + 10 + 2 + 2 + values.map(|count| varint_len(*count)).sum::<usize>()
}

/// The authors of these rows, in their order, each once.
fn authors_of(rows: &[(Key64, Author, Row)]) -> Vec<Author> {
    let mut authors: Vec<Author> = rows.iter().map(|(_, author, _)| *author).collect();
    authors.sort_unstable();
    authors.dedup();
    authors
}

pub(super) fn put_authors(out: &mut Vec<u8>, authors: &[Author]) {
    put_varint(out, authors.len() as u64);
    for author in authors {
        put_varint(out, u64::from(author.actor.pop.0));
        put_varint(out, u64::from(author.actor.node));
        put_varint(out, author.incarnation.0);
    }
}

pub(super) fn authors(reader: &mut Reader<'_>) -> Result<Vec<Author>, WireError> {
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

fn mask(counts: &[u64; 8]) -> u8 {
    (0..8).zip(counts).fold(0, |mask, (bit, count)| mask | u8::from(*count > 0) << bit)
}

fn values(reader: &mut Reader<'_>, mask: u8, counts: &mut [u64; 8]) -> Result<(), WireError> {
    for (bit, count) in (0..8).zip(counts) {
        if mask & (1 << bit) != 0 {
            *count = reader.varint()?;
        }
    }
    Ok(())
}
