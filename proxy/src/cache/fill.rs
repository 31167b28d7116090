//! A response on its way into the cache, read while it is written.
//!
//! One writer, any number of readers, each at its own position. A reader sees the end only after the writer finished; when
//! the writer gives up, its readers get an error, so that no client takes a part for the whole.
//!
//! A body that outgrows memory goes to the disk as it comes, where there is one, and its readers follow it there. One that outgrows
//! everything stays readable for those who already read it, and the pieces that all of them have passed are let go. The writer cannot be
//! slowed down by readers (Pingora runs it in the task of its own reader), so if the slowest falls behind by more than the largest object,
//! the fill is given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pingora::http::ResponseHeader;
use tokio::sync::watch;

use super::budget::Charge;
use super::disk::Draft;
use super::growing::{Fate, Growing, Largest, Part};
use super::object::{Body, Header, Object, Times};
use super::reader::Reader;
use super::stamp::{Stamp, Stamped};
use super::storage::EntryKey;

/// Names one fill of this storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FillId(pub(crate) u64);

/// Names one reader of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReaderId(u64);

/// Who may read a fill before it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Whoever looks it up: it ends however its client does.
    Anybody,
    /// Nobody: it breaks off with its client.
    Nobody,
}

/// Why a fill was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GivenUp {
    #[error("the origin's connection ended before the response did")]
    Abandoned,
    #[error("the response has {have} bytes and declared {declared}")]
    Framing { declared: usize, have: usize },
    #[error("the slowest reader is too far behind a response that is too large to be stored")]
    TooFarBehind,
    #[error("the cache has no room left for a response that its readers still need")]
    NoRoom,
    #[error("what was written of the response cannot be read from the disk")]
    Disk,
}

/// What became of a whole body.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is to be stored in memory.
    Memory(Object),
    /// It is on the disk.
    Disk,
    /// It was passed through.
    Passed,
}

/// What a look at the content found.
#[derive(Debug)]
pub(super) enum Look {
    Part(Part),
    End,
    NotYet,
}

#[derive(Debug)]
enum Content {
    Open(Growing),
    /// Complete, and not stored.
    Passed(Growing),
    /// Complete; the storage has it too.
    Whole(Arc<Body>),
    GivenUp(GivenUp),
}

#[derive(Debug)]
struct State {
    content: Content,
    /// Where each reader is. Bounded by the requests in flight.
    readers: BTreeMap<ReaderId, usize>,
    next_reader: u64,
}

/// A response that is being written.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) id: FillId,
    pub(crate) key: EntryKey,
    pub(crate) times: Times,
    pub(crate) header: Arc<Header>,
    pub(crate) stamped: Arc<Stamped>,
    declared: Option<usize>,
    follow: Follow,
    state: Mutex<State>,
    progress: watch::Sender<()>,
}

impl Fill {
    /// A fill without a body yet. A declared length that goes to memory must be charged in full, for it is not charged again.
    pub(crate) fn new(
        id: FillId,
        key: EntryKey,
        times: Times,
        (header, stamped): (Header, Arc<Stamped>),
        declared: Option<usize>,
        growing: Growing,
        follow: Follow,
    ) -> Fill {
        Fill {
            id,
            key,
            times,
            header: Arc::new(header),
            stamped,
            declared,
            follow,
            state: Mutex::new(State { content: Content::Open(growing), readers: BTreeMap::new(), next_reader: 0 }),
            progress: watch::Sender::new(()),
        }
    }

    /// Adds to the body. `take` charges bytes, making room if it must.
    ///
    /// # Errors
    /// [`GivenUp`]; the fill is over then.
    pub(crate) fn append(
        &self,
        data: &[u8],
        largest: Largest,
        take: impl Fn(u64) -> Option<Charge>,
    ) -> Result<Fate, GivenUp> {
        // What nobody may follow is written where nobody can wait for the disk.
        let largest = if self.follow == Follow::Nobody { Largest { disk: 0, ..largest } } else { largest };
        let mut state = self.state();
        let State { content, readers, .. } = &mut *state;
        let growing = match content {
            Content::Open(growing) => growing,
            Content::GivenUp(why) => return Err(*why),
            Content::Passed(_) | Content::Whole(_) => return Err(GivenUp::Abandoned),
        };
        let slowest = readers.values().min().copied().unwrap_or(usize::MAX);
        let result = growing.append(data, self.declared, largest, slowest, take);
        if let Err(why) = result {
            *content = Content::GivenUp(why);
        }
        drop(state);
        self.progress.send_replace(());
        result
    }

    /// What is to be written to the disk now, and how much of it is left to come if that is known. `is_end`: nothing is.
    pub(crate) fn batch(&self, is_end: bool) -> Vec<Bytes> {
        match &self.state().content {
            Content::Open(growing) => growing.batch(is_end),
            Content::Passed(_) | Content::Whole(_) | Content::GivenUp(_) => Vec::new(),
        }
    }

    /// The bytes before `written` can be read from a draft.
    pub(crate) fn is_drafted(&self, draft: &Arc<Draft>, written: usize) {
        self.change(|growing| growing.is_drafted(draft, written));
    }

    /// The disk does not take it: only what its readers have not read is kept from here on.
    pub(crate) fn is_refused(&self) {
        self.change(Growing::is_refused);
    }

    fn change(&self, change: impl FnOnce(&mut Growing)) {
        if let Content::Open(growing) = &mut self.state().content {
            change(growing);
        }
        self.progress.send_replace(());
    }

    /// How long the response said that its body is.
    pub(crate) fn declared(&self) -> Option<usize> {
        self.declared
    }

    /// What becomes of it, as far as is known.
    pub(crate) fn fate(&self) -> Fate {
        match &self.state().content {
            Content::Open(growing) | Content::Passed(growing) => growing.fate,
            Content::Whole(_) => Fate::Memory,
            Content::GivenUp(_) => Fate::PassThrough,
        }
    }

    /// Whether what has come is as long as was declared.
    pub(crate) fn is_whole(&self) -> bool {
        match &self.state().content {
            Content::Open(growing) => self.declared.is_none_or(|declared| growing.pieces.len() == declared),
            Content::Passed(_) | Content::Whole(_) | Content::GivenUp(_) => false,
        }
    }

    /// What is written behind its body.
    pub(crate) fn head(&self) -> (Times, ResponseHeader, Stamp) {
        (self.times, self.header.get().clone(), self.stamped.stamp())
    }

    /// The body is complete: says what of it is to be stored where.
    ///
    /// # Errors
    /// [`GivenUp`] when it was given up, or when its length is not the declared one.
    pub(crate) fn finish(&self) -> Result<Ended, GivenUp> {
        let mut state = self.state();
        let content = std::mem::replace(&mut state.content, Content::GivenUp(GivenUp::Abandoned));
        let (content, result) = match content {
            Content::Open(growing) => self.close(growing),
            other => {
                let why = if let Content::GivenUp(why) = &other { *why } else { GivenUp::Abandoned };
                (other, Err(why))
            }
        };
        state.content = content;
        drop(state);
        self.progress.send_replace(());
        result
    }

    fn close(&self, growing: Growing) -> (Content, Result<Ended, GivenUp>) {
        let have = growing.pieces.len();
        if let Some(declared) = self.declared.filter(|declared| *declared != have) {
            let why = GivenUp::Framing { declared, have };
            return (Content::GivenUp(why), Err(why));
        }
        match growing.fate {
            Fate::PassThrough => (Content::Passed(growing), Ok(Ended::Passed)),
            Fate::Disk => (Content::Passed(growing), Ok(Ended::Disk)),
            Fate::Memory => {
                let body = Arc::new(Body::new(growing.pieces.into_full(), growing.charge));
                let (header, stamped) = (Arc::clone(&self.header), Arc::clone(&self.stamped));
                let object = Object { times: self.times, header, stamped, body: Arc::clone(&body) };
                (Content::Whole(body), Ok(Ended::Memory(object)))
            }
        }
    }

    /// The writer is gone. Returns whether that ended an open fill.
    pub(crate) fn abandon(&self) -> bool {
        let mut state = self.state();
        let open = matches!(state.content, Content::Open(_));
        if open {
            state.content = Content::GivenUp(GivenUp::Abandoned);
        }
        drop(state);
        self.progress.send_replace(());
        open
    }

    /// A reader at the beginning; `None` when the beginning is gone, or nobody may follow.
    pub(crate) fn reader(self: &Arc<Fill>) -> Option<Reader> {
        if self.follow == Follow::Nobody {
            return None;
        }
        let mut state = self.state();
        match &state.content {
            Content::Open(growing) if growing.is_readable() => {}
            Content::Whole(_) => {}
            Content::Open(_) | Content::Passed(_) | Content::GivenUp(_) => return None,
        }
        let id = ReaderId(state.next_reader);
        state.next_reader += 1;
        state.readers.insert(id, 0);
        drop(state);
        Some(Reader::new(Arc::clone(self), id, self.progress.subscribe()))
    }

    /// What a reader finds at `at` and before `end`.
    ///
    /// # Errors
    /// [`GivenUp`]: it will never be there.
    pub(super) fn look(&self, at: usize, end: usize) -> Result<Look, GivenUp> {
        let (part, is_complete) = match &self.state().content {
            Content::Open(growing) => (growing.read(at, end), false),
            Content::Passed(growing) => (growing.read(at, end), true),
            Content::Whole(body) => (body.read(at, end).map(Part::Here), true),
            Content::GivenUp(why) => return Err(*why),
        };
        Ok(match part {
            Some(part) => Look::Part(part),
            None if is_complete => Look::End,
            None => Look::NotYet,
        })
    }

    /// A reader has passed what is before `at`.
    pub(super) fn reader_at(&self, id: ReaderId, at: usize) {
        if let Some(known) = self.state().readers.get_mut(&id) {
            *known = at;
        }
    }

    /// A reader is gone.
    pub(super) fn reader_gone(&self, id: ReaderId) {
        self.state().readers.remove(&id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
