//! Counters: something rules can count.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::{Expr, Phase};
use crate::finding::Check;
use crate::key::{self, KeyPart};
use crate::known::Known;
use crate::limit::Scope;
use crate::place::Place;
use crate::raw::{At, DurationText, Text, Word};
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::{name, window};

/// `[[counter]]`: how often something happened, by key.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Its name in expressions and metrics.
    pub name: String,
    /// Indexes into [`crate::Config::sites`]; empty means all sites.
    pub sites: Vec<usize>,
    /// Which requests count; when absent, only those that a rule counts by `do = { count = "NAME" }`.
    pub when: Option<Expr>,
    /// When it is counted: [`Phase::Response`] if `when` or the key reads the response, else [`Phase::Request`].
    pub phase: Phase,
    /// What is counted by; empty counts all together.
    pub key: Vec<KeyPart>,
    /// How far back its counts reach: the longest window that may be read.
    pub window: Duration,
    /// Whether POPs count together. Default [`Scope::Global`].
    pub scope: Scope,
    /// Where it is written.
    pub place: Place,
}

/// The most counters of one config.
pub const COUNTERS_MAX: usize = 1024;

/// `[[counter]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCounter {
    /// The name in expressions and metrics; no limit has the same.
    name: At<Text>,
    /// The sites it is for, by the host in their header; all when absent.
    sites: Option<At<Vec<At<Text>>>>,
    /// Which requests are counted, as an expression; when absent, those that a rule counts.
    when: Option<At<Text>>,
    /// What is counted by, such as `["client.net"]`; `[]` counts all together.
    key: At<Vec<At<Text>>>,
    /// How far back it can be read, `1s` to `31d`.
    window: At<DurationText>,
    /// Whether POPs count together: `global` (the default) or `pop`.
    scope: Option<At<Word<Scope>>>,
}

/// Checks all counters.
pub(crate) fn lower(sections: &[Section<RawCounter>], known: &Known, check: &mut Check<'_>) -> Option<Vec<Counter>> {
    let within = at_most(sections, COUNTERS_MAX, "counters", check);
    let counters: Vec<_> = sections
        .iter()
        .take(COUNTERS_MAX)
        .enumerate()
        .map(|(index, section)| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(place?, known.counter_keys.get(index)?.clone(), known, check)
        })
        .collect();
    within?;
    counters.into_iter().collect()
}

impl RawCounter {
    /// The parts of its key; see [`Known`].
    pub(crate) fn key(&self, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
        key::lower(&self.key.value, Phase::Response, check)
    }

    /// How far back its counts reach, `None` if that is wrong.
    pub(crate) fn retention(&self) -> Option<Duration> {
        window(self.window.value.as_ref()).ok()
    }

    fn lower(&self, place: Place, key: Option<Vec<KeyPart>>, known: &Known, check: &mut Check<'_>) -> Option<Counter> {
        let name = check.value(&self.name, name);
        let sites = site::among(self.sites.as_ref(), "counter", known, check);
        let scoped = key::in_scope(&self.key.value, key.as_deref(), check);
        let when = check.condition_or_all(self.when.as_ref(), Phase::Response);
        let window = check.value(&self.window, window);
        let scope = check.word(self.scope.as_ref(), Scope::Global);
        scoped?;
        let (when, key) = (when?, key?);
        let phase = key::at_request(key.iter().map(KeyPart::phase).chain(when.iter().map(Expr::phase)));
        Some(Counter { name: name?, sites: sites?, when, phase, key, window: window?, scope: scope?, place })
    }
}
