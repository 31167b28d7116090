//! From the checked tree to the compiled form. What is known beforehand is made here: sets of words and networks, searchers,
//! header names. A tree that is not well typed, which the checker excludes, becomes steps that are absent.

mod condition;
mod node;

use http::HeaderName;
use selvedge_conf::expr::{Expr, Field, Function, Kind, Type};

use super::eval::Binds;
use super::source::Source;
use super::text::Text;

/// One expression on its way.
#[derive(Debug)]
pub(super) struct Lowering {
    /// Whether a macro was met.
    pub(super) binds: Binds,
}

impl Lowering {
    pub(super) fn new() -> Lowering {
        Lowering { binds: Binds::Nothing }
    }

    /// A string.
    pub(super) fn text(&mut self, expr: &Expr) -> Text {
        match &expr.kind {
            Kind::String(text) => Text::Literal(text.as_str().into()),
            Kind::TokenError(issuer) => Text::TokenError(*issuer),
            Kind::Attribute(name) => Text::Attribute(name.as_str().into()),
            Kind::Index(map, name) => match (source(map), &name.kind) {
                (Some(source), Kind::String(name)) => named(source, name),
                _ => Text::Other(Box::new(self.node_of_text(expr))),
            },
            Kind::Field(field) => field_text(*field).unwrap_or_else(|| Text::Other(Box::new(self.node_of_text(expr)))),
            _ => Text::Other(Box::new(self.node_of_text(expr))),
        }
    }
}

/// A map of the request by a name known beforehand.
fn named(source: Source, name: &str) -> Text {
    let header = || HeaderName::from_bytes(name.as_bytes()).ok();
    let text = match source {
        Source::RequestHeaders => header().map(Text::RequestHeader),
        Source::ResponseHeaders => header().map(Text::ResponseHeader),
        Source::Cookies => Some(Text::Cookie(name.into())),
        Source::Query => Some(Text::Query(name.into())),
        Source::Form => None,
    };
    // What cannot be a field's name is the name of no field.
    text.unwrap_or_else(|| Text::Literal("".into()))
}

fn field_text(field: Field) -> Option<Text> {
    Some(match field {
        Field::Method => Text::Method,
        Field::Host => Text::Host,
        Field::Path => Text::Path,
        Field::RawPath => Text::RawPath,
        Field::RawQuery => Text::RawQuery,
        Field::Scheme => Text::Scheme,
        Field::Protocol => Text::Protocol,
        Field::Country => Text::Country,
        Field::Continent => Text::Continent,
        Field::City => Text::City,
        Field::AsOrg => Text::AsOrg,
        Field::SessionId => Text::SessionId,
        Field::From => Text::From,
        Field::CacheStatus => Text::CacheStatus,
        Field::ChallengeResult => Text::ChallengeResult,
        _ => return None,
    })
}

/// The map of the request that an expression is.
fn source(expr: &Expr) -> Option<Source> {
    match expr.kind {
        Kind::Field(Field::RequestHeaders) => Some(Source::RequestHeaders),
        Kind::Field(Field::ResponseHeaders) => Some(Source::ResponseHeaders),
        Kind::Field(Field::Cookies) => Some(Source::Cookies),
        Kind::Field(Field::Query) => Some(Source::Query),
        _ => None,
    }
}

/// A value of the request that may not be there: where it is, and by which name.
fn entry(expr: &Expr) -> Option<(Source, &Expr)> {
    match &expr.kind {
        Kind::Index(map, name) => source(map).map(|source| (source, &**name)),
        Kind::Call(Function::Form, arguments) => arguments.first().map(|name| (Source::Form, name)),
        _ => None,
    }
}

/// Whether an expression is an address.
fn is_ip(expr: &Expr) -> bool {
    expr.ty == Type::Ip
}
