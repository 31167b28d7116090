//! What is said to purge, and of what was purged.

use serde::{Deserialize, Serialize};

/// `POST /v1/purge`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPurge {
    /// What is purged; all of it or nothing, as far as it can be told before.
    pub purges: Vec<What>,
    /// Whether it is stale afterwards and not gone.
    #[serde(default)]
    pub soft: bool,
    /// How long the answer waits for receipts of the other POPs, ms; 0: it does not.
    #[serde(default)]
    pub wait_ms: u64,
}

/// One thing to purge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// An absolute URL, with its variants.
    Url(String),
    /// A tag of `Surrogate-Key` or `Cache-Tag`.
    Tag(String),
    /// A group of `Cache-Groups`: `host/group`.
    Group(String),
    /// A host and whole segments of a path: `host/path`.
    Prefix(String),
    /// A host, with its port unless the scheme has it.
    Host(String),
    /// Everything; `true`.
    All(bool),
}

/// What was purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Who purged it: with a number, the name of a purge.
    pub by: Purger,
    /// When it held here, node time, ms since the Unix epoch.
    pub at: u64,
    /// Whether it is stale and not gone.
    pub soft: bool,
    /// Each of them, in the order of the question.
    pub purges: Vec<OnePurge>,
    /// Who has applied all of them by now, as far as was waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// Who has not, or has not said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// What a `PURGE` request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedUrl {
    /// Who purged it: with the number, the name of the purge.
    pub by: Purger,
    /// The so-manieth of who purged it.
    pub seq: u64,
    /// Whether it is stale and not gone.
    pub soft: bool,
}

/// A node in one life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purger {
    /// Its POP.
    pub pop: String,
    /// Its number in the POP.
    pub node: u32,
    /// Its life.
    pub incarnation: u64,
}

/// One purge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnePurge {
    /// What was purged.
    pub of: What,
    /// The so-manieth of who purged it.
    pub seq: u64,
}

/// Proof that a node has applied all purges of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its POP.
    pub pop: String,
    /// Its number in the POP.
    pub node: u32,
    /// Which life of it.
    pub incarnation: u64,
    /// When the last of them held there, by its clock, ms since the Unix epoch.
    pub at: u64,
}

/// Nobody knows whether all purges of a question hold there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The POP.
    pub pop: String,
    /// The node, where it is not the only one of its POP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// Why it is not known.
    pub cause: String,
}
