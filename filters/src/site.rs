//! Which site a host belongs to: exact names first, then the longest wildcard, then `*`.

use std::collections::HashMap;

use selvedge_conf::{HostPattern, Site};

/// A site's place in the config, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub usize);

/// The sites of one config, ready to be asked.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    exact: HashMap<String, SiteId>,
    /// Longest suffix first.
    suffixes: Vec<(String, SiteId)>,
    any: Option<SiteId>,
}

impl Sites {
    pub(crate) fn new(sites: &[Site]) -> Sites {
        let mut table = Sites::default();
        for (index, site) in sites.iter().enumerate() {
            match &site.host {
                HostPattern::Exact(host) => {
                    table.exact.insert(host.clone(), SiteId(index));
                }
                HostPattern::Suffix(suffix) => table.suffixes.push((suffix.clone(), SiteId(index))),
                HostPattern::Any => table.any = Some(SiteId(index)),
            }
        }
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table
    }

    /// The site of a host that is already lower case and without a port.
    pub(crate) fn find(&self, host: &str) -> Option<SiteId> {
        let wildcard = || {
            self.suffixes
                .iter()
                .find(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix.as_str()))
                .map(|(_, site)| *site)
        };
        self.exact.get(host).copied().or_else(wildcard).or(self.any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(host: HostPattern) -> Site {
        Site { host, origin: 0 }
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let sites = Sites::new(&[
            site(HostPattern::Any),
            site(HostPattern::Suffix(".example.com".into())),
            site(HostPattern::Suffix(".img.example.com".into())),
            site(HostPattern::Exact("www.example.com".into())),
        ]);
        assert_eq!(sites.find("www.example.com"), Some(SiteId(3)));
        assert_eq!(sites.find("a.img.example.com"), Some(SiteId(2)));
        assert_eq!(sites.find("other.example.com"), Some(SiteId(1)));
        assert_eq!(sites.find(".example.com"), Some(SiteId(0)), "a wildcard stands for at least one label");
        assert_eq!(sites.find("example.org"), Some(SiteId(0)));
    }

    #[test]
    fn without_a_catch_all_an_unknown_host_has_no_site() {
        let sites = Sites::new(&[site(HostPattern::Exact("www.example.com".into()))]);
        assert_eq!(sites.find("example.com"), None);
    }
}
