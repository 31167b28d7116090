//! A stored response: its instants, its parsed header and its body, each ready to be handed out without decoding.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};
use pingora::Result;
use pingora::cache::CacheMeta;
use pingora::cache::key::HashBinary;
use pingora::http::ResponseHeader;
use selvedge_filters::cache::{Grounds, Reuse};

use super::budget::Charge;
use super::piece::PIECE;
use super::pieces;
use super::shelf::Shelved;
use super::stamp::Stamped;

/// What an entry costs beside its header and body: the map's slot with its spare room, the queue's place, the ghost's
/// place, three shared allocations.
pub(crate) const OBJECT_OVERHEAD: u64 = 768;

/// What one header field costs beside its text: its place in the header map, with the map's spare room.
const FIELD_OVERHEAD: u64 = 256;

/// What Pingora's meta data has no place for. Among its extensions on the way into the storage, in [`Times`] from there on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a stale answer may stand in for an error that the origin answered with. Pingora's own number also covers an
    /// origin that gives no answer.
    pub(crate) stale_if_error_s: u32,
    pub(crate) reuse: Reuse,
    /// Why it is fresh for so long; nobody said where Pingora's meta data came another way.
    pub(crate) grounds: Option<Grounds>,
    /// The largest body that its policy has stored; the storage's own bound when absent.
    pub(crate) object_max: Option<usize>,
}

/// The instants and windows of a stored response; all of Pingora's meta data but the header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    fresh_until: SystemTime,
    created: SystemTime,
    epoch: SystemTime,
    stale_while_revalidate_s: u32,
    stale_if_error_s: u32,
    pub(crate) variance: Option<HashBinary>,
    pub(crate) terms: Terms,
}

impl Times {
    /// Of when it is no longer fresh, when it was made and when its age began; of the windows after that, while it is validated and for
    /// errors, in seconds.
    pub(crate) fn new(
        (fresh_until, created, epoch): (SystemTime, SystemTime, SystemTime),
        (stale_while_revalidate_s, stale_if_error_s): (u32, u32),
        terms: Terms,
    ) -> Times {
        Times { fresh_until, created, epoch, stale_while_revalidate_s, stale_if_error_s, variance: None, terms }
    }

    pub(crate) fn of(meta: &CacheMeta) -> Times {
        Times {
            fresh_until: meta.fresh_until(),
            // A new meta takes its provenance from here, and the provenance is what tells a variant from one that was
            // stored before its primary was purged. It is never later than `created`, so nothing invalid passes.
            created: meta.provenance(),
            epoch: meta.epoch(),
            stale_while_revalidate_s: meta.stale_while_revalidate_sec(),
            stale_if_error_s: meta.stale_if_error_sec(),
            variance: meta.variance(),
            terms: match meta.extensions().get() {
                Some(terms) => *terms,
                None => Terms {
                    stale_if_error_s: meta.stale_if_error_sec(),
                    reuse: Reuse::WhileFresh,
                    grounds: None,
                    object_max: None,
                },
            },
        }
    }

    /// Pingora's form, with a header.
    pub(crate) fn meta(&self, header: ResponseHeader) -> CacheMeta {
        let (revalidate, error) = (self.stale_while_revalidate_s, self.stale_if_error_s);
        let mut meta = CacheMeta::new(self.fresh_until, self.created, revalidate, error, header);
        meta.set_epoch_override(self.epoch);
        if let Some(variance) = self.variance {
            meta.set_variance(variance);
        }
        meta
    }

    /// The same of what is stored whole, whose length is known by now: with it ranges can be answered, however the origin framed it. A 204 has
    /// none (RFC 9110 section 8.6).
    pub(crate) fn meta_of_whole(&self, mut header: ResponseHeader, len: usize) -> CacheMeta {
        if header.status != StatusCode::NO_CONTENT && !header.headers.contains_key(CONTENT_LENGTH) {
            // A number is a value.
            let _ = header.insert_header(CONTENT_LENGTH, len);
        }
        self.meta(header)
    }

    /// No longer fresh after `instant`; its stale windows count from there.
    pub(crate) fn expire_at(&mut self, instant: SystemTime) {
        self.fresh_until = self.fresh_until.min(instant);
    }
}

/// A header that shares no buffer with the connection it came from. Its charge is also for the stamp beside it.
#[derive(Debug)]
pub(crate) struct Header {
    header: ResponseHeader,
    charge: Charge,
}

impl Header {
    /// What a header costs to hold.
    pub(crate) fn cost(header: &ResponseHeader) -> u64 {
        let text: usize = header.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        text as u64 + header.headers.len() as u64 * FIELD_OVERHEAD
    }

    /// Copies the fields into one allocation. The case of names is not kept: a map of it costs each hit as much as the
    /// fields themselves, and names have no case (RFC 9110 section 5.1).
    ///
    /// # Errors
    /// A status or field that Pingora accepted before and does not now.
    pub(crate) fn new(from: &ResponseHeader, charge: Charge) -> Result<Header> {
        let mut header = ResponseHeader::build_no_case(from.status, Some(from.headers.len()))?;
        header.set_version(from.version);
        header.set_reason_phrase(from.get_reason_phrase())?;
        let mut text = BytesMut::with_capacity(from.headers.values().map(HeaderValue::len).sum());
        for (name, value) in &from.headers {
            text.extend_from_slice(value.as_bytes());
            let own = HeaderValue::from_maybe_shared(text.split().freeze()).unwrap_or_else(|_| value.clone());
            header.append_header(name.clone(), own)?;
        }
        Ok(Header { header, charge })
    }

    pub(crate) fn get(&self) -> &ResponseHeader {
        &self.header
    }
}

/// A whole body.
#[derive(Debug)]
pub(crate) struct Body {
    // Given back before the pieces are, so that their memory can be the next body's.
    charge: Charge,
    pieces: Vec<Bytes>,
    len: usize,
}

impl Body {
    /// A body of full pieces, the last one excepted. The charge shrinks to what they hold.
    pub(crate) fn new(pieces: Vec<Bytes>, mut charge: Charge) -> Body {
        let len = pieces.iter().map(Bytes::len).sum();
        let cost = pieces::cost(len);
        charge.shrink_to(cost);
        charge.hold(cost);
        Body { charge, pieces, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Its pieces in order.
    pub(crate) fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// What is at `at` and before `end`, up to the end of its piece; `None` at the end.
    pub(crate) fn read(&self, at: usize, end: usize) -> Option<Bytes> {
        pieces::slice(self.pieces.get(at / PIECE)?, at, end)
    }
}

/// A stored response. Copies share all but the instants.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) times: Times,
    pub(crate) header: Arc<Header>,
    pub(crate) stamped: Arc<Stamped>,
    pub(crate) body: Arc<Body>,
}

impl Shelved for Object {
    /// Bytes counted for it.
    fn weight(&self) -> u64 {
        self.header.charge.bytes() + self.body.charge.bytes()
    }

    /// What was asked for after more purges stays.
    fn gives_way_to(&self, other: &Object) -> bool {
        self.stamped.gives_way_to(&other.stamped)
    }
}

impl Object {
    /// Pingora's form of all but the body.
    pub(crate) fn meta(&self) -> CacheMeta {
        self.times.meta_of_whole(self.header.get().clone(), self.body.len())
    }
}
