//! Realms: within one of them users, tenants and ids of tokens have names, so that sections that share their users say so by its name.

use std::time::Duration;

use crate::jwt::Jwt;
use crate::session::Session;

/// One realm: all sessions and issuers of tokens that name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// Its name: 1 to 64 characters of `[A-Za-z0-9._-]`.
    pub name: String,
    /// What has names in it, in the order of [`Named`].
    pub names: Vec<Named>,
    /// How long anything of it goes on at most once it is issued; `None` where tokens of an issuer may, which end when they say so.
    pub longest: Option<Duration>,
}

/// What has names in a realm, and can be revoked by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Who sessions and tokens belong to.
    User,
    /// The party that users belong to.
    Tenant,
    /// A token, by its id (`jti`, RFC 7519 section 4.1.7).
    Token,
}

impl Named {
    /// In a word, as configs, commands and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Named::User => "user",
            Named::Tenant => "tenant",
            Named::Token => "token",
        }
    }
}

impl Realm {
    /// Whether things of this kind have names in it.
    pub fn has(&self, what: Named) -> bool {
        self.names.contains(&what)
    }

    fn new(name: &str) -> Realm {
        Realm { name: name.to_owned(), names: Vec::new(), longest: Some(Duration::ZERO) }
    }

    fn add(&mut self, names: [Option<Named>; 3], longest: Option<Duration>) {
        self.names.extend(names.into_iter().flatten());
        self.names.sort_unstable();
        self.names.dedup();
        self.longest = self.longest.zip(longest).map(|(one, other)| one.max(other));
    }
}

/// The realms of a config, in the order in which they are named first: by sessions, then by issuers.
pub(crate) fn realms<'c>(
    sessions: impl IntoIterator<Item = &'c Session>,
    jwts: impl IntoIterator<Item = &'c Jwt>,
) -> Vec<Realm> {
    let mut realms: Vec<Realm> = Vec::new();
    let mut add = |name: &str, names, longest| match realms.iter_mut().find(|realm| realm.name == name) {
        Some(realm) => realm.add(names, longest),
        None => {
            let mut realm = Realm::new(name);
            realm.add(names, longest);
            realms.push(realm);
        }
    };
    for session in sessions {
        let names = [session.user.map(|_| Named::User), session.tenant.map(|_| Named::Tenant), None];
        add(&session.realm, names, Some(session.absolute));
    }
    for jwt in jwts {
        let names = [Some(Named::User), jwt.tenant.as_ref().map(|_| Named::Tenant), Some(Named::Token)];
        add(&jwt.realm, names, None);
    }
    realms
}
