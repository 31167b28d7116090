//! What somebody wants purged, as they name it.

use std::borrow::Cow;

use super::name::Name;
use super::names::{DEPTH_MAX, runs};
use super::tags::TAG_MAX;
use crate::cache::Scheme;
use crate::cache::authority::authority;
use crate::path;

/// The longest URL, prefix or host that is purged, bytes.
pub const TEXT_MAX: usize = 8192;

/// Something to purge, in the spelling of stored responses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Everything.
    All,
    /// Everything of an authority.
    Host(String),
    /// One URL with its variants.
    Url {
        /// The scheme.
        scheme: Scheme,
        /// The authority.
        authority: String,
        /// The path.
        path: String,
        /// What follows `?`.
        query: Option<String>,
    },
    /// What lies under a run of segments.
    Prefix {
        /// The authority.
        authority: String,
        /// The segments.
        path: String,
    },
    /// What has a tag.
    Tag(Vec<u8>),
    /// What has a group of an authority.
    Group {
        /// The authority.
        authority: String,
        /// The group.
        name: Vec<u8>,
    },
}

/// Why something cannot be purged: nothing stored could have that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// More than [`TEXT_MAX`] bytes.
    Long,
    /// No URL of scheme http or https.
    Url,
    /// No host, or one with a port that is none.
    Host,
    /// The path has no normal form.
    Path(path::BadPath),
    /// A prefix with a query.
    Query,
    /// A prefix of more than [`DEPTH_MAX`] segments.
    Deep,
    /// An empty tag or group, or one of more than [`TAG_MAX`] bytes, or with what separates tags at its ends.
    Tag,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::Long => write!(formatter, "longer than {TEXT_MAX} bytes"),
            Unfit::Url => formatter.write_str("a URL is written https://www.example.com/path?query"),
            Unfit::Host => {
                formatter.write_str("a host is written www.example.com, with its port unless the scheme has it")
            }
            Unfit::Path(bad) => formatter.write_str(bad.as_str()),
            Unfit::Query => formatter.write_str("a prefix is a host and whole segments of a path; it has no query"),
            Unfit::Deep => write!(formatter, "deeper than {DEPTH_MAX} segments, the most of a prefix"),
            Unfit::Tag => write!(formatter, "a tag has 1 to {TAG_MAX} bytes and no space or comma at its ends"),
        }
    }
}

impl Wanted {
    /// An absolute URL; a fragment is no part of it.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn url(text: &str) -> Result<Wanted, Unfit> {
        let text = bounded(text)?;
        let text = text.split('#').next().unwrap_or(text);
        let (scheme, rest) = text.split_once("://").ok_or(Unfit::Url)?;
        let scheme =
            [Scheme::Http, Scheme::Https].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_str()));
        let scheme = scheme.ok_or(Unfit::Url)?;
        let (named, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let authority = authority(named, Some(scheme)).ok_or(Unfit::Host)?;
        Ok(Wanted::Url { scheme, authority, path: normal(path)?, query: query.map(str::to_owned) })
    }

    /// A host and whole segments of a path: `www.example.com/img` is about `/img` and `/img/a`, not `/imgs`.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn prefix(text: &str) -> Result<Wanted, Unfit> {
        let text = bounded(text)?;
        if text.contains(['?', '#']) {
            return Err(Unfit::Query);
        }
        let (named, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let authority = authority(named, None).ok_or(Unfit::Host)?;
        let path = normal(path)?;
        let whole = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(&path);
        match runs(&path).last() {
            Some(last) if last == whole => Ok(Wanted::Prefix { authority, path: last.to_owned() }),
            _ => Err(Unfit::Deep),
        }
    }

    /// Everything of a host.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn host(text: &str) -> Result<Wanted, Unfit> {
        authority(bounded(text)?, None).map(Wanted::Host).ok_or(Unfit::Host)
    }

    /// What has a tag.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn tag(text: &str) -> Result<Wanted, Unfit> {
        let is_apart = |letter: char| letter.is_ascii_whitespace() || letter == ',';
        let fits = (1..=TAG_MAX).contains(&text.len()) && !text.starts_with(is_apart) && !text.ends_with(is_apart);
        if fits { Ok(Wanted::Tag(text.as_bytes().to_vec())) } else { Err(Unfit::Tag) }
    }

    /// What has a group of a host.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn group(host: &str, name: &str) -> Result<Wanted, Unfit> {
        let authority = authority(bounded(host)?, None).ok_or(Unfit::Host)?;
        let fits = (1..=TAG_MAX).contains(&name.len());
        if fits { Ok(Wanted::Group { authority, name: name.as_bytes().to_vec() }) } else { Err(Unfit::Tag) }
    }

    /// The name that everything it is about has.
    pub fn name(&self) -> Name<'_> {
        match self {
            Wanted::All => Name::All,
            Wanted::Host(authority) => Name::Host(authority),
            Wanted::Url { scheme, authority, path, query } => {
                Name::Url { scheme: *scheme, authority, path, query: query.as_deref() }
            }
            Wanted::Prefix { authority, path } => Name::Prefix { authority, path },
            Wanted::Tag(tag) => Name::Tag(tag),
            Wanted::Group { authority, name } => Name::Group { authority, name },
        }
    }
}

fn bounded(text: &str) -> Result<&str, Unfit> {
    if text.len() > TEXT_MAX { Err(Unfit::Long) } else { Ok(text) }
}

/// The normal form of a path; an empty one is `/`.
fn normal(path: &str) -> Result<String, Unfit> {
    let path = if path.is_empty() { "/" } else { path };
    path::normal(path).map(Cow::into_owned).map_err(Unfit::Path)
}
