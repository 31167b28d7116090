//! Where clients are: the databases behind `client.country` and its like.

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::GeoNames;
use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::Wrong;

/// `[geoip]`: databases in MaxMind's format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoIp {
    /// One that knows countries and continents.
    pub country: Option<PathBuf>,
    /// One that knows cities, and countries too when there is no other.
    pub city: Option<PathBuf>,
    /// One that knows autonomous systems.
    pub asn: Option<PathBuf>,
}

impl GeoIp {
    /// What expressions may ask of them.
    pub(crate) fn names(&self) -> GeoNames {
        let (country, city, asn) = (self.country.is_some(), self.city.is_some(), self.asn.is_some());
        GeoNames { country: country || city, city, asn }
    }
}

/// `[geoip]` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGeoIp {
    /// A database (`.mmdb`) of countries and continents. `${NAME}` is expanded.
    country: Option<At<Text>>,
    /// A database of cities, which tells countries too when there is no other. `${NAME}` is expanded.
    city: Option<At<Text>>,
    /// A database of autonomous systems. `${NAME}` is expanded.
    asn: Option<At<Text>>,
}

impl RawGeoIp {
    pub(crate) fn lower(self, head: Range<usize>, check: &mut Check<'_>) -> Option<GeoIp> {
        let files = [&self.country, &self.city, &self.asn];
        if files.iter().all(|file| file.is_none()) {
            let wrong = Wrong::new("[geoip] has no database");
            check.note(head, wrong.advice("write at least one, such as country = \"country.mmdb\""));
            return None;
        }
        let [country, city, asn] = files.map(|file| match file {
            None => Some(None),
            Some(written) => check.path(written).map(Some),
        });
        Some(GeoIp { country: country?, city: city?, asn: asn? })
    }
}
