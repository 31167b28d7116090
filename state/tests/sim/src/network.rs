//! How frames fare between two nodes.

use selvedge_state::FRAME_MAX;

use crate::Fabric;

/// The datagram model: each frame on its own.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Frames that are lost, in a hundred.
    pub lost: u8,
    /// Frames that come twice, in a hundred.
    pub doubled: u8,
    /// The least and the most that a frame takes, ms.
    pub delay: (u64, u64),
}

/// The TCP model: frames of one direction keep their order, and none is lost while the connection stands. How long they take
/// depends on the cities of the two nodes. Bandwidth is without limit.
#[derive(Debug, Clone, Copy)]
pub struct Tcp {
    /// Segments that are lost, in a hundred. One costs a round trip, for its frame and for what follows.
    pub lost: u8,
    /// A frame takes up to so much longer than the distance asks for, ms.
    pub jitter: u64,
    /// Bytes that the sockets of one direction hold that were not acknowledged: what is beyond waits in the sender's process.
    pub socket: usize,
}

impl Tcp {
    /// A wide area: 1 % loss.
    pub const WAN: Tcp = Tcp { lost: 1, jitter: 1, socket: 4 * FRAME_MAX };
}

/// Bytes that one segment carries.
const SEGMENT: usize = 1460;

/// Which of them holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Model {
    Datagrams,
    Tcp(Tcp),
    Fabric(Fabric),
}

impl Tcp {
    /// How long a frame of so many bytes takes over a way of `way` ms.
    pub(crate) fn takes(&self, way: u64, bytes: usize, rng: &mut fastrand::Rng) -> u64 {
        let mut took = way + rng.u64(..=self.jitter);
        // What is said again is one segment, whose loss costs one more round trip.
        let mut segments = bytes.div_ceil(SEGMENT);
        while (0..segments).any(|_| rng.u8(..100) < self.lost) {
            took += 2 * way;
            segments = 1;
        }
        took
    }
}
