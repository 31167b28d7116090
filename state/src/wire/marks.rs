//! A mark on the wire. Field order is the format.

use bincode::{Decode, Encode};

use super::control::WireAuthor;
use super::registers::{ABOUT_MOST, WireAbout};
use crate::identity::Seq;
use crate::marks::{Dot, Marked, Row};
use crate::time::Time;

/// The most bytes of a dot: an author (POP, node, incarnation), a number, a time.
const DOT_MOST: usize = 3 + 5 + 9 + 2 * 9;

#[derive(Debug, Clone, Encode, Decode)]
struct WireDot {
    author: WireAuthor,
    seq: u64,
    made_at: u64,
}

#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireMark {
    about: WireAbout,
    kept: u64,
    dots: Vec<WireDot>,
}

/// The most bytes that one takes: what it is about, a time, and its dots with their number.
pub(super) fn most(fact: &Marked) -> usize {
    ABOUT_MOST + 9 + 3 + fact.rows.len() * DOT_MOST
}

impl From<&Marked> for WireMark {
    fn from(fact: &Marked) -> WireMark {
        let dot = |row: &Row| WireDot { author: row.dot.author.into(), seq: row.dot.seq.0, made_at: row.made_at.0 };
        WireMark { about: fact.about.into(), kept: fact.kept.0, dots: fact.rows.iter().map(dot).collect() }
    }
}

impl From<WireMark> for Marked {
    fn from(wire: WireMark) -> Marked {
        let row = |dot: WireDot| Row {
            dot: Dot { author: dot.author.into(), seq: Seq(dot.seq) },
            made_at: Time(dot.made_at),
            applied: None,
        };
        Marked { about: wire.about.into(), rows: wire.dots.into_iter().map(row).collect(), kept: Time(wire.kept) }
    }
}
