//! What is said of limits.

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
    /// The keys with most, or the one asked for.
    pub top: Vec<Key>,
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
    /// Requests admitted in the windows still remembered, what was used of a quota by now, or what is in flight; all POPs.
    pub count: u64,
    /// The same by POP and life.
    pub rows: Vec<Row>,
    /// Backlog of the first bucket, requests; of a quota, and of what is in flight, the same as `count`.
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
}
