//! One thing by which responses are purged together, and its key in the store.

use selvedge_state::{PurgeKey, Store};

use crate::cache::Scheme;

/// How a purge reaches what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// It is gone: nothing of it is served any more, nor validated.
    Hard,
    /// It is stale: it may be served within its windows and is validated.
    Soft,
}

impl Reach {
    /// A stable name, for keys, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reach::Hard => "hard",
            Reach::Soft => "soft",
        }
    }
}

/// What responses have in common. Authorities and paths are in normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// That they are stored.
    All,
    /// The authority: the host in lower case, with the port unless it is the scheme's own.
    Host(&'a str),
    /// The URL; its variants share it.
    Url {
        /// The scheme.
        scheme: Scheme,
        /// The authority.
        authority: &'a str,
        /// The path.
        path: &'a str,
        /// What follows `?`; an empty query is not an absent one.
        query: Option<&'a str>,
    },
    /// Whole segments at the beginning of the path; see [`runs`](super::runs).
    Prefix {
        /// The authority.
        authority: &'a str,
        /// The segments, without a `/` behind them; `/` is all paths.
        path: &'a str,
    },
    /// A tag that the origin gave them, at whichever host.
    Tag(&'a [u8]),
    /// A group of one authority (RFC 9875).
    Group {
        /// The authority.
        authority: &'a str,
        /// The group.
        name: &'a [u8],
    },
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind();
        match self {
            Name::All => formatter.write_str(kind),
            Name::Host(authority) => write!(formatter, "{kind} {authority}"),
            Name::Url { scheme, authority, path, query } => {
                write!(formatter, "{kind} {}://{authority}{path}", scheme.as_str())?;
                query.map_or(Ok(()), |query| write!(formatter, "?{query}"))
            }
            Name::Prefix { authority, path } => write!(formatter, "{kind} {authority}{path}"),
            Name::Tag(tag) => write!(formatter, "{kind} {}", tag.escape_ascii()),
            Name::Group { authority, name } => write!(formatter, "{kind} {authority}/{}", name.escape_ascii()),
        }
    }
}

impl Name<'_> {
    /// The kind in a word, for keys, logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Name::All => "all",
            Name::Host(_) => "host",
            Name::Url { .. } => "url",
            Name::Prefix { .. } => "prefix",
            Name::Tag(_) => "tag",
            Name::Group { .. } => "group",
        }
    }

    /// Its key in the store. No two names share one, and none is hard and soft.
    pub fn key(&self, store: &Store, reach: Reach) -> PurgeKey {
        let (reach, kind) = (reach.as_str().as_bytes(), self.kind().as_bytes());
        match self {
            Name::All => store.purge_key(&[reach, kind]),
            Name::Host(authority) => store.purge_key(&[reach, kind, authority.as_bytes()]),
            Name::Url { scheme, authority, path, query } => {
                let (scheme, authority, path) = (scheme.as_str().as_bytes(), authority.as_bytes(), path.as_bytes());
                match query {
                    Some(query) => store.purge_key(&[reach, kind, scheme, authority, path, query.as_bytes()]),
                    None => store.purge_key(&[reach, kind, scheme, authority, path]),
                }
            }
            Name::Prefix { authority, path } => store.purge_key(&[reach, kind, authority.as_bytes(), path.as_bytes()]),
            Name::Tag(tag) => store.purge_key(&[reach, kind, tag]),
            Name::Group { authority, name } => store.purge_key(&[reach, kind, authority.as_bytes(), name]),
        }
    }
}
