//! The config language of Selvedge: text to typed facts, with a place for every error.
//!
//! [`load`] takes a path and two functions, one that reads a file and one that reads an environment variable, and gives
//! either a [`Config`] in which every name is resolved and every value parsed, or a [`Report`] of everything that is
//! wrong. The crate itself opens nothing and asks no clock.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod cluster;
mod document;
pub mod expr;
mod finding;
mod keys;
mod limit;
mod listen;
mod load;
mod origin;
mod place;
mod pop;
mod raw;
mod report;
mod schema;
mod sections;
mod site;
mod source;
mod storage;
mod suggest;
mod value;

pub use admin::{AccessLog, Admin};
pub use cluster::Cluster;
pub use limit::{BANS_MAX, KEY_PARTS_MAX, KeyPart, LIMITS_MAX, Limit, Mode, OnPartition, Penalty, Rate, Scope};
pub use listen::{ADDRESSES_MAX, CERTIFICATES_MAX, ClientBounds, Https, Listen, TRUSTED_MAX};
pub use load::{INCLUDES_MAX, load};
pub use origin::{Eject, HostHeader, ORIGINS_MAX, Origin, OriginTimeouts, OriginTls, SERVERS_MAX, Scheme, Server};
pub use place::Place;
pub use pop::Pop;
pub use report::{PROBLEMS_MAX, Problem, Report};
pub use schema::schema;
pub use site::{HostPattern, SITES_MAX, Site};
pub use storage::{KEYS_MAX, Storage};

/// One config: every name resolved, every value in range.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who this node is.
    pub pop: Pop,
    /// Where clients connect.
    pub listen: Listen,
    /// How the node is watched and steered.
    pub admin: Admin,
    /// How the node meets its peers; absent for one POP alone.
    pub cluster: Option<Cluster>,
    /// What the node may keep.
    pub storage: Storage,
    /// The origins, in file order; at most [`ORIGINS_MAX`].
    pub origins: Vec<Origin>,
    /// The sites, in file order, no two with the same pattern; at most [`SITES_MAX`].
    pub sites: Vec<Site>,
    /// The limits, in file order, which is the order of evaluation; at most [`LIMITS_MAX`].
    pub limits: Vec<Limit>,
}

/// A duration as configs and commands write it, such as `90s` or `1h30m`; 0 to 366 days.
///
/// # Errors
/// In words, when it is none.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    value::duration(text).map_err(|wrong| match wrong.help {
        Some(help) => format!("{}: {help}", wrong.message),
        None => wrong.message,
    })
}
