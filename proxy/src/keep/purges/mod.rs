//! The log of purges: each application of a purge at this node, on disk, for what a disk tier of the cache holds over restarts.
//!
//! In go the applications of this life, as the store notes them; out comes, at the next start, what they say of things that were
//! stored before ([`Earlier`]). Who may serve from disk asks [`PurgeLog::may_serve`]; who gives a receipt waits for
//! [`PurgeLog::until_durable`].
//!
//! Where it cannot be written it is removed: then no later life takes what is stored for valid, so nothing that is purged from there on
//! has to be written down.

mod earlier;
mod file;
#[cfg(test)]
mod laws;
mod opening;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use selvedge_state::Store;
use tokio::sync::watch;

pub use self::earlier::{Earlier, Forgotten};
pub use self::opening::{Before, Company, Opening};
use self::writer::Writer;
use crate::observe::log;

/// Why no more purges are logged in this life.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It cannot be written, and is gone from the disk: no later life will take what is stored for valid.
    #[error("the log of purges cannot be written: {0}")]
    Erased(String),
    /// It can neither be written nor removed.
    #[error("the log of purges can neither be written nor removed: {0}")]
    Stuck(String),
    /// It is complete as of then: this process ends, or another takes over.
    #[error("the log of purges is closed")]
    Closed,
}

/// What keeps from serving from disk: peers have not said yet what they know.
const PEERS: u8 = 1;
/// The process before has not said all that it applied.
const BEFORE: u8 = 2;
/// Nothing is logged any more.
const BROKEN: u8 = 4;

/// A log that is written by a thread of its own until it is dropped.
#[derive(Debug)]
pub struct PurgeLog {
    path: PathBuf,
    earlier: Earlier,
    shared: Arc<Shared>,
    writing: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    standing: watch::Sender<LogStatus>,
    /// What keeps from serving from disk.
    waits: AtomicU8,
    end: Mutex<Option<End>>,
}

/// Why the thread shall end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// What there is is written.
    Close,
    /// What was applied elsewhere is lost.
    Lose(String),
}

/// What became of the log so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogStatus {
    /// The number of the application up to which all of this life are on disk.
    pub durable: u64,
    /// The length of the file, bytes.
    pub bytes: u64,
    /// Why it is not written any more.
    pub broken: Option<Broken>,
}

impl PurgeLog {
    /// Takes what the log in a folder says into a store into which the snapshot was read, before anybody says anything to that, and logs
    /// in the folder from here on. Whatever is wrong with the log is told and makes all that was stored before [gone](Forgotten).
    pub fn open(folder: &Path, opening: &Opening<'_>, store: &Arc<Store>) -> Arc<PurgeLog> {
        let (earlier, writer) = opening::begin(folder, opening, store);
        // Where there was none, nothing may have been stored either: whoever finds something says so.
        if let Some(forgotten) = earlier.forgotten().filter(|forgotten| **forgotten != Forgotten::NoLog) {
            log::purges_forgotten(folder, forgotten);
        }
        let waits = match (opening.company, opening.before) {
            (Company::Peers, Before::Running(_)) => PEERS | BEFORE,
            (Company::Peers, _) => PEERS,
            (Company::Alone, Before::Running(_)) => BEFORE,
            (Company::Alone, _) => 0,
        };
        Arc::new(PurgeLog::start(file::path(folder), (earlier, writer), waits, store))
    }

    fn start(
        path: PathBuf,
        (earlier, writer): (Earlier, io::Result<Writer>),
        waits: u8,
        store: &Arc<Store>,
    ) -> PurgeLog {
        let standing = LogStatus { durable: earlier.fill().number(), ..LogStatus::default() };
        let standing = watch::Sender::new(standing);
        let shared = Arc::new(Shared { standing, waits: waits.into(), end: Mutex::default() });
        let begun = writer.and_then(|writer| spawn(writer, Arc::clone(&shared), Arc::clone(store)));
        let writing = begun.inspect_err(|error| shared.fail(&path, error.to_string())).ok();
        PurgeLog { path, earlier, shared, writing: Mutex::new(writing) }
    }

    /// Removes the log of a node that runs without one from here on, so that no later life goes by it.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(folder: &Path) -> io::Result<()> {
        file::remove(&file::path(folder))
    }

    /// What it said when this life began.
    pub fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    /// Whether anything may be served from disk: not before what others know of purges is known here, and not while purges are not logged.
    /// One load.
    pub fn may_serve(&self) -> bool {
        self.shared.waits.load(Ordering::Acquire) == 0
    }

    /// The number of the application up to which all of this life are on disk.
    pub fn durable(&self) -> u64 {
        self.shared.standing.borrow().durable
    }

    /// Waits until all applications up to this number are on disk.
    ///
    /// # Errors
    /// [`Broken`] when they will not be.
    pub async fn until_durable(&self, number: u64) -> Result<(), Broken> {
        let mut standing = self.shared.standing.subscribe();
        let is_over = |standing: &LogStatus| standing.durable >= number || standing.broken.is_some();
        let standing = match standing.wait_for(is_over).await {
            Ok(standing) => standing.clone(),
            // Its sender is held here.
            Err(_) => return Err(Broken::Closed),
        };
        if standing.durable >= number { Ok(()) } else { Err(standing.broken.unwrap_or(Broken::Closed)) }
    }

    /// Waits until no crash can bring back what was purged up to this number: it is on disk, or the log is gone and with it all that is stored.
    ///
    /// # Errors
    /// [`Broken`] when a later life may not know of it.
    pub async fn until_safe(&self, number: u64) -> Result<(), Broken> {
        match self.until_durable(number).await {
            Ok(()) | Err(Broken::Erased(_)) => Ok(()),
            Err(broken) => Err(broken),
        }
    }

    /// Why it is not written any more, if so: nothing is served from disk then, and nothing needs to be stored there.
    pub fn broken(&self) -> Option<Broken> {
        self.shared.standing.borrow().broken.clone()
    }

    /// What became of it so far.
    pub fn standing(&self) -> LogStatus {
        self.shared.standing.borrow().clone()
    }

    /// Peers have said what they know, or had the time to.
    pub(crate) fn heard_peers(&self) {
        self.shared.waits.fetch_and(!PEERS, Ordering::AcqRel);
    }

    /// The process before has said all that it applied.
    pub(crate) fn heard_before(&self) {
        self.shared.waits.fetch_and(!BEFORE, Ordering::AcqRel);
    }

    /// What was applied elsewhere is not in it, and may have been a purge of anything: it is removed. Blocks for as long as the disk takes.
    pub(crate) fn lose(&self, cause: &str) {
        self.end(End::Lose(cause.to_owned()));
    }

    /// Writes what there is and nothing after that. Blocks for as long as the disk takes.
    pub(crate) fn close(&self) {
        self.end(End::Close);
    }

    fn end(&self, end: End) {
        self.shared.waits.fetch_or(BROKEN, Ordering::AcqRel);
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match (writing.take(), end) {
            (Some(writing), end) => {
                *self.shared.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
                writing.thread().unpark();
                // One that panicked has told so.
                let _ = writing.join();
            }
            (None, End::Lose(cause)) if self.broken() == Some(Broken::Closed) => self.shared.fail(&self.path, cause),
            (None, _) => {}
        }
    }
}

impl Drop for PurgeLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// No more is logged, and what is logged is to mean nothing.
    fn fail(&self, path: &Path, cause: String) {
        self.waits.fetch_or(BROKEN, Ordering::AcqRel);
        let broken = match file::remove(path) {
            Ok(()) => Broken::Erased(cause),
            Err(error) => Broken::Stuck(format!("{cause}; {error}")),
        };
        log::purges_unlogged(path, &broken);
        self.standing.send_modify(|standing| (standing.bytes, standing.broken) = (0, Some(broken)));
    }

    fn is_asked_to_end(&self) -> Option<End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts the thread, and has the store note what is applied.
fn spawn(writer: Writer, shared: Arc<Shared>, store: Arc<Store>) -> io::Result<JoinHandle<()>> {
    shared.standing.send_modify(|standing| standing.bytes = writer.length());
    let journal = Arc::clone(&store);
    let thread = std::thread::Builder::new().name("purges".to_owned()).spawn(move || {
        let mut writing = Writing { writer, shared, is_over: false };
        writing.run(&store);
        writing.is_over = true;
    })?;
    let writing = thread.thread().clone();
    journal.journal_purges(Box::new(move || writing.unpark()));
    Ok(thread)
}

/// What the thread does.
struct Writing {
    writer: Writer,
    shared: Arc<Shared>,
    is_over: bool,
}

impl Writing {
    fn run(&mut self, store: &Store) {
        loop {
            // Looked at first: what is applied before somebody asks for the end is written.
            let end = self.shared.is_asked_to_end();
            if let Some(End::Lose(cause)) = end {
                return self.shared.fail(self.writer.path(), cause);
            }
            let journal = store.take_journal();
            let is_idle = journal.applied.is_empty() && journal.lost.is_none();
            if !is_idle && let Err(error) = self.writer.write(&journal) {
                return self.shared.fail(self.writer.path(), error.to_string());
            }
            if !is_idle {
                let (durable, bytes) = (journal.up_to, self.writer.length());
                self.shared.standing.send_modify(|standing| (standing.durable, standing.bytes) = (durable, bytes));
            } else if end.is_some() {
                return self.shared.standing.send_modify(|standing| standing.broken = Some(Broken::Closed));
            } else {
                std::thread::park();
            }
        }
    }
}

impl Drop for Writing {
    /// A defect must not leave anybody to believe that purges are logged.
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.fail(self.writer.path(), "a defect in the thread that writes it".to_owned());
        }
    }
}
