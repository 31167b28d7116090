//! The keys of a table against the schema: unknown ones, missing ones, and the name that was meant.
//!
//! Serde would stop at the first unknown key. This walk sees all of them, takes them out, and leaves serde the types.

use std::fmt;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::finding::Check;
use crate::suggest;
use crate::value::{Wrong, shown};

/// Keys as others call them.
const FOREIGN: [(&str, &str); 9] = [
    ("action", "do"),
    ("actions", "do"),
    ("then", "do"),
    ("if", "when"),
    ("condition", "when"),
    ("expression", "when"),
    ("block", "deny"),
    ("reject", "deny"),
    ("refuse", "deny"),
];

/// Whether a table had the keys it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// All needed keys are there; unknown ones, if any, were noted and removed.
    Complete,
    /// A needed key is missing, here or in a table within.
    Incomplete,
}

/// Checks `table`, called `what` in messages, and the tables within. `head` is where a missing key is reported. What a table
/// is called is only written out when there is something to say about it.
pub(crate) fn check(
    table: &mut DeTable<'_>,
    schema: &Value,
    what: &dyn fmt::Display,
    head: std::ops::Range<usize>,
    check: &mut Check<'_>,
) -> Keys {
    let properties = schema.get("properties").and_then(Value::as_object);
    let names = || properties.into_iter().flatten().map(|(name, _)| name.as_str());
    let mut keys = Keys::Complete;
    let mut unknown = Vec::new();
    let mut meant = Vec::new();
    for (key, value) in table.iter_mut() {
        let Some(inner) = properties.and_then(|all| all.get(key.get_ref().as_ref())) else {
            let wrong = Wrong::new(format!("unknown key `{}` in {what}", shown(key.get_ref())));
            let foreign = FOREIGN.iter().find(|(written, _)| written == key.get_ref()).map(|(_, ours)| *ours);
            match foreign.filter(|ours| names().any(|name| name == *ours)) {
                Some(ours) => {
                    check.note(key.span(), wrong.help(format!("did you mean `{ours}`?")));
                    meant.push(ours);
                }
                None => {
                    check.note(key.span(), wrong.help(suggest::among(key.get_ref(), names)));
                    meant.extend(suggest::nearest(key.get_ref(), names()));
                }
            }
            unknown.push(key.clone());
            continue;
        };
        let within = fmt::from_fn(|f| write!(f, "`{}` of {what}", key.get_ref()));
        if within_value(value, inner, &within, check) == Keys::Incomplete {
            keys = Keys::Incomplete;
        }
    }
    for key in unknown {
        table.remove(&key);
    }
    for needed in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if table.contains_key(needed) {
            continue;
        }
        keys = Keys::Incomplete;
        // A mistyped key is one mistake, not one unknown and one missing key.
        if !meant.contains(&needed) {
            let meaning = properties.and_then(|all| all.get(needed)?.get("description")?.as_str());
            let wrong = Wrong::new(format!("{what} has no `{needed}`"));
            check.note(head.clone(), wrong.help(meaning.map(|meaning| format!("`{needed}`: {}", first_line(meaning)))));
        }
    }
    keys
}

/// Descends into a table, or into the tables of an array; anything else has no keys.
fn within_value(
    value: &mut toml::Spanned<DeValue<'_>>,
    schema: &Value,
    what: &dyn fmt::Display,
    check: &mut Check<'_>,
) -> Keys {
    let span = value.span();
    match value.get_mut() {
        DeValue::Table(table) => match table_schema(schema) {
            Some(schema) => self::check(table, schema, what, span, check),
            None => Keys::Complete,
        },
        DeValue::Array(elements) => match schema.get("items") {
            Some(items) => elements.iter_mut().fold(Keys::Complete, |keys, element| {
                match within_value(element, items, what, check) {
                    Keys::Complete => keys,
                    Keys::Incomplete => Keys::Incomplete,
                }
            }),
            None => Keys::Complete,
        },
        _ => Keys::Complete,
    }
}

/// The schema of a table: an optional one is an alternative of the table and null.
fn table_schema(schema: &Value) -> Option<&Value> {
    if schema.get("properties").is_some() {
        return Some(schema);
    }
    schema.get("anyOf")?.as_array()?.iter().find_map(table_schema)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
