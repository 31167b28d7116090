//! Listening sockets: bound before anything is served, so that a port in use is an error at start and not a retry in the dark.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::tls::Certificates;
use crate::handover::{Purpose, Sockets};

/// Connections the kernel holds for us until they are accepted.
const BACKLOG: i32 = 4096;

/// Who connects to an address.
#[derive(Debug, Clone)]
pub enum Comer {
    /// Clients: by TLS that is answered with these, plain HTTP without.
    Client(Option<Arc<Certificates>>),
    /// Other POPs, which fetch through this one.
    Child,
}

/// One address that is connected to.
#[derive(Debug)]
pub struct Listening {
    /// Where it listens; with the port the kernel chose when the config said 0.
    pub address: SocketAddr,
    /// Who connects.
    pub comer: Comer,
    /// What the config asks for.
    purpose: Purpose,
    pub(super) listener: TcpListener,
}

impl Listening {
    /// Keeps another handle of the socket.
    ///
    /// # Errors
    /// When the process may have no more handles.
    pub fn keep(&self, sockets: &mut Sockets) -> io::Result<()> {
        sockets.keep(self.purpose.clone(), &self.listener)
    }
}

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct BindError {
    /// The address from the config.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub cause: io::Error,
}

/// Binds an address, unless a socket for it was given.
///
/// # Errors
/// [`BindError`] when the address is in use, is not ours or is not allowed.
pub fn bind(address: SocketAddr, comer: Comer, given: &mut Sockets) -> Result<Listening, BindError> {
    let named = |cause| BindError { address, cause };
    let purpose = match comer {
        Comer::Client(None) => Purpose::Http(address),
        Comer::Client(Some(_)) => Purpose::Https(address),
        Comer::Child => Purpose::Shield(address),
    };
    let listener = match given.take(&purpose) {
        Some(socket) => socket.into(),
        None => open(address).map_err(named)?,
    };
    let bound = listener.local_addr().map_err(named)?;
    Ok(Listening { address: bound, comer, purpose, listener })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
