//! Sessions that a node holds, a page at a time: in the order of their ids, those that have certain attributes if somebody asks for that.

use std::ops::ControlFlow;

use selvedge_state::{Key128, Session, SessionKey, Time};

use super::super::report::{HeldSession, Sessions};
use super::Shown;
use crate::node::Node;

/// The most sessions of a page, and how many there are if nothing is said.
const PAGE_MAX: usize = 1_000;
const PAGE: usize = 100;

/// The most sessions that are looked at for one page, whatever is found.
const LOOKS_MAX: usize = 100_000;

/// The most text of attributes in a page, bytes: a page ends behind the session that exceeds it.
const TEXT_MAX: usize = 1 << 20;

/// Attributes that one question asks for.
const ATTRIBUTES_MAX: usize = 32;

/// Which sessions are asked for.
pub(super) struct Question {
    after: Option<Key128>,
    limit: usize,
    /// What attributes have to be.
    attributes: Vec<(String, String)>,
}

impl Question {
    /// Of the parts of a query.
    ///
    /// # Errors
    /// In words.
    pub(super) fn read(parts: Vec<(String, String)>) -> Result<Question, String> {
        let mut question = Question { after: None, limit: PAGE, attributes: Vec::new() };
        for (name, value) in parts {
            match name.as_str() {
                "after" => question.after = super::key(&value)?.each().next(),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                    question.limit = limit.ok_or_else(|| format!("limit is a number from 1 to {PAGE_MAX}"))?;
                }
                "attribute" => {
                    let (name, value) = value.split_once('=').ok_or("an attribute is written NAME=VALUE")?;
                    question.attributes.push((name.to_owned(), value.to_owned()));
                }
                unknown => return Err(format!("unknown parameter {unknown:?}")),
            }
        }
        match question.attributes.len() {
            0..=ATTRIBUTES_MAX => Ok(question),
            _ => Err(format!("{ATTRIBUTES_MAX} attributes at most")),
        }
    }

    fn asks_for(&self, session: &Session) -> bool {
        self.attributes.iter().all(|(name, value)| session.get(name) == Some(value.as_bytes()))
    }
}

/// A page of what is held here.
pub(super) fn page(node: &Node, question: &Question) -> Sessions {
    let (mut sessions, mut text) = (Vec::new(), 0);
    let visit = |key, session: &Session| {
        if question.asks_for(session) {
            text += session.attributes().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            sessions.push((key, held(key, session)));
        }
        if sessions.len() >= question.limit || text > TEXT_MAX {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let next = node.store.visit_sessions(question.after, LOOKS_MAX, node.clock.now(), visit);
    let plan = node.plan.load();
    let revoked = |(key, session): (Key128, HeldSession)| {
        let shown = Shown { started: Time(session.started), attributes: &session.attributes };
        let revoked = super::revoked(node, &plan.config, SessionKey::new(key, None), Some(shown));
        HeldSession { revoked, ..session }
    };
    Sessions { sessions: sessions.into_iter().map(revoked).collect(), next: next.map(|key| key.to_string()) }
}

fn held(key: Key128, session: &Session) -> HeldSession {
    let text = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
    HeldSession {
        id: key.to_string(),
        started: session.created().0,
        seen: session.seen().0,
        over: session.over().0,
        attributes: session.attributes().map(text).collect(),
        counters: session.counters().into_iter().map(|name| (name.to_owned(), session.count(name))).collect(),
        revoked: None,
    }
}
