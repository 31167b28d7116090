//! Functions and methods, by what they are given.

use selvedge_conf::expr::Function;

use super::convert;
use super::datum::Datum;
use super::eval::Eval;
use super::network;
use super::node::Node;
use super::scratch::Scratch;
use super::strings::{self, whole};
use super::value::Value;

/// The most arguments of a function, the receiver included.
const ARGUMENTS_MAX: usize = 3;

/// What a function gives. Absent when an argument is, but for the optionals' own methods.
pub(super) fn call<'v>(function: Function, arguments: &'v [Node], eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    if let Function::OrValue | Function::OrElse | Function::OptionalValue = function {
        return optional(function, arguments, eval);
    }
    if let [argument] = arguments {
        return match argument.eval(eval)? {
            Datum::Scalar(receiver) => scalar(function, receiver, eval.scratch).map(Datum::Scalar),
            collection => size(function, collection),
        };
    }
    let mut values = [Datum::Optional(None); ARGUMENTS_MAX];
    let given = values.get_mut(..arguments.len())?;
    for (value, argument) in given.iter_mut().zip(arguments) {
        *value = argument.eval(eval)?;
    }
    match *given {
        [Datum::Scalar(Value::String(text)), ref rest @ ..] => of_text(function, text, rest, eval),
        [Datum::Scalar(Value::Cidr(net)), Datum::Scalar(other)] => {
            let contains = match (function, other) {
                (Function::ContainsIp, Value::Ip(address)) => net.contains(&address),
                (Function::ContainsIp, Value::String(text)) => net.contains(&network::address(text)?),
                (Function::ContainsCidr, Value::Cidr(other)) => net.contains(&other),
                (Function::ContainsCidr, Value::String(text)) => net.contains(&network::network(text)?),
                _ => return None,
            };
            Some(Datum::Scalar(Value::Bool(contains)))
        }
        _ => None,
    }
}

fn size(function: Function, collection: Datum<'_>) -> Option<Datum<'_>> {
    let len = match (function, collection) {
        (Function::Size, Datum::List(elements)) => elements.len(),
        (Function::Size, Datum::Map(entries)) => entries.len(),
        _ => return None,
    };
    Some(Datum::Scalar(Value::Int(whole(len))))
}

/// Functions of one scalar.
fn scalar<'v>(function: Function, value: Value<'v>, scratch: Scratch<'v>) -> Option<Value<'v>> {
    match function {
        Function::ToBool => convert::to_bool(value).map(Value::Bool),
        Function::ToInt => convert::to_int(value).map(Value::Int),
        Function::ToUint => convert::to_uint(value).map(Value::Uint),
        Function::ToDouble => convert::to_double(value).map(Value::Double),
        Function::ToString => convert::to_string(value, scratch).map(Value::String),
        Function::ToDuration => convert::to_duration(value).map(Value::Duration),
        Function::ToTimestamp => convert::to_timestamp(value).map(Value::Timestamp),
        _ => match value {
            Value::String(text) => text_alone(function, text, scratch),
            Value::Bytes(bytes) => match function {
                Function::Size => Some(Value::Int(whole(bytes.len()))),
                Function::ToBytes => Some(value),
                _ => None,
            },
            Value::Ip(address) => of_address(function, address),
            Value::Cidr(net) => match function {
                Function::NetworkIp => Some(Value::Ip(net.addr())),
                Function::Masked => Some(Value::Cidr(net.trunc())),
                Function::PrefixLength => Some(Value::Int(i64::from(net.prefix_len()))),
                Function::ToCidr => Some(value),
                _ => None,
            },
            Value::Duration(span) => of_duration(function, span),
            _ => None,
        },
    }
}

fn text_alone<'v>(function: Function, text: &'v str, scratch: Scratch<'v>) -> Option<Value<'v>> {
    match function {
        Function::Size => Some(Value::Int(strings::size(text))),
        Function::LowerAscii => strings::lower(text, scratch).map(Value::String),
        Function::UpperAscii => strings::upper(text, scratch).map(Value::String),
        Function::Trim => Some(Value::String(text.trim())),
        Function::ToBytes => Some(Value::Bytes(text.as_bytes())),
        Function::ToIp => network::address(text).map(Value::Ip),
        Function::ToCidr => network::network(text).map(Value::Cidr),
        Function::IsIp => Some(Value::Bool(network::address(text).is_some())),
        Function::IsCidr => Some(Value::Bool(network::network(text).is_some())),
        // The canonical text is the one that the address itself is written as (RFC 5952).
        Function::IsCanonical => Some(Value::Bool(strings::shown(network::address(text)?, scratch)? == text)),
        _ => None,
    }
}

fn of_address(function: Function, address: std::net::IpAddr) -> Option<Value<'static>> {
    Some(match function {
        Function::ToIp => Value::Ip(address),
        Function::Family => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        Function::IsUnspecified => Value::Bool(address.is_unspecified()),
        Function::IsLoopback => Value::Bool(address.is_loopback()),
        Function::IsGlobalUnicast => Value::Bool(network::is_global_unicast(address)),
        Function::IsLinkLocalMulticast => Value::Bool(network::is_link_local_multicast(address)),
        Function::IsLinkLocalUnicast => Value::Bool(network::is_link_local_unicast(address)),
        _ => return None,
    })
}

/// `getMilliseconds` is the part below a second, the others are of the whole.
fn of_duration(function: Function, span: jiff::SignedDuration) -> Option<Value<'static>> {
    Some(Value::Int(match function {
        Function::DurationHours => span.as_hours(),
        Function::DurationMinutes => span.as_mins(),
        Function::DurationSeconds => span.as_secs(),
        Function::DurationMilliseconds => i64::from(span.subsec_millis()),
        _ => return None,
    }))
}

/// Functions of a string and more. Those of two strings that give a bool are conditions, and not here.
fn of_text<'v>(function: Function, text: &'v str, rest: &[Datum<'v>], eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    let scratch = eval.scratch;
    let value = match (function, rest) {
        (Function::IndexOf, [part]) => Value::Int(strings::index_of(text, part.text()?)),
        (Function::Substring, [start]) => Value::String(strings::substring(text, start.int()?, None)?),
        (Function::Substring, [start, end]) => Value::String(strings::substring(text, start.int()?, Some(end.int()?))?),
        (Function::Replace, [part, new]) => Value::String(strings::replace(text, part.text()?, new.text()?, scratch)?),
        (Function::Split, [separator]) => return strings::split(text, separator.text()?, scratch),
        _ => return None,
    };
    Some(Datum::Scalar(value))
}

/// Methods of an optional: the other side is asked only when it is needed.
fn optional<'v>(function: Function, arguments: &'v [Node], eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
    let Datum::Optional(held) = arguments.first()?.eval(eval)? else { return None };
    match (function, held) {
        (Function::OrElse, Some(_)) => Some(Datum::Optional(held)),
        (_, Some(held)) => Some(*held),
        (Function::OptionalValue, None) => None,
        (_, None) => arguments.get(1)?.eval(eval),
    }
}
