//! From one process to the next without a connection lost: a process that starts with `--take-over` gets the listening sockets of
//! the one that runs, and what it knows, over a unix socket beside the admin socket; when it serves, the other finishes what it
//! has and ends.
//!
//! Both listen on the same sockets for a moment, so no client is ever refused. What the old process counts goes to its successor three
//! times: before that serves, when the old one takes no more work, and when its last request is over; each time all of it, since a join takes
//! nothing twice. Meanwhile both are there for peers, as two lives of one node. Until the successor says that it serves, the old process
//! gives nothing up: whatever goes wrong before is told, and it goes on.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod inherit;
mod offer;
mod passing;
mod sockets;

use std::path::{Path, PathBuf};

pub(crate) use inherit::{Begun, Rest, follow};
pub use inherit::{Inherited, Refused};
pub(crate) use offer::{End, Offer, serve};
pub use sockets::{Purpose, Sockets};

/// Where the next process asks, given the admin socket.
#[must_use]
pub fn beside(admin: &Path) -> PathBuf {
    let mut name = admin.to_path_buf().into_os_string();
    name.push(".handover");
    PathBuf::from(name)
}
