//! Names of the language that are wrong: what was probably meant.

use super::Error;
use super::environment::{self, FIELDS, FORMS, FUNCTIONS, Form, Receiver, Shape};
use super::mismatch::{one, written};
use super::node::Label;
use super::setting::Names;
use super::tree::{Expr, Field, Kind, Span, Type};
use crate::suggest;
use crate::value::shown;

/// Methods and functions as other languages call them.
const ALIASES: [(&str, &str); 22] = [
    ("lower", "lowerAscii"),
    ("toLower", "lowerAscii"),
    ("toLowerCase", "lowerAscii"),
    ("upper", "upperAscii"),
    ("toUpper", "upperAscii"),
    ("toUpperCase", "upperAscii"),
    ("len", "size"),
    ("length", "size"),
    ("strip", "trim"),
    ("includes", "contains"),
    ("has", "contains"),
    ("match", "matches"),
    ("regex", "matches"),
    ("regexMatch", "matches"),
    ("test", "matches"),
    ("substr", "substring"),
    ("hasPrefix", "startsWith"),
    ("hasSuffix", "endsWith"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("existsOne", "exists_one"),
];

/// A name that starts nothing.
pub(super) fn unknown_name(names: &Names, name: &str, span: Span, bound: &[&str]) -> Error {
    let error = Error::new(span, format!("unknown name `{}`", shown(name)));
    if names.lists.iter().any(|(list, _)| list == name) {
        return error.help(format!("did you mean `lists.{name}`?"));
    }
    error.help(match meant(name, bound) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "fields start with `request.`, `client.`, `response.`, `cache.`, `challenge.` or `peers.`".to_owned(),
    })
}

/// People write `path` for `request.path` more often than they mistype `request`.
pub(super) fn meant(name: &str, bound: &[&str]) -> Option<String> {
    let field = |wanted: &str| FIELDS.iter().find(|field| field.name == wanted);
    let written = |field: &environment::FieldEntry| format!("{}.{}", field.root, field.name);
    let exact = field(name).map(written);
    let root = || suggest::nearest(name, bound.iter().copied().chain(environment::ROOTS)).map(str::to_owned);
    let near = || suggest::nearest(name, FIELDS.iter().map(|field| field.name)).and_then(field).map(written);
    exact.or_else(root).or_else(near)
}

/// `root` alone, where a value is needed.
pub(super) fn root_alone(names: &Names, root: &str, span: Span) -> Error {
    let error = Error::new(span, format!("`{root}` is not a value by itself"));
    error.help(parts_of(names, root))
}

/// `root.name` that is no field.
pub(super) fn unknown_field(root: &str, label: &Label<'_>) -> Error {
    let error = Error::new(label.span, format!("`{root}` has no field `{}`", shown(label.name)));
    if FUNCTIONS.iter().any(|entry| entry.receiver == Receiver::Root("request") && entry.name == label.name) {
        return error.help(format!("write `{root}.{}(\"name\")`", label.name));
    }
    match (root, label.name) {
        ("request", "url" | "uri") => {
            return error
                .advice("its parts are `request.scheme`, `request.host`, `request.path` and `request.raw_query`");
        }
        ("request", "body") => {
            return error
                .advice("of the body there are the fields of a form, `request.form(\"name\")`, and `request.length`");
        }
        _ => {}
    }
    let names = FIELDS.iter().filter(|field| field.root == root).map(|field| field.name);
    let elsewhere = || FIELDS.iter().find(|field| field.name == label.name);
    error.help(match suggest::nearest(label.name, names) {
        Some(name) => format!("did you mean `{root}.{name}`?"),
        None => match elsewhere() {
            Some(field) => format!("did you mean `{}.{}`?", field.root, field.name),
            None => parts_of(&Names::default(), root),
        },
    })
}

/// `value.name` where the value has no fields at all.
pub(super) fn no_fields(base: &Expr, label: &Label<'_>) -> Error {
    if let Kind::Field(field @ (Field::RequestHeaders | Field::ResponseHeaders | Field::Cookies | Field::Query)) =
        base.kind
    {
        let written = written(field);
        let error = Error::new(label.span, format!("`{written}` has no fields"));
        return error.help(format!("write `{written}[\"{}\"]`", shown(label.name)));
    }
    let error = Error::new(label.span, format!("{} has no field `{}`", one(&base.ty), shown(label.name)));
    let method = methods_of(&base.ty).find(|name| *name == label.name);
    error.help(match (method, &base.ty) {
        (Some(name), _) => Some(format!("it is a method: write `{name}(...)`")),
        (None, Type::Optional(_)) => Some("a part of what is there is picked with `optMap`".to_owned()),
        _ => None,
    })
}

/// `value.name(...)` that is no method of its type.
pub(super) fn unknown_method(target: &Expr, label: &Label<'_>) -> Error {
    let error = Error::new(label.span, format!("{} has no method `{}`", one(&target.ty), shown(label.name)));
    let names = || methods_of(&target.ty);
    if let Some(alias) = alias(label.name).filter(|alias| names().any(|name| name == *alias)) {
        return error.help(format!("did you mean `{alias}`?"));
    }
    match (&target.kind, &target.ty) {
        (Kind::Field(field), Type::Map(..)) if suggest::nearest(label.name, names()).is_none() => {
            let written = written(*field);
            error.help(format!("name one, such as `{written}[\"name\"]`"))
        }
        (_, Type::Optional(_)) if suggest::nearest(label.name, names()).is_none() => {
            error.advice("give a value for when there is none: `x.orValue(...)`")
        }
        (Kind::Field(field), Type::List(_)) if label.name == "contains" => {
            error.help(format!("whether something is in it is asked with `in`: `\"x\" in {}`", written(*field)))
        }
        (_, Type::List(_)) if label.name == "contains" => {
            error.advice("whether something is in it is asked with `in`: `x in list`")
        }
        (_, Type::String) if matches!(label.name, "toInt" | "toNumber" | "int") => error.advice("write `int(text)`"),
        _ => error.help(suggest::among(label.name, names)),
    }
}

/// `root.name(...)`: what is called is no function of the root.
pub(super) fn method_of_root(names: &Names, root: &str, label: &Label<'_>) -> Error {
    let error = Error::new(label.span, format!("`{root}` has no method `{}`", shown(label.name)));
    error.help(match environment::field(root, label.name) {
        Some(field) if field.shape == Shape::Named => format!("write `{root}.{}[\"name\"]`", label.name),
        Some(_) => format!("`{root}.{}` is a field: write it without parentheses", label.name),
        None => parts_of(names, root),
    })
}

/// `name(...)` that is no function.
pub(super) fn unknown_function(label: &Label<'_>) -> Error {
    if matches!(label.name, "dyn" | "type" | "optional_type" | "null_type") {
        let message = format!("`{}` is not available: the language is typed", label.name);
        return Error::new(label.span, message).advice("every value has one type, known when the config is read");
    }
    let error = Error::new(label.span, format!("unknown function `{}`", shown(label.name)));
    if label.name == "not" {
        return error.advice("negation is written `!`");
    }
    let method = |wanted: &str| {
        let functions = FUNCTIONS.iter().filter(|entry| matches!(entry.receiver, Receiver::Value(_)));
        let forms = FORMS.iter().filter(|entry| matches!(entry.receiver, Receiver::Value(_)));
        functions.map(|entry| entry.name).chain(forms.map(|entry| entry.name)).find(|name| *name == wanted)
    };
    if let Some(name) = method(label.name).or_else(|| alias(label.name).and_then(method)) {
        return error.help(format!("it is a method: write `value.{name}(...)`"));
    }
    if let Some(entry) =
        FUNCTIONS.iter().find(|entry| matches!(entry.receiver, Receiver::Root(_)) && entry.name == label.name)
    {
        return error.help(format!("write `{}`", entry.written()));
    }
    let functions = FUNCTIONS.iter().filter(|entry| entry.receiver == Receiver::None).map(|entry| entry.name);
    let forms = FORMS.iter().filter(|entry| entry.receiver == Receiver::None).map(|entry| entry.name);
    error.help(suggest::nearest(label.name, functions.chain(forms)).map(|name| format!("did you mean `{name}`?")))
}

/// What other languages call otherwise, `starts_with` and `startswith` included.
fn alias(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let name = plain(&shown(name));
    let methods = FUNCTIONS.iter().map(|entry| entry.name);
    let same = methods.into_iter().find(|method| plain(method) == name);
    same.or_else(|| ALIASES.iter().find(|(other, _)| plain(other) == name).map(|(_, ours)| *ours))
}

/// The methods and macros that a type has.
fn methods_of(ty: &Type) -> impl Iterator<Item = &'static str> {
    let functions = FUNCTIONS.iter().filter(|entry| match entry.receiver {
        Receiver::Value(Shape::Named) | Receiver::None | Receiver::Root(_) => false,
        Receiver::Value(shape) => shape.accepts(ty),
    });
    let forms = FORMS.iter().filter(|entry| match ty {
        Type::List(_) | Type::Map(..) => {
            matches!(entry.form, Form::All | Form::Exists | Form::ExistsOne | Form::Filter | Form::Map)
        }
        Type::Optional(_) => {
            matches!(entry.form, Form::OptMap | Form::HasValue | Form::OrValue | Form::OrElse | Form::OptionalValue)
        }
        _ => false,
    });
    let mut names: Vec<&'static str> = functions.map(|entry| entry.name).chain(forms.map(|entry| entry.name)).collect();
    names.dedup();
    names.into_iter()
}

fn parts_of(names: &Names, root: &str) -> String {
    let listed = |parts: Vec<String>| parts.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ");
    const FEW: usize = 16;
    match root {
        "lists" if names.lists.is_empty() => "declare one as `[list.NAME]`".to_owned(),
        "lists" => {
            let lists = names.lists.iter().take(FEW).map(|(name, _)| format!("lists.{name}"));
            format!("its lists: {}", listed(lists.collect()))
        }
        "jwt" if names.jwts.is_empty() => "declare one as `[jwt.NAME]`".to_owned(),
        "jwt" => {
            let issuers = names.jwts.iter().take(FEW).map(|jwt| format!("jwt.{}.valid", jwt.name));
            format!("such as {}", listed(issuers.collect()))
        }
        "session" if names.sessions.is_empty() => "declare them as `[session.NAME]`".to_owned(),
        "optional" => "write `optional.of(x)` or `optional.none()`".to_owned(),
        "ip" => "write `ip(\"...\")` or `ip.isCanonical(\"...\")`".to_owned(),
        root => {
            let fields = FIELDS.iter().filter(|field| field.root == root);
            format!("its fields: {}", listed(fields.map(|field| format!("{root}.{}", field.name)).collect()))
        }
    }
}

/// `jwt.NAME` where a value is needed.
pub(super) fn provider_alone(name: &str, span: Span) -> Error {
    let error = Error::new(span, format!("`jwt.{}` is not a value by itself", shown(name)));
    error.help(format!("its parts: `jwt.{name}.valid`, `jwt.{name}.error` and `jwt.{name}.claims`"))
}
