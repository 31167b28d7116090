//! Expressions of type string: fields are read where they are, without going through a value of any type.

use http::HeaderName;

use super::eval::Eval;
use super::node::Node;
use super::session;
use super::source::{Source, field_text};
use super::value::Value;

/// A string.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Literal(Box<str>),
    Method,
    Host,
    Path,
    RawPath,
    RawQuery,
    Scheme,
    Protocol,
    RequestHeader(HeaderName),
    ResponseHeader(HeaderName),
    Cookie(Box<str>),
    Query(Box<str>),
    Country,
    Continent,
    City,
    AsOrg,
    From,
    CacheStatus,
    ChallengeResult,
    TokenError(usize),
    SessionId,
    Attribute(Box<str>),
    /// All others.
    Other(Box<Node>),
}

impl Text {
    #[inline(always)]
    pub(super) fn eval<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<&'v str> {
        let context = eval.context;
        let head = &context.head;
        Some(match self {
            Text::Literal(text) => text,
            Text::Method => head.method,
            Text::Host => head.host,
            Text::Path => head.path,
            Text::RequestHeader(name) => return field_text(eval.scratch, head.headers.get(name)),
            _ => return self.general(eval),
        })
    }

    /// The steps that are not met in every rule, out of the way of those that are.
    #[inline(never)]
    fn general<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<&'v str> {
        let context = eval.context;
        let head = &context.head;
        Some(match self {
            Text::RawPath => head.raw_path,
            Text::RawQuery => head.query.unwrap_or(""),
            Text::Scheme => head.scheme.as_str(),
            Text::Protocol => head.protocol,
            Text::ResponseHeader(name) => {
                return field_text(eval.scratch, context.reply.and_then(|reply| reply.headers.get(name)));
            }
            Text::Cookie(name) => Source::Cookies.find(context, eval.scratch, name)?.unwrap_or(""),
            Text::Query(name) => Source::Query.find(context, eval.scratch, name)?.unwrap_or(""),
            Text::Country => context.country().0,
            Text::Continent => context.country().1,
            Text::City => context.city(),
            Text::AsOrg => context.system().1,
            Text::From => context.reply.map_or("", |reply| reply.from.as_str()),
            Text::CacheStatus => context.reply.map_or("", |reply| reply.cache),
            Text::ChallengeResult => {
                context.reply.and_then(|reply| reply.challenge).map_or("", crate::challenge::Outcome::as_str)
            }
            Text::TokenError(issuer) => context.token_error(*issuer),
            Text::SessionId => &head.session?.id,
            Text::Attribute(name) => match session::attribute(context, name)? {
                Value::String(text) => text,
                _ => return None,
            },
            Text::Other(node) => return node.eval(eval)?.text(),
            // Read before.
            _ => return None,
        })
    }
}
