//! Uniques: how many different values of something there were.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::{self, Expr, Phase};
use crate::finding::Check;
use crate::key::{self, KeyPart};
use crate::known::Known;
use crate::limit::Scope;
use crate::place::Place;
use crate::raw::{At, DurationText, Text, Word};
use crate::sections::{Section, at_most};
use crate::site;
use crate::value::{name, window};

/// `[[unique]]`: distinct values, by key, estimated by HyperLogLog.
#[derive(Clone, Debug, PartialEq)]
pub struct Unique {
    /// Its name in expressions and metrics.
    pub name: String,
    /// What is told apart: an expression of type string, ip, cidr, int or bool. An absent or empty value is not counted.
    pub of: Expr,
    /// The text of `of` in one spelling, which has the config's names and not its places: what tells it from another.
    pub of_text: String,
    /// Indexes into [`crate::Config::sites`]; empty means all sites.
    pub sites: Vec<usize>,
    /// Which requests count; when absent, only those that a rule counts by `do = { unique = "NAME" }`.
    pub when: Option<Expr>,
    /// When it is counted: [`Phase::Response`] if `of`, `when` or the key reads the response, else [`Phase::Request`].
    pub phase: Phase,
    /// What is counted by; empty counts all together.
    pub key: Vec<KeyPart>,
    /// How far back it reaches: the longest window that may be read.
    pub window: Duration,
    /// Whether POPs count together. Default [`Scope::Global`].
    pub scope: Scope,
    /// Where it is written.
    pub place: Place,
}

/// The most uniques of one config.
pub const UNIQUES_MAX: usize = 256;

/// `[[unique]]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUnique {
    /// The name in expressions and metrics.
    name: At<Text>,
    /// What is told apart, as an expression, such as `request.form("user")`; an empty or absent value is not counted.
    of: At<Text>,
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

/// Checks all uniques, and tells `known` when what they tell apart is known.
pub(crate) fn lower(sections: &[Section<RawUnique>], known: &mut Known, check: &mut Check<'_>) -> Option<Vec<Unique>> {
    let within = at_most(sections, UNIQUES_MAX, "uniques", check);
    let uniques: Vec<_> = sections
        .iter()
        .take(UNIQUES_MAX)
        .enumerate()
        .map(|(index, section)| {
            check.file = section.file;
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(place?, known.unique_keys.get(index)?.clone(), known, check)
        })
        .collect();
    // One that is wrong was noted; what rules do with it is not.
    let of_phases = uniques.iter().map(|unique| unique.as_ref().map_or(Phase::Connection, |unique| unique.of.phase()));
    known.of_phases = of_phases.collect();
    within?;
    uniques.into_iter().collect()
}

impl RawUnique {
    /// The parts of its key; see [`Known`].
    pub(crate) fn key(&self, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
        key::lower(&self.key.value, Phase::Response, check)
    }

    /// How far back it reaches, `None` if that is wrong.
    pub(crate) fn retention(&self) -> Option<Duration> {
        window(self.window.value.as_ref()).ok()
    }

    fn lower(&self, place: Place, key: Option<Vec<KeyPart>>, known: &Known, check: &mut Check<'_>) -> Option<Unique> {
        let name = check.value(&self.name, name);
        let sites = site::among(self.sites.as_ref(), "unique", known, check);
        let scoped = key::in_scope(&self.key.value, key.as_deref(), check);
        let of = check.typed(&self.of, Phase::Response, "what is told apart", &key::SCALARS);
        let when = check.condition_or_all(self.when.as_ref(), Phase::Response);
        let window = check.value(&self.window, window);
        let scope = check.word(self.scope.as_ref(), Scope::Global);
        scoped?;
        let (of, when, key) = (of?, when?, key?);
        let read = key.iter().map(KeyPart::phase).chain(when.iter().map(Expr::phase)).chain([of.phase()]);
        let phase = key::at_request(read);
        let of_text = expr::spelling(self.of.value.as_ref());
        let (name, sites, window, scope) = (name?, sites?, window?, scope?);
        Some(Unique { name, of, of_text, sites, when, phase, key, window, scope, place })
    }
}
