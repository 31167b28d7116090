//! A number that only grows, on the wire. Field order is the format.

use bincode::{Decode, Encode};

use super::control::WireAuthor;
use super::registers::{ABOUT_MOST, WireAbout};
use crate::maximum::Raised;
use crate::time::Time;

/// The most bytes that one takes: what it is about, the number and two times, an author (POP, node, incarnation).
pub(super) const MOST: usize = ABOUT_MOST + 3 * 9 + 3 + 5 + 9;

#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireMaximum {
    about: WireAbout,
    value: u64,
    made_at: u64,
    author: WireAuthor,
    kept: u64,
}

impl From<&Raised> for WireMaximum {
    fn from(fact: &Raised) -> WireMaximum {
        let Raised { about, value, made_at, author, kept } = *fact;
        WireMaximum { about: about.into(), value, made_at: made_at.0, author: author.into(), kept: kept.0 }
    }
}

impl From<WireMaximum> for Raised {
    fn from(wire: WireMaximum) -> Raised {
        let WireMaximum { about, value, made_at, author, kept } = wire;
        Raised { about: about.into(), value, made_at: Time(made_at), author: author.into(), kept: Time(kept) }
    }
}
