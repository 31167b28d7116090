//! What a rule revokes by name, compiled.

use selvedge_conf::{Config, Named, Realm, Revoke as Facts};

use super::{Pending, Undone};
use crate::rule::{Context, Program, Value};

/// One thing that is revoked.
#[derive(Debug)]
pub(super) struct Revoke {
    realm: Realm,
    whom: Whom,
}

/// By whose say it has which name.
#[derive(Debug)]
enum Whom {
    /// A user or a tenant, by an expression.
    Named(Named, Program),
    /// The token that the request carries of an issuer.
    Token(usize),
}

impl Revoke {
    /// `None` when there is no such realm or issuer, which the configuration excludes.
    pub(super) fn new(facts: &Facts, config: &Config) -> Option<Revoke> {
        Some(match facts {
            Facts::Named { what, realm, name } => {
                Revoke { realm: config.realms.get(*realm)?.clone(), whom: Whom::Named(*what, Program::compile(name)) }
            }
            Facts::Token(issuer) => {
                Revoke { realm: config.realm(&config.jwts.get(*issuer)?.realm)?.clone(), whom: Whom::Token(*issuer) }
            }
        })
    }

    /// What is to be written. What is absent, or empty, is the name of nobody.
    pub(super) fn pending(&self, context: &Context<'_>) -> Result<Pending<'_>, Undone> {
        let (what, name, until) = match &self.whom {
            Whom::Named(what, name) => {
                let name = match name.value(context).ok_or(Undone::Absent)? {
                    Value::String(text) => text.to_owned(),
                    Value::Int(number) => number.to_string(),
                    _ => return Err(Undone::Invalid),
                };
                (*what, name, None)
            }
            Whom::Token(issuer) => {
                let token = context.believed(*issuer).ok_or(Undone::Absent)?;
                (Named::Token, token.id.clone().ok_or(Undone::Absent)?, token.until)
            }
        };
        if name.is_empty() {
            return Err(Undone::Absent);
        }
        Ok(Pending::Revoke { what, realm: &self.realm, name, until })
    }
}
