//! Whole frames.

use bytes::Bytes;

use super::accounts::{self, Accounts};
use super::bans::WireBan;
use super::block::{
    self, ACCOUNTS, COUNTERS, DEBTS, FACTS, HEAD, LISTINGS, MARKS, MAXIMA, REGISTERS, REVOCATIONS, SESSIONS, SKETCHES,
};
use super::control::{self, Ack, DeltaHead, Digest, Hello, Misses, RangeHead, Retires};
use super::counters::{self, Rows};
use super::debts::{self, Debts};
use super::facts;
use super::listings::WireListing;
use super::marks::WireMark;
use super::maxima::WireMaximum;
use super::reader::Reader;
use super::registers::WireRegister;
use super::revocations::WireRevocation;
use super::sessions;
use super::sketches::{self, Sketches};
use super::{FRAME_MAX, WireError};
use crate::fact::Fact;
use crate::key::Key128;
use crate::session::Session;

pub(super) const HELLO: u8 = 1;
pub(super) const DELTA: u8 = 2;
pub(super) const ACK: u8 = 3;
pub(super) const RANGE: u8 = 4;
pub(super) const DIGEST: u8 = 5;
pub(super) const MISSES: u8 = 6;
pub(super) const RETIRES: u8 = 7;

/// A frame that came.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    Hello(Hello),
    Delta(DeltaHead, Blocks<'a>),
    Ack(Ack),
    Range(RangeHead, Blocks<'a>),
    Digest(Digest),
    Misses(Misses),
    Retires,
    /// Of a type that this version does not know.
    Unknown,
}

/// What one block carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    Counters(Rows),
    Facts(Vec<Fact>),
    Sketches(Sketches),
    Accounts(Accounts),
    /// By name.
    Sessions(Vec<(Key128, Session)>),
    /// Of snapshots alone.
    Debts(Debts),
    /// Of a kind that this version does not know.
    Unknown,
}

/// The blocks after a frame's head, decoded one by one; nothing follows an error.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Blocks<'a> {
        Blocks { rest }
    }
}

impl<'a> Frame<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, WireError> {
        if bytes.len() > FRAME_MAX {
            return Err(WireError::TooLong(bytes.len()));
        }
        let mut reader = Reader::new(bytes, "a frame");
        let frame = reader.u8()?;
        if !(HELLO..=RETIRES).contains(&frame) {
            return Ok(Frame::Unknown);
        }
        let (kind, head) = block::take(&mut reader)?;
        if kind != HEAD {
            return Err(WireError::NoHead(kind));
        }
        let blocks = Blocks { rest: reader.take(reader.left())? };
        Ok(match frame {
            HELLO => Frame::Hello(control::decode(head)?),
            DELTA => Frame::Delta(control::decode(head)?, blocks),
            ACK => Frame::Ack(control::decode(head)?),
            DIGEST => Frame::Digest(control::decode(head)?),
            MISSES => Frame::Misses(control::decode(head)?),
            RETIRES => control::decode(head).map(|Retires| Frame::Retires)?,
            _ => Frame::Range(control::decode(head)?, blocks),
        })
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<State, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut reader = Reader::new(self.rest, "a block");
        let state = block::take(&mut reader).and_then(|(kind, body)| match kind {
            COUNTERS => counters::decode(body).map(State::Counters),
            FACTS => facts::decode(body, "facts", |ban: WireBan| Fact::Ban(ban.into())).map(State::Facts),
            SKETCHES => sketches::decode(body).map(State::Sketches),
            ACCOUNTS => accounts::decode(body).map(State::Accounts),
            SESSIONS => sessions::decode(body).map(State::Sessions),
            DEBTS => debts::decode(body).map(State::Debts),
            LISTINGS => {
                let listing = |listing: WireListing| Fact::Listing(listing.into());
                facts::decode(body, "list entries", listing).map(State::Facts)
            }
            REGISTERS => {
                let register = |register: WireRegister| Fact::Register(register.into());
                facts::decode(body, "registers", register).map(State::Facts)
            }
            MAXIMA => {
                let maximum = |maximum: WireMaximum| Fact::Maximum(maximum.into());
                facts::decode(body, "numbers", maximum).map(State::Facts)
            }
            MARKS => facts::decode(body, "marks", |mark: WireMark| Fact::Mark(mark.into())).map(State::Facts),
            REVOCATIONS => {
                let revocation = |revocation: WireRevocation| Fact::Revocation(revocation.into());
                facts::decode(body, "revocations", revocation).map(State::Facts)
            }
            _ => Ok(State::Unknown),
        });
        let left = reader.left();
        self.rest = match &state {
            Ok(_) => reader.take(left).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(state)
    }
}

/// A frame of a head alone.
pub(super) fn start<T: bincode::Encode>(frame: u8, head: &T) -> Vec<u8> {
    let mut out = vec![frame];
    block::put(&mut out, HEAD, &control::encode(head));
    out
}

pub(crate) fn hello(hello: &Hello) -> Bytes {
    start(HELLO, hello).into()
}

pub(crate) fn ack(ack: &Ack) -> Bytes {
    start(ACK, ack).into()
}

pub(crate) fn digest(digest: &Digest) -> Bytes {
    start(DIGEST, digest).into()
}

pub(crate) fn misses(misses: &Misses) -> Bytes {
    start(MISSES, misses).into()
}

pub(crate) fn retires() -> Bytes {
    start(RETIRES, &Retires).into()
}
