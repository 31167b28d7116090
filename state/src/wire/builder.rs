//! Fills a frame of state up to its bound.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::FRAME_MAX;
use super::block::{self, BLOCK_HEAD, COUNTERS, FACTS};
use super::control::{DeltaHead, RangeHead};
use super::counters::{self, AUTHOR_MOST, TABLE_MOST};
use super::facts::{self, FACT_MOST, FACTS_MAX};
use super::frame::{self, DELTA, RANGE};
use crate::ban::Fact;
use crate::counter::Row;
use crate::identity::Author;
use crate::key::Key64;

/// The most bytes of a frame's type and head: a delta's head is three numbers of 64 bits and an author.
const HEAD_MOST: usize = 1 + BLOCK_HEAD + 3 * 9 + 3 + 5 + 9;

/// Whether something went into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Taken,
    /// The frame is full; nothing was taken.
    Full,
}

/// A frame in the making. Its weight is what it takes at most, so the bytes never exceed [`FRAME_MAX`].
#[derive(Debug)]
pub(crate) struct Builder {
    rows: Vec<(u64, Key64, Author, Row)>,
    /// The (table, author) pairs met, each of which costs an entry in a block's list.
    authors: BTreeSet<(u64, Author)>,
    tables: BTreeSet<u64>,
    facts: Vec<Fact>,
    weight: usize,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        // The block of facts is always reckoned with.
        let weight = HEAD_MOST + BLOCK_HEAD + 3;
        Builder { rows: Vec::new(), authors: BTreeSet::new(), tables: BTreeSet::new(), facts: Vec::new(), weight }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.facts.is_empty()
    }

    /// Takes a row. One without cells says nothing and is left out.
    pub(crate) fn row(&mut self, table: u64, key: Key64, author: Author, row: Row) -> Room {
        if row.is_empty() {
            return Room::Taken;
        }
        let mut weight = counters::weight(&row);
        if !self.tables.contains(&table) {
            weight += BLOCK_HEAD + TABLE_MOST;
        }
        if !self.authors.contains(&(table, author)) {
            weight += AUTHOR_MOST;
        }
        if self.weight + weight > FRAME_MAX {
            return Room::Full;
        }
        self.tables.insert(table);
        self.authors.insert((table, author));
        self.weight += weight;
        self.rows.push((table, key, author, row));
        Room::Taken
    }

    pub(crate) fn fact(&mut self, fact: Fact) -> Room {
        if self.facts.len() >= FACTS_MAX || self.weight + FACT_MOST > FRAME_MAX {
            return Room::Full;
        }
        self.weight += FACT_MOST;
        self.facts.push(fact);
        Room::Taken
    }

    pub(crate) fn delta(self, head: &DeltaHead) -> Bytes {
        self.finish(frame::start(DELTA, head))
    }

    pub(crate) fn range(self, head: &RangeHead) -> Bytes {
        self.finish(frame::start(RANGE, head))
    }

    fn finish(self, mut out: Vec<u8>) -> Bytes {
        let Builder { mut rows, tables, facts, .. } = self;
        if !facts.is_empty() {
            block::put(&mut out, FACTS, &facts::encode(&facts));
        }
        rows.sort_unstable_by_key(|(table, key, author, _)| (*table, *key, *author));
        // A counter that was forgotten and made anew in one tick is on the list twice.
        rows.dedup_by_key(|(table, key, author, _)| (*table, *key, *author));
        let mut rows = rows.into_iter().peekable();
        for table in tables {
            let mut of_table = Vec::new();
            while let Some((_, key, author, row)) = rows.next_if(|(of, ..)| *of == table) {
                of_table.push((key, author, row));
            }
            block::put(&mut out, COUNTERS, &counters::encode(table, &of_table));
        }
        out.into()
    }
}
