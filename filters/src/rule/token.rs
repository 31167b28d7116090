//! Tokens of a request: found where the issuer's config says, verified at most once. Whether one is revoked is asked each time, whatever was known of it
//! before.

use std::cell::OnceCell;
use std::sync::Arc;

use http::HeaderValue;
use selvedge_conf::{Named, TokenSource};
use selvedge_state::Store;

use super::context::Context;
use super::datum::Datum;
use super::scratch::Scratch;
use super::source::Source;
use super::value::Value;
use crate::revocation;
use crate::tables::{Believed, Claim, Token};

/// What became of the search for a token.
#[derive(Debug)]
pub(super) enum Found {
    /// The request carries none.
    Missing,
    /// It carries one, and this came of it.
    Verified(Arc<Token>),
    /// It carries one that could be believed, and is revoked.
    Revoked,
}

/// Why there is no valid token when the request carries none.
const MISSING: &str = "missing";

/// The same when it, its user or its tenant is revoked.
const REVOKED: &str = "revoked";

/// RFC 6750 section 2.1; the scheme in any case (RFC 9110 section 11.1).
const BEARER: &[u8] = b"bearer ";

impl Context<'_> {
    fn token(&self, issuer: usize) -> Option<&Found> {
        let cells = self.memo.tokens.get_or_init(|| self.tables.tokens.iter().map(|_| OnceCell::new()).collect());
        let tokens = self.tables.tokens.get(issuer)?;
        let verified = cells.get(issuer)?.get_or_init(|| match self.carried(tokens.source()) {
            Some(token) => {
                let token = tokens.verify(&String::from_utf8_lossy(token), self.now);
                match &*token {
                    Token::Valid(believed) if believed.is_revoked(tokens.realm(), self.store) => Found::Revoked,
                    Token::Valid(_) | Token::Invalid(_) => Found::Verified(token),
                }
            }
            None => Found::Missing,
        });
        Some(verified)
    }

    fn carried(&self, source: &TokenSource) -> Option<&[u8]> {
        let header = |name: &str| self.head.headers.get(name).map(HeaderValue::as_bytes);
        let token = match source {
            TokenSource::Bearer => {
                let (scheme, token) = header("authorization")?.split_at_checked(BEARER.len())?;
                if !scheme.eq_ignore_ascii_case(BEARER) {
                    return None;
                }
                token.trim_ascii()
            }
            TokenSource::Header(name) => header(name)?,
            TokenSource::Cookie(name) => Source::cookie(self, name)?,
        };
        if token.is_empty() { None } else { Some(token) }
    }

    /// What is believed of the token of an issuer, if the request has a valid one.
    pub(crate) fn believed(&self, issuer: usize) -> Option<&Believed> {
        match self.token(issuer)? {
            Found::Verified(token) => match &**token {
                Token::Valid(believed) => Some(believed),
                Token::Invalid(_) => None,
            },
            Found::Missing | Found::Revoked => None,
        }
    }

    /// Whether the request has a valid token of an issuer.
    pub(super) fn token_valid(&self, issuer: usize) -> bool {
        self.believed(issuer).is_some()
    }

    /// Why it has none; `""` when it has one.
    pub(super) fn token_error(&self, issuer: usize) -> &str {
        match self.token(issuer) {
            Some(Found::Verified(token)) => match **token {
                Token::Valid(_) => "",
                Token::Invalid(reason) => reason,
            },
            Some(Found::Revoked) => REVOKED,
            Some(Found::Missing) | None => MISSING,
        }
    }
}

impl Believed {
    /// Whether it is revoked: it alone, or what its user or its tenant had when it was issued.
    fn is_revoked(&self, realm: &str, store: &Store) -> bool {
        let names = [(Named::Token, &self.id), (Named::User, &self.user), (Named::Tenant, &self.tenant)];
        let mut names = names.into_iter().filter_map(|(what, name)| Some((what, name.as_deref()?)));
        names.any(|(what, name)| revocation::revoked(store, (what, realm, name), self.issued).is_some())
    }
}

/// A claim of a valid token.
pub(super) fn claim<'v>(
    context: &'v Context<'_>,
    scratch: Scratch<'v>,
    issuer: usize,
    claim: usize,
) -> Option<Datum<'v>> {
    let value = match context.believed(issuer)?.claims.get(claim)?.as_ref()? {
        Claim::Bool(value) => Value::Bool(*value),
        Claim::Int(value) => Value::Int(*value),
        Claim::Double(value) => Value::Double(*value),
        Claim::String(text) => Value::String(text),
        Claim::Strings(texts) => return scratch.texts(texts.iter().map(String::as_str)),
    };
    Some(Datum::Scalar(value))
}
