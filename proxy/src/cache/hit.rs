//! Reading a response from the cache: a stored object, in memory or on the disk, or a fill as it comes in.

use std::any::Any;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::cache::storage::HandleHit;
use pingora::cache::trace::SpanHandle;
use pingora::cache::{CacheKey, HitHandler, Storage};
use pingora::{Error, ErrorType, Result};
use selvedge_state::Fill;

use super::budget::Charge;
use super::disk::DiskBody;
use super::object::{Object, Terms};
use super::reader::Reader;
use super::storage;

/// Where the bytes come from.
#[derive(Debug)]
enum Source {
    Object {
        object: Object,
        at: usize,
        end: usize,
    },
    /// Charged for the chunk that it holds in memory.
    Disk {
        body: DiskBody,
        terms: Terms,
        fill: Fill,
        at: usize,
        end: usize,
        _charge: Charge,
    },
    Fill(Reader),
}

/// Pingora's handle on a body that is read from the cache.
#[derive(Debug)]
pub(crate) struct Hit(Source);

impl Hit {
    pub(crate) fn object(object: Object) -> HitHandler {
        let end = object.body.len();
        Box::new(Hit(Source::Object { object, at: 0, end }))
    }

    pub(crate) fn disk(body: DiskBody, (terms, fill): (Terms, Fill), charge: Charge) -> HitHandler {
        let end = body.len();
        Box::new(Hit(Source::Disk { body, terms, fill, at: 0, end, _charge: charge }))
    }

    pub(crate) fn fill(reader: Reader) -> HitHandler {
        Box::new(Hit(Source::Fill(reader)))
    }

    /// The terms of what a handle of this cache reads; `None` for another cache's.
    pub(crate) fn terms(handler: &HitHandler) -> Option<Terms> {
        Some(match &handler.as_any().downcast_ref::<Hit>()?.0 {
            Source::Object { object, .. } => object.times.terms,
            Source::Disk { terms, .. } => *terms,
            Source::Fill(reader) => reader.terms(),
        })
    }

    /// When the body that a handle of this cache reads was asked for; before all purges for another cache's.
    pub(crate) fn filled(handler: &HitHandler) -> Fill {
        let Some(Hit(source)) = handler.as_any().downcast_ref::<Hit>() else { return Fill::default() };
        match source {
            Source::Object { object, .. } => object.stamped.body(),
            Source::Disk { fill, .. } => *fill,
            Source::Fill(reader) => reader.filled(),
        }
    }

    /// The length of the body, as far as it is known.
    fn len(&self) -> Option<usize> {
        match &self.0 {
            Source::Object { object, .. } => Some(object.body.len()),
            Source::Disk { body, .. } => Some(body.len()),
            Source::Fill(reader) => reader.declared(),
        }
    }
}

#[async_trait]
impl HandleHit for Hit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        match &mut self.0 {
            Source::Object { object, at, end } => {
                let part = object.body.read(*at, *end);
                *at += part.as_ref().map_or(0, Bytes::len);
                Ok(part)
            }
            Source::Disk { body, at, end, .. } => {
                if at >= end {
                    return Ok(None);
                }
                let part = body.read(*at, *end).await.map_err(storage::error)?;
                *at += part.len();
                Ok(Some(part))
            }
            Source::Fill(reader) => reader.read().await.map_err(storage::error),
        }
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn Storage + Sync),
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        self.len().is_some()
    }

    /// `end` is exclusive and may lie past the body. Starts over, so that one handle serves several ranges.
    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let Some(len) = self.len().filter(|len| start < *len) else {
            return Error::e_explain(ErrorType::InternalError, format!("cache: seek to {start}, not in the body"));
        };
        let stop = end.unwrap_or(len).min(len);
        match &mut self.0 {
            Source::Object { at, end, .. } | Source::Disk { at, end, .. } => (*at, *end) = (start, stop),
            Source::Fill(reader) => reader.seek(start, stop),
        }
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
