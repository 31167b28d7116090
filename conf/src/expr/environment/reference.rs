//! The tables for people, as Markdown, and for editors, as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::fields::{FIELDS, FieldEntry, Needs};
use super::forms::{FORMS, Group};
use super::functions::{FUNCTIONS, FunctionEntry, Meaning, Receiver};
use crate::expr::tree::Phase;

/// The fields, methods, functions and forms as Markdown tables, for the reference.
pub fn reference() -> String {
    let mut out = String::new();
    let mut table = |title: &str, heads: &str, rows: Vec<String>| {
        let columns = "|---".repeat(heads.matches('|').count() - 1);
        // Writing to a string cannot fail; the result carries no news.
        let _ = write!(out, "### {title}\n\n{heads}\n{columns}|\n{}\n", rows.concat());
    };
    table("Fields", "| field | type | known | |", FIELDS.iter().map(field_row).collect());
    table("Names of the config", "| name | type | |", form_rows(Group::Name));
    table("The state", "| look | type | |", form_rows(Group::State));
    let methods = FUNCTIONS.iter().filter(|entry| entry.receiver != Receiver::None);
    table("Methods", "| method | gives | |", methods.filter_map(function_row).collect());
    let functions = FUNCTIONS.iter().filter(|entry| entry.receiver == Receiver::None);
    table("Functions", "| function | gives | |", functions.filter_map(function_row).collect());
    table("Macros", "| macro | gives | |", form_rows(Group::Macro));
    table("Optionals", "| form | gives | |", form_rows(Group::Optional));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn field_row(entry: &FieldEntry) -> String {
    let FieldEntry { root, name, shape, doc, .. } = entry;
    let needs = match entry.needs {
        Needs::Challenge => " Needs `[challenge]`.".to_owned(),
        needs => needs.key().map_or(String::new(), |key| format!(" Needs `{key}` in `[geoip]`.")),
    };
    format!("| `{root}.{name}` | {shape} | {} | {doc}{needs} |\n", phase(entry.phase))
}

/// A conversion of a type to itself says nothing to a reader.
fn function_row(entry: &FunctionEntry) -> Option<String> {
    let row = format!("| `{}` | {} | {} |\n", entry.written(), entry.result, entry.doc);
    (entry.meaning != Meaning::Same).then_some(row)
}

fn form_rows(group: Group) -> Vec<String> {
    let entries = FORMS.iter().filter(|entry| entry.form.group() == group);
    entries.map(|entry| format!("| `{}` | {} | {} |\n", entry.written, entry.result, entry.doc)).collect()
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Connection => "connection",
        Phase::Request => "request",
        Phase::Response => "response",
    }
}

/// The same as JSON, for editors: `fields`, `functions` and `forms`, each with its types, its phase and its description.
pub fn schema() -> Value {
    let fields: Vec<Value> = FIELDS
        .iter()
        .map(|entry| {
            json!({
                "name": format!("{}.{}", entry.root, entry.name),
                "type": entry.shape.to_string(),
                "phase": phase(entry.phase),
                "needs": entry.needs.key().map(|key| format!("geoip.{key}")),
                "description": entry.doc,
            })
        })
        .collect();
    let functions: Vec<Value> = FUNCTIONS
        .iter()
        .map(|entry| {
            let (receiver, root) = match entry.receiver {
                Receiver::None => (None, None),
                Receiver::Value(shape) => (Some(shape.to_string()), None),
                Receiver::Root(root) => (None, Some(root)),
            };
            json!({
                "name": entry.name,
                "root": root,
                "receiver": receiver,
                "arguments": entry.arguments.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "type": entry.result.to_string(),
                "written": entry.written(),
                "description": entry.doc,
            })
        })
        .collect();
    let forms: Vec<Value> = FORMS
        .iter()
        .map(|entry| {
            json!({ "name": entry.name, "written": entry.written, "type": entry.result, "description": entry.doc })
        })
        .collect();
    json!({ "fields": fields, "functions": functions, "forms": forms })
}
