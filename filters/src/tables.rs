//! What the world brings to the rules of one config: lists from files, places of addresses, verified tokens. Reading the files
//! is the caller's; here are only the tables made of them, in the order of the config's sections.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use selvedge_conf::TokenSource;
use selvedge_state::Time;

use crate::challenge::Challenge;
use crate::list::List;
use crate::session::Keys;

/// Everything rules look up that is neither the request nor the store.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// For each of [`selvedge_conf::Config::lists`].
    pub lists: Vec<Arc<List>>,
    /// Where addresses are, if the config has databases for it.
    pub geo: Option<Arc<dyn Geo>>,
    /// For each of [`selvedge_conf::Config::jwts`].
    pub tokens: Vec<Arc<dyn Tokens>>,
    /// For each of [`selvedge_conf::Config::sessions`].
    pub session_keys: Vec<Arc<Keys>>,
    /// Of [`selvedge_conf::Config::challenge`].
    pub challenge: Option<Arc<Challenge>>,
}

/// Where addresses are. What is not known is `""` or 0.
pub trait Geo: Debug + Send + Sync {
    /// Country (ISO 3166-1 alpha-2) and continent (two letters).
    fn country(&self, client: IpAddr) -> (&str, &str);
    /// The city's English name.
    fn city(&self, client: IpAddr) -> &str;
    /// The number and the organisation of the autonomous system.
    fn system(&self, client: IpAddr) -> (u32, &str);
}

/// One issuer's tokens.
pub trait Tokens: Debug + Send + Sync {
    /// Where a request carries the token.
    fn source(&self) -> &TokenSource;
    /// Within what its users, tenants and tokens are named.
    fn realm(&self) -> &str;
    /// Verifies a token as of `now`; whether it is revoked is not its matter. Called at most once for each request and issuer.
    fn verify(&self, token: &str, now: Time) -> Arc<Token>;
}

/// What became of a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// Signature, times, issuer and audience hold.
    Valid(Believed),
    /// Why it cannot be believed, in a few words.
    Invalid(&'static str),
}

/// What a token says that is believed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Believed {
    /// The claims in the config's order: `None` when the token has no such claim, or one of another type.
    pub claims: Vec<Option<Claim>>,
    /// Its id (`jti`, RFC 7519 section 4.1.7).
    pub id: Option<String>,
    /// Whose it is (`sub`, RFC 7519 section 4.1.2).
    pub user: Option<String>,
    /// Of which tenant it is, where the config names a claim for that.
    pub tenant: Option<String>,
    /// When it was issued (`iat`, RFC 7519 section 4.1.6); [`Time::ZERO`] where it does not say.
    pub issued: Time,
    /// When it expires, leeway included, if it ever does.
    pub until: Option<Time>,
}

/// The value of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Text.
    String(String),
    /// Several texts; a claim that is one text counts as a list of one (RFC 7519 section 4.1.3 allows both for `aud`).
    Strings(Vec<String>),
}
