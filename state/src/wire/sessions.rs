//! Sessions, each whole:
//!
//! ```text
//! authors (count, then POP, node, incarnation each), sessions (count), then for each, in the order of keys:
//! key (u128, LE), created, ends, seen, until,
//! attributes (count, then for each: name, author's index, stamp, 0 if it was removed, else 1 more than the value's length, value),
//! rows (count, then for each: author's index, version, changes since its birth, counters (count, then name and count each))
//! ```
//!
//! All numbers are varints, but for the key; a name is its length and its bytes. Attributes and counters are in the order of names, rows in that
//! of authors and births, each once. A session of three attributes that two nodes wrote takes about 150 bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::WireError;
use super::block::{self, SESSIONS};
use super::counters::{AUTHOR_MOST, authors, put_authors};
use super::reader::{Reader, put_varint};
use crate::identity::Author;
use crate::key::Key128;
use crate::session::{
    Attribute, Row, SESSION_ATTRIBUTES_MAX, SESSION_COUNTERS_MAX, SESSION_NAME_MAX, SESSION_ROWS_MAX,
    SESSION_VALUE_MAX, Session,
};
use crate::time::Time;
use crate::version::Version;

/// The fewest bytes of a session: a key, four times, two counts.
const SESSION_LEAST: usize = 16 + 4 + 2;

/// The fewest bytes of an attribute, and of a row.
const ATTRIBUTE_LEAST: usize = 2 + 1 + 1 + 1;
const ROW_LEAST: usize = 4;
const COUNTER_LEAST: usize = 3;

/// The most bytes of a block beside its sessions: counts of them and of authors.
pub(super) const SESSIONS_MOST: usize = 2 * 5;

/// The most bytes that a session takes, its authors' entries in the list included.
pub(super) fn weight(session: &Session) -> usize {
    let value = |attribute: &Attribute| attribute.value.as_ref().map_or(0, |value| value.len());
    let attribute = |attribute: &Attribute| 1 + attribute.name.len() + 3 + 10 + 3 + value(attribute) + AUTHOR_MOST;
    let counter = |(name, _): &(Box<str>, u64)| 1 + name.len() + 10;
    let row = |row: &Row| 3 + 10 + 10 + 1 + row.counts.iter().map(counter).sum::<usize>() + AUTHOR_MOST;
    let attributes: usize = session.attributes.iter().map(attribute).sum();
    16 + 4 * 10 + 2 + attributes + session.rows.iter().map(row).sum::<usize>()
}

pub(super) fn encode(sessions: &BTreeMap<Key128, Session>) -> Vec<u8> {
    let of = |session: &Session| {
        let stated = session.attributes.iter().map(|attribute| attribute.author);
        stated.chain(session.rows.iter().map(|row| row.author)).collect::<Vec<_>>()
    };
    let mut authors: Vec<Author> = sessions.values().flat_map(of).collect();
    authors.sort_unstable();
    authors.dedup();
    let mut out = Vec::new();
    put_authors(&mut out, &authors);
    put_varint(&mut out, sessions.len() as u64);
    for (key, session) in sessions {
        out.extend_from_slice(&key.to_bytes());
        put_session(&mut out, session, &authors);
    }
    out
}

/// What is said of a session, its authors by their places in a list of all of them.
fn put_session(out: &mut Vec<u8>, session: &Session, authors: &[Author]) {
    let index = |author: Author| authors.partition_point(|other| *other < author) as u64;
    for time in [session.created, session.ends, session.seen, session.until] {
        put_varint(out, time.0);
    }
    put_varint(out, session.attributes.len() as u64);
    for Attribute { name, stamp, author, value } in &session.attributes {
        put_bytes(out, name.as_bytes());
        put_varint(out, index(*author));
        put_varint(out, stamp.0);
        put_varint(out, value.as_ref().map_or(0, |value| value.len() as u64 + 1));
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    put_varint(out, session.rows.len() as u64);
    for Row { author, born, version, counts } in &session.rows {
        put_varint(out, index(*author));
        put_varint(out, version.0);
        put_varint(out, version.0.saturating_sub(born.0));
        put_varint(out, counts.len() as u64);
        for (name, count) in counts {
            put_bytes(out, name.as_bytes());
            put_varint(out, *count);
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn decode(body: &[u8]) -> Result<Vec<(Key128, Session)>, WireError> {
    let mut reader = Reader::new(body, "a block of sessions");
    let authors = authors(&mut reader)?;
    let count = reader.count(SESSION_LEAST)?;
    let mut sessions: Vec<(Key128, Session)> = Vec::with_capacity(count);
    for _ in 0..count {
        let key = Key128::from_bytes(reader.array()?);
        if sessions.last().is_some_and(|(known, _)| *known >= key) {
            return Err(WireError::Order("a session"));
        }
        sessions.push((key, session(&mut reader, &authors)?));
    }
    reader.end()?;
    Ok(sessions)
}

fn session(reader: &mut Reader<'_>, authors: &[Author]) -> Result<Session, WireError> {
    let mut time = || reader.varint().map(Time);
    let (created, ends, seen, until) = (time()?, time()?, time()?, time()?);
    let count = bounded(reader, ATTRIBUTE_LEAST, (SESSION_ATTRIBUTES_MAX, "a number of attributes"))?;
    let mut attributes: Vec<Attribute> = Vec::with_capacity(count);
    for _ in 0..count {
        let attribute = attribute(reader, authors)?;
        if attributes.last().is_some_and(|last| last.name >= attribute.name) {
            return Err(WireError::Order("an attribute"));
        }
        attributes.push(attribute);
    }
    let count = bounded(reader, ROW_LEAST, (SESSION_ROWS_MAX, "a number of rows"))?;
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    for _ in 0..count {
        let row = row(reader, authors)?;
        if rows.last().is_some_and(|last| (last.author, last.born) >= (row.author, row.born)) {
            return Err(WireError::Order("a row"));
        }
        rows.push(row);
    }
    Ok(Session { created, ends, seen, until, attributes, rows })
}

fn attribute(reader: &mut Reader<'_>, authors: &[Author]) -> Result<Attribute, WireError> {
    let name = name(reader)?;
    let author = by_index(reader, authors)?;
    let stamp = Version(reader.varint()?);
    let value = match reader.varint()?.checked_sub(1) {
        None => None,
        Some(length) => {
            let length = usize::try_from(length).ok().filter(|length| *length <= SESSION_VALUE_MAX);
            Some(Box::from(reader.take(length.ok_or(WireError::Range("the length of a value"))?)?))
        }
    };
    Ok(Attribute { name, stamp, author, value })
}

fn row(reader: &mut Reader<'_>, authors: &[Author]) -> Result<Row, WireError> {
    let author = by_index(reader, authors)?;
    let version = reader.varint()?;
    let born = version.checked_sub(reader.varint()?).ok_or(WireError::Range("a birth"))?;
    let count = bounded(reader, COUNTER_LEAST, (SESSION_COUNTERS_MAX, "a number of counters"))?;
    let mut counts: Vec<(Box<str>, u64)> = Vec::with_capacity(count);
    for _ in 0..count {
        let name = name(reader)?;
        if counts.last().is_some_and(|(last, _)| *last >= name) {
            return Err(WireError::Order("a counter"));
        }
        counts.push((name, reader.varint()?));
    }
    Ok(Row { author, born: Version(born), version: Version(version), counts })
}

fn name(reader: &mut Reader<'_>) -> Result<Box<str>, WireError> {
    let length = usize::try_from(reader.varint()?).ok().filter(|length| (1..=SESSION_NAME_MAX).contains(length));
    let bytes = reader.take(length.ok_or(WireError::Range("the length of a name"))?)?;
    std::str::from_utf8(bytes).map(Box::from).map_err(|_| WireError::Range("a name"))
}

fn by_index(reader: &mut Reader<'_>, authors: &[Author]) -> Result<Author, WireError> {
    let index = usize::try_from(reader.varint()?).ok();
    index.and_then(|index| authors.get(index)).copied().ok_or(WireError::Range("an author's index"))
}

/// A count of things that one session has so many of at most.
fn bounded(reader: &mut Reader<'_>, least: usize, (most, what): (usize, &'static str)) -> Result<usize, WireError> {
    let count = reader.count(least)?;
    if count <= most { Ok(count) } else { Err(WireError::Range(what)) }
}

/// One session alone, as a block with its checksum.
pub(crate) fn alone(key: Key128, session: &Session) -> Bytes {
    let mut out = Vec::new();
    block::put(&mut out, SESSIONS, &encode(&BTreeMap::from([(key, session.clone())])));
    out.into()
}

/// The session of such a block.
///
/// # Errors
/// [`WireError`] when it is none, or more than one.
pub(crate) fn read_alone(bytes: &[u8]) -> Result<(Key128, Session), WireError> {
    if bytes.len() > super::FRAME_MAX {
        return Err(WireError::TooLong(bytes.len()));
    }
    let mut reader = Reader::new(bytes, "a session");
    let (kind, body) = block::take(&mut reader)?;
    reader.end()?;
    if kind != SESSIONS {
        return Err(WireError::NoHead(kind));
    }
    let mut sessions = decode(body)?.into_iter();
    match (sessions.next(), sessions.next()) {
        (Some(session), None) => Ok(session),
        _ => Err(WireError::Range("a number of sessions")),
    }
}

/// For digests: what is said of a session.
pub(crate) fn said(key: Key128, session: &Session) -> Vec<u8> {
    encode(&BTreeMap::from([(key, session.clone())]))
}
