//! What is said of bans, and said to make or lift one.

use serde::{Deserialize, Serialize};

/// `/v1/bans`: one ban.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ban {
    /// The client network.
    pub subject: String,
    /// Node time when it ends, ms since the Unix epoch.
    pub until: u64,
    /// How many bans before it were still remembered.
    pub level: u8,
    /// Why.
    pub reason: String,
    /// When it was made, by the clock of the POP that made it.
    pub made_at: u64,
    /// The POP that made it.
    pub made_by: String,
    /// When this POP applied it, by this POP's clock.
    pub applied_at: u64,
}

/// `POST /v1/bans`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBan {
    /// An address or a network as clients are counted: IPv4 /32, IPv6 /64.
    pub subject: String,
    /// How long, ms.
    pub for_ms: u64,
    /// Why.
    pub reason: String,
}

/// `DELETE /v1/bans`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unban {
    /// The address or network.
    pub subject: String,
}

/// `/v1/bans/last`: the last ban of one subject, while it is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PastBan {
    /// The ban. Those before it were of the levels below, each of which was remembered when the next one was made.
    pub ban: Ban,
    /// Whether it is in force.
    pub in_force: bool,
    /// The limit or rule that made it; absent where an operator did.
    pub by: Option<String>,
    /// Node time from when on it is forgotten, ms since the Unix epoch: a ban after that begins at level 0.
    pub remembered_until: u64,
    /// How long bans of that limit last, by level, ms; the last one repeats. Empty where no limit of the config made it.
    pub steps_ms: Vec<u64>,
    /// How long the next ban lasts, if that limit makes it while this one is remembered, ms.
    pub next_ms: Option<u64>,
}
