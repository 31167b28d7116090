//! What an expression may name beside the environment's own fields: what the config declares.

use std::time::Duration;

use super::tree::{ListKind, Phase, Type};

/// Where an expression stands: when it is asked, and what the config declares.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The phase it is asked in. What is known only later is an error.
    pub phase: Phase,
    /// The config's names.
    pub names: &'a Names,
}

impl Setting<'static> {
    /// A request in a config that declares nothing.
    pub fn bare() -> Setting<'static> {
        static NAMES: Names = Names {
            counters: Vec::new(),
            limits: Vec::new(),
            uniques: Vec::new(),
            lists: Vec::new(),
            jwts: Vec::new(),
            sessions: Vec::new(),
            geoip: GeoNames { country: false, city: false, asn: false },
            challenge: false,
        };
        Setting { phase: Phase::Request, names: &NAMES }
    }
}

/// The names a config declares, in the order of its sections: an expression refers to each by its place.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `[[counter]]`.
    pub counters: Vec<CountedName>,
    /// `[[limit]]`.
    pub limits: Vec<CountedName>,
    /// `[[unique]]`.
    pub uniques: Vec<CountedName>,
    /// `[list.NAME]`.
    pub lists: Vec<(String, ListKind)>,
    /// `[jwt.NAME]`.
    pub jwts: Vec<TokenName>,
    /// `[session.NAME]`.
    pub sessions: Vec<SessionName>,
    /// `[geoip]`: which databases there are.
    pub geoip: GeoNames,
    /// Whether there is `[challenge]`.
    pub challenge: bool,
}

/// Something that is counted.
#[derive(Clone, Debug)]
pub struct CountedName {
    /// Its name.
    pub name: String,
    /// The types of its key's parts.
    pub key: Vec<Type>,
    /// The phase in which the key of a request is known.
    pub phase: Phase,
    /// How far back its counts reach: the longest window that may be read.
    pub retention: Duration,
}

/// A provider of tokens, and the claims that rules may read.
#[derive(Clone, Debug)]
pub struct TokenName {
    /// Its name.
    pub name: String,
    /// Claims and their types.
    pub claims: Vec<(String, Type)>,
}

/// A kind of sessions, and what rules may read of it.
#[derive(Clone, Debug)]
pub struct SessionName {
    /// Attributes and their types; those of one name have one type in all sessions.
    pub attributes: Vec<(String, Type)>,
    /// What is counted.
    pub counters: Vec<String>,
}

/// Which geographic databases a config has.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeoNames {
    /// One that knows countries and continents.
    pub country: bool,
    /// One that knows cities.
    pub city: bool,
    /// One that knows autonomous systems.
    pub asn: bool,
}
