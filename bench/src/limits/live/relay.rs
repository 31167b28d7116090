//! A TCP relay before the last POP's peer port: while it is cut, connections close, and new ones are closed on arrival.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Connections that it has held since it was last cut; more are closed on arrival.
const CONNECTIONS_MAX: usize = 64;

/// The wire, and what is on it.
#[derive(Default)]
struct Wire {
    is_cut: bool,
    is_over: bool,
    streams: Vec<TcpStream>,
}

/// A running relay; dropping it closes everything.
pub(super) struct Relay {
    pub(super) port: u16,
    wire: Arc<Mutex<Wire>>,
}

impl Relay {
    /// Listens on a port that the system chooses and relays to a port of this machine, which need not be listened on yet.
    pub(super) fn start(target: u16) -> Result<Relay, String> {
        let failed = |error: io::Error| format!("the relay cannot start: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let wire = Arc::new(Mutex::new(Wire::default()));
        let accepting = Arc::clone(&wire);
        thread::spawn(move || {
            for near in listener.incoming() {
                let mut wire = locked(&accepting);
                if wire.is_over {
                    return;
                }
                if !wire.is_cut && wire.streams.len() < 2 * CONNECTIONS_MAX {
                    // One that cannot be relayed is closed, and dialled again.
                    wire.streams.extend(near.and_then(|near| relay(near, target)).into_iter().flatten());
                }
            }
        });
        Ok(Relay { port, wire })
    }

    pub(super) fn cut(&self) {
        let mut wire = locked(&self.wire);
        wire.is_cut = true;
        close(&mut wire);
    }

    pub(super) fn heal(&self) {
        locked(&self.wire).is_cut = false;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let mut wire = locked(&self.wire);
        wire.is_over = true;
        close(&mut wire);
        drop(wire);
        // Wakes who accepts, to see that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn locked(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes both ends of all connections; their threads end with them.
fn close(wire: &mut Wire) {
    for stream in wire.streams.drain(..) {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Both ends of a connection that is relayed from now on, by a thread for each direction.
fn relay(near: TcpStream, target: u16) -> io::Result<[TcpStream; 2]> {
    let far = TcpStream::connect(("127.0.0.1", target))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ends = [near.try_clone()?, far.try_clone()?];
    carry(near.try_clone()?, far.try_clone()?);
    carry(far, near);
    Ok(ends)
}

/// One direction; its end is the end of both.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // However it ended.
        let _ = io::copy(&mut from, &mut to);
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
