//! What an operator may want to know. None of it needs an answer, but that whoever dials dials a node once more that
//! [retires](Event::Retires).

use std::fmt;

use super::LinkId;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::void::Void;

/// Something that happened to the replica.
#[derive(Debug, Clone, PartialEq, Eq)]

pub enum Event {
    /// A peer is heard.
    PeerUp {
        /// The peer.
        actor: Actor,
        /// Its life.
        incarnation: Incarnation,
    },
    /// A peer is not heard any more.
    PeerDown {
        /// The peer.
        actor: Actor,
    },
    /// A peer works with another revision of the roster.
    RosterDiffers {
        /// The peer.
        pop: PopId,
        /// Its revision.
        theirs: u64,
        /// This node's.
        ours: u64,
    },
    /// A peer has the secret in force that is the one beside here: the secret is being rotated, one node after another.
    SecretDiffers {
        /// The peer.
        pop: PopId,
        /// The id of its secret in force.
        theirs: u64,
        /// The id of this node's.
        ours: u64,
    },
    /// Two processes say they are the same actor in the same life: two nodes share a name or a disk image.
    SameIncarnation {
        /// The actor.
        actor: Actor,
        /// The life.
        incarnation: Incarnation,
    },
    /// A peer's process hands over to a successor that listens where it did: this node is to dial there once more, if it dialled, and keep the
    /// link. Told once per link, and not when the successor is linked already.
    Retires {
        /// The peer.
        actor: Actor,
        /// The link to the process that hands over.
        link: LinkId,
    },
    /// A peer sent a frame that cannot be read. Blocks before the bad one are taken, the rest is dropped.
    Undecodable {
        /// The peer.
        pop: PopId,
        /// What is wrong with it.
        cause: String,
    },
    /// A peer stated rows or facts in a name that it may not speak in; they are dropped. Told once per link.
    ForeignAuthor {
        /// The peer.
        pop: PopId,
        /// In whose name.
        author: Actor,
    },
    /// A peer acknowledged what was never sent; ignored. Told once per link.
    ForeignAck {
        /// The peer.
        pop: PopId,
    },
    /// A peer counts in a table that no config here knows; dropped until one does. Told once per link.
    UnknownTable {
        /// The peer.
        pop: PopId,
        /// The identity of the table.
        identity: u64,
    },
    /// A peer's cells begin too far in the future: its clock or this node's is wrong. Told once per link.
    ClockAhead {
        /// The peer.
        pop: PopId,
    },
    /// A peer's clock and this node's are further apart than the drift bound: no cells are exchanged with it.
    ClocksDiffer {
        /// The peer.
        actor: Actor,
        /// How far it is ahead, ms.
        ahead_ms: i64,
    },
    /// They go together again.
    ClocksAgree {
        /// The peer.
        actor: Actor,
    },
    /// This node's clock is the one that is wrong, if most of those heard are right: it counts for itself alone.
    ClockWrong {
        /// How far the median of the clocks heard is ahead, ms.
        ahead_ms: i64,
    },
    /// It goes with that of most again.
    ClockRight,
    /// A peer counted more than any node can; those cells are dropped. Told once per link.
    Implausible {
        /// The peer.
        pop: PopId,
    },
    /// A peer sent too many frames that cannot be read or say what it may not say: its link is ended, and it is not listened to for
    /// a while.
    Barred {
        /// The peer.
        pop: PopId,
        /// For how long, ms.
        ms: u64,
    },
    /// The roster voids what this node says in this life: it has to start again.
    Void {
        /// This node.
        author: Author,
    },
    /// A peer sent what the roster voids; dropped. It may be that it only has an older roster, so nothing else is done. Told once per link
    /// and revision of the roster here.
    VoidAuthor {
        /// The peer.
        pop: PopId,
        /// Whose lives those are, and which.
        void: Void,
    },
    /// There was no room for what a peer sent: it was dropped, or made room for itself. Told once per link.
    NoRoom {
        /// The peer.
        pop: PopId,
    },
    /// A peer sent counts of slots that are over: what it repeats, or said too late; dropped. Told once per link.
    Over {
        /// The peer.
        pop: PopId,
    },
    /// A peer has fallen behind what is kept of changes; it is repaired in ranges.
    FellBehind {
        /// The peer.
        pop: PopId,
    },
    /// The replica broke a rule of its own. A defect; the replica goes on.
    Broken {
        /// Which rule.
        rule: &'static str,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::PeerUp { actor, incarnation } => {
                write!(f, "node {actor} is heard (incarnation {:x})", incarnation.0)
            }
            Event::PeerDown { actor } => write!(f, "node {actor} is not heard any more"),
            Event::SecretDiffers { pop, theirs, ours } => {
                write!(
                    f,
                    "POP {pop} has the secret {theirs:016x} in force, this node {ours:016x}, and each knows the other's"
                )
            }
            Event::RosterDiffers { pop, theirs, ours } => {
                write!(f, "POP {pop} has roster revision {theirs}, this node {ours}")
            }
            Event::SameIncarnation { actor, incarnation } => {
                write!(f, "two processes say they are {actor} in incarnation {:x}", incarnation.0)
            }
            Event::Retires { actor, .. } => write!(f, "node {actor} hands over to its successor"),
            Event::Undecodable { pop, cause } => write!(f, "POP {pop} sent a frame that cannot be read: {cause}"),
            Event::ForeignAuthor { pop, author } => write!(f, "POP {pop} spoke in the name of {author}; dropped"),
            Event::ForeignAck { pop } => write!(f, "POP {pop} acknowledged what was never sent; ignored"),
            Event::UnknownTable { pop, identity } => {
                write!(f, "POP {pop} counts in table {identity:016x}, which no config here knows; dropped")
            }
            Event::ClockAhead { pop } => write!(f, "POP {pop} counts in slots that are too far ahead; dropped"),
            Event::ClocksDiffer { actor, ahead_ms } => {
                write!(f, "the clock of node {actor} is {}: no counts are exchanged with it", off(*ahead_ms))
            }
            Event::ClocksAgree { actor } => write!(f, "the clock of node {actor} goes with this node's again"),
            Event::ClockWrong { ahead_ms } => {
                write!(
                    f,
                    "this node's clock is wrong: that of most nodes is {}; it counts for itself alone",
                    off(*ahead_ms)
                )
            }
            Event::ClockRight => write!(f, "this node's clock goes with that of most nodes again"),
            Event::Implausible { pop } => write!(f, "POP {pop} counted more than any node can; dropped"),
            Event::Barred { pop, ms } => {
                write!(f, "POP {pop} sent too many bad frames; it is not listened to for {} s", ms / 1000)
            }
            Event::Void { author } => {
                write!(f, "the roster voids what {author} says, which is this node: it has to be restarted")
            }
            Event::VoidAuthor { pop, void: Void { actor, from, to } } => {
                write!(
                    f,
                    "POP {pop} sends what {actor} said in incarnations {:x} to {:x}, which the roster voids; dropped",
                    from.0, to.0
                )
            }
            Event::NoRoom { pop } => write!(f, "no room for all that POP {pop} sent; some of it is not kept"),
            Event::Over { pop } => write!(f, "POP {pop} sent counts of slots that are over; dropped"),
            Event::FellBehind { pop } => write!(f, "POP {pop} fell behind; repairing in ranges"),
            Event::Broken { rule } => write!(f, "a rule of the replica is broken: {rule}"),
        }
    }
}

/// How far another clock is off, in words.
fn off(ahead_ms: i64) -> String {
    let way = if ahead_ms < 0 { "behind" } else { "ahead" };
    format!("{} ms {way}", ahead_ms.unsigned_abs())
}
