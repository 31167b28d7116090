//! What a step expects beside what came, in words.

use http::HeaderMap;
use selvedge_conf::{Config, Expect};
use selvedge_filters::RuleId;
use selvedge_filters::limit::LimitId;

/// What came of one request of a story.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// None when the connection is closed.
    pub(super) status: Option<u16>,
    pub(super) rule: Option<RuleId>,
    pub(super) limit: Option<LimitId>,
    pub(super) tags: Vec<String>,
    pub(super) monitored: Vec<RuleId>,
    pub(super) location: Option<String>,
    pub(super) path: Option<String>,
    pub(super) origin: Option<usize>,
    pub(super) headers: HeaderMap,
    pub(super) banned: bool,
}

/// Each difference as a line, `status: expected 404, came 200`.
pub(super) fn differences(config: &Config, expect: &Expect, came: &Came) -> Vec<String> {
    let rule = |at: usize| config.rules.get(at).map_or("", |rule| rule.name.as_str());
    let limit = |at: usize| config.limits.get(at).map_or("", |limit| limit.name.as_str());
    let origin = |at: usize| config.origins.get(at).map_or("", |origin| origin.name.as_str());
    let mut differ = Differences::default();
    if let Some(status) = expect.status {
        differ.compare("status", Some(status.to_string()), came.status.map(|status| status.to_string()));
    }
    if let Some(wanted) = expect.rule {
        let came = came.rule.map(|rule| rule.0);
        differ.compare("rule", wanted.map(|at| rule(at).to_owned()), came.map(|at| rule(at).to_owned()));
    }
    if let Some(wanted) = expect.limit {
        let came = came.limit.map(|limit| limit.0);
        differ.compare("limit", wanted.map(|at| limit(at).to_owned()), came.map(|at| limit(at).to_owned()));
    }
    for tag in expect.tags.iter().filter(|tag| !came.tags.contains(tag)) {
        differ.note("tags", tag, &listed(came.tags.iter().map(String::as_str)));
    }
    for at in expect.monitored.iter().filter(|at| !came.monitored.contains(&RuleId(**at))) {
        differ.note("monitored", rule(*at), &listed(came.monitored.iter().map(|id| rule(id.0))));
    }
    if let Some(location) = &expect.location {
        differ.compare("location", Some(location.clone()), came.location.clone());
    }
    if let Some(path) = &expect.path {
        differ.compare("path", Some(path.clone()), came.path.clone());
    }
    if let Some(wanted) = expect.origin {
        let came = came.origin.map(|at| origin(at).to_owned());
        differ.compare("origin", Some(origin(wanted).to_owned()), came);
    }
    for (name, value) in &expect.headers {
        let lines = came.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
        let came = (!lines.is_empty()).then(|| lines.join(", "));
        // What is expected to be empty may as well not be there.
        let wanted = Some(value.clone()).filter(|value| !value.is_empty() || came.is_some());
        differ.compare(&format!("header {name}"), wanted, came);
    }
    if let Some(banned) = expect.banned {
        let word = |banned| Some(if banned { "yes" } else { "no" }.to_owned());
        differ.compare("banned", word(banned), word(came.banned));
    }
    differ.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, what: &str, wanted: Option<String>, came: Option<String>) {
        if wanted != came {
            let word = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            self.note(what, &word(wanted), &word(came));
        }
    }

    fn note(&mut self, what: &str, wanted: &str, came: &str) {
        self.0.push(format!("{what}: expected {wanted}, came {came}"));
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
