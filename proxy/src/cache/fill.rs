//! A response on its way into the cache, read while it is written.
//!
//! One writer, any number of readers, each at its own position. A reader sees the end only after the writer finished; when
//! the writer gives up, its readers get an error, so that no client takes a part for the whole.
//!
//! A body of unknown length may outgrow what is stored. Then it stays readable for those who already read it, and the
//! pieces that all of them have passed are let go. The writer cannot be slowed down (Pingora runs it in the task of its own
//! reader), so if the slowest reader falls behind by more than the largest object, the fill is given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::budget::Charge;
use super::object::{Body, Header, Object, Terms, Times};
use super::pieces::Pieces;
use super::stamp::Stamped;
use super::storage::EntryKey;

/// Names one fill of this storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FillId(pub(crate) u64);

/// Names one reader of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ReaderId(u64);

/// Who may read a fill before it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Whoever looks it up: it ends however its client does.
    Anybody,
    /// Nobody: it breaks off with its client.
    Nobody,
}

/// Whether a fill may still be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All of it is kept.
    Store,
    /// It outgrew the largest object or the room there is; only what its readers have not read is kept.
    PassThrough,
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
}

#[derive(Debug)]
struct Growing {
    pieces: Pieces,
    charge: Charge,
    fate: Fate,
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
    /// A fill without a body yet. A declared length must be charged in full, for it is not charged again.
    pub(crate) fn new(
        id: FillId,
        key: EntryKey,
        times: Times,
        (header, stamped): (Header, Arc<Stamped>),
        declared: Option<usize>,
        charge: Charge,
        follow: Follow,
    ) -> Fill {
        let growing = Growing { pieces: Pieces::default(), charge, fate: Fate::Store };
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
        object_max: usize,
        take: impl Fn(u64) -> Option<Charge>,
    ) -> Result<Fate, GivenUp> {
        let mut state = self.state();
        let State { content, readers, .. } = &mut *state;
        let growing = match content {
            Content::Open(growing) => growing,
            Content::GivenUp(why) => return Err(*why),
            Content::Passed(_) | Content::Whole(_) => return Err(GivenUp::Abandoned),
        };
        let slowest = readers.values().min().copied().unwrap_or(usize::MAX);
        let result = growing.append(data, self.declared, object_max, slowest, take);
        if let Err(why) = result {
            *content = Content::GivenUp(why);
        }
        drop(state);
        self.progress.send_replace(());
        result
    }

    /// The body is complete. Returns it to be stored, unless it outgrew that.
    ///
    /// # Errors
    /// [`GivenUp`] when it was given up, or when its length is not the declared one.
    pub(crate) fn finish(&self) -> Result<Option<Object>, GivenUp> {
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

    fn close(&self, growing: Growing) -> (Content, Result<Option<Object>, GivenUp>) {
        let have = growing.pieces.len();
        if let Some(declared) = self.declared.filter(|declared| *declared != have) {
            let why = GivenUp::Framing { declared, have };
            return (Content::GivenUp(why), Err(why));
        }
        match growing.fate {
            Fate::PassThrough => (Content::Passed(growing), Ok(None)),
            Fate::Store => {
                let body = Arc::new(Body::new(growing.pieces.into_full(), growing.charge));
                let (header, stamped) = (Arc::clone(&self.header), Arc::clone(&self.stamped));
                let object = Object { times: self.times, header, stamped, body: Arc::clone(&body) };
                (Content::Whole(body), Ok(Some(object)))
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
            Content::Open(growing) if growing.fate == Fate::Store || growing.pieces.len() == 0 => {}
            Content::Whole(_) => {}
            Content::Open(_) | Content::Passed(_) | Content::GivenUp(_) => return None,
        }
        let id = ReaderId(state.next_reader);
        state.next_reader += 1;
        state.readers.insert(id, 0);
        drop(state);
        Some(Reader { progress: self.progress.subscribe(), fill: Arc::clone(self), id, at: 0, end: usize::MAX })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing {
    fn append(
        &mut self,
        data: &[u8],
        declared: Option<usize>,
        object_max: usize,
        slowest: usize,
        take: impl Fn(u64) -> Option<Charge>,
    ) -> Result<Fate, GivenUp> {
        let have = self.pieces.len() + data.len();
        if let Some(declared) = declared {
            if have > declared {
                return Err(GivenUp::Framing { declared, have });
            }
            self.pieces.append(data, Some(declared - self.pieces.len()));
            return Ok(self.fate);
        }
        if have > object_max {
            self.fate = Fate::PassThrough;
        }
        self.let_go(slowest);
        if self.fate == Fate::PassThrough && self.unread(slowest) + data.len() > object_max {
            return Err(GivenUp::TooFarBehind);
        }
        if !self.charge_for(data.len(), &take) {
            self.fate = Fate::PassThrough;
            self.let_go(slowest);
            if !self.charge_for(data.len(), &take) {
                return Err(GivenUp::NoRoom);
            }
        }
        self.pieces.append(data, None);
        Ok(self.fate)
    }

    /// Without a future in the storage, keeps only what has not been read.
    fn let_go(&mut self, slowest: usize) {
        if self.fate == Fate::PassThrough {
            self.pieces.forget_before(slowest);
            self.charge.shrink_to(self.pieces.cost());
        }
    }

    fn unread(&self, slowest: usize) -> usize {
        self.pieces.len().saturating_sub(slowest)
    }

    fn charge_for(&mut self, bytes: usize, take: &impl Fn(u64) -> Option<Charge>) -> bool {
        let lacking = self.pieces.cost_after(bytes).saturating_sub(self.charge.bytes());
        match take(lacking) {
            Some(charge) => {
                self.charge.merge(charge);
                true
            }
            None => false,
        }
    }
}

/// What a look at the content found.
enum Look {
    Part(Bytes),
    End,
    NotYet,
}

/// Reads a fill from where it is to its end, or to the end of the range it was set to.
#[derive(Debug)]
pub(crate) struct Reader {
    fill: Arc<Fill>,
    id: ReaderId,
    progress: watch::Receiver<()>,
    at: usize,
    end: usize,
}

impl Reader {
    pub(crate) fn terms(&self) -> Terms {
        self.fill.times.terms
    }

    /// The next part, when it is there. `None` at the end. May be cancelled without losing bytes.
    ///
    /// # Errors
    /// [`GivenUp`]: the rest will never come.
    pub(crate) async fn read(&mut self) -> Result<Option<Bytes>, GivenUp> {
        loop {
            // Marked as seen before the look: what changes during it wakes us.
            self.progress.borrow_and_update();
            match self.look()? {
                Look::Part(part) => return Ok(Some(part)),
                Look::End => return Ok(None),
                Look::NotYet => {}
            }
            if self.progress.changed().await.is_err() {
                return Err(GivenUp::Abandoned);
            }
        }
    }

    /// The length the response declared, which is what makes a range of it meaningful.
    pub(crate) fn declared(&self) -> Option<usize> {
        self.fill.declared
    }

    /// Goes on at `start` and ends before `end`. The caller has checked `start` against the declared length.
    pub(crate) fn seek(&mut self, start: usize, end: usize) {
        (self.at, self.end) = (start, end);
        if let Some(at) = self.fill.state().readers.get_mut(&self.id) {
            *at = start;
        }
    }

    fn look(&mut self) -> Result<Look, GivenUp> {
        if self.at >= self.end {
            return Ok(Look::End);
        }
        let mut state = self.fill.state();
        let (part, complete) = match &state.content {
            Content::Open(growing) => (growing.pieces.read(self.at, self.end), false),
            Content::Passed(growing) => (growing.pieces.read(self.at, self.end), true),
            Content::Whole(body) => (body.read(self.at, self.end), true),
            Content::GivenUp(why) => return Err(*why),
        };
        let Some(part) = part else {
            return Ok(if complete { Look::End } else { Look::NotYet });
        };
        self.at += part.len();
        if let Some(at) = state.readers.get_mut(&self.id) {
            *at = self.at;
        }
        Ok(Look::Part(part))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.fill.state().readers.remove(&self.id);
    }
}
