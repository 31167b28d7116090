//! Slices of a large response: aligned parts of one size, each of which is asked for, stored and found by itself (RFC 9110 section 14; RFC 9111
//! section 3.3 lets a cache keep what a 206 brings).

use http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// One slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    size: u64,
    number: u64,
}

impl Slice {
    /// The one that has a position, of slices of `size` bytes.
    pub fn at(position: u64, size: u64) -> Slice {
        let size = size.max(1);
        Slice { size, number: position / size }
    }

    /// The one that a `Range` field begins in, as far as that can be told without the length of the whole; else the first one, which tells it.
    pub fn first_of(range: Option<&HeaderValue>, size: u64) -> Slice {
        let ranges = range.and_then(|range| range.to_str().ok()?.split_once('='));
        let first = ranges.filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
        let position = first.and_then(|(_, ranges)| ranges.split_once('-')?.0.trim().parse().ok());
        Slice::at(position.unwrap_or(0), size)
    }

    /// Whether it is the first one.
    pub fn is_first(self) -> bool {
        self.number == 0
    }

    /// Where it begins.
    pub fn start(self) -> u64 {
        self.number.saturating_mul(self.size)
    }

    /// The first position behind it, in a whole that reaches so far.
    pub fn end(self) -> u64 {
        self.start().saturating_add(self.size)
    }

    /// The `Range` that asks for it. The last one may be shorter.
    pub fn range(self) -> String {
        format!("bytes={}-{}", self.start(), self.end() - 1)
    }

    /// How long the whole is, if a 206 with these fields has this slice and nothing else.
    pub fn whole_of(self, response: &HeaderMap) -> Option<u64> {
        let mut ranges = response.get_all(CONTENT_RANGE).iter();
        let range = ranges.next().filter(|_| ranges.next().is_none())?.to_str().ok()?;
        let (positions, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = positions.split_once('-')?;
        let [first, last, whole]: [Option<u64>; 3] = [first, last, whole].map(|number| number.parse().ok());
        let whole = whole?;
        let is_this = first? == self.start() && whole > self.start() && last? == self.end().min(whole) - 1;
        is_this.then_some(whole)
    }

    /// What it is stored under, by the name of the whole. Such a name tells where it ends, so no other one is this.
    pub fn named(self, mut whole: Vec<u8>) -> Vec<u8> {
        whole.extend_from_slice(&self.size.to_be_bytes());
        whole.extend_from_slice(&self.number.to_be_bytes());
        whole
    }
}

/// Whether two responses are parts of one: by a strong `ETag` of both, or by `Last-Modified` where neither has any (RFC 9110 section 15.3.7.3).
pub fn are_of_one(one: &HeaderMap, other: &HeaderMap) -> bool {
    let is_strong = |tag: &HeaderValue| tag.as_bytes().starts_with(b"\"");
    match (one.get(ETAG), other.get(ETAG)) {
        (Some(one), Some(other)) => one == other && is_strong(one),
        (None, None) => one.get(LAST_MODIFIED).is_some_and(|date| other.get(LAST_MODIFIED) == Some(date)),
        _ => false,
    }
}
