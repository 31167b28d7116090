//! The disk tier: stored responses as files, one each, under a cap in bytes of its own.
//!
//! In go responses that were stored in memory (written behind, by one thread) and bodies too large for that (written as they come, see
//! [`Drafting`]); out come a header and a body that is read chunk by chunk. It outlives the process: files that are whole are found at the
//! next start, and what purges said of them meanwhile is in the log of purges ([`PurgeLog`]).
//!
//! What holds, whatever the disk does and however the process ends:
//!
//! - a file counts only when it is whole (it is renamed into its place), names its key, and its checksums are right: else it is a miss;
//! - who reads a file reads it to its end, whatever takes its place;
//! - what the disk refuses turns the tier off, with one event; requests go on.

mod chunks;
mod draft;
mod file;
mod find;
mod folder;
mod head;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use selvedge_filters::cache::Reuse;
use selvedge_state::{Incarnation, Store};

use super::budget::{Budget, Charge};
use super::shelf::Shelf;
use super::stats::{Counter, DiskStats};
use super::storage::EntryKey;
use crate::keep::PurgeLog;
use crate::observe::log;

pub(crate) use self::chunks::CHUNK;
pub(crate) use self::draft::{DiskFile, Draft, Drafting};
use self::file::{FileName, FileNumber, Kept};
pub(crate) use self::find::{DiskBody, Found, Judged};
pub use self::folder::DiskError;
use self::folder::Folder;
use self::write::Job;

/// What an operator may say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// The folder, which is its own.
    pub path: PathBuf,
    /// The cap in bytes.
    pub capacity: u64,
    /// The largest body, in bytes.
    pub object_max: usize,
}

/// Files that are stored, and those in the making.
#[derive(Debug)]
pub struct Disk {
    folder: Folder,
    budget: Budget,
    object_max: usize,
    shelf: Shelf<Arc<Kept>>,
    store: Arc<Store>,
    purges: Arc<PurgeLog>,
    life: Incarnation,
    numbers: AtomicU64,
    /// Whether it takes and gives anything.
    is_on: AtomicBool,
    /// Why not, once that was told.
    off: Mutex<Option<String>>,
    queue: Sender<Job>,
    jobs: Mutex<Option<Receiver<Job>>>,
    /// Bytes that wait to be written behind.
    queued: AtomicU64,
    /// The last thing of each key that waits for that.
    waiting: Mutex<HashMap<EntryKey, FileNumber>>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    hits: Counter,
    stored: Counter,
    dropped: Counter,
    evicted: Counter,
    damaged: Counter,
}

impl Disk {
    /// Opens a folder, made if there is none. Nothing is stored or found there before [`start`](Disk::start).
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(
        settings: &DiskSettings,
        purges: Arc<PurgeLog>,
        life: Incarnation,
        store: Arc<Store>,
    ) -> Result<Disk, DiskError> {
        let (queue, jobs) = channel();
        Ok(Disk {
            folder: Folder::open(&settings.path)?,
            budget: Budget::new(settings.capacity),
            object_max: settings.object_max,
            shelf: Shelf::new(),
            store,
            purges,
            life,
            numbers: AtomicU64::new(first_number(SystemTime::now())),
            is_on: AtomicBool::new(false),
            off: Mutex::new(None),
            queue,
            jobs: Mutex::new(Some(jobs)),
            queued: AtomicU64::new(0),
            waiting: Mutex::default(),
            counters: Counters::default(),
        })
    }

    /// The largest body that is stored, in bytes.
    pub(super) fn object_max(&self) -> usize {
        self.object_max
    }

    /// Whether a body of `len` bytes could be stored if everything made way.
    pub(super) fn admits(&self, len: usize) -> bool {
        self.is_on() && len <= self.object_max && file::weight(chunks::size(len as u64)) < self.budget.capacity()
    }

    /// Whether it takes anything.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Lets another process have it; what is being read goes on.
    pub fn release(&self) {
        self.is_on.store(false, Ordering::Release);
        if let Err(error) = self.folder.release() {
            log::disk_off(self.folder.path(), &error.to_string());
        }
    }

    /// Takes it back from a process that did not take over.
    pub fn retake(&self) {
        // The thread lives as long as the process.
        let _ = self.queue.send(Job::Open);
    }

    /// Counters and gauges now.
    pub(super) fn stats(&self) -> DiskStats {
        let Counters { hits, stored, dropped, evicted, damaged } = &self.counters;
        DiskStats {
            is_on: self.is_on(),
            bytes: self.budget.used(),
            capacity: self.budget.capacity(),
            objects: self.shelf.objects() as u64,
            hits: hits.get(),
            stored: stored.get(),
            dropped: dropped.get(),
            evicted: evicted.get(),
            damaged: damaged.get(),
        }
    }

    /// When what is stored under a key is an answer; `None`: nothing is.
    pub(super) fn reuse(&self, key: EntryKey) -> Option<Reuse> {
        self.shelf.peek(key).map(|kept| kept.reuse())
    }

    /// Takes out what is stored under a key, and what waits to be. Says whether there was anything.
    pub(super) fn take_out(&self, key: EntryKey) -> bool {
        let waited = self.waiting().remove(&key).is_some();
        match self.shelf.remove(key) {
            Some(kept) => {
                self.unlink(&kept);
                true
            }
            None => waited,
        }
    }

    /// Takes out one file, if it is still there.
    pub(super) fn discard(&self, kept: &Arc<Kept>) {
        if self.shelf.remove_if(kept.name.key, |known| Arc::ptr_eq(known, kept)).is_some() {
            self.unlink(kept);
        }
    }

    /// Whether a file is still the one of its key.
    pub(super) fn has(&self, kept: &Arc<Kept>) -> bool {
        self.shelf.peek(kept.name.key).is_some_and(|known| Arc::ptr_eq(&known, kept))
    }

    fn unlink(&self, kept: &Kept) {
        match std::fs::remove_file(self.folder.object(kept.name)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // What cannot be removed would come back at the next start.
            Err(error) => self.fail(&error),
        }
    }

    /// Turns it off, for as long as the process lives. The first reason is told.
    fn fail(&self, cause: &dyn std::fmt::Display) {
        self.is_on.store(false, Ordering::Release);
        let mut off = self.off.lock().unwrap_or_else(PoisonError::into_inner);
        if off.is_none() {
            let cause = cause.to_string();
            log::disk_off(self.folder.path(), &cause);
            *off = Some(cause);
        }
    }

    /// Charges bytes, evicting files until they fit. `None`: nothing is left to evict.
    fn room(&'static self, bytes: u64) -> Option<Charge> {
        if bytes > self.budget.capacity() {
            return None;
        }
        loop {
            if let Some(charge) = self.budget.take(bytes) {
                return Some(charge);
            }
            let kept = self.shelf.evict()?;
            self.unlink(&kept);
            self.counters.evicted.add();
        }
    }

    fn next_number(&self) -> FileNumber {
        FileNumber(self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn path_of(&self, name: FileName) -> PathBuf {
        self.folder.object(name)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<EntryKey, FileNumber>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Above all of processes that began before, unless the clock went back; 20 bits are for a million files in each millisecond.
fn first_number(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default() << 20
}
