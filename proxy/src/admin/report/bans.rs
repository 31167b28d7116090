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

/// `/v1/bans/history`: the bans of one subject that are remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BanHistory {
    /// The last ban first; then those before it that this POP heard of, at most 8.
    pub steps: Vec<BanStep>,
    /// Whether the last one is in force.
    pub in_force: bool,
    /// Node time from when on a ban begins at level 0 again, ms since the Unix epoch.
    pub remembered_until: u64,
    /// How long bans of the limit that made the last one last, by level, ms; the last one repeats. Empty where no limit of the
    /// config made it.
    pub steps_ms: Vec<u64>,
    /// How long the next ban lasts, if that limit makes it while this one is remembered, ms.
    pub next_ms: Option<u64>,
}

/// One ban of a history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BanStep {
    /// The ban.
    pub ban: Ban,
    /// The limit or rule that made it; absent where an operator did.
    pub by: Option<String>,
    /// When it was lifted, by the clock of the POP that lifted it, ms since the Unix epoch; absent where it was not.
    pub lifted_at: Option<u64>,
    /// The POP that lifted it.
    pub lifted_by: Option<String>,
}
