//! The one entry for requests: bans, then limits in file order.

use selvedge_conf::Config;
use selvedge_state::{Store, TableFull, Time};

use crate::ban;
use crate::decision::{Decision, Quota, Verdict};
use crate::head::Head;
use crate::limit::{Limit, LimitId, Outcome};
use crate::site::{SiteId, Sites};

/// The filters of one config, compiled. Replaced whole when the config changes.
#[derive(Debug)]
pub struct Filters {
    sites: Sites,
    limits: Vec<Limit>,
}

impl Filters {
    /// Compiles a config's filters and makes their tables in the store.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub fn new(config: &Config, store: &Store) -> Result<Filters, TableFull> {
        let limits = config
            .limits
            .iter()
            .enumerate()
            .map(|(index, facts)| Limit::new(LimitId(index), facts, store))
            .collect::<Result<_, _>>()?;
        Ok(Filters { sites: Sites::new(&config.sites), limits })
    }

    /// The limits in file order.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// One limit.
    pub fn limit(&self, id: LimitId) -> Option<&Limit> {
        self.limits.get(id.0)
    }

    /// The limit of that name.
    pub fn limit_named(&self, name: &str) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.facts().name == name)
    }

    /// The site that serves a host, for requests that are not decided about anew (a cache's revalidation).
    pub fn site(&self, host: &str) -> Option<SiteId> {
        self.sites.find(host)
    }

    /// Decides about a request and charges what it costs. An answer that stops the request ends the evaluation: nothing after
    /// it is charged.
    pub fn decide(&self, head: &Head<'_>, store: &Store, now: Time) -> Decision {
        let stop = |verdict| Decision { verdict, quota: None, would_refuse: None, uncounted: None };
        let site = self.sites.find(head.host);
        if let Some(banned) = ban::banned(head.client_net(), site, store, now) {
            return stop(banned);
        }
        match site {
            Some(site) => self.decide_limits(head, site, store, now),
            None => stop(Verdict::NoSite),
        }
    }

    fn decide_limits(&self, head: &Head<'_>, site: SiteId, store: &Store, now: Time) -> Decision {
        let pass = Verdict::Pass(site);
        let mut decision = Decision { verdict: pass, quota: None, would_refuse: None, uncounted: None };
        for (index, limit) in self.limits.iter().enumerate() {
            let id = LimitId(index);
            match limit.check(head, site, store, now) {
                Outcome::NotApplicable => {}
                Outcome::Uncounted => decision.uncounted = decision.uncounted.or(Some(id)),
                Outcome::Admitted(quota) if limit.is_enforced() => {
                    decision.quota = Some(tighter(decision.quota, quota))
                }
                Outcome::Admitted(_) => {}
                Outcome::WouldRefuse => decision.would_refuse = decision.would_refuse.or(Some(id)),
                Outcome::Refused { quota, penalty } => {
                    decision.verdict = Verdict::Limited { site, quota, penalty };
                    decision.quota = Some(quota);
                    return decision;
                }
                Outcome::Partitioned => {
                    decision.verdict = Verdict::Partitioned { site, limit: id };
                    return decision;
                }
            }
        }
        decision
    }
}

/// The quota with less remaining; the earlier limit wins a tie.
fn tighter(held: Option<Quota>, new: Quota) -> Quota {
    match held {
        Some(held) if held.remaining <= new.remaining => held,
        _ => new,
    }
}
