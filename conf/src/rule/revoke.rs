//! What a rule revokes by name: a user, a tenant, or the token that a request carries.

use schemars::JsonSchema;
use serde::Deserialize;

use super::doing::Doing;
use super::{Effect, Revoke};
use crate::expr::{Phase, Type};
use crate::raw::{At, Text};
use crate::realm::Named;
use crate::suggest;
use crate::value::{Wrong, shown};

/// `revoke` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRevoke {
    /// A user, as an expression of type string or int: all sessions and tokens that are this one's by now.
    user: Option<At<Text>>,
    /// A tenant, likewise: all sessions and tokens that are of this one by now.
    tenant: Option<At<Text>>,
    /// Within what the user or the tenant is named: the `realm` of a `[session.NAME]` or a `[jwt.NAME]`. May be left out where there is one alone.
    realm: Option<At<Text>>,
    /// The name of the `[jwt.NAME]` whose token the request carries: this token alone, by its `jti`.
    token: Option<At<Text>>,
}

impl Doing<'_, '_> {
    /// What is revoked; `None` if it is wrong. That a connection revokes nothing was noted.
    pub(super) fn revoke(&mut self, written: &At<RawRevoke>) -> Option<Effect> {
        if self.phase == Phase::Connection {
            return None;
        }
        let RawRevoke { user, tenant, realm, token } = &written.value;
        match (user, tenant, token) {
            (Some(name), None, None) => self.named(Named::User, name, (realm.as_ref(), written)),
            (None, Some(name), None) => self.named(Named::Tenant, name, (realm.as_ref(), written)),
            (None, None, Some(token)) => {
                if let Some(realm) = realm {
                    let wrong = Wrong::new("`realm` beside `token`: the `[jwt.NAME]` says in which one its tokens are");
                    self.check.note(realm.span(), wrong.advice("leave `realm` out"));
                    return None;
                }
                let names: Vec<String> = self.check.names.jwts.iter().map(|jwt| jwt.name.clone()).collect();
                let place = self.check.value(token, |text| {
                    let wrong = || Wrong::new(format!("there is no jwt `{}`", shown(text)));
                    let place = names.iter().position(|name| name == text);
                    place.ok_or_else(|| wrong().help(suggest::among(text, || names.iter().map(String::as_str))))
                });
                place.map(|place| Effect::Revoke(Revoke::Token(place)))
            }
            _ => {
                let wrong = Wrong::new("`revoke` is of one thing: a `user`, a `tenant` or a `token`");
                self.check.note(written.span(), wrong.advice("such as revoke = { user = 'session[\"user\"]' }"));
                None
            }
        }
    }

    fn named(
        &mut self,
        what: Named,
        name: &At<Text>,
        (realm, written): (Option<&At<Text>>, &At<RawRevoke>),
    ) -> Option<Effect> {
        let phase = self.phase;
        let name = self.check.typed(name, phase, "the name of what is revoked", &[Type::String, Type::Int]);
        // What is wrong with a section was noted; which realms there would be is not known then.
        let known = self.known;
        let realms = known.realms.as_ref()?;
        let found = match realm {
            Some(realm) => self.check.value(realm, |text| {
                let place = realms.iter().position(|realm| realm.name == text);
                place.ok_or_else(|| {
                    let wrong = Wrong::new(format!("there is no realm `{}`", shown(text)));
                    let names = || realms.iter().map(|realm| realm.name.as_str());
                    let none = "it is that of a `[session.NAME]` or a `[jwt.NAME]`";
                    wrong.help(suggest::among(text, names).unwrap_or_else(|| none.to_owned()))
                })
            })?,
            None if realms.len() == 1 => 0,
            None => {
                let wrong = Wrong::new(format!("a {} is named within a realm", what.as_str()));
                let names: Vec<String> = realms.iter().map(|realm| format!("`{}`", realm.name)).collect();
                let help = match names.as_slice() {
                    [] => "there is none: write a `[session.NAME]` or a `[jwt.NAME]`".to_owned(),
                    names => format!("say by `realm` in which one: {}", names.join(", ")),
                };
                self.check.note(written.span(), wrong.help(help));
                return None;
            }
        };
        let realm = realms.get(found).filter(|realm| !realm.has(what));
        if let Some(realm) = realm {
            let what = what.as_str();
            let wrong = Wrong::new(format!("nothing in the realm `{}` has a {what}", realm.name));
            let help = format!("name what says it, such as `{what} = \"{what}\"` in a `[session.NAME]` of that realm");
            self.check.note(written.span(), wrong.help(help));
            return None;
        }
        Some(Effect::Revoke(Revoke::Named { what, realm: found, name: name? }))
    }
}
