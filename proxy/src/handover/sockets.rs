//! The listening sockets of a process, each with what it is for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a socket is for, in the words of the config: where that says port 0, it is not where the socket listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Clients without TLS.
    Http(SocketAddr),
    /// Clients with TLS.
    Https(SocketAddr),
    /// Peers.
    Peers(SocketAddr),
    /// POPs that fetch through this one.
    Shield(SocketAddr),
    /// Operators.
    Admin(PathBuf),
    /// The next process.
    Handover(PathBuf),
}

/// Sockets that are there to be taken, in order.
#[derive(Debug, Default)]
pub struct Sockets(pub(super) Vec<(Purpose, OwnedFd)>);

impl Sockets {
    /// Takes one for this purpose out, if there is any left.
    pub fn take(&mut self, purpose: &Purpose) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(known, _)| known == purpose)?;
        Some(self.0.remove(at).1)
    }

    /// Keeps another handle of a socket.
    ///
    /// # Errors
    /// When the process may have no more handles.
    pub fn keep(&mut self, purpose: Purpose, socket: &impl AsFd) -> io::Result<()> {
        self.0.push((purpose, socket.as_fd().try_clone_to_owned()?));
        Ok(())
    }
}
