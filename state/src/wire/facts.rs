//! Facts about bans, in bincode. Few and rare beside counters, so plain.

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::WireError;
use crate::ban::{Ban, Fact, TEXT_MAX};
use crate::identity::{Actor, PopId};
use crate::time::Time;

/// Facts in one block.
pub(super) const FACTS_MAX: usize = 256;

/// The most bytes that one fact takes: two texts with their lengths, five numbers of 64 bits, level, POP, node.
pub(super) const FACT_MOST: usize = 2 * (TEXT_MAX + 1) + 5 * 9 + 1 + 3 + 5;

/// The most memory that decoding a block may claim.
const DECODE_MAX: usize = 128 * 1024;

#[derive(Encode, Decode)]
struct WireFact {
    subject: String,
    epoch: u64,
    until: u64,
    kept: u64,
    level: u8,
    reason: String,
    made_at: u64,
    pop: u16,
    node: u32,
}

pub(super) fn encode(facts: &[Fact]) -> Vec<u8> {
    let wire: Vec<WireFact> = facts.iter().map(to_wire).collect();
    // Writing to memory does not fail; should it, the peer refuses an empty block by name.
    bincode::encode_to_vec(wire, bincode::config::standard()).unwrap_or_default()
}

pub(super) fn decode(body: &[u8]) -> Result<Vec<Fact>, WireError> {
    let limited = bincode::config::standard().with_limit::<DECODE_MAX>();
    let read: Result<(Vec<WireFact>, usize), _> = bincode::decode_from_slice(body, limited);
    let (wire, read) = read.map_err(|error| WireError::Facts(error.to_string()))?;
    if read < body.len() {
        return Err(WireError::Trailing(body.len() - read));
    }
    Ok(wire.into_iter().map(from_wire).collect())
}

fn to_wire(fact: &Fact) -> WireFact {
    let Fact { ban, kept } = fact;
    WireFact {
        subject: ban.subject.to_string(),
        epoch: ban.epoch,
        until: ban.until.0,
        kept: kept.0,
        level: ban.level,
        reason: ban.reason.to_string(),
        made_at: ban.made_at.0,
        pop: ban.made_by.pop.0,
        node: ban.made_by.node,
    }
}

fn from_wire(wire: WireFact) -> Fact {
    let ban = Ban {
        subject: Arc::from(wire.subject),
        epoch: wire.epoch,
        until: Time(wire.until),
        level: wire.level,
        reason: Arc::from(wire.reason),
        made_at: Time(wire.made_at),
        made_by: Actor { pop: PopId(wire.pop), node: wire.node },
        applied_at: Time::ZERO,
    };
    Fact { ban, kept: Time(wire.kept) }
}
