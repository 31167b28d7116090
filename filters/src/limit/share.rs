//! What a POP may spend of a global limit while it cannot hear all the others (`on_partition`).
//!
//! A side of a partition that hears `k` of `n` POPs, itself included, takes `k/n` of rate and burst, and of a POP of which it hears some
//! nodes that part of a POP's share: the sides' shares add up to the limit. A node that has just started has heard nobody yet, so it begins with its own share alone.

use selvedge_conf::{Limit, OnPartition, Scope};
use selvedge_state::{Store, Time};

/// How much of a limit this POP may use now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Share {
    /// All POPs are heard, or the limit is not shared.
    Whole,
    /// Some are not.
    Part(Fraction),
    /// Some are not, and the limit denies then.
    Nothing,
}

impl Share {
    pub(crate) fn of(limit: &Limit, store: &Store, now: Time) -> Share {
        if limit.scope == Scope::Pop {
            return Share::Whole;
        }
        let peers = store.peers(now);
        if peers.heard >= peers.roster {
            return Share::Whole;
        }
        match limit.on_partition {
            OnPartition::Full => Share::Whole,
            OnPartition::FairShare => Share::Part(Fraction(peers.part)),
            OnPartition::Deny => Share::Nothing,
        }
    }
}

/// What those that are heard may spend together, of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fraction(pub(super) f64);
