//! An inherited descriptor becomes a listener: the one place that takes a raw descriptor, and the only `unsafe` in the tree.

use std::net::TcpListener;
use std::os::fd::{FromRawFd, RawFd};

/// Takes over a listening socket that the process before this one handed over.
pub(super) fn listener(descriptor: RawFd) -> TcpListener {
    // SAFETY: the descriptor was received over the upgrade socket, so this process owns it; it is taken out of Pingora's
    // table once per address, and nothing else closes it. A descriptor that is not a listening TCP socket fails at the
    // first `accept`, which is an error, not undefined behaviour.
    unsafe { TcpListener::from_raw_fd(descriptor) }
}
