//! What is said of limits, and said to change one for one key.

use serde::{Deserialize, Serialize};

/// `/v1/limits`: one limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limit {
    /// Its name in the config.
    pub name: String,
    /// What is limited, as in the config: `20/1m burst 2`.
    pub measure: String,
    /// global or pop.
    pub scope: String,
    /// How it is held over all POPs: converge, strict, or bounded with its part.
    pub class: String,
    /// enforce or monitor.
    pub mode: String,
    /// Where it is written.
    pub place: String,
    /// Keys it counts by now.
    pub keys: usize,
    /// Whether its table is too full to hold all keys it counted.
    #[serde(default)]
    pub partial: bool,
    /// What it may admit beyond its first rate and burst, if it has any.
    pub bound: Option<Bound>,
    /// By how much its first rate was overshot at most since the process started or its burst changed, as far as this POP came to know;
    /// absent where it was not.
    #[serde(default)]
    pub overshot: Option<Overshot>,
    /// What was said of its keys at run time and holds now, by key.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Keys that were reset and may still owe something from before, by key.
    #[serde(default)]
    pub resets: Vec<Reset>,
    /// The keys with most, or the one asked for.
    pub top: Vec<Key>,
}

/// How far a limit was overshot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Overshot {
    /// Requests that were admitted for one key beyond burst and rate: a lower bound.
    pub by: f64,
    /// When this POP came to know, ms since the Unix epoch.
    pub at: u64,
}

/// The parts of a limit's bound, now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bound {
    /// Requests per second in the long run.
    pub rate_per_s: f64,
    /// Depth of the bucket.
    pub burst: f64,
    /// Width of its slots, ms.
    pub slot_ms: u64,
    /// How late a charge may be known elsewhere now: worst round trip plus one batch, ms. 0 when alone.
    pub lag_ms: u64,
    /// Requests beyond burst and rate that the slots may hide: a fine slot's worth, and a window's where the lag is longer than
    /// the fine slots reach. 0 of one that is shared out.
    pub slots: f64,
    /// Of one that is shared out: requests beyond burst and rate, once, whatever the lag.
    pub overdraft: Option<f64>,
    /// The formula, for people.
    pub formula: String,
}

/// One key of a limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    /// Its keyed hash, hex: keys themselves are not kept.
    pub hash: String,
    /// The values that it is made of, in the config's order, if it was charged or refused here lately, or an operator named it.
    #[serde(default)]
    pub key: Option<Vec<String>>,
    /// Whether one more request would be refused now.
    #[serde(default)]
    pub refused: bool,
    /// Requests admitted in the windows still remembered, what was used of a quota by now, or what is in flight; all POPs, but for those of
    /// which what is in flight counts nothing because they are not heard.
    pub count: u64,
    /// The same by POP and life.
    pub rows: Vec<Row>,
    /// Backlog of the first bucket as it is in force here, requests; of a quota, and of what is in flight, the same as `count`.
    pub level: f64,
}

/// What one POP counted for a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The POP.
    pub pop: String,
    /// The life in which it counted.
    pub incarnation: u64,
    /// Requests admitted.
    pub count: u64,
    /// Whether it is what a POP last said that is not heard any more, and counts nothing: of what is in flight alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// What was said of one key of a limit at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The limit.
    pub limit: String,
    /// The key's hash, hex.
    pub hash: String,
    /// The values that it is made of, as they were written; absent where only the hash is known.
    pub key: Option<Vec<String>>,
    /// The rate, `100/1m`; absent where there is no limit.
    pub rate: Option<String>,
    /// Depth of the bucket, likewise.
    pub burst: Option<u32>,
    /// Requests at once, of all POPs, where that is what is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Node time from when on it does not hold any more, ms since the Unix epoch.
    pub until: u64,
    /// When it was said, by the clock of the POP that did.
    pub made_at: u64,
    /// The POP that said it.
    pub made_by: String,
}

/// `POST /v1/limits/NAME/overrides`: what is to hold for one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOverride {
    /// A value for each part of the limit's key, or a hash behind `#`.
    pub key: Vec<String>,
    /// A rate as in the config, `100/1m`; no limit where neither this nor `in_flight` is there.
    pub rate: Option<String>,
    /// Depth of the bucket. Default `max(1, rate / 10)`.
    pub burst: Option<u32>,
    /// Requests at once, of all POPs; 0 refuses each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// How long, ms.
    pub for_ms: u64,
}

/// `DELETE /v1/limits/NAME/overrides`, and `POST /v1/limits/NAME/resets`: which key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneKey {
    /// A value for each part of the limit's key, or a hash behind `#`.
    pub key: Vec<String>,
}

/// A key that was reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The limit.
    pub limit: String,
    /// The key's hash, hex.
    pub hash: String,
    /// The hash by which it is counted since.
    pub counted_as: String,
    /// The values that it is made of, as they were written; absent where only the hash is known.
    pub key: Option<Vec<String>>,
    /// When it was reset last, by the clock of the POP that did.
    pub made_at: u64,
}
