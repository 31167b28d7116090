//! The counters of one config's names, looked up once, so that a request counts without looking for a label.

use prometheus::{Histogram, IntCounter, IntCounterVec};
use selvedge_conf::expr::Phase;
use selvedge_conf::{Config, Reply, Rule, RuleMode};
use selvedge_filters::limit::LimitId;
use selvedge_filters::{RuleId, SiteId};

/// Answer classes, `1xx` to `5xx`, and `none` for clients that left before any answer.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters by place in the config. They are those of [`Metrics`](super::Metrics), so whoever has the same names counts on.
#[derive(Debug)]
pub struct Meters {
    /// By site, then class; the last row counts requests for no site.
    requests: Vec<Vec<IntCounter>>,
    /// By limit.
    limits: Vec<LimitCounters>,
    duration: Histogram,
    cache: IntCounterVec,
    /// By rule; none for one that is off.
    rules: Vec<Option<RuleCounters>>,
}

#[derive(Debug)]
struct RuleCounters {
    matched: IntCounter,
    undone: IntCounter,
    /// Of a rule that may deny connections.
    connections: Option<IntCounter>,
}

/// The counters by label that those of a config are found in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Families<'a> {
    /// By site and class.
    pub(super) requests: &'a IntCounterVec,
    /// By limit and decision.
    pub(super) decisions: &'a IntCounterVec,
    pub(super) duration: &'a Histogram,
    /// By result.
    pub(super) cache: &'a IntCounterVec,
    /// By rule, action and mode.
    pub(super) rules: &'a IntCounterVec,
    /// By rule.
    pub(super) undone: &'a IntCounterVec,
    /// By rule.
    pub(super) connections: &'a IntCounterVec,
}

#[derive(Debug)]
struct LimitCounters {
    refused: IntCounter,
    would_refuse: IntCounter,
    uncounted: IntCounter,
    delayed: IntCounter,
    tagged: IntCounter,
}

/// What a limit did with a request, other than to admit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOutcome {
    /// It refused.
    Refused,
    /// In monitor mode: it would have refused.
    WouldRefuse,
    /// Its table had no room for the key.
    Uncounted,
    /// It had the request wait.
    Delayed,
    /// It had no room, and let the request pass with a tag.
    Tagged,
}

/// The label of each site, and last the one for hosts of no site.
pub(super) fn sites(config: &Config) -> impl Iterator<Item = String> {
    config.sites.iter().map(|site| site.host.to_string()).chain(["_other".to_owned()])
}

/// What a rule does, as its label says.
fn action(rule: &Rule) -> &'static str {
    match rule.answer {
        Some(Reply::Deny(_)) => "deny",
        Some(Reply::Redirect(..)) => "redirect",
        Some(Reply::Challenge(_)) => "challenge",
        Some(Reply::Allow) => "allow",
        None => "effect",
    }
}

/// The labels of a rule that is asked: name, action, mode.
pub(super) fn labels(rule: &Rule) -> Option<[&str; 3]> {
    let mode = match rule.mode {
        RuleMode::Enforce => "enforce",
        RuleMode::Monitor => "monitor",
        RuleMode::Off => return None,
    };
    Some([rule.name.as_str(), action(rule), mode])
}

/// Whether a rule may deny connections.
pub(super) fn closes(rule: &Rule) -> bool {
    rule.phase == Phase::Connection && rule.mode == RuleMode::Enforce && matches!(rule.answer, Some(Reply::Deny(_)))
}

impl Meters {
    pub(super) fn new(config: &Config, families: Families<'_>) -> Meters {
        let Families { requests, decisions, duration, cache, rules, undone, connections } = families;
        let limit = |limit: &selvedge_conf::Limit| LimitCounters {
            refused: decisions.with_label_values(&[limit.name.as_str(), "refused"]),
            would_refuse: decisions.with_label_values(&[limit.name.as_str(), "would_refuse"]),
            uncounted: decisions.with_label_values(&[limit.name.as_str(), "uncounted"]),
            delayed: decisions.with_label_values(&[limit.name.as_str(), "delayed"]),
            tagged: decisions.with_label_values(&[limit.name.as_str(), "tagged"]),
        };
        let site =
            |site: String| CLASSES.iter().map(|class| requests.with_label_values(&[site.as_str(), class])).collect();
        let rule = |rule: &Rule| {
            let labels = labels(rule)?;
            let named = |family: &IntCounterVec| family.with_label_values(&[rule.name.as_str()]);
            Some(RuleCounters {
                matched: rules.with_label_values(&labels),
                undone: named(undone),
                connections: closes(rule).then(|| named(connections)),
            })
        };
        Meters {
            requests: sites(config).map(site).collect(),
            limits: config.limits.iter().map(limit).collect(),
            duration: duration.clone(),
            cache: cache.clone(),
            rules: config.rules.iter().map(rule).collect(),
        }
    }

    /// A request was answered with `status`, or with nothing (0).
    pub fn request(&self, site: Option<SiteId>, status: u16, seconds: f64, cache: Option<&str>) {
        let row = site.and_then(|site| self.requests.get(site.0)).or(self.requests.last());
        if let Some(counter) = row.and_then(|row| row.get(usize::from(status / 100).min(5))) {
            counter.inc();
        }
        self.duration.observe(seconds);
        if let Some(result) = cache {
            self.cache.with_label_values(&[result]).inc();
        }
    }

    /// A limit did something else than to admit.
    pub fn limit(&self, limit: LimitId, outcome: LimitOutcome) {
        let Some(counters) = self.limits.get(limit.0) else { return };
        match outcome {
            LimitOutcome::Refused => counters.refused.inc(),
            LimitOutcome::WouldRefuse => counters.would_refuse.inc(),
            LimitOutcome::Uncounted => counters.uncounted.inc(),
            LimitOutcome::Delayed => counters.delayed.inc(),
            LimitOutcome::Tagged => counters.tagged.inc(),
        }
    }

    /// Rules matched, enforced ones and others, and some could not do all they say.
    pub fn rules(&self, fired: &[RuleId], monitored: &[RuleId], undone: &[RuleId]) {
        for rule in fired.iter().chain(monitored) {
            self.rule(*rule).map(|counters| counters.matched.inc()).unwrap_or_default();
        }
        for rule in undone {
            self.rule(*rule).map(|counters| counters.undone.inc()).unwrap_or_default();
        }
    }

    /// A rule had a connection closed.
    pub fn connection_denied(&self, rule: RuleId) {
        if let Some(counter) = self.rule(rule).and_then(|counters| counters.connections.as_ref()) {
            counter.inc();
        }
    }

    fn rule(&self, rule: RuleId) -> Option<&RuleCounters> {
        self.rules.get(rule.0)?.as_ref()
    }
}
