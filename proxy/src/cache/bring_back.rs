//! From the disk to a reader: what fits one chunk comes back to memory, the rest is read where it lies.

use std::sync::Arc;

use bytes::Bytes;
use pingora::cache::{CacheMeta, HitHandler};

use super::disk::{CHUNK, Found};
use super::hit::Hit;
use super::object::{Body, Header, OBJECT_OVERHEAD, Object};
use super::piece::PIECE;
use super::pieces;
use super::storage::{EntryKey, Tiers};

impl Tiers {
    /// An answer by what was found on the disk. `None`: it is damaged, or there is no room to read it with.
    pub(super) async fn bring_back(&'static self, key: EntryKey, found: Found) -> Option<(CacheMeta, HitHandler)> {
        if found.body.len() > CHUNK {
            let charge = self.room(CHUNK as u64)?;
            let Found { times, header, stamped, body } = found;
            let meta = times.meta_of_whole(header, body.len());
            return Some((meta, Hit::disk(body, (times.terms, stamped.body()), charge)));
        }
        let object = self.object(&found).await?;
        // Whoever takes it out of both tiers holds this lock.
        let fills = self.fills(key);
        let replaced = if found.body.is_stored() { self.shelf.put(key, object.clone()) } else { None };
        drop(fills);
        drop(replaced);
        Some((object.meta(), Hit::object(object)))
    }

    /// The same in memory.
    async fn object(&'static self, found: &Found) -> Option<Object> {
        let Found { times, header, stamped, body } = found;
        let len = body.len();
        let head = self.room(Header::cost(header) + stamped.stamp().cost() + OBJECT_OVERHEAD)?;
        let charge = self.room(pieces::cost(len))?;
        let bytes = if len == 0 { Bytes::new() } else { body.read(0, len).await.ok()? };
        let pieces = (0..len).step_by(PIECE).map(|at| bytes.slice(at..len.min(at + PIECE))).collect();
        let header = Arc::new(Header::new(header, head).ok()?);
        let (stamped, body) = (Arc::clone(stamped), Arc::new(Body::new(pieces, charge)));
        Some(Object { times: *times, header, stamped, body })
    }
}
