//! `selvedge check --cost`: what each condition may take at most, known before it runs.

use std::fmt::Write;

use selvedge_conf::expr::Expr;
use selvedge_conf::{Config, KeyPart, Place, Reply, RuleMode};
use selvedge_filters::Filters;
use serde::Serialize;

use crate::rehearse;

/// What a config's conditions may take.
#[derive(Debug, Serialize)]
pub(super) struct Costs {
    /// Each rule, limit, counter and unique that a request may meet.
    items: Vec<Item>,
    /// Nanoseconds for one request that meets them all, roughly.
    worst_ns: u64,
    /// The rules that each request asks, by name; the others are looked up.
    always_asked: Vec<String>,
    /// Rules that are not off.
    rules: usize,
}

#[derive(Debug, Serialize)]
struct Item {
    kind: &'static str,
    name: String,
    place: String,
    phase: &'static str,
    /// Nanoseconds at most, roughly: its condition and its key.
    ns: u64,
    /// What is dear in it.
    notes: Vec<String>,
}

impl Costs {
    /// Of a config and its filters.
    pub(super) fn new(config: &Config, filters: &Filters) -> Costs {
        let asked = || config.rules.iter().filter(|rule| rule.mode != RuleMode::Off);
        let mut items: Vec<Item> = Vec::new();
        for rule in asked() {
            let to = match &rule.answer {
                Some(Reply::Redirect(_, to)) => Some(to),
                _ => None,
            };
            let parts = rule.when.iter().chain(to);
            items.push(item("rule", (&rule.name, &rule.place), rehearse::phase(rule.phase), parts));
        }
        for limit in &config.limits {
            let parts = limit.when.iter().chain(limit.key.iter().filter_map(computed));
            items.push(item("limit", (&limit.name, &limit.place), "request", parts));
        }
        for counter in &config.counters {
            let parts = counter.when.iter().chain(counter.key.iter().filter_map(computed));
            items.push(item("counter", (&counter.name, &counter.place), rehearse::phase(counter.phase), parts));
        }
        for unique in &config.uniques {
            let parts = unique.when.iter().chain([&unique.of]).chain(unique.key.iter().filter_map(computed));
            items.push(item("unique", (&unique.name, &unique.place), rehearse::phase(unique.phase), parts));
        }
        let name = |id: selvedge_filters::RuleId| config.rules.get(id.0).map(|rule| rule.name.clone());
        Costs {
            worst_ns: items.iter().fold(0, |sum: u64, item| sum.saturating_add(item.ns)),
            items,
            always_asked: filters.unindexed().into_iter().filter_map(name).collect(),
            rules: asked().count(),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let width = |of: fn(&Item) -> &str| self.items.iter().map(|item| of(item).len()).max().unwrap_or(0);
        let (names, places) = (width(|item| &item.name), width(|item| &item.place));
        for Item { kind, name, place, ns, notes, .. } in &self.items {
            let notes = if notes.is_empty() { String::new() } else { format!("  {}", notes.join(", ")) };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{kind:<7} {name:<names$}  {place:<places$}  {ns:>7} ns{notes}");
        }
        let _ = writeln!(text, "a request that meets them all: {} ns at most, roughly", self.worst_ns);
        let _ = match self.always_asked.as_slice() {
            [] => writeln!(text, "index: all {} rules are looked up", self.rules),
            always => writeln!(
                text,
                "index: {} of {} rules are asked for every request: {}",
                always.len(),
                self.rules,
                always.join(", ")
            ),
        };
        text
    }
}

/// The expression of a part of a key that has one.
fn computed(part: &KeyPart) -> Option<&Expr> {
    match part {
        KeyPart::Value(expr, _) => Some(expr),
        _ => None,
    }
}

fn item<'e>(
    kind: &'static str,
    (name, place): (&str, &Place),
    phase: &'static str,
    parts: impl Iterator<Item = &'e Expr>,
) -> Item {
    let (mut ns, mut notes) = (0_u64, Vec::new());
    for cost in parts.map(Expr::cost) {
        ns = ns.saturating_add(cost.nanos);
        for note in cost.notes {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    Item { kind, name: name.to_owned(), place: rehearse::place(place), phase, ns, notes }
}
