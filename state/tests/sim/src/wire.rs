//! A link: two ends, and a way in each direction. What one end says waits in its process, then in the sockets, and comes out
//! at the other end in order. Datagrams need none of it.

use std::collections::VecDeque;

use bytes::Bytes;
use selvedge_state::{LinkId, Time};

/// From one end of a link to the other.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Frames in the sender's process.
    pub(crate) unsent: VecDeque<Bytes>,
    /// Their bytes.
    pub(crate) unsent_bytes: usize,
    /// Frames in the sockets and between them, by when they are there; oldest first.
    pub(crate) flight: VecDeque<(Time, Bytes)>,
    /// Bytes that the sender's socket holds: those of `flight`, and those that came but whose acknowledgements did not come back.
    pub(crate) socket: usize,
    /// The latter.
    pub(crate) unacknowledged: usize,
    /// When the last frame is there: the next one is not there before.
    last: Time,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The nodes at its ends. An end calls the link by the number that [`near`] gives.
    pub(crate) ends: [usize; 2],
    /// What each end says.
    pub(crate) ways: [Way; 2],
    /// What a frame takes at least, ms.
    pub(crate) delay: u64,
    pub(crate) is_up: bool,
}

/// What the ends of a wire call it.
pub(crate) fn near(wire: usize, side: usize) -> LinkId {
    LinkId((2 * wire + side) as u64)
}

/// What the other end calls a link.
pub(crate) fn far(link: LinkId) -> LinkId {
    LinkId(link.0 ^ 1)
}

/// Which wire and which end of it.
pub(crate) fn place(link: LinkId) -> (usize, usize) {
    ((link.0 / 2) as usize, (link.0 % 2) as usize)
}

impl Wire {
    pub(crate) fn new(ends: [usize; 2], delay: u64) -> Wire {
        Wire { ends, ways: Default::default(), delay, is_up: true }
    }
}

impl Way {
    /// Takes a frame from the process into the socket if it has room for it.
    pub(crate) fn next(&mut self, socket_max: usize) -> Option<Bytes> {
        let frame = self.unsent.front()?;
        if self.socket > 0 && self.socket + frame.len() > socket_max {
            return None;
        }
        self.socket += frame.len();
        self.unsent_bytes -= frame.len();
        self.unsent.pop_front()
    }

    /// Sends a frame that takes until `due` if nothing before it takes longer. Says when it is there.
    pub(crate) fn fly(&mut self, frame: Bytes, due: Time) -> Time {
        self.last = self.last.max(due);
        self.flight.push_back((self.last, frame));
        self.last
    }

    /// The first frame, if it is there.
    pub(crate) fn arrived(&mut self, now: Time, acknowledged: bool) -> Option<Bytes> {
        let (_, frame) = self.flight.pop_front_if(|(due, _)| *due <= now)?;
        if acknowledged {
            self.socket -= frame.len();
        } else {
            self.unacknowledged += frame.len();
        }
        Some(frame)
    }

    /// The way is open again: what did not come through is said once more, and so are acknowledgements.
    pub(crate) fn again(&mut self, due: Time) {
        self.socket -= std::mem::take(&mut self.unacknowledged);
        self.flight.iter_mut().for_each(|(at, _)| *at = due.max(*at));
        self.last = self.last.max(due);
    }
}
