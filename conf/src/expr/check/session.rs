//! What is read of a session: its attributes and what it counts.

use super::Checker;
use crate::expr::Error;
use crate::expr::node::{Label, Node, Syntax};
use crate::expr::tree::{Kind, Phase, Span, Type};
use crate::suggest;
use crate::value::shown;

/// What the request has a session of, in the words of an error.
const WHAT: &str = "the session of a request";

impl<'a> Checker<'a> {
    /// `session["NAME"]`
    pub(super) fn attribute(&mut self, name: &str, span: Span) -> Option<(Kind, Type)> {
        self.sessions(span)?;
        self.known(Phase::Request, span, WHAT);
        let sessions = &self.names.sessions;
        let all = || sessions.iter().flat_map(|session| &session.attributes);
        if let Some((_, ty)) = all().find(|(attribute, _)| attribute == name) {
            return Some((Kind::Attribute(name.to_owned()), ty.clone()));
        }
        let error = Error::new(span, format!("no session has an attribute `{}`", shown(name)));
        if sessions.iter().any(|session| session.counters.iter().any(|counter| counter == name)) {
            return self.fail(error.help(format!("it is counted: write `session.count(\"{name}\")`")));
        }
        let near = suggest::among(name, || all().map(|(attribute, _)| attribute.as_str()));
        let declare = format!("declare it in `[session.NAME]`: `attributes = {{ {} = \"string\" }}`", shown(name));
        self.fail(error.help(near.unwrap_or(declare)))
    }

    /// `session.count("NAME")`
    pub(super) fn session_count(&mut self, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        self.sessions(label.span)?;
        let [Node { syntax: Syntax::Text(name), span, .. }] = arguments else {
            let error = Error::new(label.span, "`session.count` takes the name of a counter, a literal string");
            return self.fail(error.advice("such as `session.count(\"clicks\")`"));
        };
        self.known(Phase::Request, *span, WHAT);
        let all = || self.names.sessions.iter().flat_map(|session| session.counters.iter().map(String::as_str));
        if all().any(|counter| counter == name) {
            return Some((Kind::SessionCount(name.to_string()), Type::Int));
        }
        let error = Error::new(*span, format!("no session counts `{}`", shown(name)));
        let declare = format!("declare it in `[session.NAME]`: `counters = [\"{}\"]`", shown(name));
        self.fail(error.help(suggest::among(name, all).unwrap_or(declare)))
    }

    /// Notes a config without sessions.
    pub(super) fn sessions(&mut self, span: Span) -> Option<()> {
        if !self.names.sessions.is_empty() {
            return Some(());
        }
        self.fail(Error::new(span, "the config has no sessions").advice("declare them as `[session.NAME]`"))
    }

    /// `session.NAME`, where the name is that of an attribute.
    pub(super) fn meant_attribute(&self, name: &str) -> Option<String> {
        let mut all = self.names.sessions.iter().flat_map(|session| &session.attributes);
        all.any(|(attribute, _)| attribute == name).then(|| format!("write `session[\"{name}\"]`"))
    }
}
