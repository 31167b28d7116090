//! What a decision may know of a response on its way to the client.

use http::HeaderMap;

use crate::challenge::Outcome;

/// The head of one response, as rules of the response phase see it.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// Who made it.
    pub from: From,
    /// What the cache did, in a word (`hit`, `miss`, `collapsed`, `revalidated`, `bypass`); `""` when it was not asked.
    pub cache: &'a str,
    /// What it has to do with challenges.
    pub challenge: Option<Outcome>,
}

/// Who made a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// An origin, for this request.
    Origin,
    /// The cache.
    Cache,
    /// The edge itself.
    Edge,
}

impl From {
    /// As expressions see it.
    pub fn as_str(self) -> &'static str {
        match self {
            From::Origin => "origin",
            From::Cache => "cache",
            From::Edge => "edge",
        }
    }
}
