//! How fast a link lives. A link of its own says at once what it heard, and is missed soon. Over a shared fabric what is published reaches
//! everybody, so what each receiver says to each sender is what costs: it says little, and at once only that something is missing.

/// How a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// By a connection of its own, which keeps order.
    Direct,
    /// Over a fabric that all share, which may lose what is published.
    Shared,
}

/// The times of a link, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tempo {
    /// A link with nothing to say says so this often.
    pub(super) heartbeat: u64,
    /// An acknowledgement waits so long for more to acknowledge.
    pub(super) ack_delay: u64,
    /// What waits for an acknowledgement waits at least so long before it is said again.
    pub(super) patience: u64,
    /// A peer that said nothing for so long is not heard: some heartbeats.
    pub(super) heard_for: u64,
}

const DIRECT: Tempo = Tempo { heartbeat: 500, ack_delay: 10, patience: 250, heard_for: 2_000 };

const SHARED: Tempo = Tempo { heartbeat: 5_000, ack_delay: 4_000, patience: 10_000, heard_for: 12_000 };

impl Reach {
    pub(super) fn tempo(self) -> Tempo {
        match self {
            Reach::Direct => DIRECT,
            Reach::Shared => SHARED,
        }
    }
}
