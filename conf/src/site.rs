//! The hosts the edge answers for, and the origin behind each.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::directory::Directory;
use crate::finding::Check;
use crate::known::Known;
use crate::raw::{At, Text};
use crate::sections::{Section, at_most};
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

/// Checks all sites.
pub(crate) fn lower(sections: &[Section<RawSite>], known: &Known, check: &mut Check<'_>) -> Option<Vec<Site>> {
    let within = at_most(sections, SITES_MAX, "sites", check);
    let sites: Vec<_> = sections
        .iter()
        .take(SITES_MAX)
        .map(|section| {
            check.file = section.file;
            let host = pattern(&section.name).map_err(|wrong| check.note(section.head.clone(), wrong));
            let origin = check.value(&section.raw.as_ref()?.origin, |text| known.origins.find(text));
            Some(Site { host: host.ok()?, origin: origin? })
        })
        .collect();
    within?;
    sites.into_iter().collect()
}

/// The sites that a limit, a rule and their like are for: `sites`, by host; all of them, which is an empty list, when it is
/// left out. `kind` is what they are for.
pub(crate) fn among(
    written: Option<&At<Vec<At<Text>>>>,
    kind: &str,
    known: &Known,
    check: &mut Check<'_>,
) -> Option<Vec<usize>> {
    let sites = some_of(written, kind, &known.sites, check);
    check.scope.are(sites.as_deref());
    sites
}

/// The same by the names of all sites, for what is read before the rest.
pub(crate) fn some_of(
    written: Option<&At<Vec<At<Text>>>>,
    kind: &str,
    names: &Directory,
    check: &mut Check<'_>,
) -> Option<Vec<usize>> {
    let Some(written) = written else { return Some(Vec::new()) };
    if written.value.is_empty() {
        let wrong = Wrong::new(format!("a {kind} for no site")).advice("leave `sites` out to mean all of them");
        check.note(written.span(), wrong);
        return None;
    }
    let mut sites = check.list(&written.value, SITES_MAX, |text| names.find(text))?;
    sites.sort_unstable();
    sites.dedup();
    Some(sites)
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
