//! What a rule does beside answering, compiled. Changes are collected; what goes into the state waits until all is asked.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use selvedge_conf::expr::ListKind;
use selvedge_conf::{CacheAction, Config, Effect as Facts, Rule};
use selvedge_state::ELEMENT_MAX;

use super::revoke::Revoke;
use super::session::SessionEffect;
use super::{EffectPlace, Findings, Pending};
use crate::ban;
use crate::changes::HeaderChange;
use crate::ledger::Ledger;
use crate::list;
use crate::path;
use crate::rule::{Context, Program, Value};

/// One effect.
#[derive(Debug)]
pub(super) enum Effect {
    Rewrite(Option<Program>, Option<Program>),
    SetRequestHeader(HeaderName, Program),
    RemoveRequestHeader(HeaderName),
    SetResponseHeader(HeaderName, Program),
    RemoveResponseHeader(HeaderName),
    Origin(usize),
    Cache(CacheAction),
    /// For so many ms; the reason.
    Ban(u64, Box<str>),
    /// An element of a list, present or not, for so many ms.
    List(usize, Program, bool, u64),
    Session(Box<SessionEffect>),
    Revoke(Box<Revoke>),
    Count(usize),
    Unique(usize),
    Tag(Arc<str>),
    Log,
}

/// Why an effect was left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// Its value is absent.
    Absent,
    /// Its value is none that a header field, a path, a query or an element of a list can have.
    Invalid,
    /// The state has no room for it.
    NoRoom,
    /// The request has no session.
    NoSession,
}

impl Effect {
    /// `None` when a header's name is none, or there is not what is named, which the configuration excludes.
    pub(super) fn new(facts: &Facts, rule: &Rule, config: &Config) -> Option<Effect> {
        let program = |expr: &Option<_>| expr.as_ref().map(Program::compile);
        let name = |name: &String| HeaderName::from_bytes(name.as_bytes()).ok();
        Some(match facts {
            Facts::Rewrite(path, query) => Effect::Rewrite(program(path), program(query)),
            Facts::SetRequestHeader(field, value) => Effect::SetRequestHeader(name(field)?, Program::compile(value)),
            Facts::RemoveRequestHeader(field) => Effect::RemoveRequestHeader(name(field)?),
            Facts::SetResponseHeader(field, value) => Effect::SetResponseHeader(name(field)?, Program::compile(value)),
            Facts::RemoveResponseHeader(field) => Effect::RemoveResponseHeader(name(field)?),
            Facts::Origin(origin) => Effect::Origin(*origin),
            Facts::Cache(action) => Effect::Cache(*action),
            Facts::Ban(length) => Effect::Ban(millis(*length), ban::reason(ban::RULE_PREFIX, &rule.name)),
            Facts::ListAdd(list, element, length) => {
                Effect::List(*list, Program::compile(element), true, millis(*length))
            }
            Facts::ListRemove(list, element, length) => {
                Effect::List(*list, Program::compile(element), false, millis(*length))
            }
            Facts::Session(action) => Effect::Session(Box::new(SessionEffect::new(action, rule, config))),
            Facts::Revoke(facts) => Effect::Revoke(Box::new(Revoke::new(facts, config)?)),
            Facts::Count(counter) => Effect::Count(*counter),
            Facts::Unique(unique) => Effect::Unique(*unique),
            Facts::Tag(tag) => Effect::Tag(tag.as_str().into()),
            Facts::Log => Effect::Log,
        })
    }

    /// Collects it.
    pub(super) fn follow<'a>(
        &'a self,
        place: EffectPlace,
        context: &Context<'a>,
        ledger: &Ledger,
        findings: &mut Findings<'a>,
    ) -> Result<(), Undone> {
        let changes = &mut findings.changes;
        match self {
            Effect::Rewrite(path, query) => {
                // Both are known before one is changed: half a rewrite would be another request.
                let path = path.as_ref().map(|path| new_path(path, context)).transpose()?;
                let query = query.as_ref().map(|query| new_query(query, context)).transpose()?;
                changes.path = path.or(changes.path.take());
                changes.query = query.or(changes.query.take());
            }
            Effect::SetRequestHeader(name, value) => {
                changes.request.push(HeaderChange::Set(name.clone(), field_value(value, context)?));
            }
            Effect::RemoveRequestHeader(name) => changes.request.push(HeaderChange::Remove(name.clone())),
            Effect::SetResponseHeader(name, value) => {
                changes.response.push(HeaderChange::Set(name.clone(), field_value(value, context)?));
            }
            Effect::RemoveResponseHeader(name) => changes.response.push(HeaderChange::Remove(name.clone())),
            Effect::Origin(origin) => changes.origin = Some(*origin),
            // What passes the cache by is stored by no later word: keeping what should not be kept is the worse mistake.
            Effect::Cache(_) if changes.cache == Some(CacheAction::Pass) => {}
            Effect::Cache(action) => changes.cache = Some(*action),
            Effect::Ban(length, reason) => findings.pending.push((place, Pending::Ban(*length, reason))),
            Effect::List(list, value, present, length) => {
                let element = element(value.value(context).ok_or(Undone::Absent)?).ok_or(Undone::Invalid)?;
                let list = ledger.list(*list).ok_or(Undone::Invalid)?;
                findings.pending.push((place, Pending::List(list, element, *present, *length)));
            }
            Effect::Session(effect) => effect.follow(context, &mut changes.session)?,
            Effect::Revoke(revoke) => findings.pending.push((place, revoke.pending(context)?)),
            Effect::Count(counter) => {
                findings.pending.extend(ledger.count(*counter, context).map(|pending| (place, pending)));
            }
            Effect::Unique(unique) => {
                findings.pending.push((place, ledger.sight(*unique, context).ok_or(Undone::Absent)?));
            }
            Effect::Tag(tag) => findings.tag(tag, context),
            Effect::Log => changes.logged.push(place.rule),
        }
        Ok(())
    }

    /// The text that was made of its expression just now, if it has one: for notes.
    pub(super) fn made(&self, findings: &Findings<'_>) -> Option<String> {
        let line = |changes: &[HeaderChange]| match changes.last()? {
            HeaderChange::Set(_, value) => value.to_str().ok().map(str::to_owned),
            HeaderChange::Remove(_) => None,
        };
        let changes = &findings.changes;
        match self {
            Effect::Rewrite(path, query) => {
                let path = path.as_ref().and(changes.path.as_deref()).unwrap_or("");
                let query = query.as_ref().and(changes.query.as_deref()).map(|query| format!("?{query}"));
                Some(format!("{path}{}", query.unwrap_or_default()))
            }
            Effect::SetRequestHeader(..) => line(&changes.request),
            Effect::SetResponseHeader(..) => line(&changes.response),
            Effect::List(..) => match findings.pending.last()? {
                (_, Pending::List(_, element, _, _)) => Some(element.clone()),
                _ => None,
            },
            Effect::Revoke(..) => match findings.pending.last()? {
                (_, Pending::Revoke { name, .. }) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A path to rewrite to: in normal form, and one that names something.
fn new_path(program: &Program, context: &Context<'_>) -> Result<String, Undone> {
    let text = program.text(context).ok_or(Undone::Absent)?;
    let path = path::normal(text).map_err(|_| Undone::Invalid)?;
    if path.starts_with('/') { Ok(path.into_owned()) } else { Err(Undone::Invalid) }
}

/// A query to rewrite to: what may follow `?` (RFC 3986 section 3.4), and the few other visible characters that clients send there.
fn new_query(program: &Program, context: &Context<'_>) -> Result<String, Undone> {
    let text = program.text(context).ok_or(Undone::Absent)?;
    let may = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>');
    if text.bytes().all(may) { Ok(text.to_owned()) } else { Err(Undone::Invalid) }
}

/// The value to set a field to.
fn field_value(program: &Program, context: &Context<'_>) -> Result<HeaderValue, Undone> {
    valid(program.text(context).ok_or(Undone::Absent)?).ok_or(Undone::Invalid)
}

/// A field value (RFC 9110 section 5.5) as the edge writes it: visible ASCII, spaces and tabs.
pub(super) fn valid(text: &str) -> Option<HeaderValue> {
    let may = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    text.bytes().all(may).then(|| HeaderValue::from_str(text).ok()).flatten()
}

/// An element as lists spell it: addresses as the network of one address. `None` for what no list holds, or no look-up asks for.
fn element(value: Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => (1..=ELEMENT_MAX).contains(&text.len()).then(|| text.to_owned()),
        Value::Ip(address) => Some(IpNet::from(address.to_canonical()).to_string()),
        Value::Cidr(net) => list::element(ListKind::Addresses, &net.to_string()).ok(),
        _ => None,
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
