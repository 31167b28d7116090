//! The process that is taken over from: it gives handles of its sockets and what it knows, and when its successor serves, it takes no
//! more work and ends with its last request.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use selvedge_state::{Incarnation, SnapshotHead};
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
use crate::stop::heard;

/// What a successor says when it serves.
pub(super) const SERVES: u8 = b'S';

/// The same, and its life follows (u64, little-endian): it takes what is left of quotas.
pub(super) const SUCCEEDS: u8 = b'T';

/// What it hears when this process takes no more work, and answers no operator.
pub(super) const LEFT: u8 = b'L';

/// How often it is told what is known after that: when this process takes no more work, and when its last request is over.
pub(super) const LATER: usize = 2;

/// The pause after a failed accept, which fails again at once while descriptors are wanting.
const REST: Duration = Duration::from_millis(100);

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
    /// Asks it to, and says when it was asked.
    pub(crate) ask: watch::Sender<bool>,
    /// Turns true when its last request is over.
    pub(crate) drained: watch::Receiver<bool>,
    /// What answers operators.
    pub(crate) admin: JoinHandle<io::Result<()>>,
    /// What still comes from the process that this one took over from.
    pub(crate) before: Option<JoinHandle<()>>,
}

/// Waits for successors until one serves; then the process is asked to end, and this goes on until its last request is over and
/// was told. Asked to end by somebody else, it gives nothing away any more.
pub(crate) async fn serve(offer: Offer, node: Arc<Node>, mut end: End) {
    let Offer { listener, sockets, secret, head } = offer;
    let mut asked = end.ask.subscribe();
    if let Some(before) = end.before.take() {
        // All that there is to give has to be here.
        tokio::select! {
            _ = before => {}
            () = heard(&mut asked) => return,
        }
    }
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return log::no_handover(&error),
    };
    let gift = Arc::new((sockets, secret));
    loop {
        let stream = tokio::select! {
            stream = next(&listener) => stream,
            () = heard(&mut asked) => return,
        };
        let Some(stream) = stream else { continue };
        let said = SnapshotHead { at: node.clock.now(), ..head.clone() };
        if let Some((stream, heir)) = offered(stream, &node, &gift, said, &mut asked).await {
            // The sockets are the successor's alone.
            drop((listener, gift));
            return finish((stream, heir), node, head, end).await;
        }
    }
}

/// The next one that may ask.
async fn next(listener: &UnixListener) -> Option<UnixStream> {
    let accepted = async {
        let (stream, _) = listener.accept().await?;
        let uid = stream.peer_cred()?.uid();
        Ok::<_, io::Error>((stream.into_std()?, uid))
    };
    match accepted.await {
        // It gets the secret of all keys and the ports of this process: the same user's processes alone may ask.
        Ok((stream, uid)) if uid == 0 || uid == rustix::process::geteuid().as_raw() => Some(stream),
        Ok((_, uid)) => {
            log::stranger(uid);
            None
        }
        Err(error) => {
            log::no_handover(&error);
            tokio::time::sleep(REST).await;
            None
        }
    }
}

/// Offers everything to one that asks; its stream, if it serves, and its life, if it says so. When this process is asked to end meanwhile, the other one is hung up on,
/// unless it serves already.
async fn offered(
    stream: UnixStream,
    node: &Arc<Node>,
    gift: &Arc<(Sockets, Option<Secret>)>,
    head: SnapshotHead,
    asked: &mut watch::Receiver<bool>,
) -> Option<(UnixStream, Option<Incarnation>)> {
    let hang_up = stream.try_clone();
    let (giver, gift) = (Arc::clone(node), Arc::clone(gift));
    let mut given = tokio::task::spawn_blocking(move || {
        let given = give(stream, &giver, &gift.0, gift.1.as_ref(), &head);
        if given.is_err() {
            retake(&giver);
        }
        given
    });
    let given = tokio::select! {
        given = &mut given => given,
        () = heard(asked) => {
            let _ = hang_up.map(|stream| stream.shutdown(Shutdown::Both));
            given.await
        }
    };
    let given = given.map_err(io::Error::other).flatten();
    given.inspect_err(log::successor_failed).ok()
}

/// Leaves the folders to a successor.
fn release(node: &Node) {
    if let Some(keeper) = &node.keeper {
        keeper.release();
    }
    if let Some(disk) = node.cache.disk() {
        disk.release();
    }
}

/// Takes the folders back from one that did not take over.
fn retake(node: &Node) {
    if let Some(keeper) = &node.keeper {
        keeper.retake(node.clock.now());
    }
    if let Some(disk) = node.cache.disk() {
        disk.retake();
    }
}

/// Gives all that a successor needs, and waits until it serves.
fn give(
    mut stream: UnixStream,
    node: &Node,
    sockets: &Sockets,
    secret: Option<&Secret>,
    head: &SnapshotHead,
) -> io::Result<(UnixStream, Option<Incarnation>)> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    stream.set_write_timeout(Some(UNREAD_MAX))?;
    release(node);
    let card = Card {
        form: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        incarnation: node.incarnation.0,
        secret: secret.map(Secret::to_hex),
        leaves: true,
        sockets: sockets.0.iter().map(|(purpose, _)| purpose.clone()).collect(),
    };
    passing::send(&mut stream, &card, sockets)?;
    keep::send(&mut stream, &node.store, head)?;
    let mut said = [0];
    stream.read_exact(&mut said)?;
    match said {
        [SERVES] => Ok((stream, None)),
        [SUCCEEDS] => {
            let mut life = [0; size_of::<u64>()];
            stream.read_exact(&mut life)?;
            Ok((stream, Some(Incarnation(u64::from_le_bytes(life)))))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Says what is left to the successor, behind its length (u32, little-endian). From here on this process has nothing of it.
fn leave(stream: &mut UnixStream, node: &Node, heir: Incarnation) -> io::Result<()> {
    let now = node.clock.now();
    node.store.close_rights(Some(heir), now);
    let estate = node.store.estate(now).and_then(|estate| estate.encode()).unwrap_or_default();
    let length = u32::try_from(estate.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&estate)
}

/// A successor serves: this process takes no more work, and tells it the last of what it knows. Where that fails, what it knows is kept
/// here, if the other one is gone.
async fn finish((mut stream, heir): (UnixStream, Option<Incarnation>), node: Arc<Node>, head: SnapshotHead, end: End) {
    let End { ask, mut drained, admin, before: _ } = end;
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
        let mut tell = || {
            stream.write_all(&[LEFT])?;
            heir.map_or(Ok(()), |heir| leave(&mut stream, &node, heir))?;
            keep::send(&mut stream, &node.store, &head(&node))?;
            Handle::current().block_on(heard(&mut drained));
            keep::send(&mut stream, &node.store, &head(&node))?;
            stream.shutdown(Shutdown::Write)
        };
        let told = tell();
        if told.is_err() {
            retake(&node);
        }
        told
    });
    if let Err(error) = told.await.map_err(io::Error::other).flatten() {
        log::successor_missed(&error);
    }
}
