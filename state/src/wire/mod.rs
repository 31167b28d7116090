//! The wire format. Nothing outside of this folder knows a byte of it.
//!
//! ```text
//! frame = type (u8), block, block ...
//! block = kind (u8), length of the body (u32, LE), crc32 of kind and body (u32, LE), body
//! ```
//!
//! The first block of a frame is its head: a control message in bincode, decoded under a limit. The others carry state:
//! [`counters`], [`sketches`] and [`sessions`] in forms of our own, [`facts`] in bincode. Frames of an unknown type and blocks of an unknown kind are
//! skipped, so that a newer peer can say more. A message never changes: what a later version adds goes into another block.
//!
//! Decoding is total: any bytes give a value or a [`WireError`], and every count is checked against the bytes that are there
//! before anything is allocated for it.

mod accounts;
mod bans;
mod bits;
mod block;
mod builder;
mod control;
mod counters;
mod debts;
mod facts;
mod frame;
mod listings;
mod marks;
mod maxima;
mod reader;
mod registers;
mod revocations;
mod saved;
mod sessions;
mod sketches;

pub(crate) use self::accounts::Accounts;
pub(crate) use self::builder::{Builder, Room, SESSIONS_SINCE};
pub(crate) use self::control::{Ack, DeltaHead, Digest, FEATURES, Hello, Misses, OWN, RELAYS, RangeHead, SUCCEEDS};
pub(crate) use self::counters::Rows;
pub(crate) use self::debts::Debts;
pub(crate) use self::frame::{Frame, State, ack, digest, hello, misses, retires};
pub(crate) use self::saved::{
    Saved, SavedEstate, SavedHead, decode_estate, end as saved_end, estate as saved_estate, head as saved_head,
};
pub(crate) use self::sessions::{alone as session_alone, read_alone as read_session_alone, said as session_said};
pub(crate) use self::sketches::{Seen, Sketches};

/// The longest frame, in bytes, without the length that the link puts before it. A longer one is refused unread.
pub const FRAME_MAX: usize = 64 * 1024;

/// The oldest protocol version that this node speaks.
pub(crate) const OLDEST: u16 = 2;

/// The newest protocol version that this node speaks. Versions 3 and 4 have kinds of state that the ones before do not know. What is
/// optional within a version has a bit in [`Hello::features`].
pub(crate) const NEWEST: u16 = 4;

/// What is wrong with a frame. The frame is guilty, not the receiver's state, which has not changed by the bad part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("it has {0} bytes, more than a frame may have")]
    TooLong(usize),
    #[error("it ends in the middle of {0}")]
    Truncated(&'static str),
    #[error("the checksum of a block of kind {0} does not match")]
    Checksum(u8),
    #[error("its first block is of kind {0}, not its head")]
    NoHead(u8),
    #[error("its head cannot be read: {0}")]
    Head(String),
    #[error("a number in {0} is longer than 64 bits")]
    Overlong(&'static str),
    #[error("{what} says that it holds {says}, there is room for {room}")]
    Count { what: &'static str, says: u64, room: usize },
    #[error("{0} is out of order")]
    Order(&'static str),
    #[error("{0} is out of range")]
    Range(&'static str),
    #[error("{0} bytes follow the end of a block's content")]
    Trailing(usize),
    #[error("a block of {what} cannot be read: {cause}")]
    Facts { what: &'static str, cause: String },
}
