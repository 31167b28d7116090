//! What an origin's response says of the session of its request: `Selvedge-Session-Set: user=42; role=admin`, `-Unset` and `-Count` with names,
//! `-Start` and `-Rotate` with `true`, `-Revoke` with `true`, `user` or `tenant`. All of it is taken, or none: half of what was said would be another session.

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::orders::{Change, Orders, Over};
use super::shape::Shape;
use super::told::FAMILY;
use super::value::Value;

/// The most changes of one response.
const CHANGES_MAX: usize = 64;

/// Why nothing that was said is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadWord {
    /// A field of the family that there is not.
    Field(String),
    /// A value that is none of its field's.
    Value(&'static str),
    /// A session has no attribute or counter of this name.
    Name(&'static str, String),
    /// It is not a value of this attribute.
    Attribute(String),
    /// The session does not say who this is that is to be revoked.
    Owner(&'static str),
    /// It is over, and is to go on.
    Both,
    /// More than one response may say.
    Many,
}

impl std::fmt::Display for BadWord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadWord::Field(field) => write!(formatter, "there is no field {field:?}"),
            BadWord::Value(field) => write!(formatter, "{FAMILY}{field} has a value that it cannot have"),
            BadWord::Name(field, name) => {
                write!(formatter, "{FAMILY}{field} names {name:?}, which the session does not have")
            }
            BadWord::Attribute(name) => write!(formatter, "the attribute {name:?} cannot have this value"),
            BadWord::Owner(what) => {
                write!(formatter, "{FAMILY}revoke is of the {what}, and no attribute of the session says who that is")
            }
            BadWord::Both => write!(formatter, "{FAMILY}revoke beside what is done to a session that goes on"),
            BadWord::Many => write!(formatter, "more than {CHANGES_MAX} changes at once"),
        }
    }
}

/// What a response's fields say, if they are good.
///
/// # Errors
/// [`BadWord`], the first one.
pub fn said(shape: &Shape, headers: &HeaderMap) -> Result<Orders, BadWord> {
    let mut orders = Orders::default();
    for (name, line) in headers {
        let Some(field) = name.as_str().strip_prefix(FAMILY) else { continue };
        let line = line.to_str().map(str::trim);
        let text = |field| line.map_err(|_| BadWord::Value(field));
        match field {
            "set" => pieces(text("set")?).try_for_each(|piece| set(shape, piece, &mut orders))?,
            "unset" => pieces(text("unset")?).try_for_each(|name| {
                let (name, _) = shape.attribute(name).ok_or_else(|| BadWord::Name("unset", short(name)))?;
                push(&mut orders, Change::Unset(name.clone()))
            })?,
            "count" => pieces(text("count")?).try_for_each(|name| {
                let name = shape.counter(name).ok_or_else(|| BadWord::Name("count", short(name)))?;
                push(&mut orders, Change::Count(name.clone(), 1))
            })?,
            "start" => orders.start = truth(text("start")?).ok_or(BadWord::Value("start"))?,
            "rotate" => orders.rotate = truth(text("rotate")?).ok_or(BadWord::Value("rotate"))?,
            "revoke" => orders.revoke = Some(over(shape, text("revoke")?)?),
            other => return Err(BadWord::Field(short(other))),
        }
    }
    let goes_on = orders.start || orders.rotate || !orders.changes.is_empty();
    if orders.revoke == Some(Over::Session) && goes_on { Err(BadWord::Both) } else { Ok(orders) }
}

/// `name=value`, the value percent-encoded.
fn set(shape: &Shape, piece: &str, orders: &mut Orders) -> Result<(), BadWord> {
    let (name, value) = piece.split_once('=').ok_or(BadWord::Value("set"))?;
    let (name, ty) = shape.attribute(name.trim()).ok_or_else(|| BadWord::Name("set", short(name)))?;
    let wrong = || BadWord::Attribute(name.to_string());
    let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| wrong())?;
    let value = Value::parse(ty, &value, shape.facts().value_max).ok_or_else(wrong)?;
    push(orders, Change::Set(name.clone(), value))
}

/// What is over: the session, or more than it, which needs somebody to be over of.
fn over(shape: &Shape, text: &str) -> Result<Over, BadWord> {
    let (over, what) = match text {
        "true" => return Ok(Over::Session),
        "user" => (Over::User, "user"),
        "tenant" => (Over::Tenant, "tenant"),
        _ => return Err(BadWord::Value("revoke")),
    };
    shape.owner(over).map(|_| over).ok_or(BadWord::Owner(what))
}

fn push(orders: &mut Orders, change: Change) -> Result<(), BadWord> {
    orders.push(change);
    if orders.changes.len() > CHANGES_MAX { Err(BadWord::Many) } else { Ok(()) }
}

/// The pieces of a list, without empty ones.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|piece| !piece.is_empty())
}

fn truth(text: &str) -> Option<bool> {
    (text == "true").then_some(true)
}

/// The beginning of a name, for messages.
fn short(name: &str) -> String {
    name.chars().take(64).collect()
}
