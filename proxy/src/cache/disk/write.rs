//! Writing files: bodies too large for memory as they come, and behind the others' backs what was stored in memory.

use std::fs::TryLockError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use pingora::http::ResponseHeader;
use selvedge_filters::cache::Reuse;
use selvedge_state::Fill;

use super::super::object::{Object, Times};
use super::super::shelf::Shelved;
use super::super::stamp::Stamp;
use super::super::storage::EntryKey;
use super::draft::{DiskFile, DraftError, Drafting};
use super::file::{FileName, FileNumber, Kept};
use super::head::Head;
use super::{Disk, chunks, file};
use crate::observe::log;

/// Bytes that may wait to be written behind. They are held in memory until then, under its cap.
const QUEUED_MAX: u64 = 64 << 20;

/// Between two looks at whether another process has let go of the folder.
const LOOK: Duration = Duration::from_millis(100);

/// What the thread that writes behind is to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Take the folder and look for what it holds.
    Open,
    /// Store something.
    Store { key: EntryKey, number: FileNumber, object: Object },
}

impl Disk {
    /// Begins: takes the folder, as soon as it is free, looks for what it holds, and writes from then on. Once.
    pub(crate) fn start(&'static self) {
        let jobs = self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(jobs) = jobs else { return };
        let _ = self.queue.send(Job::Open);
        let thread = std::thread::Builder::new().name("disk cache".to_owned());
        if let Err(error) = thread.spawn(move || self.work(&jobs)) {
            self.fail(&error);
        }
    }

    fn work(&'static self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Open => self.open_folder(),
                Job::Store { key, number, object } => {
                    self.store_behind(key, number, &object);
                    self.queued.fetch_sub(object.weight(), Ordering::AcqRel);
                }
            }
        }
    }

    fn open_folder(&'static self) {
        loop {
            match self.folder.take() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
                Err(TryLockError::Error(error)) => return self.fail(&error),
            }
        }
        match self.load() {
            Ok(()) => self.is_on.store(true, Ordering::Release),
            Err(error) => self.fail(&error),
        }
    }

    /// Takes in what the folder holds, the last written of what does not fit; all of it goes where nothing is known of purges that came before.
    fn load(&'static self) -> std::io::Result<()> {
        self.folder.clear_drafts()?;
        let forgotten = self.purges.earlier().forgotten();
        let mut dropped = 0_u64;
        for object in self.folder.objects()? {
            // Known from before it was lent to another process.
            if self.shelf.peek(object.name.key).is_some_and(|kept| kept.name == object.name) {
                continue;
            }
            let charge = self.room(file::weight(object.size)).filter(|_| forgotten.is_none());
            let Some(charge) = charge else {
                std::fs::remove_file(self.folder.object(object.name))?;
                dropped += 1;
                continue;
            };
            let kept = Arc::new(Kept::new(object.name, None, Reuse::WhileFresh, charge));
            if let Some(other) = self.shelf.put(object.name.key, kept) {
                self.unlink(&other);
            }
        }
        let (objects, bytes) = (self.shelf.objects() as u64, self.budget.used());
        log::disk_opened(self.path(), (objects, bytes), forgotten.filter(|_| dropped > 0));
        Ok(())
    }

    /// Begins a file for a body that declares `len` bytes. `None`: the tier is off, or there is no room.
    pub(crate) fn draft(&'static self, len: Option<usize>) -> Option<Drafting> {
        if !self.is_on() {
            return None;
        }
        let charge = self.room(file::weight(chunks::size(len.unwrap_or(0) as u64)))?;
        let number = self.next_number();
        Drafting::begin(self.folder.draft(number), number, charge).map_err(|error| self.fail(&error)).ok()
    }

    /// Adds to a draft. `None`: it is over.
    pub(crate) fn add(&'static self, mut drafting: Drafting, parts: &[Bytes]) -> Option<Drafting> {
        let added = drafting.add(parts, |bytes| self.room(bytes));
        self.told(added).map(|()| drafting)
    }

    /// Ends a draft of a response. `None`: it is over.
    pub(crate) fn end(
        &'static self,
        drafting: Drafting,
        key: EntryKey,
        (times, header, stamp): (Times, ResponseHeader, Stamp),
    ) -> Option<DiskFile> {
        let head = Head { times, header, stamp, life: self.life };
        let head = head.encode(key, drafting.len());
        self.told(drafting.end(&head, |bytes| self.room(bytes)))
    }

    fn told<T>(&self, result: Result<T, DraftError>) -> Option<T> {
        match result {
            Ok(done) => Some(done),
            Err(DraftError::NoRoom) => None,
            Err(DraftError::Io(error)) => {
                self.fail(&error);
                None
            }
        }
    }

    /// Puts a whole file in its place.
    pub(crate) fn publish(&self, ended: DiskFile, key: EntryKey, fill: Fill, reuse: Reuse) {
        let name = FileName { key, number: ended.number };
        let Some(charge) = ended.take_charge().filter(|_| self.is_on()) else { return };
        if let Err(error) = std::fs::rename(ended.draft.path(), self.path_of(name)) {
            return self.fail(&error);
        }
        let kept = Arc::new(Kept::new(name, Some(fill), reuse, charge));
        ended.draft.keep(Arc::clone(&kept));
        self.counters.stored.add();
        if let Some(other) = self.shelf.put(key, kept) {
            self.unlink(&other);
        }
    }

    /// Has an object that was stored in memory written, unless too much waits already.
    pub(crate) fn offer(&self, key: EntryKey, object: Object) {
        if !self.admits(object.body.len()) {
            return;
        }
        let weight = object.weight();
        let fits = |queued: u64| queued.checked_add(weight).filter(|queued| *queued <= QUEUED_MAX);
        if self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_err() {
            self.counters.dropped.add();
            return;
        }
        let number = self.next_number();
        self.waiting().insert(key, number);
        // The thread lives as long as the process.
        let _ = self.queue.send(Job::Store { key, number, object });
    }

    fn store_behind(&'static self, key: EntryKey, number: FileNumber, object: &Object) {
        let is_waited_for = || self.waiting().get(&key) == Some(&number);
        if !is_waited_for() || self.purges.broken().is_some() {
            return;
        }
        let parts = object.body.pieces().to_vec();
        let head = (object.times, object.header.get().clone(), object.stamped.stamp());
        let drafting = self.draft(Some(object.body.len())).and_then(|drafting| self.add(drafting, &parts));
        let ended = drafting.and_then(|drafting| self.end(drafting, key, head));
        // Held until it is there, or what takes it out meanwhile would find nothing to take.
        let mut waiting = self.waiting();
        if waiting.get(&key) != Some(&number) {
            return;
        }
        waiting.remove(&key);
        if let Some(ended) = ended {
            self.publish(ended, key, object.stamped.fill(), object.times.terms.reuse);
        }
    }
}
