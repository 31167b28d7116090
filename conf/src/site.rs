//! The hosts the edge answers for, and the origin behind each.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::origin::RawOrigin;
use crate::raw::{At, Text};
use crate::sections::{Section, at_most, unique};
use crate::suggest;
use crate::value::{Wrong, host_name, shown};

/// `[site."HOST"]`: one host, or a pattern of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Which hosts this is.
    pub host: HostPattern,
    /// Index into [`crate::Config::origins`]; always within it.
    pub origin: usize,
}

/// Which hosts a site is. Names are in lower case, without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Exactly this host.
    Exact(String),
    /// Every host that ends so and has something before it: `.example.com` for `*.example.com`.
    Suffix(String),
    /// Every host, written `*`.
    Any,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(host) => formatter.write_str(host),
            HostPattern::Suffix(suffix) => write!(formatter, "*{suffix}"),
            HostPattern::Any => formatter.write_str("*"),
        }
    }
}

/// The most sites of one config.
pub const SITES_MAX: usize = 65_536;

/// `[site."HOST"]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSite {
    /// The name of the origin that answers for this site.
    origin: At<Text>,
}

/// Checks all sites; `origins` are in the order of [`crate::Config::origins`].
pub(crate) fn lower(
    sections: &[Section<RawSite>],
    origins: &[Section<RawOrigin>],
    check: &mut Check<'_>,
) -> Option<Vec<Site>> {
    unique(sections, "site", str::to_ascii_lowercase, |section| section.head.clone(), check);
    let within = at_most(sections, SITES_MAX, "sites", check);
    let by_name: BTreeMap<&str, usize> =
        origins.iter().enumerate().map(|(index, origin)| (origin.name.as_str(), index)).collect();
    let sites: Vec<_> = sections
        .iter()
        .take(SITES_MAX)
        .map(|section| {
            check.file = section.file;
            let host = pattern(&section.name).map_err(|wrong| check.note(section.head.clone(), wrong));
            let origin = check.value(&section.raw.as_ref()?.origin, |text| {
                let unknown = || {
                    let names = || origins.iter().map(|origin| origin.name.as_str());
                    Wrong::new(format!("there is no origin `{}`", shown(text))).help(suggest::among(text, names))
                };
                by_name.get(text).copied().ok_or_else(unknown)
            });
            Some(Site { host: host.ok()?, origin: origin? })
        })
        .collect();
    within?;
    sites.into_iter().collect()
}

/// A host name, `*.` and a host name, or `*`.
fn pattern(text: &str) -> Result<HostPattern, Wrong> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    let malformed = |help: &str| Wrong::new(format!("`{}` is not a host", shown(text))).advice(help);
    if let Some(suffix) = text.strip_prefix("*.") {
        let name = host_name(suffix).map_err(|_| malformed("after `*.` comes a host name"))?;
        return Ok(HostPattern::Suffix(format!(".{name}")));
    }
    if text.contains('*') {
        return Err(malformed("a pattern is `*` or `*.` and a host name, such as `*.example.com`"));
    }
    host_name(text).map(HostPattern::Exact).map_err(|_| malformed("write a host name without scheme, port or path"))
}
