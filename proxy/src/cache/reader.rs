//! Reading a fill while it is written: from memory, and from the disk what has gone there.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::fill::{Fill, GivenUp, Look, ReaderId};
use super::growing::Part;
use super::object::Terms;

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
    pub(super) fn new(fill: Arc<Fill>, id: ReaderId, progress: watch::Receiver<()>) -> Reader {
        Reader { fill, id, progress, at: 0, end: usize::MAX }
    }

    pub(crate) fn terms(&self) -> Terms {
        self.fill.times.terms
    }

    /// When it was asked for.
    pub(crate) fn filled(&self) -> selvedge_state::Fill {
        self.fill.stamped.fill()
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
                Look::Part(Part::Here(part)) => return Ok(Some(self.passed(part))),
                Look::Part(Part::OnDisk(draft, written)) => {
                    let part = draft.read(self.at, self.end.min(written), written).await.ok_or(GivenUp::Disk)?;
                    return Ok(Some(self.passed(part)));
                }
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
        self.fill.declared()
    }

    /// Goes on at `start` and ends before `end`. The caller has checked `start` against the declared length.
    pub(crate) fn seek(&mut self, start: usize, end: usize) {
        (self.at, self.end) = (start, end);
        self.fill.reader_at(self.id, start);
    }

    fn look(&self) -> Result<Look, GivenUp> {
        if self.at >= self.end {
            return Ok(Look::End);
        }
        self.fill.look(self.at, self.end)
    }

    fn passed(&mut self, part: Bytes) -> Bytes {
        self.at += part.len();
        self.fill.reader_at(self.id, self.at);
        part
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.fill.reader_gone(self.id);
    }
}
