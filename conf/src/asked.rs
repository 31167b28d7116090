//! An expression that stands in no config but speaks of one: what an operator asks of a running edge.

use std::path::PathBuf;

use crate::Config;
use crate::expr::{self, CountedName, Expr, Names, Phase, SessionName, Setting, TokenName};
use crate::finding::{Finding, Findings};
use crate::key::KeyPart;
use crate::report::Report;
use crate::source::Source;

/// What stands for a file's name in messages.
const NAME: &str = "expression";

impl Config {
    /// Reads a condition with the names of this config, as one that stood in it.
    ///
    /// # Errors
    /// A [`Report`] of everything that is wrong with it, its place in the text underlined.
    pub fn condition(&self, text: &str, phase: Phase) -> Result<Expr, Report> {
        expr::parse(text, &Setting { phase, names: &self.names() }).map_err(|errors| {
            let mut findings = Findings::default();
            for expr::Error { span, message, help } in errors {
                findings.note(Finding { file: 0, start: span.start, end: span.end, message, help });
            }
            Report::new(findings, &[Source::new(PathBuf::from(NAME), text.into())])
        })
    }

    /// What expressions may name in it.
    pub fn names(&self) -> Names {
        let counted = |name: &String, parts: &[KeyPart], retention| CountedName {
            name: name.clone(),
            key: parts.iter().map(|part| part.ty().clone()).collect(),
            phase: parts.iter().map(KeyPart::phase).fold(Phase::Connection, Phase::max),
            retention,
        };
        let counters = self.counters.iter().map(|counter| counted(&counter.name, &counter.key, counter.window));
        let limits = self.limits.iter().map(|limit| counted(&limit.name, &limit.key, limit.retention()));
        let uniques = self.uniques.iter().map(|unique| counted(&unique.name, &unique.key, unique.window));
        let tokens = self.jwts.iter().map(|jwt| TokenName { name: jwt.name.clone(), claims: jwt.claims.clone() });
        let sessions = self
            .sessions
            .iter()
            .map(|session| SessionName { attributes: session.attributes.clone(), counters: session.counters.clone() });
        Names {
            counters: counters.collect(),
            limits: limits.collect(),
            uniques: uniques.collect(),
            lists: self.lists.iter().map(|list| (list.name.clone(), list.kind)).collect(),
            jwts: tokens.collect(),
            sessions: sessions.collect(),
            geoip: self.geoip.names(),
            challenge: self.challenge.is_some(),
        }
    }
}
