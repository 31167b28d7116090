//! What stories reach: which rules matched, which limits and counters were for some request. What no story reaches is not tested.

use std::collections::BTreeSet;

use selvedge_conf::{Config, Effect, Place, RuleMode};
use selvedge_filters::{Explanation, LimitOutcome, RuleOutcome};

/// What was reached so far, by place in the config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    rules: BTreeSet<usize>,
    limits: BTreeSet<usize>,
    counters: BTreeSet<usize>,
    uniques: BTreeSet<usize>,
}

/// Something that a story can reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covered<'c> {
    /// rule, limit, counter or unique.
    pub kind: &'static str,
    /// Its name.
    pub name: &'c str,
    /// Where it is written.
    pub place: &'c Place,
    /// Whether one did.
    pub reached: bool,
}

impl Coverage {
    /// Notes what one request reached.
    pub(super) fn note(&mut self, config: &Config, found: &Explanation) {
        let matched = |outcome| matches!(outcome, RuleOutcome::Matched | RuleOutcome::WouldMatch);
        for record in found.rules.iter().filter(|record| matched(record.outcome)) {
            self.rules.insert(record.rule.0);
            if record.outcome == RuleOutcome::Matched
                && let Some(rule) = config.rules.get(record.rule.0)
            {
                for effect in &rule.effects {
                    match effect {
                        Effect::Count(at) => drop(self.counters.insert(*at)),
                        Effect::Unique(at) => drop(self.uniques.insert(*at)),
                        _ => {}
                    }
                }
            }
        }
        let asked =
            |outcome: &LimitOutcome| !matches!(outcome, LimitOutcome::NotApplicable | LimitOutcome::NotReached(_));
        self.limits.extend(found.limits.iter().filter(|record| asked(&record.outcome)).map(|record| record.limit.0));
        self.counters.extend(&found.counters);
        self.uniques.extend(&found.uniques);
    }

    /// Takes in what others reached.
    pub fn join(&mut self, other: &Coverage) {
        self.rules.extend(&other.rules);
        self.limits.extend(&other.limits);
        self.counters.extend(&other.counters);
        self.uniques.extend(&other.uniques);
    }

    /// All that can be reached, by kind and in file order. Rules that are off cannot.
    pub fn of<'c>(&self, config: &'c Config) -> Vec<Covered<'c>> {
        let rules = config.rules.iter().enumerate().filter(|(_, rule)| rule.mode != RuleMode::Off);
        let mut all: Vec<Covered<'c>> = rules
            .map(|(at, rule)| Covered {
                kind: "rule",
                name: &rule.name,
                place: &rule.place,
                reached: self.rules.contains(&at),
            })
            .collect();
        all.extend(config.limits.iter().enumerate().map(|(at, limit)| Covered {
            kind: "limit",
            name: &limit.name,
            place: &limit.place,
            reached: self.limits.contains(&at),
        }));
        all.extend(config.counters.iter().enumerate().map(|(at, counter)| {
            let reached = self.counters.contains(&at);
            Covered { kind: "counter", name: &counter.name, place: &counter.place, reached }
        }));
        all.extend(config.uniques.iter().enumerate().map(|(at, unique)| {
            let reached = self.uniques.contains(&at);
            Covered { kind: "unique", name: &unique.name, place: &unique.place, reached }
        }));
        all
    }
}
