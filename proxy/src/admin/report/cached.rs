//! What `/v1/cache` says: what is stored of a URL at each POP.

use serde::{Deserialize, Serialize};

use super::explanation::Named;
use super::purges::Missing;

/// What is stored of a URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cached {
    /// The URL, as it was asked for.
    pub url: String,
    /// At each node that answered.
    pub at: Vec<CachedAt>,
    /// Nodes that did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// What is stored at one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachedAt {
    /// The POP.
    pub pop: String,
    /// Its number in the POP.
    pub node: u32,
    /// The `[[cache]]` policy that is for a request with these fields, if one is.
    pub policy: Option<Named>,
    /// Why such a request does not ask the cache, if it does not.
    pub bypass: Option<String>,
    /// The stored responses; that of a request with these fields first.
    pub stored: Vec<StoredResponse>,
    /// How many more there are.
    #[serde(default)]
    pub more: usize,
    /// How many are on their way from the origin.
    pub filling: usize,
}

/// One stored response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredResponse {
    /// Whether it is that of a request with these fields.
    pub chosen: bool,
    /// The status.
    pub status: u16,
    /// Length of the body.
    pub bytes: u64,
    /// Which bytes of the whole it is, such as `bytes 0-65535/1000000`, of a slice.
    pub range: Option<String>,
    /// `memory`, or `disk` for what is there alone.
    pub tier: String,
    /// How old it is (RFC 9111 section 4.2.3), s.
    pub age_s: u64,
    /// How long it is fresh from now on, s; negative since it is stale.
    pub fresh_s: i64,
    /// Whether each use is validated.
    pub validated: bool,
    /// What says that it is fresh for so long.
    pub because: Option<String>,
    /// The policy that had it stored.
    pub policy: Option<String>,
    /// After it was fresh, how long it may be served while it is fetched anew, s.
    pub stale_while_revalidate_s: u32,
    /// After it was fresh, how long it may stand in for an error of the origin, s.
    pub stale_if_error_s: u32,
    /// After it was fresh, how long it may stand in while no answer can be had from the origin, s.
    pub stale_if_unreachable_s: u32,
    /// The request fields that it varies by, as the origin says, and those that a policy adds.
    pub vary: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// `hard` or `soft`: a purge is about it that came to be known here since it was asked for last.
    pub purged: Option<String>,
    /// When that purge was applied here, ms since the Unix epoch, if it is known.
    pub purged_at: Option<u64>,
}
