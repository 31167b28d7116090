//! Names that are wrong: what was probably meant.

use super::Error;
use super::environment::{FIELDS, FUNCTIONS, METHODS, Meaning};
use super::node::Label;
use super::tree::{Span, Type};
use crate::suggest;
use crate::value::shown;

/// A name that starts nothing.
pub(super) fn unknown_name(name: &str, span: Span) -> Error {
    let error = Error::new(span, format!("unknown name `{}`", shown(name)));
    // People write `path` for `request.path` more often than they mistype `request`.
    let field = |wanted: &str| FIELDS.iter().find(|field| field.name == wanted);
    let near = || suggest::nearest(name, FIELDS.iter().map(|field| field.name));
    let roots = || suggest::nearest(name, FIELDS.iter().map(|field| field.root));
    let meant = match field(name) {
        Some(field) => Some(format!("{}.{}", field.root, field.name)),
        None => match roots() {
            Some(root) => Some(root.to_owned()),
            None => near().and_then(field).map(|field| format!("{}.{}", field.root, field.name)),
        },
    };
    error.help(match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "fields start with `request.` or `client.`".to_owned(),
    })
}

/// `root` alone, where a value is needed.
pub(super) fn root_alone(root: &str, span: Span) -> Error {
    let error = Error::new(span, format!("`{root}` is not a value by itself"));
    error.help(format!("its fields: {}", fields_of(root)))
}

/// `root.name` that is no field.
pub(super) fn unknown_field(root: &str, label: &Label) -> Error {
    let error = Error::new(label.span, format!("`{root}` has no field `{}`", shown(&label.name)));
    let names = FIELDS.iter().filter(|field| field.root == root).map(|field| field.name);
    error.help(match suggest::nearest(&label.name, names) {
        Some(name) => format!("did you mean `{root}.{name}`?"),
        None => format!("its fields: {}", fields_of(root)),
    })
}

/// `value.name` where the value has no fields at all.
pub(super) fn no_fields(ty: &Type, label: &Label) -> Error {
    let error = Error::new(label.span, format!("{} has no field `{}`", one(ty), shown(&label.name)));
    let method = METHODS.iter().find(|entry| entry.receiver == *ty && entry.name == label.name);
    error.help(method.map(|entry| format!("it is a method: write `{}(...)`", entry.name)))
}

/// `value.name(...)` that is no method of its type.
pub(super) fn unknown_method(ty: &Type, label: &Label) -> Error {
    let error = Error::new(label.span, format!("{} has no method `{}`", one(ty), shown(&label.name)));
    if label.name == "matches" {
        return error.advice("regular expressions are not available");
    }
    let names = || METHODS.iter().filter(|entry| entry.receiver == *ty).map(|entry| entry.name);
    error.help(suggest::among(&label.name, names))
}

/// `root.name(...)`: the roots have no methods.
pub(super) fn method_of_root(root: &str, label: &Label) -> Error {
    let error = Error::new(label.span, format!("`{root}` has no method `{}`", shown(&label.name)));
    let field = FIELDS.iter().find(|field| field.root == root && field.name == label.name);
    error.help(match field.map(|field| &field.meaning) {
        Some(Meaning::Headers) => format!("write `{root}.{}[\"name\"]`", label.name),
        Some(Meaning::Value(..)) => format!("`{root}.{}` is a field: write it without parentheses", label.name),
        None => format!("its fields: {}", fields_of(root)),
    })
}

/// `name(...)` that is no function.
pub(super) fn unknown_function(label: &Label) -> Error {
    let error = Error::new(label.span, format!("unknown function `{}`", shown(&label.name)));
    if METHODS.iter().any(|entry| entry.name == label.name) {
        return error.help(format!("it is a method: write `value.{}(...)`", label.name));
    }
    error.help(suggest::among(&label.name, || FUNCTIONS.iter().map(|entry| entry.name)))
}

fn fields_of(root: &str) -> String {
    let fields = FIELDS.iter().filter(|field| field.root == root);
    fields.map(|field| format!("`{root}.{}`", field.name)).collect::<Vec<_>>().join(", ")
}

/// A value of this type, with its article.
pub(super) fn one(ty: &Type) -> String {
    match ty {
        Type::Int | Type::Ip => format!("an {ty}"),
        _ => format!("a {ty}"),
    }
}
