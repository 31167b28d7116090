//! What a rule does to the session of a request.

use schemars::JsonSchema;
use serde::Deserialize;

use super::doing::Doing;
use super::{Effect, SessionAction};
use crate::expr::{Expr, Phase, Type};
use crate::raw::{At, Entries, Text};
use crate::scope::Part;
use crate::value::Wrong;

/// `session` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSessionAction {
    /// `true`: a request without a valid session gets one; where there is one it stays.
    start: Option<At<bool>>,
    /// `true`: what the session holds goes on under another id, and the one of before is revoked. For each login.
    rotate: Option<At<bool>>,
    /// `true`: the session is over, at every POP and for ever.
    revoke: Option<At<bool>>,
    /// Attributes and their new values, each an expression of the attribute's type, such as `{ user = 'request.form("user")' }`.
    set: Option<At<Entries<Text>>>,
    /// Attributes that are set no longer, such as `["user"]`.
    unset: Option<At<Vec<At<Text>>>>,
    /// What is counted once more, such as `["clicks"]`.
    count: Option<At<Vec<At<Text>>>>,
}

impl Doing<'_, '_> {
    /// What becomes of a session; `None` if it is wrong. That a connection has none was noted.
    pub(super) fn session(&mut self, written: &At<RawSessionAction>) -> Option<Effect> {
        if self.phase == Phase::Connection {
            return None;
        }
        let RawSessionAction { start, rotate, revoke, set, unset, count } = &written.value;
        let mut turned_on = |switch: &Option<At<bool>>, name: &str| match switch {
            None => Some(false),
            Some(switch) => self.yes(switch, name).map(|()| true),
        };
        let switches = (turned_on(start, "start"), turned_on(rotate, "rotate"), turned_on(revoke, "revoke"));
        if let Err(wrong) = self.check.scope.holds(Part::Any) {
            self.check.note(written.span(), wrong);
            return None;
        }
        let set = self.values(set.as_ref());
        let unset = self.parts(unset.as_ref(), |name| Part::Attribute(name));
        let count = self.parts(count.as_ref(), |name| Part::Counter(name));
        let (start, rotate, revoke) = (switches.0?, switches.1?, switches.2?);
        let action = SessionAction { start, rotate, revoke, set: set?, unset: unset?, count: count? };
        let others = start || rotate || !action.set.is_empty() || !action.unset.is_empty() || !action.count.is_empty();
        if revoke && others {
            let wrong = Wrong::new("`revoke` beside what is done to a session that goes on");
            self.check.note(written.span(), wrong.advice("a session that is revoked is over: leave the rest out"));
            return None;
        }
        if !revoke && !others {
            let wrong = Wrong::new("nothing is done to the session").advice("such as session = { start = true }");
            self.check.note(written.span(), wrong);
            return None;
        }
        Some(Effect::Session(action))
    }

    /// Attributes with what they are set to.
    fn values(&mut self, written: Option<&At<Entries<Text>>>) -> Option<Vec<(String, Expr)>> {
        let mut values = Vec::new();
        for (name, value) in written.into_iter().flat_map(|written| &written.value.0) {
            let ty = self.of_attribute(name);
            let phase = self.phase;
            let value = ty.and_then(|ty| self.check.typed(value, phase, "the value of this attribute", &[ty]));
            values.push(value.map(|value| (name.value.clone(), value)));
        }
        values.into_iter().collect()
    }

    /// The type of an attribute that each site in question has.
    fn of_attribute(&mut self, name: &At<String>) -> Option<Type> {
        if let Err(wrong) = self.check.scope.holds(Part::Attribute(&name.value)) {
            self.check.note(name.span(), wrong);
            return None;
        }
        let mut all = self.check.names.sessions.iter().flat_map(|session| &session.attributes);
        all.find(|(held, _)| *held == name.value).map(|(_, ty)| ty.clone())
    }

    /// Names that each site in question has.
    fn parts(
        &mut self,
        written: Option<&At<Vec<At<Text>>>>,
        part: impl for<'n> Fn(&'n str) -> Part<'n>,
    ) -> Option<Vec<String>> {
        let mut parts = Vec::new();
        for name in written.into_iter().flat_map(|written| &written.value) {
            let text = name.value.as_ref();
            let there = self.check.scope.holds(part(text)).map_err(|wrong| self.check.note(name.span(), wrong));
            parts.push(there.ok().map(|()| text.to_owned()));
        }
        parts.into_iter().collect()
    }
}
