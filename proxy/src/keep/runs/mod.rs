//! What was run under idempotency keys, on disk: a log in the folder of the state, in files that are removed when all that they hold is over.
//!
//! In goes a request's key; out comes a [`Turn`] to run it, once that it is about to be run is on the disk, or what came of it before. A turn that nobody ends, in
//! this process or with it, leaves its key in doubt. One process of a node owns the log at a time: from [`Runs::release`] on none is begun here, and
//! all that was begun is on the disk; how those end that still run is read where the next process asks for them.

mod record;
mod room;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use selvedge_filters::idempotency::{Asked, Fence, Keys, Name, Print, Recalled, Refusal, Run};
use selvedge_state::Time;

pub use self::record::Kept;
use self::room::{Promise, Room};
use self::segment::{Fault, Place};
use self::writer::{Unwritten, Writer};
use crate::clock::Clock;
use crate::observe::log;

/// Bytes of an outcome beside the body of the response: its fields are bounded by what Pingora reads of a header.
const OUTCOME: u64 = 128 << 10;

/// How much is known, and may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most keys.
    pub keys: usize,
    /// The most bytes on the disk.
    pub bytes: u64,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Said {
    /// It may be run.
    Run(Turn),
    /// It was run, and answered with this.
    Again(Box<Kept>),
    /// It is not run.
    No(Refusal),
}

/// A request with a key.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// What its key is called.
    pub name: Name,
    /// What it asks for.
    pub print: Print,
    /// How long its key means the same, ms.
    pub lifetime: u64,
    /// The longest body of a response that is kept, bytes.
    pub response_max: u64,
}

/// The log of one node.
#[derive(Debug)]
pub struct Runs {
    folder: PathBuf,
    clock: Clock,
    known: Mutex<Known>,
    room: Arc<Room>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Known {
    keys: Keys<Place>,
    /// Up to where the files were read that another process wrote, or this one before it handed over.
    read: BTreeMap<u64, u64>,
    /// Another process is about to own the log.
    is_released: bool,
    /// What was run may not be known, and nothing is run.
    trouble: Option<String>,
}

/// How the log is, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunsStatus {
    /// Keys that are known.
    pub keys: usize,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Why nothing is run, if so.
    pub error: Option<String>,
}

impl Runs {
    /// The log in a folder of state, which this process owns. What is wrong with it is told, and keeps requests with keys from being run.
    pub fn open(state: &Path, bounds: Bounds, clock: &Clock) -> Arc<Runs> {
        let folder = state.join("idempotency");
        let room = Room::new(bounds.bytes);
        let known = Known { keys: Keys::new(bounds.keys), read: BTreeMap::new(), is_released: false, trouble: None };
        let made = std::fs::create_dir_all(&folder).and_then(|()| std::fs::File::open(state)?.sync_all());
        let writer = made.and_then(|()| Writer::start(&folder, 0, Arc::clone(&room)));
        let (writer, error) = writer.map_or_else(|error| (None, Some(error)), |writer| (Some(writer), None));
        let runs = Runs { folder, clock: clock.clone(), known: Mutex::new(known), room, writer };
        match error {
            Some(error) => runs.fail(&runs.folder, &error),
            None => runs.read_all(),
        }
        Arc::new(runs)
    }

    /// What becomes of a request. That it is about to be run is on the disk when this says that it may.
    pub async fn ask(self: &Arc<Runs>, question: Question) -> Said {
        let asked = match self.asked(question) {
            // The process before may have written down how it ended.
            Begun::Asked(Asked::No(Refusal::InDoubt)) if self.catch_up().await => self.asked(question),
            asked => asked,
        };
        let (turn, written) = match asked {
            Begun::Turn(turn, written) => (turn, written),
            Begun::Asked(Asked::No(refusal)) => return Said::No(refusal),
            Begun::Asked(Asked::Again(place)) => return self.again(place).await,
            Begun::Asked(Asked::Run { .. }) => return Said::No(Refusal::Unwritable),
        };
        match written.on_disk().await {
            Ok(_) => Said::Run(turn),
            Err(Unwritten) => {
                turn.void();
                Said::No(Refusal::Unwritable)
            }
        }
    }

    /// Whether something is known of a key.
    pub fn knows(&self, name: &Name) -> bool {
        self.known().keys.knows(name, self.clock.now())
    }

    /// How it is.
    pub fn status(&self) -> RunsStatus {
        let known = self.known();
        let is_failing = self.writer.as_ref().is_some_and(Writer::is_failing);
        let error = known.trouble.clone().or_else(|| is_failing.then(|| "it cannot be written".to_owned()));
        RunsStatus { keys: known.keys.len(), bytes: self.room.bytes(), error }
    }

    /// Leaves it to another process: from here on nothing is begun, and all that was begun is on the disk. Blocks for as long as the disk takes.
    pub(crate) fn release(&self) {
        let flushed = {
            let mut known = self.known();
            known.is_released = true;
            let now = self.clock.now();
            // Behind all that was begun: says nothing by itself.
            let nothing = record::void(&Name::from_bytes([0; 32]), Fence(0));
            self.writer.as_ref().map(|writer| writer.write(nothing, (now, now), known.keys.fence()))
        };
        // Where it cannot be written, what was begun is not run.
        let _ = flushed.map(writer::Written::wait);
    }

    /// Takes it back from one that did not take over, with all that it may have written.
    pub(crate) fn retake(&self) {
        self.read_all();
        self.known().is_released = false;
    }

    /// Asks, and has it written down that something is about to be run before anybody else is asked.
    fn asked(self: &Arc<Runs>, question: Question) -> Begun {
        let Question { name, print, lifetime, response_max } = question;
        let now = self.clock.now();
        let mut known = self.known();
        let no = |refusal| Begun::Asked(Asked::No(refusal));
        let Some(writer) = self.writer.as_ref().filter(|_| known.trouble.is_none()) else {
            return no(Refusal::Unwritable);
        };
        if known.is_released {
            return no(Refusal::Leaving);
        }
        let Asked::Run { fence, end } = (match known.keys.ask(name, print, lifetime, now) {
            run @ Asked::Run { .. } => run,
            asked => return Begun::Asked(asked),
        }) else {
            return no(Refusal::Unwritable);
        };
        let Some(promise) = self.room.promise(response_max.saturating_add(OUTCOME)) else {
            known.keys.void(&name, fence);
            return no(Refusal::Full);
        };
        let run = Run { name, print, fence, end };
        let written = writer.write(record::intent(&run), (end, now), known.keys.fence());
        Begun::Turn(Turn { runs: Arc::clone(self), run, _promise: promise, is_over: false }, written)
    }

    /// What a request was answered with.
    async fn again(self: &Arc<Runs>, place: Place) -> Said {
        let runs = Arc::clone(self);
        let fetched = tokio::task::spawn_blocking(move || segment::fetch(&runs.folder, place)).await;
        match fetched.map_err(io::Error::other).flatten() {
            Ok(kept) => Said::Again(Box::new(kept)),
            Err(error) => {
                log::run_lost(&self.folder, &error);
                Said::No(Refusal::InDoubt)
            }
        }
    }

    /// Reads what another process wrote meanwhile; false where that is nothing.
    async fn catch_up(self: &Arc<Runs>) -> bool {
        let runs = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let written = segment::all(&runs.folder).unwrap_or_default();
            let others =
                written.into_iter().filter(|number| !runs.writer.as_ref().is_some_and(|writer| writer.is_own(*number)));
            others.filter(|number| runs.read_on(*number)).count() > 0
        });
        read.await.unwrap_or(false)
    }

    /// Reads all files, and writes behind them.
    fn read_all(&self) {
        let numbers = match segment::all(&self.folder) {
            Ok(numbers) => numbers,
            Err(error) => return self.fail(&self.folder, &error),
        };
        for number in &numbers {
            self.read_on(*number);
        }
        if let (Some(writer), Some(last)) = (&self.writer, numbers.last()) {
            writer.go_on_at(last.saturating_add(1));
        }
    }

    /// Reads what is new in a file; false where that is nothing.
    fn read_on(&self, number: u64) -> bool {
        let from = self.known().read.get(&number).copied().unwrap_or(0);
        let path = segment::path(&self.folder, number);
        let is_longer = std::fs::metadata(&path).is_ok_and(|file| file.len() > from);
        if !is_longer {
            return false;
        }
        let read = match segment::read(&self.folder, number, from) {
            Ok(read) => read,
            Err(Fault::Io(error)) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(fault) => {
                self.fail(&path, &fault);
                return false;
            }
        };
        let now = self.clock.now();
        let mut known = self.known();
        known.keys.raise(Fence(read.own));
        let end = read.records.iter().map(end).max().unwrap_or(Time::ZERO);
        let is_news = !read.records.is_empty();
        read.records.into_iter().for_each(|record| known.keys.recall(record, now));
        known.read.insert(number, read.read);
        self.room.grown(number, read.read, end);
        is_news
    }

    /// What was run may not be known.
    fn fail(&self, path: &Path, cause: &dyn std::fmt::Display) {
        log::runs_unknown(path, cause);
        self.known().trouble.get_or_insert_with(|| format!("{}: {cause}", path.display()));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down how a run ended; its place, where that is on the disk.
    async fn ended(&self, run: &Run, record: Vec<u8>) -> Option<Place> {
        let written = self.write(record, run.end)?;
        written.on_disk().await.ok()
    }

    fn write(&self, record: Vec<u8>, end: Time) -> Option<writer::Written> {
        let fence = self.known().keys.fence();
        Some(self.writer.as_ref()?.write(record, (end, self.clock.now()), fence))
    }
}

/// When what a record says means nothing any more.
fn end(record: &Recalled<Place>) -> Time {
    match record {
        Recalled::Intent(run) | Recalled::Done(run, _) | Recalled::Unkept(run, _) => run.end,
        Recalled::Void(..) => Time::ZERO,
    }
}

/// What comes of a question at once.
enum Begun {
    Asked(Asked<Place>),
    /// It may be run when this is on the disk.
    Turn(Turn, writer::Written),
}

/// Leave to run a request. Dropped without a word, its key is in doubt.
#[derive(Debug)]
pub struct Turn {
    runs: Arc<Runs>,
    run: Run,
    _promise: Promise,
    is_over: bool,
}

impl Turn {
    /// The number of the run.
    pub fn fence(&self) -> Fence {
        self.run.fence
    }

    /// It was answered with this. When this returns a repeat is answered with it, after a restart as well if the disk can be written.
    pub async fn done(mut self, kept: &Kept) {
        let place = self.runs.ended(&self.run, record::done(&self.run, kept)).await;
        self.is_over = true;
        let Run { name, fence, .. } = self.run;
        let now = self.runs.clock.now();
        match place {
            Some(place) => self.runs.known().keys.done(name, fence, place, now),
            None => self.runs.known().keys.unkept(name, fence, kept.status, now),
        }
    }

    /// It was answered with this status, and no more is kept.
    pub async fn unkept(mut self, status: u16) {
        // What is not on the disk is in doubt after a restart.
        let _ = self.runs.ended(&self.run, record::unkept(&self.run, status)).await;
        self.is_over = true;
        self.runs.known().keys.unkept(self.run.name, self.run.fence, status, self.runs.clock.now());
    }

    /// It was certainly not run, or the origin says that it did nothing.
    pub fn void(mut self) {
        self.is_over = true;
        let Run { name, fence, end, .. } = self.run;
        // What is not on the disk is in doubt after a restart, which is safe.
        drop(self.runs.write(record::void(&name, fence), end));
        self.runs.known().keys.void(&name, fence);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.runs.known().keys.lost(self.run.name, self.run.fence, self.runs.clock.now());
        }
    }
}
