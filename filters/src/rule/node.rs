//! Expressions of any type: the general way. `None` is absence.

use http::HeaderName;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use selvedge_conf::expr::{Arithmetic, Field, Function, TimePart};
use selvedge_state::Standing;

use super::arithmetic;
use super::call;
use super::condition::Condition;
use super::datum::{Datum, lookup};
use super::eval::Eval;
use super::fold::Fold;
use super::lookup::Lookup;
use super::session;
use super::source::Source;
use super::text::Text;
use super::time;
use super::token;
use super::value::Value;
use crate::form::{Form, FormNeed};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// What is always absent.
    Absent,
    Literal(Value<'static>),
    Bytes(Box<[u8]>),
    Text(Box<Text>),
    Condition(Box<Condition>),
    /// A field that is neither a string nor a map.
    Field(Field),
    Claim(usize, usize),
    /// An attribute of the session that is no string.
    Attribute(Box<str>),
    SessionCount(Box<str>),
    Variable(usize),
    Negate(Box<Node>),
    Arithmetic(Arithmetic, Box<(Node, Node)>),
    Choose(Box<(Condition, Node, Node)>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    /// A map of the request, to be visited or measured: its names.
    Names(Source),
    /// `map[key]` of the request; `""` when it is not there.
    First(Source, Text),
    /// `map[?key]` of the request.
    MaybeFirst(Source, Text),
    /// The only line of a header field, as bytes: a part of a key.
    Line(HeaderName),
    /// `map.values(name)` of the request.
    Values(Source, Text),
    Index(Box<(Node, Node)>),
    Maybe(Box<Node>),
    Nothing,
    Call(Function, Box<[Node]>),
    Part(TimePart, Box<Node>, TimeZone),
    Fold(Box<Fold>),
    Read(Box<Lookup>),
}

impl Node {
    /// Nesting is bounded by [`selvedge_conf::expr::NESTING_MAX`], so is the recursion.
    pub(super) fn eval<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
        let string = |text: &'v str| Datum::Scalar(Value::String(text));
        match self {
            Node::Absent => None,
            Node::Literal(value) => Some(Datum::Scalar(*value)),
            Node::Bytes(bytes) => Some(Datum::Scalar(Value::Bytes(bytes))),
            Node::Text(text) => text.eval(eval).map(string),
            Node::Condition(condition) => condition.eval(eval).map(|value| Datum::Scalar(Value::Bool(value))),
            Node::Field(field) => self::field(*field, eval),
            Node::Claim(issuer, claim) => token::claim(eval.context, eval.scratch, *issuer, *claim),
            Node::Attribute(name) => session::attribute(eval.context, name).map(Datum::Scalar),
            Node::SessionCount(name) => session::count(eval.context, name).map(Datum::Scalar),
            Node::Variable(slot) => eval.variable(*slot),
            Node::Negate(node) => arithmetic::negate(node.eval(eval)?),
            Node::Arithmetic(operator, sides) => {
                arithmetic::apply(*operator, sides.0.eval(eval)?, sides.1.eval(eval)?, eval.scratch)
            }
            Node::Choose(parts) => {
                if parts.0.eval(eval)? {
                    parts.1.eval(eval)
                } else {
                    parts.2.eval(eval)
                }
            }
            Node::List(nodes) => list(nodes, eval),
            Node::Map(entries) => map(entries, eval),
            Node::Names(source) => eval.scratch.texts(source.names(eval.context)),
            Node::First(source, name) => {
                let found = source.find(eval.context, eval.scratch, name.eval(eval)?)?;
                Some(string(found.unwrap_or("")))
            }
            Node::MaybeFirst(source, name) => {
                let found = name.eval(eval).and_then(|name| source.find(eval.context, eval.scratch, name)?);
                optional(found.map(string), eval)
            }
            Node::Line(name) => Some(Datum::Scalar(Value::Bytes(eval.context.head.only_line(name.as_str())))),
            Node::Values(source, name) => source.values(eval.context, eval.scratch, name.eval(eval)?),
            Node::Index(sides) => index(sides.0.eval(eval)?, sides.1.eval(eval)?),
            Node::Maybe(node) => optional(node.eval(eval), eval),
            Node::Nothing => Some(Datum::Optional(None)),
            Node::Call(function, arguments) => call::call(*function, arguments, eval),
            Node::Part(part, node, zone) => match node.eval(eval)? {
                Datum::Scalar(Value::Timestamp(at)) => Some(Datum::Scalar(Value::Int(time::part(*part, at, zone)))),
                _ => None,
            },
            Node::Fold(fold) => fold.eval(eval),
            Node::Read(read) => read.eval(eval),
        }
    }
}

/// A value that is there, or nothing; absent only when there is no room to keep it.
fn optional<'v>(value: Option<Datum<'v>>, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    match value {
        Some(value) => Some(Datum::Optional(Some(eval.scratch.keep(value)?))),
        None => Some(Datum::Optional(None)),
    }
}

/// A list with an absent element is absent.
fn list<'v>(nodes: &'v [Node], eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    let mut list = eval.scratch.list(nodes.len())?;
    for node in nodes {
        list.push(node.eval(eval)?);
    }
    Some(Datum::List(list.into_bump_slice()))
}

/// A map with a key twice is absent: CEL language definition, section Aggregate Values, makes it an error.
fn map<'v>(entries: &'v [(Node, Node)], eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    let mut map = eval.scratch.list::<(Datum<'v>, Datum<'v>)>(entries.len())?;
    for (key, value) in entries {
        let (key, value) = (key.eval(eval)?, value.eval(eval)?);
        if lookup(&map, key).is_some() {
            return None;
        }
        map.push((key, value));
    }
    Some(Datum::Map(map.into_bump_slice()))
}

fn index<'v>(set: Datum<'v>, key: Datum<'v>) -> Option<Datum<'v>> {
    match (set, key) {
        (Datum::List(elements), Datum::Scalar(Value::Int(place))) => {
            elements.get(usize::try_from(place).ok()?).copied()
        }
        (Datum::Map(entries), key) => lookup(entries, key),
        _ => None,
    }
}

fn field<'v>(field: Field, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    let context = eval.context;
    let peers = || context.store.peers(context.now);
    let value = match field {
        Field::ClientIp => Value::Ip(context.client()),
        Field::ClientNet => Value::Cidr(context.head.client_net()),
        Field::Status => Value::Int(i64::from(context.reply?.status)),
        Field::ChallengePassed => Value::Bool(context.passed().is_some()),
        Field::FormRead => {
            context.need_form(FormNeed::Glance);
            Value::Bool(matches!(context.head.form, Form::Read(_)))
        }
        Field::Length => Value::Int(length(eval)?),
        Field::Time => Value::Timestamp(Timestamp::from_millisecond(i64::try_from(context.now.0).ok()?).ok()?),
        Field::Asn => Value::Int(i64::from(context.system().0)),
        Field::SessionValid | Field::SessionFresh | Field::SessionAge => session::field(context, field)?,
        Field::Lag => {
            Value::Duration(SignedDuration::from_millis(i64::try_from(peers().lag_ms).unwrap_or(time::LAG_MAX_MS)))
        }
        Field::Heard => Value::Int(i64::from(peers().heard)),
        Field::Warming => Value::Bool(peers().standing == Standing::Warming),
        Field::Roster => Value::Int(i64::from(peers().roster)),
        Field::Tags => {
            let tags = context.tags.try_borrow().ok()?;
            return eval.scratch.texts(tags.iter().copied());
        }
        Field::Segments => {
            let path = context.head.path.trim_matches('/');
            let segments = path.split('/').take(if path.is_empty() { 0 } else { usize::MAX });
            return eval.scratch.texts(segments);
        }
        // Strings and maps have nodes of their own.
        _ => return None,
    };
    Some(Datum::Scalar(value))
}

/// RFC 9110 section 8.6: digits and nothing else.
fn length(eval: &Eval<'_, '_>) -> Option<i64> {
    let declared = eval.context.head.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?;
    if declared.bytes().all(|byte| byte.is_ascii_digit()) { declared.parse().ok() } else { None }
}
