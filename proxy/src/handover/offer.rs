//! The process that is taken over from: it gives handles of its sockets and what it knows, and when its successor serves, it takes no
//! more work and ends with its last request.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use selvedge_state::SnapshotHead;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::passing::{self, Card, FORM};
use super::sockets::Sockets;
use crate::keep;
use crate::link::secret::Secret;
use crate::node::Node;
use crate::observe::log;

/// What a successor says when it serves.
pub(super) const SERVES: u8 = b'S';

/// What it hears when this process takes no more work, and answers no operator.
pub(super) const LEFT: u8 = b'L';

/// How often it is told what is known after that: when this process takes no more work, and when its last request is over.
pub(super) const LATER: usize = 2;

/// How long a successor may take until it serves.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// How long it may leave something unread.
const UNREAD_MAX: Duration = Duration::from_secs(30);

/// What there is to hand over.
pub(crate) struct Offer {
    /// Where successors ask.
    pub(crate) listener: std::os::unix::net::UnixListener,
    /// All listening sockets, this one's included.
    pub(crate) sockets: Sockets,
    /// The secret of a process that has no cluster's.
    pub(crate) secret: Option<Secret>,
    /// What this process says of its state.
    pub(crate) head: SnapshotHead,
}

/// How the process ends.
pub(crate) struct End {
    /// Asks it to.
    pub(crate) ask: watch::Sender<bool>,
    /// Turns true when its last request is over.
    pub(crate) drained: watch::Receiver<bool>,
    /// What answers operators.
    pub(crate) admin: JoinHandle<io::Result<()>>,
}

/// Waits for successors until one serves; then the process is asked to end, and this goes on until its last request is over and
/// was told.
///
/// # Errors
/// When the socket cannot be listened on.
pub(crate) async fn serve(offer: Offer, node: Arc<Node>, end: End) -> io::Result<()> {
    let Offer { listener, sockets, secret, head } = offer;
    let listener = UnixListener::from_std(listener)?;
    let gift = Arc::new((sockets, secret));
    loop {
        let (stream, _) = listener.accept().await?;
        // It gets the secret of all keys and the ports of this process: the same user's processes alone may ask.
        let owner = rustix::process::geteuid().as_raw();
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0) {
            continue;
        }
        let (giver, gift_too) = (Arc::clone(&node), Arc::clone(&gift));
        let stream = stream.into_std()?;
        let said = SnapshotHead { at: node.clock.now(), ..head.clone() };
        let given = tokio::task::spawn_blocking(move || give(stream, &giver, &gift_too.0, gift_too.1.as_ref(), &said));
        match given.await.map_err(io::Error::other).flatten() {
            Ok(stream) => {
                // The sockets are the successor's alone.
                drop((listener, gift));
                return finish(stream, node, head, end).await;
            }
            Err(error) => {
                log::successor_failed(&error);
                if let Some(keeper) = &node.keeper {
                    keeper.retake();
                }
            }
        }
    }
}

/// Gives all that a successor needs, and waits until it serves.
fn give(
    mut stream: UnixStream,
    node: &Node,
    sockets: &Sockets,
    secret: Option<&Secret>,
    head: &SnapshotHead,
) -> io::Result<UnixStream> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    stream.set_write_timeout(Some(UNREAD_MAX))?;
    if let Some(keeper) = &node.keeper {
        keeper.release();
    }
    let card = Card {
        form: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        incarnation: node.incarnation.0,
        secret: secret.map(Secret::to_hex),
        sockets: sockets.0.iter().map(|(purpose, _)| purpose.clone()).collect(),
    };
    passing::send(&mut stream, &card, sockets)?;
    keep::send(&mut stream, &node.store, head)?;
    let mut said = [0];
    stream.read_exact(&mut said)?;
    if said != [SERVES] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(stream)
}

/// A successor serves: this process takes no more work, and tells it the last of what it knows.
async fn finish(mut stream: UnixStream, node: Arc<Node>, head: SnapshotHead, end: End) -> io::Result<()> {
    let End { ask, mut drained, admin } = end;
    log::handed_over();
    node.hand_over();
    // What is asked from here on is for the successor; who was asked before still answers.
    admin.abort();
    let _ = admin.await;
    if let Some(links) = node.links.get() {
        links.retire().await;
    }
    ask.send_replace(true);
    let told = tokio::task::spawn_blocking(move || {
        let head = |node: &Node| SnapshotHead { at: node.clock.now(), ..head.clone() };
        stream.write_all(&[LEFT])?;
        keep::send(&mut stream, &node.store, &head(&node))?;
        let _ = Handle::current().block_on(drained.wait_for(|drained| *drained));
        keep::send(&mut stream, &node.store, &head(&node))?;
        stream.shutdown(Shutdown::Write)
    });
    let told = told.await.map_err(io::Error::other).flatten();
    if let Err(error) = &told {
        log::successor_failed(error);
    }
    told
}
