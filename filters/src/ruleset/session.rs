//! What a rule does to a session, compiled.

use std::sync::Arc;

use selvedge_conf::expr::Type;
use selvedge_conf::{Config, Rule as Facts, SessionAction};

use super::Undone;
use crate::rule::{Context, Program};
use crate::session::{Change, Orders, Over, Value};

/// One rule's part in what becomes of a session.
#[derive(Debug)]
pub(super) struct SessionEffect {
    start: bool,
    rotate: bool,
    revoke: bool,
    set: Box<[(Arc<str>, Type, Program)]>,
    unset: Box<[Arc<str>]>,
    count: Box<[Arc<str>]>,
    /// The longest string that each session takes that it may be, bytes.
    value_max: usize,
}

impl SessionEffect {
    pub(super) fn new(action: &SessionAction, rule: &Facts, config: &Config) -> SessionEffect {
        let concerns = |session: &&selvedge_conf::Session| {
            rule.sites.is_empty() || session.sites.is_empty() || rule.sites.iter().any(|site| session.is_for(*site))
        };
        let value_max = config.sessions.iter().filter(concerns).map(|session| session.value_max).min();
        let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let set =
            action.set.iter().map(|(name, value)| (name.as_str().into(), value.ty.clone(), Program::compile(value)));
        SessionEffect {
            start: action.start,
            rotate: action.rotate,
            revoke: action.revoke,
            set: set.collect(),
            unset: names(&action.unset),
            count: names(&action.count),
            value_max: value_max.unwrap_or(0),
        }
    }

    /// Adds it to what is ordered. All values are known before anything is: half of it would be another session. But where it rotates, and a value cannot be
    /// had, what is to be set is unset: whoever logs in is not to go on as who was logged in before.
    pub(super) fn follow(&self, context: &Context<'_>, orders: &mut Orders) -> Result<(), Undone> {
        let there_is_one = (context.head.session.is_some() && orders.revoke.is_none()) || orders.start;
        let mut changes = match self.values(context) {
            Ok(changes) => changes,
            Err(undone) => {
                if self.rotate && there_is_one {
                    orders.rotate = true;
                    self.set.iter().for_each(|(name, ..)| orders.push(Change::Unset(Arc::clone(name))));
                }
                return Err(undone);
            }
        };
        changes.extend(self.unset.iter().map(|name| Change::Unset(Arc::clone(name))));
        changes.extend(self.count.iter().map(|name| Change::Count(Arc::clone(name), 1)));
        if !there_is_one && !self.start {
            return Err(Undone::NoSession);
        }
        if self.revoke {
            orders.revoke = Some(Over::Session);
        }
        orders.start |= self.start;
        orders.rotate |= self.rotate;
        changes.into_iter().for_each(|change| orders.push(change));
        Ok(())
    }

    /// What is to be set.
    fn values(&self, context: &Context<'_>) -> Result<Vec<Change>, Undone> {
        let set = self.set.iter().map(|(name, ty, value)| {
            let value = value.value(context).ok_or(Undone::Absent)?;
            let value = Value::of(ty, value, self.value_max).ok_or(Undone::Invalid)?;
            Ok(Change::Set(Arc::clone(name), value))
        });
        set.collect()
    }
}
