//! What is said of sessions, and said to revoke them.

use serde::{Deserialize, Serialize};

use super::purges::{Missing, Purger, Receipt};

/// `/v1/sessions`: sessions that a node holds, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// In the order of their ids.
    pub sessions: Vec<HeldSession>,
    /// The id to go on behind; absent where there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A session as a node holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSession {
    /// Its keyed hash, as logs and origins are told.
    pub id: String,
    /// When it was started, ms since the Unix epoch, as all instants here.
    pub started: u64,
    /// When it was last written down that it was seen.
    pub seen: u64,
    /// When it is over if it is not seen again.
    pub over: u64,
    /// Attributes that have a value, by name.
    pub attributes: Vec<(String, String)>,
    /// Counters, by name.
    pub counters: Vec<(String, u64)>,
    /// By what it is revoked: `id`; `user` or `tenant`, whose it is; or `floor`, as all that were started as early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// `/v1/sessions/ID`: one session at each POP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownSession {
    /// Its keyed hash.
    pub id: String,
    /// At each node that answered, the one that was asked first.
    pub at: Vec<SessionAt>,
    /// Nodes that did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// One session at one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAt {
    /// The POP.
    pub pop: String,
    /// Its number in the POP.
    pub node: u32,
    /// By what it is revoked: `id`; `user` or `tenant`, whose it is; or `floor`, as all that were started as early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// What is known of it there; absent where that is nothing, or it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownSession>,
    /// Who wrote what another node that answered has, and this one has not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<Writer>,
}

/// All that is known of one session at one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSession {
    /// When it was started.
    pub started: u64,
    /// When it was last written down that it was seen.
    pub seen: u64,
    /// When it is over if it is not seen again.
    pub over: u64,
    /// Its absolute end.
    pub ends: u64,
    /// Its attributes, removed ones included.
    pub attributes: Vec<SessionAttribute>,
    /// Its counters.
    pub counters: Vec<SessionCounter>,
    /// How far of each writer all is known here.
    pub written: Vec<Written>,
}

/// A node in one life, as the writer of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Writer {
    /// Its POP.
    pub pop: String,
    /// Its number in the POP.
    pub node: u32,
    /// Its life.
    pub incarnation: u64,
}

/// How far of a writer all is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Who wrote.
    pub by: Writer,
    /// The number of its newest write that is known.
    pub version: u64,
    /// When that was, by its clock.
    pub at: u64,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAttribute {
    /// Its name.
    pub name: String,
    /// Its value; absent since it was removed.
    pub value: Option<String>,
    /// Who said so.
    pub by: Writer,
    /// When, by its clock.
    pub at: u64,
}

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCounter {
    /// Its name.
    pub name: String,
    /// What all counted.
    pub count: u64,
    /// What each writer counted.
    pub by: Vec<(Writer, u64)>,
}

/// `POST /v1/sessions/revoke`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRevocation {
    /// What is revoked; all of it or nothing.
    pub revoke: Vec<Whose>,
    /// In which realm users, tenants and tokens are named; may be absent where the config has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// How long the answer waits for receipts of the other POPs, ms; 0: it does not.
    #[serde(default)]
    pub wait_ms: u64,
}

/// One thing to revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// A session, by its keyed hash.
    Session(String),
    /// All sessions and tokens of a user that were issued until now.
    User(String),
    /// All sessions and tokens of a tenant that were issued until now.
    Tenant(String),
    /// A token, by its `jti`.
    Token(String),
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Who revoked it.
    pub by: Purger,
    /// When, node time.
    pub at: u64,
    /// Each of them, in the order of the question.
    pub revoked: Vec<Whose>,
    /// The realm of users, tenants and tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Who has applied all of them by now, as far as was waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// Who has not, or has not said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}
