//! The config language of Selvedge: text to typed facts, with a place for every error.
//!
//! [`load`] takes a path and three functions, which read a file, a folder and an environment variable, and gives
//! either a [`Config`] in which every name is resolved and every value parsed, or a [`Report`] of everything that is
//! wrong. The crate itself opens nothing and asks no clock.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod affinity;
mod asked;
mod cache;
mod challenge;
mod cluster;
mod compression;
mod counter;
mod directory;
mod disk;
mod document;
pub mod expr;
mod expression;
mod facts;
mod finding;
mod geoip;
mod idempotency;
mod include;
mod jwt;
mod key;
mod keys;
mod known;
mod limit;
mod list;
mod listen;
mod load;
mod origin;
mod place;
mod pop;
mod purge;
mod raw;
mod realm;
mod report;
mod rule;
mod schema;
mod scope;
mod sections;
mod session;
mod site;
mod source;
mod storage;
mod suggest;
mod test;
mod unique;
mod value;

pub use admin::{AccessLog, Admin};
pub use affinity::{AFFINITY_KEYS_MAX, Affinity};
pub use cache::{
    CACHE_POLICIES_MAX, CachePolicy, CacheTimes, Caching, KEY_NAMES_MAX, Keying, OnError, ParamName, QueryKey,
    SLICE_LEAST, SLICE_MAX, Storing,
};
pub use challenge::{BITS, CHALLENGE_KEYS_MAX, Challenge};
pub use cluster::{Cluster, Fabric, Nats};
pub use compression::{Compression, Encoding, MediaRange, TYPES_MAX};
pub use counter::{COUNTERS_MAX, Counter};
pub use disk::Disk;
pub use geoip::GeoIp;
pub use idempotency::{
    IDEMPOTENCIES_MAX, Idempotency, IdempotencyMode, KEYED_BODY_MAX, LIFETIME_LEAST, LIFETIME_MOST, NOT_DONE_MAX,
};
pub use include::INCLUDES_MAX;
pub use jwt::{Algorithm, CLAIMS_MAX, JWTS_MAX, Jwt, TokenSource};
pub use key::{KEY_PARTS_MAX, KeyPart};
pub use limit::{
    Allows, BANS_MAX, BODY_MAX, COST_MAX, Class, DELAY_LONGEST, Deny, DenyBody, Headers, LIMITS_MAX, Limit, Measure,
    Mode, OVERRIDES_MAX, OnMissing, OnPartition, Over, Override, Penalty, Period, Quota, Rate, Scope, TIERS_MAX, Tier,
    UNLIMITED_MAX, Unit, Width,
};
pub use list::{ELEMENTS_MAX, ITEMS_MAX, LISTS_MAX, List, PIECES_MAX};
pub use listen::{ADDRESSES_MAX, CERTIFICATES_MAX, ClientBounds, Https, Listen, TRUSTED_MAX};
pub use load::load;
pub use origin::{Eject, HostHeader, ORIGINS_MAX, Origin, OriginTimeouts, OriginTls, SERVERS_MAX, Scheme, Server};
pub use place::Place;
pub use pop::Pop;
pub use purge::{PURGERS_MAX, Purge, PurgeKind, PurgeRate, PurgeToken, SCOPES_MAX, TOKENS_MAX, TagScope};
pub use realm::{Named, Realm};
pub use report::{PROBLEMS_MAX, Problem, Report};
pub use rule::{CacheAction, EFFECTS_MAX, Effect, RULES_MAX, Reply, Revoke, Rule, RuleMode, SessionAction};
pub use schema::schema;
pub use session::{ATTRIBUTES_MAX, COUNTERS_OF_SESSION_MAX, Cookie, SESSION_KEYS_MAX, SESSIONS_MAX, SameSite, Session};
pub use site::{HostPattern, SITES_MAX, Site};
pub use storage::{KEYS_MAX, Storage};
pub use suggest::nearest;
pub use test::{Expect, Given, STEPS_MAX, Step, TESTS_MAX, Test, TestRequest, TestResponse};
pub use unique::{UNIQUES_MAX, Unique};

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
    /// Who may send `PURGE` requests; absent where they go to origins as all others do.
    pub purge: Option<Purge>,
    /// Which responses are compressed; none when absent.
    pub compression: Option<Compression>,
    /// How rules challenge clients; absent where none does.
    pub challenge: Option<Challenge>,
    /// The origins, in file order; at most [`ORIGINS_MAX`].
    pub origins: Vec<Origin>,
    /// The sites, in file order, no two with the same pattern; at most [`SITES_MAX`].
    pub sites: Vec<Site>,
    /// The limits, in file order, which is the order of evaluation; at most [`LIMITS_MAX`].
    pub limits: Vec<Limit>,
    /// The named lists, in file order; at most [`LISTS_MAX`].
    pub lists: Vec<List>,
    /// Where clients are.
    pub geoip: GeoIp,
    /// Issuers of tokens, in file order; at most [`JWTS_MAX`].
    pub jwts: Vec<Jwt>,
    /// Kinds of sessions, in file order; at most [`SESSIONS_MAX`].
    pub sessions: Vec<Session>,
    /// The realms that these and the issuers name.
    pub realms: Vec<Realm>,
    /// The counters, in file order; at most [`COUNTERS_MAX`].
    pub counters: Vec<Counter>,
    /// The uniques, in file order; at most [`UNIQUES_MAX`].
    pub uniques: Vec<Unique>,
    /// The rules, in file order, which is the order of evaluation; at most [`RULES_MAX`].
    pub rules: Vec<Rule>,
    /// The cache policies, in file order, of which the first that is for a request decides; at most [`CACHE_POLICIES_MAX`].
    pub caches: Vec<CachePolicy>,
    /// What is run once for each key, in file order, of which the first that is for a request decides; at most [`IDEMPOTENCIES_MAX`].
    pub idempotencies: Vec<Idempotency>,
    /// Tests of the rules, in file order; at most [`TESTS_MAX`].
    pub tests: Vec<Test>,
    /// The files this was read from, the first one first.
    pub files: Vec<std::path::PathBuf>,
    /// What tells this config from another: the first 8 hexadecimal digits of a hash of its files' texts.
    pub revision: String,
}

impl Config {
    /// The realm of a name; each that a session or an issuer names is there.
    pub fn realm(&self, name: &str) -> Option<&Realm> {
        self.realms.iter().find(|realm| realm.name == name)
    }
}

/// A duration as configs and commands write it, such as `90s` or `1h30m`; 0 to 366 days.
///
/// # Errors
/// In words, when it is none.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    value::duration(text).map_err(in_words)
}

/// A rate as configs and commands write it, such as `20/1m`: 1 or more in 100 ms to 31 days.
///
/// # Errors
/// In words, when it is none.
pub fn rate(text: &str) -> Result<Rate, String> {
    value::rate(text).map_err(in_words)
}

fn in_words(wrong: value::Wrong) -> String {
    match wrong.help {
        Some(help) => format!("{}: {help}", wrong.message),
        None => wrong.message,
    }
}
