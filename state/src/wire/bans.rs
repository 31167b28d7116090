//! A ban on the wire. Field order is the format.

use std::sync::Arc;

use bincode::{Decode, Encode};

use crate::ban::{Ban, Banning, TEXT_MAX};
use crate::identity::{Actor, PopId};
use crate::time::Time;

/// The most bytes that one takes: two texts with their lengths, five numbers of 64 bits, level, POP, node.
pub(super) const MOST: usize = 2 * (TEXT_MAX + 1) + 5 * 9 + 1 + 3 + 5;

#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct WireBan {
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

impl From<&Banning> for WireBan {
    fn from(fact: &Banning) -> WireBan {
        let Banning { ban, kept, trail: _ } = fact;
        WireBan {
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
}

impl From<WireBan> for Banning {
    fn from(wire: WireBan) -> Banning {
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
        Banning { ban, kept: Time(wire.kept), trail: Vec::new() }
    }
}
