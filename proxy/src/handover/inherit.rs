//! The process that takes over: it asks, begins with what it is given, says when it serves, and hears the rest.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use selvedge_state::{Estate, FRAME_MAX, Incarnation, Restored, SnapshotHead, Store};
use tokio::sync::oneshot;

use super::passing::{self, Card, FORM};
use super::sockets::Sockets;
use super::{beside, offer};
use crate::admin::report;
use crate::keep::{ReadError, receive};
use crate::link::secret::{Secret, SecretId};
use crate::node::Node;
use crate::observe::log;

/// How long the other process may say nothing. It waits for its last request in between.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// Why nothing that was stored on disk is served.
const UNTOLD: &str = "the process before did not say all that it purged";

/// Why nothing can be taken over.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The process there does not answer as it should.
    #[error("cannot take over at {}: {cause}", path.display())]
    Io {
        /// Its socket.
        path: PathBuf,
        /// What went wrong.
        cause: io::Error,
    },
    /// It is of another form.
    #[error(
        "cannot take over at {}: the process there is of version {version}, which hands over in another form; stop it, and start without --take-over",
        path.display()
    )]
    Form {
        /// Its socket.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// It took too long.
    #[error("process {pid} gave up on this one, and goes on: try again")]
    GoesOn {
        /// The process.
        pid: u32,
    },
    /// It is somebody else's.
    #[error("cannot take over at {}: the process there is of user {uid}", path.display())]
    Stranger {
        /// Its socket.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
}

/// What the process before gives, before this one serves. Dropped, it goes on as if nobody had asked.
#[derive(Debug)]
pub struct Inherited {
    /// Its listening sockets; those that nobody takes are closed with the process.
    pub sockets: Sockets,
    card: Card,
    stream: BufReader<UnixStream>,
}

/// What it still says while it finishes its work.
#[derive(Debug)]
pub(crate) struct Rest {
    stream: BufReader<UnixStream>,
    pid: u32,
    /// The life of the process before, and whether it leaves what it has of quotas.
    before: (Incarnation, bool),
    /// What this process would say of its own state, and the secret beside its own: what it takes.
    mine: (SnapshotHead, Option<SecretId>),
}

impl Inherited {
    /// Asks the process with this admin socket. None where no process runs.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn ask(admin: &Path) -> Result<Option<Inherited>, Refused> {
        let path = beside(admin);
        let named = |cause| Refused::Io { path: path.clone(), cause };
        let mut stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(named(error)),
        };
        let uid = rustix::net::sockopt::socket_peercred(&stream).map_err(|error| named(error.into()))?.uid;
        if !uid.is_root() && uid != rustix::process::geteuid() {
            return Err(Refused::Stranger { path, uid: uid.as_raw() });
        }
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(named)?;
        let (card, sockets) = passing::receive(&mut stream).map_err(named)?;
        if card.form != FORM {
            return Err(Refused::Form { path, version: card.version });
        }
        Ok(Some(Inherited { sockets, card, stream: BufReader::with_capacity(1 << 20, stream) }))
    }

    /// The life of the process before.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        Incarnation(self.card.incarnation)
    }

    /// Its secret, where no cluster gives one.
    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        Secret::from_hex(self.card.secret.as_deref()?)
    }

    /// Takes what it knew a moment ago into a store whose tables are there. `mine` is what this process would say of its own.
    ///
    /// # Errors
    /// [`Refused::GoesOn`] when it gave up on this process, which must not serve then.
    pub(crate) fn restore(
        mut self,
        store: &Store,
        mine: SnapshotHead,
        beside: Option<SecretId>,
    ) -> Result<(Rest, report::TookOver), Refused> {
        let restored = receive(&mut self.stream, (&mine, beside), store, mine.at);
        let (pid, at) = (self.card.pid, mine.at.0);
        if restored.as_ref().is_err_and(ReadError::is_broken_off) && is_alive(pid) {
            return Err(Refused::GoesOn { pid });
        }
        let took = told(report::TookOver { at, incarnation: self.card.incarnation, ..Default::default() }, restored);
        log::took_over(&self.card.version, &took);
        let before = (self.incarnation(), self.card.leaves);
        Ok((Rest { stream: self.stream, pid, before, mine: (mine, beside) }, took))
    }
}

fn told(mut took: report::TookOver, restored: Result<Restored, ReadError>) -> report::TookOver {
    match restored {
        Ok(Restored { taken, left }) => (took.taken, took.left) = (taken, left),
        Err(error) => took.error = Some(error.to_string()),
    }
    took
}

/// Whether a process still runs. One that cannot be asked does.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_none_or(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// How the other process took it that this one serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It takes no more work, or is gone.
    Alone,
    /// It goes on, and so this one must not.
    Not,
}

/// Says that this process serves, and as which life, where the other one leaves something.
fn serves(stream: &mut BufReader<UnixStream>, node: &Node, leaves: bool) -> io::Result<()> {
    let mut said = vec![if leaves { offer::SUCCEEDS } else { offer::SERVES }];
    if leaves {
        said.extend(node.incarnation.0.to_le_bytes());
    }
    stream.get_mut().write_all(&said)
}

/// What the other process leaves of quotas.
fn left(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Estate>> {
    let mut length = [0; size_of::<u32>()];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(Estate::decode(&frame))
}

fn told_nothing(error: &io::Error) -> Option<Estate> {
    log::predecessor_lost(Some(error));
    None
}

/// Says that this process serves, and takes what the other one still counted until it ends. Blocks for as long. `begun` hears how
/// that was taken, and `inherited` when what was left of quotas is here.
pub(crate) fn follow(rest: Rest, node: &Arc<Node>, (begun, inherited): (oneshot::Sender<Begun>, oneshot::Sender<()>)) {
    let Rest { mut stream, pid, before: (life, leaves), mine: (mine, beside) } = rest;
    // Without a cluster what is left is this process's in any case, as far as it was told.
    let alone = || mine.cluster.is_empty().then(|| Estate::of_one_alone(Some(life)));
    let mut said = [0];
    let heard = serves(&mut stream, node, leaves).and_then(|()| stream.read_exact(&mut said));
    if heard.is_err() || said != [offer::LEFT] {
        log::predecessor_lost(heard.err().as_ref());
        let goes_on = is_alive(pid);
        if let Some(log) = node.purge_log.as_ref().filter(|_| !goes_on) {
            log.lose(UNTOLD);
        }
        if let Some(estate) = alone().filter(|_| !goes_on) {
            node.store.inherit(estate, node.clock.now());
        }
        let _ = begun.send(if goes_on { Begun::Not } else { Begun::Alone });
        return;
    }
    let _ = begun.send(Begun::Alone);
    let mut left = if leaves { left(&mut stream).unwrap_or_else(|error| told_nothing(&error)) } else { alone() };
    let mut told_all = true;
    let mut inherited = Some(inherited);
    for _ in 0..offer::LATER {
        let restored = receive(&mut stream, (&mine, beside), &node.store, node.clock.now());
        let is_over = restored.as_ref().is_err_and(ReadError::is_broken_off);
        told_all &= restored.is_ok();
        // It goes with all that the other one said when it took no more work.
        if let Some(estate) = left.take().filter(|_| restored.is_ok()) {
            node.store.inherit(estate, node.clock.now());
        }
        // Whoever waits for it may be gone.
        inherited.take().map(|inherited| inherited.send(()));
        let took = node.took_over();
        node.set_took_over(took.map(|took| told(took, restored)));
        if is_over {
            break;
        }
    }
    match &node.purge_log {
        Some(log) if told_all => log.heard_before(),
        Some(log) => log.lose(UNTOLD),
        None => {}
    }
    log::predecessor_ended(node.took_over().as_ref());
}
