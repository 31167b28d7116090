//! Protocol version 2, written down once more, by hand and of numbers alone: what a node of the version before says and reads.
//! It shares no line with the product and is frozen: it does not change when the product does.
//!
//! ```text
//! frame = type (u8), block of kind 1: the head, block ...
//! block = kind (u8), length of the body (u32, LE), crc32 of kind and body (u32, LE), body
//! ```
//!
//! Reading is as strict as a test may be: what version 2 does not know, and what its order forbids, panics.

mod read;
mod write;

pub(super) use self::read::read;
pub(super) use self::write::write;

/// POP, node, life.
pub(super) type Author = (u16, u32, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Hello(Hello),
    Delta { author: Author, from: u64, to: u64, at: u64, blocks: Vec<Block> },
    Ack { have: u64, ranges: u64, echo: u64, held: u64, at: u64 },
    Range { from: u64, to: u64, at: u64, blocks: Vec<Block> },
    Digest { tables: u64, prefix: u16, bits: u8, parts: Vec<u64>, answer: bool, settled: bool, at: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) oldest: u16,
    pub(super) newest: u16,
    pub(super) features: u64,
    pub(super) cluster: String,
    pub(super) secret_id: u64,
    pub(super) roster_revision: u64,
    pub(super) author: Author,
    pub(super) boot: u64,
    pub(super) base: u64,
    pub(super) at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Bans(Vec<Ban>),
    Listings(Vec<Listing>),
    Counters { table: u64, rows: Vec<Row> },
    Sketches { table: u64, seen: Vec<Seen> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ban {
    pub(super) subject: String,
    pub(super) epoch: u64,
    pub(super) until: u64,
    pub(super) kept: u64,
    pub(super) level: u8,
    pub(super) reason: String,
    pub(super) made_at: u64,
    /// POP and node.
    pub(super) by: (u16, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) list: u64,
    pub(super) element: String,
    pub(super) present: bool,
    pub(super) until: u64,
    pub(super) kept: u64,
    pub(super) made_at: u64,
    /// POP and node.
    pub(super) by: (u16, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: u64,
    pub(super) author: Author,
    pub(super) head: u64,
    /// Eight fine ones and eight coarse ones.
    pub(super) cells: [u64; 16],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sketch {
    /// Prefix and tail of each.
    Marks(Vec<(u64, u8)>),
    /// Of all 1,024 registers.
    Ranks(Vec<u8>),
}

/// One slot of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: u64,
    pub(super) slot: u64,
    pub(super) sketch: Sketch,
}

fn sum(kind: u8, body: &[u8]) -> [u8; 4] {
    crc32fast::hash(&[&[kind], body].concat()).to_le_bytes()
}

/// The bits of a place in a list of so many.
fn bits_of(list: usize) -> usize {
    (0..).find(|bits| list <= 1 << bits).unwrap()
}
