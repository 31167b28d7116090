//! What goes into a replica and what comes out of it: closed lists, no callbacks.

use std::fmt;

use bytes::Bytes;

use super::event::Event;
use crate::identity::{Actor, Incarnation, PopId};

/// One connection, by a number its owner never uses twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A link is up.
    Connected {
        /// The link.
        link: LinkId,
        /// Whom its certificate names.
        peer: PopId,
    },
    /// A node is reached over a fabric that all nodes share: what is published reaches it as well as what is sent, and either
    /// may be lost. What it published comes in as frames of this link.
    Reached {
        /// The link.
        link: LinkId,
        /// Whom the fabric vouches for.
        peer: PopId,
    },
    /// A link is gone. Also after [`Output::Close`].
    Disconnected {
        /// The link.
        link: LinkId,
    },
    /// One whole frame came.
    Frame {
        /// On which link.
        link: LinkId,
        /// The frame, without its length prefix.
        bytes: Bytes,
    },
    /// Frames left for the network.
    Sent {
        /// On which link.
        link: LinkId,
        /// How many bytes of frames.
        bytes: usize,
    },
    /// A node has left its POP for good, as those who keep its members say: it is a peer no more, unless it is linked. What it
    /// counted stays until its time is over.
    Gone {
        /// The node.
        peer: Actor,
    },
    /// This process hands over to its successor, which listens in its place: those that dialled it are told, on the links there are and
    /// on those to come. All else stays as it is until its links are gone. Saying so again changes nothing.
    Retire,
    /// The roster was changed. Links to POPs that left it are closed; what they counted stays until its time is over. What it voids
    /// was said to the store before, aside: that visits all it holds.
    Roster {
        /// Its revision.
        revision: u64,
        /// The other POPs.
        pops: Vec<PopId>,
    },
    /// The store has something to send.
    Dirty,
    /// The time that [`Replica::poll_timeout`](super::Replica::poll_timeout) named has come.
    Timeout,
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a frame.
    Send {
        /// On which link.
        link: LinkId,
        /// The frame, shared by all links that get it.
        frame: Bytes,
    },
    /// Publish a frame: to all that are [reached](Input::Reached) over the shared fabric, once. It may be lost, and is not reported
    /// as [sent](Input::Sent).
    Publish {
        /// The frame.
        frame: Bytes,
    },
    /// Close a link.
    Close {
        /// The link.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Tell the operator.
    Event(Event),
}

/// Why a link is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// Its certificate names a POP that is not a peer in the roster.
    NotInRoster(PopId),
    /// The peer speaks versions that this node does not.
    Version {
        /// The oldest that the peer speaks.
        oldest: u16,
        /// The newest that the peer speaks.
        newest: u16,
    },
    /// The peer is of another cluster.
    OtherCluster {
        /// The peer's.
        theirs: String,
        /// This node's.
        ours: String,
    },
    /// The peer hashes with another secret.
    OtherSecret {
        /// The id of the peer's.
        theirs: u64,
        /// The id of this node's.
        ours: u64,
    },
    /// The peer says that it is another POP than its certificate names.
    NotItsCertificate {
        /// What the certificate names.
        certificate: PopId,
        /// What the peer says.
        says: PopId,
    },
    /// The peer says that it is this very node: two processes share its name, or it dialled itself.
    Myself(Actor),
    /// A newer link of the same node takes over.
    Superseded {
        /// The life of the peer that the other link speaks for.
        by: Incarnation,
    },
    /// The peer sent too many frames that cannot be read or say what it may not say, and is not listened to for a while.
    Barred {
        /// For how long, ms.
        ms: u64,
    },
    /// Clocks that differed go together again: a new link begins with everything that both sides know.
    Afresh,
    /// The peer's process hands over, and has said nothing for so long that it hangs or is gone.
    Silent,
    /// No hello came in time.
    NoHello,
    /// Too many links of that POP have not said hello yet, or too many nodes are known.
    TooMany,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::NotInRoster(pop) => write!(f, "POP {pop} is not a peer in this node's roster"),
            CloseReason::Version { oldest, newest } => {
                write!(f, "the peer speaks protocol versions {oldest} to {newest}, this node only others")
            }
            CloseReason::OtherCluster { theirs, ours } => {
                write!(f, "the peer belongs to cluster {theirs:?}, this node to {ours:?}")
            }
            CloseReason::OtherSecret { theirs, ours } => {
                write!(f, "the peer has the cluster secret {theirs:016x}, this node {ours:016x}")
            }
            CloseReason::NotItsCertificate { certificate, says } => {
                write!(f, "the peer says it is POP {says}, its certificate names POP {certificate}")
            }
            CloseReason::Myself(actor) => write!(f, "the peer says it is {actor}, which is this node"),
            CloseReason::Superseded { by } => write!(f, "a newer link of that node took over (incarnation {:x})", by.0),
            CloseReason::Barred { ms } => {
                write!(f, "the peer sent too many bad frames and is not listened to for {} s", ms.div_ceil(1000))
            }
            CloseReason::TooMany => {
                write!(f, "that POP has too many links without a hello, or the cluster too many nodes")
            }
            CloseReason::Afresh => write!(f, "clocks go together again: a new link begins with all that both know"),
            CloseReason::Silent => write!(f, "the peer hands over to its successor, and fell silent"),
            CloseReason::NoHello => write!(f, "the peer did not say hello in time"),
        }
    }
}
