//! Writing a response into the cache. Dropped before it is finished, it gives the fill up.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::Result;
use pingora::cache::storage::{HandleMiss, MissFinishType};

use super::disk::Drafting;
use super::fill::Fill;
use super::growing::Fate;
use super::storage::{self, Tiers};

/// Pingora's handle on a body that is written to the cache.
#[derive(Debug)]
pub(crate) struct Miss {
    storage: &'static Tiers,
    fill: Arc<Fill>,
    tag: [u8; 8],
    fate: Fate,
    written: usize,
    /// The file that it goes to, once it goes to the disk.
    drafting: Option<Drafting>,
}

impl Miss {
    pub(crate) fn new(storage: &'static Tiers, fill: Arc<Fill>) -> Miss {
        let fate = fill.fate();
        Miss { storage, tag: fill.id.0.to_be_bytes(), fill, fate, written: 0, drafting: None }
    }

    /// Adds to the body.
    pub(crate) fn add(&mut self, data: &[u8]) -> Result<()> {
        let fate = self.storage.append(&self.fill, data).map_err(storage::error)?;
        if std::mem::replace(&mut self.fate, fate) != fate && fate == Fate::PassThrough {
            self.storage.count_outgrown();
        }
        self.written += data.len();
        Ok(())
    }

    /// The body is whole, and none of it went to the disk.
    pub(crate) fn end(&self) -> Result<()> {
        self.storage.finish(&self.fill, None).map_err(storage::error)
    }

    /// Writes what has come to the disk, if it goes there and is worth a write; with `is_end` all of it. Waits for the disk.
    async fn write_on(&mut self, is_end: bool) {
        let parts = self.fill.batch(is_end);
        let Some(disk) = self.storage.disk().filter(|_| !parts.is_empty()) else { return };
        let (drafting, declared) = (self.drafting.take(), self.fill.declared());
        let writing = tokio::task::spawn_blocking(move || {
            let drafting = drafting.or_else(|| disk.draft(declared))?;
            disk.add(drafting, &parts)
        });
        // A panic there would leave the draft behind, as an error does.
        self.drafting = writing.await.ok().flatten();
        match &self.drafting {
            Some(drafting) => {
                let readable = usize::try_from(drafting.readable()).unwrap_or(usize::MAX);
                self.fill.is_drafted(drafting.draft(), readable);
            }
            None => {
                self.fill.is_refused();
                self.storage.unlist(&self.fill);
                self.storage.count_outgrown();
                self.fate = Fate::PassThrough;
            }
        }
    }
}

#[async_trait]
impl HandleMiss for Miss {
    /// An error here ends the client's response as broken, which is what a client can tell from a whole one.
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        self.add(&data)?;
        self.write_on(false).await;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<MissFinishType> {
        self.write_on(true).await;
        let whole = self.drafting.take().zip(self.storage.disk()).filter(|_| self.fill.is_whole());
        let ended = match whole {
            Some((drafting, disk)) => {
                let (key, head) = (self.fill.key, self.fill.head());
                let ending = tokio::task::spawn_blocking(move || disk.end(drafting, key, head));
                ending.await.ok().flatten()
            }
            None => None,
        };
        self.storage.finish(&self.fill, ended).map_err(storage::error)?;
        Ok(MissFinishType::Created(self.written))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(&self.tag)
    }
}

impl Drop for Miss {
    fn drop(&mut self) {
        // After a finish this finds nothing left to do.
        self.storage.abandon(&self.fill);
    }
}
