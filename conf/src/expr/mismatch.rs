//! Types that do not fit: what was expected, and how one is made of the other.

use super::Error;
use super::environment::{self, FunctionEntry, Shape};
use super::node::Label;
use super::setting::Names;
use super::tree::{Arithmetic, Comparison, Expr, Field, Kind, ListKind, Span, Type};
use crate::value::{shown, size};

/// A field that is a map, where a value is needed.
pub(super) fn map_alone(field: Field, span: Span) -> Error {
    let written = written(field);
    let error = Error::new(span, format!("`{written}` is not a value by itself"));
    let example = match field {
        Field::RequestHeaders => "user-agent",
        Field::ResponseHeaders => "content-type",
        _ => "name",
    };
    error.help(format!("name one, such as `{written}[\"{example}\"]`"))
}

/// A named list, where a value is needed.
pub(super) fn list_alone(names: &Names, list: usize, span: Span) -> Error {
    let Some((name, kind)) = names.lists.get(list) else { return Error::new(span, "a named list is no value") };
    let error = Error::new(span, format!("`lists.{}` is not a value by itself", shown(name)));
    error.help(use_of(name, *kind))
}

/// How a named list is asked.
fn use_of(name: &str, kind: ListKind) -> String {
    match kind {
        ListKind::Addresses => format!("it holds addresses: `client.ip in lists.{name}`"),
        ListKind::Strings => format!("it holds strings: `request.path in lists.{name}`"),
        ListKind::Needles => format!("it holds needles: `request.path.containsAny(lists.{name})`"),
        ListKind::Patterns => format!("it holds patterns: `request.path.matchesAny(lists.{name})`"),
    }
}

/// `item in set` of types that do not go together.
pub(super) fn not_in(names: &Names, item: &Expr, set: &Expr, span: Span) -> Error {
    let error = Error::new(span, format!("`in` does not look for type {} in type {}", item.ty, set.ty));
    if let (Kind::Listed(list), Type::Named(kind)) = (&set.kind, &set.ty) {
        let name = names.lists.get(*list).map_or("NAME", |(name, _)| name);
        return error.help(match (&item.ty, kind) {
            (Type::String, ListKind::Addresses) => as_address(item, &Type::Ip)
                .unwrap_or(format!("make an address of the text: `ip(text) in lists.{name}`")),
            (Type::Cidr, ListKind::Addresses) => format!("test the address: `client.ip in lists.{name}`"),
            (_, kind) => use_of(name, *kind),
        });
    }
    match (&item.ty, &set.ty) {
        (Type::String, Type::String) => error.advice("write `text.contains(part)`"),
        (Type::Cidr, Type::Cidr) => error.advice("test the address: `client.ip in cidr(\"...\")`"),
        (Type::Cidr, Type::List(of)) if **of == Type::Cidr => error.advice("test the address: `client.ip in [...]`"),
        (Type::Ip, Type::List(of)) if **of == Type::String => error.advice("write the elements as `cidr(\"...\")`"),
        (Type::Ip, Type::String) => error.advice("write the network as `cidr(\"...\")`"),
        (_, Type::Map(key, _)) => error.help(format!("the keys of this map are of type {key}")),
        (ty, Type::List(_)) => error.help(convert_words(ty, set)),
        (Type::List(_) | Type::Map(..) | Type::Optional(_), _) => error,
        (item, _) => error.help(format!("on the right of `in` is a list of type {item}")),
    }
}

fn convert_words(item: &Type, set: &Expr) -> Option<String> {
    let Type::List(of) = &set.ty else { return None };
    Some(format!("the elements of this list are of type {of}, and not of type {item}"))
}

/// A string where an address is needed was probably meant as one.
pub(super) fn as_address(expr: &Expr, wanted: &Type) -> Option<String> {
    match (&expr.kind, wanted) {
        (Kind::String(text), Type::Ip) => Some(format!("write it as `ip(\"{}\")`", shown(text))),
        (Kind::String(text), Type::Cidr) => Some(format!("write it as `cidr(\"{}\")`", shown(text))),
        (Kind::String(text), Type::Duration) => Some(format!("write it as `duration(\"{}\")`", shown(text))),
        (Kind::String(text), Type::Timestamp) => Some(format!("write it as `timestamp(\"{}\")`", shown(text))),
        _ => None,
    }
}

/// How a value of the wanted type is written instead.
pub(super) fn convert(expr: &Expr, wanted: &Type) -> Option<String> {
    let advice = match (&expr.kind, &expr.ty, wanted) {
        (_, Type::Optional(of), wanted) if **of == *wanted => {
            "give a value for when there is none: `x.orValue(...)`".to_owned()
        }
        (Kind::Int(number), _, Type::Uint) if *number >= 0 => format!("write it as `{number}u`"),
        (Kind::Int(number), _, Type::Double) => format!("write it as `{number}.0`"),
        (Kind::Uint(number), _, Type::Int) => format!("write it as `{number}`"),
        (Kind::Int(number), _, Type::String) => format!("write it as `\"{number}\"`"),
        (Kind::String(text), _, Type::Int) if text.parse::<i64>().is_ok() => format!("write it as `{text}`"),
        // A size is written like that in the rest of the config.
        (Kind::String(text), _, Type::Int) => match size(text) {
            Ok(bytes) => format!("numbers have no units: write it as `{bytes}`"),
            Err(_) => return None,
        },
        (Kind::String(_), ..) => return None,
        (_, Type::Uint | Type::Double | Type::String | Type::Timestamp, Type::Int) => {
            "make an int of it: `int(x)`".to_owned()
        }
        (_, Type::Int | Type::Double | Type::String, Type::Uint) => "make a uint of it: `uint(x)`".to_owned(),
        (_, Type::Int | Type::Uint | Type::String, Type::Double) => "make a double of it: `double(x)`".to_owned(),
        (_, ty, Type::String) if Shape::accepts_scalar(ty) => "make a string of it: `string(x)`".to_owned(),
        _ => return None,
    };
    Some(advice)
}

/// Two sides of a comparison that are of different types.
pub(super) fn unlike(comparison: Comparison, left: &Expr, right: &Expr) -> Option<String> {
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    match (&left.ty, &right.ty) {
        (Type::Ip, Type::Cidr | Type::Named(_)) => {
            Some("whether an address is in a network is asked with `in`".to_owned())
        }
        (Type::List(of), _) if **of == right.ty => {
            let list = match left.kind {
                Kind::Field(field) => written(field),
                _ => "list".to_owned(),
            };
            let item = match &right.kind {
                Kind::String(text) => format!("\"{}\"", shown(text)),
                _ => "x".to_owned(),
            };
            Some(format!("whether it is in the list is asked with `in`: `{item} in {list}`"))
        }
        (_, Type::List(of)) if **of == left.ty => Some("whether it is in the list is asked with `in`".to_owned()),
        (Type::Bool, _) if matches!(right.kind, Kind::Int(0 | 1) | Kind::String(_)) => {
            Some("a bool is compared with `true` and `false`, or stands by itself".to_owned())
        }
        // A number is compared with a text that holds one.
        (Type::String, Type::Int) if !equality => convert(left, &Type::Int),
        (Type::Int, Type::String) if !equality => convert(right, &Type::Int),
        // The literal is what was written wrongly.
        _ => match &left.kind {
            Kind::Int(_) | Kind::String(_) => convert(left, &right.ty).or_else(|| convert(right, &left.ty)),
            _ => convert(right, &left.ty),
        },
    }
}

/// Two terms of an operation that do not go together.
pub(super) fn unlike_terms(operator: Arithmetic, left: &Expr, right: &Expr) -> Option<String> {
    if left.ty == right.ty {
        return match (&left.ty, operator) {
            (Type::Double, Arithmetic::Remainder) => Some("a remainder is of ints: `int(x)`".to_owned()),
            (Type::Timestamp, Arithmetic::Add) => Some("the time between two is `a - b`".to_owned()),
            (Type::Bool, Arithmetic::Add) => Some("\"or\" is written `||`".to_owned()),
            (Type::Bool, Arithmetic::Multiply) => Some("\"and\" is written `&&`".to_owned()),
            _ => None,
        };
    }
    match (&left.ty, &right.ty) {
        (Type::Timestamp, Type::Int | Type::String) | (Type::Duration, Type::Int | Type::String) => {
            Some("a span of time is written `duration(\"10s\")`".to_owned())
        }
        // Only `+` is possible between texts; everything else needs numbers.
        (left_ty, right_ty) => {
            let possible = |wanted: &Type| operator == Arithmetic::Add || is_number(wanted);
            let leftward = || possible(left_ty).then(|| convert(right, left_ty)).flatten();
            let rightward = || possible(right_ty).then(|| convert(left, right_ty)).flatten();
            // The literal is what is easily written otherwise.
            match left.kind {
                Kind::Int(_) | Kind::Uint(_) | Kind::Double(_) => rightward().or_else(leftward),
                _ => leftward().or_else(rightward),
            }
        }
    }
}

/// Whether a type is one of the three of numbers.
pub(super) fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::Int | Type::Uint | Type::Double)
}

/// An optional in a list or a map.
pub(super) fn not_an_element(expr: &Expr) -> Error {
    let error = Error::new(expr.span, "an optional cannot be part of something");
    error.advice("give a value for when there is none: `x.orValue(...)`")
}

/// A call of a function that exists, with arguments that it does not take.
pub(super) fn no_overload(names: &Names, entries: &[&FunctionEntry], label: &Label<'_>, arguments: &[Expr]) -> Error {
    let of_length: Vec<&&FunctionEntry> =
        entries.iter().filter(|entry| entry.arguments.len() == arguments.len()).collect();
    if of_length.is_empty() {
        let mut counts: Vec<usize> = entries.iter().map(|entry| entry.arguments.len()).collect();
        counts.sort_unstable();
        counts.dedup();
        let wanted = match counts.as_slice() {
            [1] => "1 argument".to_owned(),
            [n] => format!("{n} arguments"),
            counts => {
                let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
                format!("{} arguments", counts.join(" or "))
            }
        };
        let message = format!("`{}` takes {wanted}, and here it has {}", label.name, arguments.len());
        return Error::new(label.span, message);
    }
    // The argument at which the last of the overloads gave up.
    let wrong = |entry: &FunctionEntry| {
        arguments.iter().zip(entry.arguments).position(|(argument, shape)| !shape.accepts(&argument.ty))
    };
    let at = of_length.iter().filter_map(|entry| wrong(entry)).max().unwrap_or(0);
    let mut wanted: Vec<Shape> = Vec::new();
    for entry in of_length.iter().filter(|entry| wrong(entry) == Some(at)) {
        wanted.extend(entry.arguments.get(at).copied().filter(|shape| !wanted.contains(shape)));
    }
    let Some(argument) = arguments.get(at) else { return Error::new(label.span, "no such call") };
    let types: Vec<String> = wanted.iter().flat_map(|shape| shape.types()).collect();
    let message = format!("`{}` takes type {}, and this is of type {}", label.name, either(&types), argument.ty);
    let error = Error::new(argument.span, message);
    if let Kind::Listed(list) = argument.kind
        && let Some((name, kind)) = names.lists.get(list)
    {
        return error.help(use_of(name, *kind));
    }
    if let Kind::Field(field) = argument.kind
        && matches!(argument.ty, Type::Map(..))
    {
        return error.help(map_alone(field, argument.span).help);
    }
    match wanted.first() {
        Some(Shape::Needles) => error.advice("such as `request.path.containsAny(lists.NAME)`, of `kind = \"needles\"`"),
        Some(Shape::Patterns) => {
            error.advice("such as `request.path.matchesAny(lists.NAME)`, of `kind = \"patterns\"`")
        }
        Some(shape) => {
            let ty = shape.ty();
            let help = ty.and_then(|ty| as_address(argument, &ty).or_else(|| convert(argument, &ty)));
            error.help(help)
        }
        None => error,
    }
}

/// `a, b or c`.
fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A field as it is written.
pub(super) fn written(field: Field) -> String {
    environment::entry_of(field).map_or(String::new(), |entry| format!("{}.{}", entry.root, entry.name))
}

/// A value of this type, with its article.
pub(super) fn one(ty: &Type) -> String {
    match ty {
        Type::Int | Type::Ip | Type::Optional(_) => format!("an {ty}"),
        Type::Bytes => "bytes".to_owned(),
        _ => format!("a {ty}"),
    }
}
