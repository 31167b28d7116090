//! The thread that writes: all that waits goes into one frame, and whoever waits for it hears when that is on the disk.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use selvedge_filters::idempotency::Fence;
use selvedge_state::Time;
use tokio::sync::oneshot;

use super::room::Room;
use super::segment::{self, Place, Segment};
use crate::observe::log;

/// The most bytes of one frame, but for a record that is longer by itself.
const FRAME_MAX: usize = 8 << 20;

/// A file is closed when it is longer than this part of all room, bytes at least and at most.
const PARTS: u64 = 16;
const SEGMENT_LEAST: u64 = 1 << 20;
const SEGMENT_MOST: u64 = 64 << 20;

/// Numbers that are tried for another file.
const TRIES: usize = 8;

/// It is not on the disk, or may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritten;

/// Something to be written.
struct Job {
    record: Vec<u8>,
    /// When it means nothing any more.
    end: Time,
    now: Time,
    /// No later run has a number up to this one.
    fence: Fence,
    done: oneshot::Sender<Result<Place, Unwritten>>,
}

/// A log that a thread of its own writes until it is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    folder: PathBuf,
    room: Arc<Room>,
    /// At most as many as there are requests.
    waiting: Mutex<VecDeque<Job>>,
    is_closing: AtomicBool,
    /// Whether the last write failed.
    is_failing: AtomicBool,
    /// The number of the next file.
    next: Mutex<u64>,
    /// Those that this process wrote.
    own: Mutex<BTreeSet<u64>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes into a folder, from the file of this number on.
    ///
    /// # Errors
    /// When there is no thread.
    pub(super) fn start(folder: &Path, next: u64, room: Arc<Room>) -> io::Result<Writer> {
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            room,
            waiting: Mutex::default(),
            is_closing: false.into(),
            is_failing: false.into(),
            next: Mutex::new(next),
            own: Mutex::default(),
        });
        let writes = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("runs".to_owned()).spawn(move || writes.run())?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// Has something written. Whoever waits for what this gives hears when it is on the disk.
    pub(super) fn write(&self, record: Vec<u8>, (end, now): (Time, Time), fence: Fence) -> Written {
        let (done, written) = oneshot::channel();
        self.shared.waiting().push_back(Job { record, end, now, fence, done });
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        Written(written)
    }

    /// Goes on with a file of this number, or a later one.
    pub(super) fn go_on_at(&self, number: u64) {
        let mut next = self.shared.next();
        *next = number.max(*next);
    }

    /// Whether it wrote the file of this number itself.
    pub(super) fn is_own(&self, number: u64) -> bool {
        self.shared.own().contains(&number)
    }

    /// Whether the last write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.shared.is_failing.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    /// Writes what there is.
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // One that panicked has told so.
            let _ = thread.join();
        }
    }
}

/// What becomes of something that is to be written.
pub(super) struct Written(oneshot::Receiver<Result<Place, Unwritten>>);

impl Written {
    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub(super) async fn on_disk(self) -> Result<Place, Unwritten> {
        self.0.await.map_err(|_| Unwritten)?
    }

    /// The same, for a thread that may wait.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub(super) fn wait(self) -> Result<Place, Unwritten> {
        self.0.blocking_recv().map_err(|_| Unwritten)?
    }
}

/// Whoever waited may be gone.
fn tell(done: oneshot::Sender<Result<Place, Unwritten>>, written: Result<Place, Unwritten>) {
    let _ = done.send(written);
}

impl Shared {
    fn run(&self) {
        let mut segment = None;
        loop {
            // Looked at first: what is there before somebody asks for the end is written.
            let is_closing = self.is_closing.load(Ordering::Acquire);
            let jobs = self.take();
            match jobs.last().map(|job| job.now) {
                Some(now) => {
                    self.batch(&mut segment, jobs);
                    self.sweep(now);
                }
                None if is_closing => return,
                None => std::thread::park(),
            }
        }
    }

    /// What waits, as much as one frame takes.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.waiting();
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while let Some(job) = waiting.pop_front_if(|job| bytes == 0 || bytes + job.record.len() <= FRAME_MAX) {
            bytes += job.record.len();
            jobs.push(job);
        }
        jobs
    }

    /// Writes what waited, and tells those who wait.
    fn batch(&self, segment: &mut Option<Segment>, jobs: Vec<Job>) {
        let end = jobs.iter().map(|job| job.end).max().unwrap_or(Time::ZERO);
        let fence = jobs.iter().map(|job| job.fence).max().unwrap_or_default();
        let (records, waiting): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.record, job.done)).unzip();
        let written = self.current(segment, fence).and_then(|current| {
            let written = current.write(&records);
            let segment = current.number();
            // Also where it failed: some of it may be there.
            self.room.grown(segment, current.length(), end);
            Ok(written?.into_iter().map(|extent| Place { segment, extent }).collect::<Vec<_>>())
        });
        let was_failing = self.is_failing.swap(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(places) => waiting.into_iter().zip(places).for_each(|(done, place)| tell(done, Ok(place))),
            Err(error) => {
                // Nothing may come behind what is torn.
                *segment = None;
                if !was_failing {
                    log::runs_unwritten(&self.folder, &error);
                }
                waiting.into_iter().for_each(|done| tell(done, Err(Unwritten)));
            }
        }
    }

    /// The file that is written: another one where there is none, where it is long, and where other files came meanwhile.
    fn current<'s>(&self, segment: &'s mut Option<Segment>, fence: Fence) -> io::Result<&'s mut Segment> {
        let longest = (self.room.max() / PARTS).clamp(SEGMENT_LEAST, SEGMENT_MOST);
        let mut next = self.next();
        segment.take_if(|segment| segment.length() > longest || segment.number().saturating_add(1) < *next);
        match segment {
            Some(current) => Ok(current),
            None => Ok(segment.insert(self.begin(&mut next, fence)?)),
        }
    }

    /// Begins another file. A process that hands over may have begun one as well.
    fn begin(&self, next: &mut u64, fence: Fence) -> io::Result<Segment> {
        for _ in 0..TRIES {
            let number = *next;
            *next = number.saturating_add(1);
            match segment::begin(&self.folder, number, fence, fastrand::u32(..)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    // It holds nothing, whatever there is of it.
                    let _ = std::fs::remove_file(segment::path(&self.folder, number));
                    return Err(error);
                }
                Ok(begun) => {
                    self.own().insert(number);
                    return Ok(begun);
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Removes files of which nothing holds any more.
    fn sweep(&self, now: Time) {
        for number in self.room.over(now) {
            match std::fs::remove_file(segment::path(&self.folder, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return,
                _ => {
                    self.room.gone(number);
                    self.own().remove(&number);
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> MutexGuard<'_, u64> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
