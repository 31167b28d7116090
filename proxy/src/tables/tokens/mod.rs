//! Tokens: whether what a client carries was signed by one of the issuer's keys, holds now, and what it claims (RFC 7519).
//!
//! `jsonwebtoken` takes a token apart; signatures are checked by `ring` ([`verify`]); times are judged here, against the node's
//! clock and not the system's. What a token came to is remembered while it can be so ([`cache`]).

mod cache;
mod claims;
mod keys;
mod verify;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use selvedge_conf::{Jwt as Facts, TokenSource};
use selvedge_filters::{Token, Tokens};
use selvedge_state::Time;
use serde_json::{Map, Value};

use crate::plan::{Digest, Fault, Ledger};
use cache::Cache;
use keys::Keys;

/// The longest token that is looked at, bytes.
const TOKEN_MAX: usize = 8 * 1024;

/// The largest file of keys, bytes.
const FILE_MAX: u64 = 1 << 20;

/// One issuer's keys, and what is asked of its tokens.
#[derive(Debug)]
pub(super) struct Issuer {
    facts: Facts,
    /// What its keys were read from.
    digest: Option<Digest>,
    algorithms: Vec<Algorithm>,
    keys: Keys,
    cache: Cache,
}

impl Issuer {
    /// Reads an issuer's keys. One of `old` that is configured the same and has the same keys is taken over, with what it
    /// remembers.
    ///
    /// # Errors
    /// One fault that names the file.
    pub(super) fn load(facts: &Facts, ledger: &Ledger, old: &[Arc<Issuer>]) -> Result<Arc<Issuer>, Vec<Fault>> {
        let wrong = |cause: String| {
            let message = format!("jwt {}: key file {}: {cause}", facts.name, facts.keys.display());
            vec![Fault { place: Some(facts.place.clone()), ..Fault::whole(facts.keys.clone(), message) }]
        };
        let bytes = ledger.read(&facts.keys, FILE_MAX).map_err(|error| wrong(error.to_string()))?;
        let digest = ledger.digest(&facts.keys);
        let same = |issuer: &&Arc<Issuer>| issuer.digest == digest && is_same(&issuer.facts, facts);
        if let Some(same) = old.iter().find(same) {
            return Ok(Arc::clone(same));
        }
        let algorithms: Vec<Algorithm> = facts.algorithms.iter().copied().map(verify::algorithm).collect();
        let keys = Keys::parse(&facts.keys, &bytes, &algorithms).map_err(wrong)?;
        let cache = Cache::new().map_err(|error| wrong(format!("no randomness from the system: {error}")))?;
        verify::install();
        Ok(Arc::new(Issuer { facts: facts.clone(), digest, algorithms, keys, cache }))
    }

    /// What a token comes to, and the instant from which that may be otherwise; none when it is known at a glance.
    fn judge(&self, token: &str, now: Time) -> (Token, Option<Time>) {
        let header = match self.header(token) {
            Ok(header) => header,
            Err(reason) => return (Token::Invalid(reason), None),
        };
        let claims = match self.signed(token, &header) {
            Ok(claims) => claims,
            Err(reason) => return (Token::Invalid(reason), Some(cache::doubtful(None, now))),
        };
        match claims::believe(&claims, &self.facts, now) {
            Ok(until) => {
                let believed = claims::believed(&claims, &self.facts, until);
                (Token::Valid(believed), Some(cache::believed(until, now)))
            }
            Err(reason) => (Token::Invalid(reason), Some(cache::doubtful(claims::begins(&claims, &self.facts), now))),
        }
    }

    fn header(&self, token: &str) -> Result<Header, &'static str> {
        let header = decode_header(token).map_err(|_| "malformed")?;
        if !self.algorithms.contains(&header.alg) {
            return Err("its algorithm is not accepted");
        }
        // RFC 7515 section 4.1.11: what is critical and not understood makes a token invalid, and nothing is understood here.
        if header.crit.is_some() {
            return Err("it has critical extensions");
        }
        Ok(header)
    }

    /// The claims, if any key that may have signed them did.
    fn signed(&self, token: &str, header: &Header) -> Result<Map<String, Value>, &'static str> {
        let mut validation = Validation::new(header.alg);
        // Times are judged against the node's clock, issuer and audience beside them.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let mut reason = "no key for it";
        for key in self.keys.candidates(header) {
            match decode(token, key, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => reason = reason_of(&error),
            }
        }
        Err(reason)
    }
}

fn reason_of(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::Json(_) | ErrorKind::Utf8(_) | ErrorKind::Base64(_) => "malformed",
        _ => "its signature does not hold",
    }
}

/// Whether two issuers judge tokens alike, wherever they are written.
fn is_same(one: &Facts, other: &Facts) -> bool {
    Facts { place: other.place.clone(), name: other.name.clone(), ..one.clone() } == *other
}

impl Tokens for Issuer {
    fn source(&self) -> &TokenSource {
        &self.facts.from
    }

    fn realm(&self) -> &str {
        &self.facts.realm
    }

    fn verify(&self, token: &str, now: Time) -> Arc<Token> {
        if token.len() > TOKEN_MAX {
            return Arc::new(Token::Invalid("too long"));
        }
        let id = self.cache.id(token);
        if let Some(known) = self.cache.get(id, now) {
            return known;
        }
        let (token, until) = self.judge(token, now);
        let token = Arc::new(token);
        if let Some(until) = until {
            self.cache.put(id, &token, until, now);
        }
        token
    }
}

#[cfg(test)]
mod tests;
