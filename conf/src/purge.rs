//! Who may have what is stored purged over the addresses of clients.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::network;

/// `[purge]`: `PURGE` requests are the edge's own, and do not go to origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Clients that may send them; at most [`PURGERS_MAX`].
    pub from: Vec<IpNet>,
}

/// The most networks in `from`.
pub const PURGERS_MAX: usize = 1024;

/// `[purge]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPurge {
    /// Networks of the clients whose `PURGE` requests are obeyed, such as `["10.0.0.0/8"]`. Others get 403.
    #[serde(default)]
    from: Vec<At<Text>>,
}

impl RawPurge {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Purge> {
        Some(Purge { from: check.list(&self.from, PURGERS_MAX, network)? })
    }
}
