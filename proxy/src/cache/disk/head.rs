//! What stands behind a body on the disk: the response's header, its instants, its stamp, and whose it is.
//!
//! It is the last thing that is written, so a file that broke off has none. A validation writes a new one behind it; the last one counts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bincode::{Decode, Encode};
use http::{HeaderName, HeaderValue, Version};
use pingora::http::ResponseHeader;
use selvedge_filters::cache::{Grounds, Reuse};
use selvedge_filters::purge;
use selvedge_state::{Fill, Incarnation, Key128};

use super::super::object::{Terms, Times};
use super::super::stamp::{Owner, Stamp};
use super::super::storage::EntryKey;
use super::chunks::{is_read_at_once, size};

/// What the end of each file says it is, with the version of its form.
const MAGIC: [u8; 8] = *b"slvgobj\x02";

/// The end of a file: length and checksum of the head before it, length of the body, key, magic.
const FOOTER: usize = 4 + 4 + 8 + 16 + MAGIC.len();

/// The longest head, bytes.
const HEAD_MAX: usize = 1 << 20;

/// What is read from the end of a file at first: most heads.
const GUESS: usize = 4 * 1024;

/// What validations may leave behind before the response is fetched anew, bytes.
const LEFT_MAX: u64 = 64 * 1024;

/// Why what is on the disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadError {
    #[error("it is no whole object of this key")]
    Damaged,
    #[error("validations have left too much in it")]
    Full,
    #[error("it was purged")]
    Purged,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// All but the body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) times: Times,
    pub(super) header: ResponseHeader,
    pub(super) stamp: Stamp,
    /// The life of this node in which it was asked for.
    pub(super) life: Incarnation,
}

/// Its form on the disk. Field order is the format.
#[derive(Debug, Encode, Decode)]
struct Saved {
    life: u64,
    fill: u64,
    body: u64,
    keys: Vec<[u8; 16]>,
    primary: Option<u128>,
    policy: Option<String>,
    grounds: Option<String>,
    fresh_until: i64,
    created: i64,
    epoch: i64,
    stale_while_revalidate_s: u32,
    stale_if_error_s: u32,
    stale_if_answered_s: u32,
    is_validated: bool,
    variance: Option<[u8; 16]>,
    status: u16,
    is_http2: bool,
    reason: Option<String>,
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// What is written behind the body of `len` bytes.
    pub(super) fn encode(&self, key: EntryKey, len: u64) -> Vec<u8> {
        let saved = bincode::encode_to_vec(self.saved(), bincode::config::standard()).unwrap_or_default();
        let mut out = Vec::with_capacity(saved.len() + FOOTER);
        out.extend_from_slice(&saved);
        out.extend_from_slice(&(saved.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&saved).to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&key.0.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        out
    }

    fn saved(&self) -> Saved {
        let meta = self.times.meta(self.header.clone());
        let (header, terms) = (&self.header, self.times.terms);
        let fields = header.headers.iter();
        Saved {
            life: self.life.0,
            fill: self.stamp.fill().number(),
            body: self.stamp.purged_by().body().number(),
            keys: self.stamp.purged_by().keys().iter().map(|key| key.to_bytes()).collect(),
            primary: self.stamp.owner().primary.map(|primary| primary.0),
            policy: self.stamp.owner().policy.as_deref().map(str::to_owned),
            grounds: terms.grounds.map(|grounds| grounds.as_str().to_owned()),
            fresh_until: nanoseconds(meta.fresh_until()),
            created: nanoseconds(meta.provenance()),
            epoch: nanoseconds(meta.epoch()),
            stale_while_revalidate_s: meta.stale_while_revalidate_sec(),
            stale_if_error_s: meta.stale_if_error_sec(),
            stale_if_answered_s: terms.stale_if_error_s,
            is_validated: terms.reuse == Reuse::Validated,
            variance: meta.variance(),
            status: header.status.as_u16(),
            is_http2: header.version == Version::HTTP_2,
            reason: header.get_reason_phrase().map(str::to_owned),
            fields: fields.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect(),
        }
    }

    /// Reads the last head of a file of this key, and the length of its body. Waits for the disk with `may_wait`; `None`: it would have to.
    ///
    /// # Errors
    /// [`HeadError`].
    pub(super) fn read(file: &File, key: EntryKey, may_wait: bool) -> Result<Option<(Head, u64)>, HeadError> {
        let all = file.metadata()?.len();
        let mut tail = vec![0; usize::try_from(all).unwrap_or(usize::MAX).min(GUESS)];
        if !read(file, &mut tail, all, may_wait)? {
            return Ok(None);
        }
        let end = tail.len().checked_sub(FOOTER).ok_or(HeadError::Damaged)?;
        let (len, sum, body) = footer(tail.split_off(end).as_slice(), key).ok_or(HeadError::Damaged)?;
        let behind = size(body).checked_add((len + FOOTER) as u64).filter(|behind| *behind <= all);
        if len > HEAD_MAX || behind.is_none() {
            return Err(HeadError::Damaged);
        }
        let saved = match tail.len().checked_sub(len) {
            Some(skip) => tail.split_off(skip),
            None => {
                tail.resize(len, 0);
                if !read(file, &mut tail, all - FOOTER as u64, may_wait)? {
                    return Ok(None);
                }
                tail
            }
        };
        if crc32fast::hash(&saved) != sum {
            return Err(HeadError::Damaged);
        }
        let limited = bincode::config::standard().with_limit::<{ 4 * HEAD_MAX }>();
        let (saved, _) = bincode::decode_from_slice(&saved, limited).map_err(|_| HeadError::Damaged)?;
        Ok(Some((Head::restored(saved).ok_or(HeadError::Damaged)?, body)))
    }

    fn restored(saved: Saved) -> Option<Head> {
        let mut header = ResponseHeader::build_no_case(saved.status, Some(saved.fields.len())).ok()?;
        header.set_version(if saved.is_http2 { Version::HTTP_2 } else { Version::HTTP_11 });
        header.set_reason_phrase(saved.reason.as_deref()).ok()?;
        for (name, value) in saved.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            header.append_header(name, HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()?).ok()?;
        }
        let reuse = if saved.is_validated { Reuse::Validated } else { Reuse::WhileFresh };
        let (revalidate, error) = (saved.stale_while_revalidate_s, saved.stale_if_error_s);
        let mut times = Times::new(
            (instant(saved.fresh_until)?, instant(saved.created)?, instant(saved.epoch)?),
            (revalidate, error),
            Terms {
                stale_if_error_s: saved.stale_if_answered_s,
                reuse,
                grounds: saved.grounds.as_deref().and_then(Grounds::named),
                // It was stored, so it was no larger.
                object_max: None,
            },
        );
        times.variance = saved.variance;
        let keys = saved.keys.into_iter().map(Key128::from_bytes).collect();
        let (primary, policy) = (saved.primary.map(EntryKey), saved.policy.map(Arc::from));
        let asked = (Fill::numbered(saved.fill), Fill::numbered(saved.body));
        let stamp = Stamp::restored(purge::Stamp::restored(asked, keys), Owner { primary, policy });
        Some(Head { times, header, stamp, life: Incarnation(saved.life) })
    }

    /// Writes another head behind the one that is there, which stands behind a body of `body` bytes. Gives the length of the file.
    ///
    /// # Errors
    /// [`HeadError`]; the file is of no use then.
    pub(super) fn append(&self, file: &File, key: EntryKey, body: u64) -> Result<u64, HeadError> {
        let all = file.metadata()?.len();
        if all.saturating_sub(size(body)) > LEFT_MAX {
            return Err(HeadError::Full);
        }
        let head = self.encode(key, body);
        file.write_all_at(&head, all)?;
        Ok(all + head.len() as u64)
    }
}

/// Reads what ends at `end`. `false`: it would have to wait for the disk and may not.
fn read(file: &File, into: &mut [u8], end: u64, may_wait: bool) -> io::Result<bool> {
    let at = end.saturating_sub(into.len() as u64);
    if is_read_at_once(file, into, at) {
        return Ok(true);
    }
    if may_wait {
        file.read_exact_at(into, at)?;
    }
    Ok(may_wait)
}

/// Length and checksum of the head, and length of the body.
fn footer(footer: &[u8], key: EntryKey) -> Option<(usize, u32, u64)> {
    let (len, rest) = footer.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (body, rest) = rest.split_first_chunk()?;
    let (of, magic) = rest.split_first_chunk()?;
    let is_whole = magic == MAGIC && u128::from_le_bytes(*of) == key.0;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    is_whole.then_some((len, u32::from_le_bytes(*sum), u64::from_le_bytes(*body)))
}

/// Since 1970, as far as 64 bits go: some 292 years to both sides.
fn nanoseconds(at: SystemTime) -> i64 {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanoseconds| -nanoseconds),
    }
}

fn instant(nanoseconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    match nanoseconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        ..0 => SystemTime::UNIX_EPOCH.checked_sub(distance),
    }
}
