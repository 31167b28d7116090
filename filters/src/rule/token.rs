//! Tokens of a request: found where the issuer's config says, verified at most once.

use std::cell::OnceCell;
use std::sync::Arc;

use http::HeaderValue;
use selvedge_conf::TokenSource;

use super::context::Context;
use super::datum::Datum;
use super::scratch::Scratch;
use super::source::Source;
use super::value::Value;
use crate::tables::{Claim, Token};

/// What became of the search for a token.
#[derive(Debug)]
pub(super) enum Found {
    /// The request carries none.
    Missing,
    /// It carries one, and this came of it.
    Verified(Arc<Token>),
}

/// Why there is no valid token when the request carries none.
const MISSING: &str = "missing";

/// RFC 6750 section 2.1; the scheme in any case (RFC 9110 section 11.1).
const BEARER: &[u8] = b"bearer ";

impl Context<'_> {
    fn token(&self, issuer: usize) -> Option<&Found> {
        let cells = self.memo.tokens.get_or_init(|| self.tables.tokens.iter().map(|_| OnceCell::new()).collect());
        let tokens = self.tables.tokens.get(issuer)?;
        let verified = cells.get(issuer)?.get_or_init(|| match self.carried(tokens.source()) {
            Some(token) => Found::Verified(tokens.verify(&String::from_utf8_lossy(token), self.now)),
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

    /// Whether the request has a valid token of an issuer.
    pub(super) fn token_valid(&self, issuer: usize) -> bool {
        match self.token(issuer) {
            Some(Found::Verified(token)) => matches!(**token, Token::Valid(_)),
            _ => false,
        }
    }

    /// Why it has none; `""` when it has one.
    pub(super) fn token_error(&self, issuer: usize) -> &str {
        match self.token(issuer) {
            Some(Found::Verified(token)) => match **token {
                Token::Valid(_) => "",
                Token::Invalid(reason) => reason,
            },
            _ => MISSING,
        }
    }

    fn claims(&self, issuer: usize) -> &[Option<Claim>] {
        match self.token(issuer) {
            Some(Found::Verified(token)) => match &**token {
                Token::Valid(claims) => claims,
                Token::Invalid(_) => &[],
            },
            _ => &[],
        }
    }
}

/// A claim of a valid token.
pub(super) fn claim<'v>(
    context: &'v Context<'_>,
    scratch: Scratch<'v>,
    issuer: usize,
    claim: usize,
) -> Option<Datum<'v>> {
    let value = match context.claims(issuer).get(claim)?.as_ref()? {
        Claim::Bool(value) => Value::Bool(*value),
        Claim::Int(value) => Value::Int(*value),
        Claim::Double(value) => Value::Double(*value),
        Claim::String(text) => Value::String(text),
        Claim::Strings(texts) => return scratch.texts(texts.iter().map(String::as_str)),
    };
    Some(Datum::Scalar(value))
}
