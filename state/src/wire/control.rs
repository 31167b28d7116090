//! The heads of frames, in bincode. Field order is the format: nothing is added, removed or moved; see the golden bytes.

use bincode::{Decode, Encode};

use super::{FRAME_MAX, WireError};
use crate::identity::{Actor, Author, Incarnation, PopId};

/// A feature: says whom it does not hear ([`Misses`]), and passes on what others miss.
pub(crate) const RELAYS: u64 = 1;

/// A feature: is told that a node hands over to its successor ([`Retires`]).
pub(crate) const SUCCEEDS: u64 = 2;

/// A wish, no feature: the receiver is to begin with what it counted and stated itself.
pub(crate) const OWN: u64 = 4;

/// The features of this node.
pub(crate) const FEATURES: u64 = RELAYS | SUCCEEDS;

/// Who a peer is, said first on every link and again until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Hello {
    /// The oldest and the newest protocol version it speaks.
    pub(crate) oldest: u16,
    pub(crate) newest: u16,
    /// Bits for what is optional, such as [`RELAYS`]; those that are not known mean nothing.
    pub(crate) features: u64,
    pub(crate) cluster: String,
    pub(crate) secret_id: u64,
    pub(crate) roster_revision: u64,
    pub(crate) author: WireAuthor,
    /// A random number of the process.
    pub(crate) boot: u64,
    /// Changes up to this one come by repair, later ones by deltas.
    pub(crate) base: u64,
    /// Its node time, ms.
    pub(crate) at: u64,
}

/// Changes (from, to] of its author.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DeltaHead {
    pub(crate) author: WireAuthor,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Its node time, ms.
    pub(crate) at: u64,
}

/// A piece of a repair: pieces (from, to] of this link.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RangeHead {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Its node time, ms.
    pub(crate) at: u64,
}

/// What was heard; also the heartbeat of a link with nothing else to say.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ack {
    /// All changes up to this one.
    pub(crate) have: u64,
    /// All pieces of repair up to this one.
    pub(crate) ranges: u64,
    /// The time in the newest frame heard from the receiver, by the receiver's clock, and for how long that is ago; ms.
    pub(crate) echo: u64,
    pub(crate) held: u64,
    /// Its node time, ms.
    pub(crate) at: u64,
}

/// What a node knows of a range of names, in digests: one of all of it, or one for each of its parts. From version 2 on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Digest {
    /// Which tables it counts in.
    pub(crate) tables: u64,
    /// The first bits of the names, and how many of them.
    pub(crate) prefix: u16,
    pub(crate) bits: u8,
    pub(crate) parts: Vec<u64>,
    /// Whether it answers, and wants no answer.
    pub(crate) answer: bool,
    /// Whether only what was settled is covered.
    pub(crate) settled: bool,
    /// The instant that it is about: node time of whoever asked first, ms.
    pub(crate) at: u64,
}

/// Whom a node does not hear; said to those who have the feature [`RELAYS`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Misses {
    /// By POP and node.
    actors: Vec<(u16, u32)>,
}

impl Misses {
    pub(crate) fn of(actors: &[Actor]) -> Misses {
        Misses { actors: actors.iter().map(|actor| (actor.pop.0, actor.node)).collect() }
    }

    pub(crate) fn actors(&self) -> impl Iterator<Item = Actor> {
        self.actors.iter().map(|(pop, node)| Actor { pop: PopId(*pop), node: *node })
    }
}

/// A successor of its sender listens where the sender did: whoever dialled there may dial once more, and who answers says who it is. Said
/// to those who have the feature [`SUCCEEDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Retires;

/// An [`Author`] as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct WireAuthor {
    pop: u16,
    node: u32,
    incarnation: u64,
}

impl From<Author> for WireAuthor {
    fn from(author: Author) -> WireAuthor {
        WireAuthor { pop: author.actor.pop.0, node: author.actor.node, incarnation: author.incarnation.0 }
    }
}

impl From<WireAuthor> for Author {
    fn from(wire: WireAuthor) -> Author {
        let actor = Actor { pop: PopId(wire.pop), node: wire.node };
        Author { actor, incarnation: Incarnation(wire.incarnation) }
    }
}

pub(super) fn encode<T: Encode>(message: &T) -> Vec<u8> {
    // Writing numbers and a string to memory does not fail; should it, the peer refuses an empty head by name.
    bincode::encode_to_vec(message, bincode::config::standard()).unwrap_or_default()
}

pub(super) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, WireError> {
    let limited = bincode::config::standard().with_limit::<FRAME_MAX>();
    let (message, read) = bincode::decode_from_slice(bytes, limited).map_err(|e| WireError::Head(e.to_string()))?;
    if read < bytes.len() {
        return Err(WireError::Trailing(bytes.len() - read));
    }
    Ok(message)
}
