//! The beginning of a life: what the log of those before says is taken in, and a new one is written with it.

use std::io;
use std::path::Path;

use selvedge_filters::purge::lives::Logged;
use selvedge_state::{Incarnation, SnapshotHead, Store};

use super::earlier::{Earlier, Forgotten};
use super::file::{self, Fault, Read};
use super::record::Head;
use super::writer::Writer;

/// The life before this one, as far as it is known elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It is not known.
    Unknown,
    /// It wrote the snapshot that was found.
    Ended(Incarnation),
    /// It still runs, and this process takes over from it: what it applied since it left the log is not told yet.
    Running(Incarnation),
}

/// Whether this node has to hear what others know before it may serve from disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// It has.
    Peers,
    /// There is nobody else, or the operator says that nothing was purged meanwhile.
    Alone,
}

/// How a log is opened.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Who runs, in which life, by which secret, and what time it is.
    pub mine: &'a SnapshotHead,
    /// The life before.
    pub before: Before,
    /// Whom to wait for.
    pub company: Company,
}

impl Opening<'_> {
    fn head(&self) -> Head {
        let SnapshotHead { cluster, secret_id, actor, incarnation, at: _ } = self.mine.clone();
        Head { cluster, secret_id, actor, life: incarnation }
    }

    /// Whether the log that was found is that of the lives before this one.
    fn check(&self, read: &Read) -> Result<(), Forgotten> {
        let (theirs, ours) = (&read.head, self.head());
        let before = match self.before {
            Before::Unknown => None,
            Before::Ended(life) | Before::Running(life) => Some(life),
        };
        match read.damaged {
            _ if (theirs.actor, &theirs.cluster) != (ours.actor, &ours.cluster) => Err(Forgotten::OtherNode),
            _ if theirs.secret_id != ours.secret_id => {
                Err(Forgotten::OtherSecret { theirs: theirs.secret_id, ours: ours.secret_id })
            }
            _ if theirs.life >= ours.life => Err(Forgotten::Later),
            _ if before > Some(theirs.life) => Err(Forgotten::Unlogged),
            Some(at) => Err(Forgotten::Damaged(at)),
            None => Ok(()),
        }
    }
}

/// Takes in what the log says, and begins a new one. The store has what the snapshot knows, and nobody says anything to it meanwhile.
pub(super) fn begin(folder: &Path, opening: &Opening<'_>, store: &Store) -> (Earlier, io::Result<Writer>) {
    let (path, head) = (file::path(folder), opening.head());
    let (logged, sound) = match file::read(&path) {
        Ok(read) => {
            let (sound, last) = (opening.check(&read), read.head.life);
            // Names mean nothing by another secret. What is damaged is true as far as it goes.
            let is_ours = matches!(sound, Ok(()) | Err(Forgotten::Damaged(_) | Forgotten::Unlogged));
            (if is_ours { read.logged } else { Logged::default() }, sound.map(|()| last))
        }
        Err(Fault::Nothing) => (Logged::default(), Err(Forgotten::NoLog)),
        Err(Fault::NoLog) => (Logged::default(), Err(Forgotten::Unreadable("it is something else".to_owned()))),
        Err(Fault::Io(error)) => (Logged::default(), Err(Forgotten::Unreadable(error.to_string()))),
    };
    let (lives, logged) = logged.begin(sound.as_ref().ok().copied(), head.life, store, opening.mine.at);
    match Writer::begin(path, head, logged) {
        Ok(writer) => (Earlier::new(lives, sound.err()), Ok(writer)),
        Err(error) => (Earlier::new(lives.forgotten(), Some(Forgotten::Unwritable(error.to_string()))), Err(error)),
    }
}
