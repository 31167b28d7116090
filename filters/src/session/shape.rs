//! One kind of sessions of a config, compiled: its cookie, what is read of its records, and how long they last.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use selvedge_conf::expr::Type;
use selvedge_conf::{Realm, SameSite, Session as Facts};
use selvedge_state::{RevocationKey, SESSION_VALUE_MAX, Session, SessionKey, SessionLife, Store, Time};

use super::record::Record;
use super::token::Token;
use super::told::hashed;
use super::value::Value;
use crate::rule::cookies;
use crate::signing::Keys;

/// The name of a session that is given to a request that nobody sent.
const GIVEN: &str = "00000000000000000000000000000000";

/// A kind of sessions.
#[derive(Debug)]
pub struct Shape {
    facts: Facts,
    realm: Realm,
    keys: Arc<Keys>,
    attributes: Vec<(Arc<str>, Type)>,
    counters: Vec<Arc<str>>,
}

impl Shape {
    /// Of what a config says, its realm among that, with the keys that its files have.
    pub fn new(facts: &Facts, realm: &Realm, keys: Arc<Keys>) -> Shape {
        Shape {
            realm: realm.clone(),
            attributes: facts.attributes.iter().map(|(name, ty)| (name.as_str().into(), ty.clone())).collect(),
            counters: facts.counters.iter().map(|name| name.as_str().into()).collect(),
            keys,
            facts: facts.clone(),
        }
    }

    /// What the config says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The keys of its cookies.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// An attribute and its type.
    pub(super) fn attribute(&self, name: &str) -> Option<(&Arc<str>, &Type)> {
        self.attributes.iter().find(|(held, _)| **held == *name).map(|(name, ty)| (name, ty))
    }

    /// Within what its users and tenants are named.
    pub(super) fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The name of an attribute, by its place in the config.
    pub(super) fn attribute_at(&self, place: usize) -> Option<&Arc<str>> {
        self.attributes.get(place).map(|(name, _)| name)
    }

    /// A counter.
    pub(super) fn counter(&self, name: &str) -> Option<&Arc<str>> {
        self.counters.iter().find(|held| ***held == *name)
    }

    /// The attributes that origins are told.
    pub(super) fn told(&self) -> impl Iterator<Item = &Arc<str>> {
        self.facts.headers.iter().filter_map(|place| self.attribute_at(*place))
    }

    /// The first cookie of its name.
    pub(super) fn carried<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        let name = self.facts.cookie.name.as_bytes();
        cookies(headers).find(|(held, _)| *held == name).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// Where a cookie is good alone that this site gives; everywhere when empty.
    pub(super) fn bound<'s>(&self, site: &'s str) -> &'s str {
        if self.facts.per_site { site } else { "" }
    }

    /// Its name in the store.
    pub(super) fn key(&self, token: &Token, store: &Store) -> SessionKey {
        store.session_key(&[self.facts.name.as_bytes(), &token.id])
    }

    /// Its name among what is revoked.
    pub(super) fn revocation(&self, token: &Token, store: &Store) -> RevocationKey {
        Store::session_revocation(self.key(token, store))
    }

    /// How long it goes on if it is seen now. What is written of when it was seen may be one interval late, so it ends that much later.
    pub(super) fn life(&self, token: &Token, now: Time) -> SessionLife {
        SessionLife { created: token.started, ends: token.end, until: self.idle_at(now) }
    }

    /// When a session is over that is not seen again after this.
    pub(super) fn idle_at(&self, seen: Time) -> Time {
        seen.plus(millis(self.facts.idle)).plus(millis(self.facts.seen_every))
    }

    /// When a session ends that is started now.
    pub(super) fn end(&self, now: Time) -> Time {
        now.plus(millis(self.facts.absolute))
    }

    /// Whether that was so long ago that it is to be written down again that a session is seen.
    pub(super) fn is_long_ago(&self, seen: Time, now: Time) -> bool {
        now.since(seen) >= millis(self.facts.seen_every)
    }

    /// What is read of a session by this config.
    pub(super) fn record(&self, (token, key): (&Token, SessionKey), known: Option<&Session>, is_fresh: bool) -> Record {
        let attribute = |(name, ty): &(Arc<str>, Type)| {
            let text = std::str::from_utf8(known?.get(name)?).ok()?;
            Some((Arc::clone(name), Value::parse(ty, text, SESSION_VALUE_MAX)?))
        };
        let count = |name: &Arc<str>| Some((Arc::clone(name), known?.count(name)));
        Record {
            id: hashed(key),
            started: token.started,
            login: token.login,
            is_fresh,
            attributes: self.attributes.iter().filter_map(attribute).collect(),
            counts: self.counters.iter().filter_map(count).collect(),
        }
    }

    /// The record of a fresh session that holds and has counted this, for a request that nobody sent. What is no value is not in it.
    pub fn given(&self, held: &[(String, String)], now: Time) -> Record {
        let text = |name: &str| held.iter().find(|(held, _)| held == name).map(|(_, text)| text.as_str());
        let attribute =
            |(name, ty): &(Arc<str>, Type)| Some((Arc::clone(name), Value::parse(ty, text(name)?, SESSION_VALUE_MAX)?));
        let count = |name: &Arc<str>| (Arc::clone(name), text(name).and_then(|text| text.parse().ok()).unwrap_or(0));
        Record {
            id: GIVEN.to_owned(),
            started: now,
            login: now,
            is_fresh: true,
            attributes: self.attributes.iter().filter_map(attribute).collect(),
            counts: self.counters.iter().map(count).collect(),
        }
    }

    /// `Set-Cookie` of a token (RFC 6265 section 4.1), or of none, which takes it back.
    pub(super) fn set_cookie(&self, token: Option<&Token>, site: &str, now: Time) -> String {
        let cookie = &self.facts.cookie;
        let (value, age) = match token {
            Some(token) => (token.write(&self.keys, self.bound(site)), token.end.since(now).div_ceil(1000)),
            None => (String::new(), 0),
        };
        let domain = cookie.domain.as_ref().map_or(String::new(), |domain| format!("; Domain={domain}"));
        let secure = if cookie.secure { "; Secure" } else { "" };
        let same_site = match cookie.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        format!("{}={value}; Path=/{domain}; Max-Age={age}{secure}; HttpOnly; SameSite={same_site}", cookie.name)
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
