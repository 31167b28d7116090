//! Writing a response into the cache. Dropped before it is finished, it gives the fill up.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::Result;
use pingora::cache::storage::{HandleMiss, MissFinishType};

use super::fill::{Fate, Fill};
use super::storage::{self, MemoryStorage};

/// Pingora's handle on a body that is written to the cache.
#[derive(Debug)]
pub(crate) struct Miss {
    storage: &'static MemoryStorage,
    fill: Arc<Fill>,
    tag: [u8; 8],
    fate: Fate,
    written: usize,
}

impl Miss {
    pub(crate) fn new(storage: &'static MemoryStorage, fill: Arc<Fill>) -> Miss {
        Miss { storage, tag: fill.id.0.to_be_bytes(), fill, fate: Fate::Store, written: 0 }
    }

    /// Adds to the body.
    pub(crate) fn add(&mut self, data: &[u8]) -> Result<()> {
        let fate = self.storage.append(&self.fill, data).map_err(storage::error)?;
        if std::mem::replace(&mut self.fate, fate) != fate {
            self.storage.count_outgrown();
        }
        self.written += data.len();
        Ok(())
    }

    /// The body is whole.
    pub(crate) fn end(&self) -> Result<()> {
        self.storage.finish(&self.fill).map_err(storage::error)
    }
}

#[async_trait]
impl HandleMiss for Miss {
    /// An error here ends the client's response as broken, which is what a client can tell from a whole one.
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        self.add(&data)
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.end()?;
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
