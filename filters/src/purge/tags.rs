//! The tags that an origin gives a response: `Surrogate-Key` (apart by spaces), `Cache-Tag` (apart by commas), and the groups of
//! `Cache-Groups` (RFC 9875, a list of strings), which are of one authority.

use http::{HeaderMap, HeaderName};

/// The most tags and groups of one response, together.
pub const TAGS_MAX: usize = 64;

/// The longest tag or group, bytes.
pub const TAG_MAX: usize = 256;

/// Why the tags of a response cannot be kept; it is not stored then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagFlaw {
    /// More than [`TAGS_MAX`].
    Many,
    /// One of more than [`TAG_MAX`] bytes.
    Long,
    /// `Cache-Groups` is no list of strings.
    Malformed,
}

/// What a response is tagged with, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    tags: Vec<Vec<u8>>,
    groups: Vec<Vec<u8>>,
}

impl Tags {
    /// Tags of any host.
    pub fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.tags.iter().map(Vec::as_slice)
    }

    /// Groups of the response's authority.
    pub fn groups(&self) -> impl Iterator<Item = &[u8]> {
        self.groups.iter().map(Vec::as_slice)
    }

    fn add(&mut self, tag: &[u8], is_group: bool) -> Result<(), TagFlaw> {
        let known = if is_group { &mut self.groups } else { &mut self.tags };
        if tag.is_empty() || known.iter().any(|known| known == tag) {
            return Ok(());
        }
        if tag.len() > TAG_MAX {
            return Err(TagFlaw::Long);
        }
        known.push(tag.to_vec());
        if self.tags.len() + self.groups.len() > TAGS_MAX { Err(TagFlaw::Many) } else { Ok(()) }
    }
}

/// Reads the tags of a response over all lines of its fields, and of further fields in which they are apart by spaces or commas.
///
/// # Errors
/// [`TagFlaw`]: not all of them can be kept.
pub fn tags(headers: &HeaderMap, more: &[HeaderName]) -> Result<Tags, TagFlaw> {
    let mut tags = Tags::default();
    for line in headers.get_all("surrogate-key") {
        line.as_bytes().split(|byte| b" \t".contains(byte)).try_for_each(|tag| tags.add(tag, false))?;
    }
    for line in headers.get_all("cache-tag") {
        line.as_bytes().split(|byte| *byte == b',').try_for_each(|tag| tags.add(tag.trim_ascii(), false))?;
    }
    for line in more.iter().flat_map(|field| headers.get_all(field)) {
        line.as_bytes().split(|byte| b" \t,".contains(byte)).try_for_each(|tag| tags.add(tag, false))?;
    }
    for line in headers.get_all("cache-groups") {
        groups(line.as_bytes(), |group| tags.add(group, true))?;
    }
    Ok(tags)
}

/// The strings of a list (RFC 9651 sections 4.2.1 and 4.2.5). Their parameters mean nothing (RFC 9875 section 2) and are not
/// taken here: what cannot be read to its end may hide a group.
pub(super) fn groups(mut rest: &[u8], mut each: impl FnMut(&[u8]) -> Result<(), TagFlaw>) -> Result<(), TagFlaw> {
    rest = rest.trim_ascii();
    if rest.is_empty() {
        return Ok(());
    }
    loop {
        let (group, after) = string(rest).ok_or(TagFlaw::Malformed)?;
        each(&group)?;
        rest = after.trim_ascii_start();
        match rest.split_first() {
            None => return Ok(()),
            // A comma with nothing behind it ends no list.
            Some((b',', after)) => rest = after.trim_ascii_start(),
            Some(_) => return Err(TagFlaw::Malformed),
        }
    }
}

/// A string, and what follows it.
fn string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut string = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((string, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first().filter(|(byte, _)| b"\"\\".contains(byte))?;
                string.push(*escaped);
                rest = after;
            }
            0x20..=0x7e => string.push(*byte),
            _ => return None,
        }
    }
}
