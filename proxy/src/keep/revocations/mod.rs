//! The log of revocations: what was revoked at this node since the last snapshot, so that a crash takes nothing of it back that nobody else has heard of.
//!
//! In go the revocations of this life, as the store notes them, each as soon as the disk takes it, with all that came meanwhile; out comes, at the next start,
//! what they are. A snapshot [cuts](RevocationLog::cut) the log before it begins: what is before the cut is in it, and is [removed](RevocationLog::forget)
//! once it is on the disk. So a log is as long as what is revoked between two snapshots, and where none can be written it ends at its bound.
//!
//! The response to a request that revokes something waits for it, for a while. What cannot be written is told once, and is safe when the next snapshot is on the disk.

mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use selvedge_state::{RevocationsMade, Store, Time};
use tokio::sync::watch;

use super::segment::{self, Magic, Segment};
use crate::observe::log;

const MAGIC: &Magic = b"rvks\x01";

/// The longest that all its files may be, bytes: more than a million revocations.
const BYTES_MAX: u64 = 64 << 20;

/// The most files: a snapshot that cannot be written leaves one more.
const FILES_MAX: usize = 1_000;

/// A log that is written by a thread of its own until it is closed.
#[derive(Debug)]
pub struct RevocationLog {
    shared: Arc<Shared>,
    writing: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    folder: PathBuf,
    /// The ids of the secrets that names are hashed with: the one in force, and the one beside it.
    secrets: (u64, Option<u64>),
    store: Arc<Store>,
    files: Mutex<Files>,
    standing: watch::Sender<RevocationsStatus>,
    is_closing: AtomicBool,
    bytes_max: u64,
}

/// The files of the log.
#[derive(Default)]
struct Files {
    /// The one that is written.
    current: Option<Segment>,
    /// The number of the next one.
    next: u64,
    /// How long each is, bytes.
    lengths: BTreeMap<u64, u64>,
    /// How many were made when some could not be written.
    failed_at: u64,
}

/// What became of the log so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevocationsStatus {
    /// How many of those that were made in this life are on the disk, all before them included.
    pub durable: u64,
    /// How long it is, bytes.
    pub bytes: u64,
    /// Why some are not in it, nor in a snapshot yet.
    pub error: Option<String>,
    /// Why something of lives before could not be read, if so.
    pub damaged: Option<String>,
}

/// Where a snapshot has cut the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The first file that is not in the snapshot.
    next: u64,
    /// How many were made.
    made: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl RevocationLog {
    /// Takes what the log in a folder of state says into a store, and logs there from here on. Whatever is wrong is told. `secrets` are the ids of the
    /// secret in force and of the one beside it: what was written by another one means nothing any more.
    pub fn open(state: &Path, secrets: (u64, Option<u64>), store: &Arc<Store>, now: Time) -> Arc<RevocationLog> {
        RevocationLog::bounded(state, (secrets, BYTES_MAX), store, now)
    }

    fn bounded(
        state: &Path,
        (secrets, bytes_max): ((u64, Option<u64>), u64),
        store: &Arc<Store>,
        now: Time,
    ) -> Arc<RevocationLog> {
        let shared = Arc::new(Shared {
            folder: state.join("revocations"),
            secrets,
            store: Arc::clone(store),
            files: Mutex::default(),
            standing: watch::Sender::default(),
            is_closing: false.into(),
            bytes_max,
        });
        let made = std::fs::create_dir_all(&shared.folder).and_then(|()| std::fs::File::open(state)?.sync_all());
        if let Err(error) = made {
            shared.fail(0, &error.to_string());
        }
        let log = RevocationLog { shared, writing: Mutex::default() };
        log.begin(now);
        Arc::new(log)
    }

    /// Reads what is there, and writes behind it.
    fn begin(&self, now: Time) {
        self.shared.read_all(now);
        self.shared.is_closing.store(false, Ordering::Release);
        let writes = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("revocations".to_owned()).spawn(move || writes.run());
        match thread {
            Ok(thread) => {
                let writing = thread.thread().clone();
                self.shared.store.note_revocations(Box::new(move || writing.unpark()));
                // What was noted for one that is gone woke nobody.
                thread.thread().unpark();
                *self.writing() = Some(thread);
            }
            Err(error) => self.shared.fail(0, &error.to_string()),
        }
    }

    /// Waits until so many of those that were made in this life are on the disk.
    ///
    /// # Errors
    /// In words, when some are not in it, nor in a snapshot yet.
    pub async fn until_durable(&self, made: u64) -> Result<(), String> {
        let mut standing = self.shared.standing.subscribe();
        let is_over = |standing: &RevocationsStatus| standing.durable >= made || standing.error.is_some();
        // Its sender is held here.
        let standing = standing.wait_for(is_over).await.map(|standing| standing.clone()).unwrap_or_default();
        if standing.durable >= made { Ok(()) } else { Err(standing.error.unwrap_or_default()) }
    }

    /// What became of it so far.
    pub fn status(&self) -> RevocationsStatus {
        self.shared.standing.borrow().clone()
    }

    /// What is written from here on goes into another file: a snapshot that begins now has all that is in those of before.
    pub(crate) fn cut(&self) -> Cut {
        let mut files = self.shared.files();
        files.current = None;
        Cut { next: files.next, made: self.shared.store.revocations_made() }
    }

    /// The snapshot that began at a cut is on the disk.
    pub(crate) fn forget(&self, cut: Cut) {
        let mut files = self.shared.files();
        let over: Vec<u64> = files.lengths.range(..cut.next).map(|(number, _)| *number).collect();
        for number in over {
            match std::fs::remove_file(segment::path(&self.shared.folder, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => drop(files.lengths.remove(&number)),
            }
        }
        let is_whole = files.failed_at <= cut.made;
        self.shared.standing.send_modify(|standing| {
            standing.durable = standing.durable.max(cut.made);
            standing.bytes = files.bytes();
            standing.error = standing.error.take().filter(|_| !is_whole);
        });
    }

    /// Leaves it to another process, or to nobody: all that was revoked is on the disk, and nothing is written from here on. Blocks for as long
    /// as the disk takes.
    pub(crate) fn release(&self) {
        self.shared.is_closing.store(true, Ordering::Release);
        let Some(thread) = self.writing().take() else { return };
        thread.thread().unpark();
        // One that panicked has told so.
        let _ = thread.join();
        self.shared.files().current = None;
        self.shared.standing.send_modify(|standing| standing.error = Some("it is closed".to_owned()));
    }

    /// Takes it back from a process that did not take over, with all that it may have written.
    pub(crate) fn retake(&self, now: Time) {
        self.shared.standing.send_modify(|standing| standing.error = None);
        self.begin(now);
    }

    fn writing(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RevocationLog {
    /// Writes what there is.
    fn drop(&mut self) {
        self.release();
    }
}

impl Shared {
    fn run(&self) {
        loop {
            // Looked at first: what is revoked before somebody asks for the end is written.
            let is_closing = self.is_closing.load(Ordering::Acquire);
            let made = self.store.take_revocations();
            if !made.made.is_empty() || made.lost {
                self.write(&made);
            } else if is_closing {
                return;
            } else {
                std::thread::park();
            }
        }
    }

    /// Writes what waited, in one frame.
    fn write(&self, made: &RevocationsMade) {
        let mut files = self.files();
        let written = self.append(&mut files, made);
        let bytes = files.bytes();
        match written {
            Ok(()) => self.standing.send_modify(|standing| {
                standing.bytes = bytes;
                // Behind some that are not there it is not known which are.
                if standing.error.is_none() {
                    standing.durable = made.up_to;
                }
            }),
            Err(error) => {
                // Nothing may come behind what is torn.
                (files.current, files.failed_at) = (None, made.up_to);
                self.fail(bytes, &error);
            }
        }
    }

    fn append(&self, files: &mut Files, made: &RevocationsMade) -> Result<(), String> {
        if files.bytes() >= self.bytes_max || files.lengths.len() >= FILES_MAX {
            let (bytes, many) = (files.bytes(), files.lengths.len());
            return Err(format!("it has {bytes} bytes in {many} files, and no snapshot was written for as long"));
        }
        let records: Vec<_> = made.made.iter().map(record::encode).collect();
        let current = self.current(files).map_err(|error| error.to_string())?;
        let written = current.write(&records);
        let (number, length) = (current.number(), current.length());
        files.lengths.insert(number, length);
        written.map_err(|error| error.to_string())?;
        if made.lost { Err("more was revoked at once than it takes".to_owned()) } else { Ok(()) }
    }

    /// The file that is written: another one where there is none.
    fn current<'f>(&self, files: &'f mut Files) -> io::Result<&'f mut Segment> {
        if files.current.is_none() {
            let number = files.next;
            files.next = number.saturating_add(1);
            let begun = Segment::begin(&self.folder, MAGIC, (number, self.secrets.0), fastrand::u32(..));
            // One that was not begun holds nothing, whatever there is of it.
            files.current =
                Some(begun.inspect_err(|_| drop(std::fs::remove_file(segment::path(&self.folder, number))))?);
        }
        files.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Some are not in it. The first of a row is told.
    fn fail(&self, bytes: u64, error: &str) {
        if self.standing.borrow().error.is_none() {
            log::revocations_unlogged(&self.folder, error);
        }
        self.standing.send_modify(|standing| (standing.bytes, standing.error) = (bytes, Some(error.to_owned())));
    }

    /// Takes all that is there into the store, and goes on behind it.
    fn read_all(&self, now: Time) {
        let mut files = self.files();
        let numbers = segment::all(&self.folder).unwrap_or_else(|error| {
            self.lose(&error.to_string());
            Vec::new()
        });
        for number in numbers {
            files.next = files.next.max(number.saturating_add(1));
            let path = segment::path(&self.folder, number);
            files.lengths.insert(number, std::fs::metadata(&path).map_or(0, |file| file.len()));
            match segment::read((&self.folder, MAGIC), (number, 0), |record, _| record::decode(record)) {
                Ok(read) => {
                    if let Some(at) = read.damaged {
                        self.lose(&format!("{} is damaged at byte {at}", path.display()));
                    }
                    if read.own == self.secrets.0 || Some(read.own) == self.secrets.1 {
                        let restored = self.store.restore_revocations(read.records, now);
                        log::revocations_restored(&path, restored.taken);
                    }
                }
                Err(error) => self.lose(&format!("{}: {error}", path.display())),
            }
        }
        let bytes = files.bytes();
        self.standing.send_modify(|standing| standing.bytes = bytes);
    }

    /// Something that was revoked in a life before may be valid again.
    fn lose(&self, cause: &str) {
        log::revocations_lost(&self.folder, cause);
        self.standing.send_modify(|standing| {
            standing.damaged.get_or_insert_with(|| cause.to_owned());
        });
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn bytes(&self) -> u64 {
        self.lengths.values().sum()
    }
}
