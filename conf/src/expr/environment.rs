//! The environment: every field, method and function there is. The checker, its suggestions and the reference all read
//! these tables.

use std::fmt::Write;

use super::tree::{Field, Kind, Method, Type};
use crate::value::{self, Wrong};

/// A field, `root.name`.
pub(super) struct FieldEntry {
    pub(super) root: &'static str,
    pub(super) name: &'static str,
    pub(super) meaning: Meaning,
    pub(super) doc: &'static str,
}

/// What a field is.
pub(super) enum Meaning {
    /// A value.
    Value(Field, Type),
    /// Values by name: `root.name["header"]`.
    Headers,
}

pub(super) const FIELDS: [FieldEntry; 6] = [
    FieldEntry {
        root: "request",
        name: "method",
        meaning: Meaning::Value(Field::Method, Type::String),
        doc: "The method, as sent: `\"GET\"`.",
    },
    FieldEntry {
        root: "request",
        name: "host",
        meaning: Meaning::Value(Field::Host, Type::String),
        doc: "The host, in lower case, without the port.",
    },
    FieldEntry {
        root: "request",
        name: "path",
        meaning: Meaning::Value(Field::Path, Type::String),
        doc: "The path, without the query.",
    },
    FieldEntry {
        root: "request",
        name: "headers",
        meaning: Meaning::Headers,
        doc: "A header by its name, in any case: `request.headers[\"user-agent\"]`. `\"\"` when it is absent; the first line when there are several.",
    },
    FieldEntry {
        root: "client",
        name: "ip",
        meaning: Meaning::Value(Field::ClientIp, Type::Ip),
        doc: "The address of the client.",
    },
    FieldEntry {
        root: "client",
        name: "net",
        meaning: Meaning::Value(Field::ClientNet, Type::Cidr),
        doc: "The network of the client: its address cut to /32 for IPv4, to /64 for IPv6.",
    },
];

/// A method of a type.
pub(super) struct MethodEntry {
    pub(super) receiver: Type,
    pub(super) name: &'static str,
    pub(super) arguments: &'static [Type],
    pub(super) result: Type,
    pub(super) method: Method,
    pub(super) doc: &'static str,
}

pub(super) const METHODS: [MethodEntry; 5] = [
    MethodEntry {
        receiver: Type::String,
        name: "startsWith",
        arguments: &[Type::String],
        result: Type::Bool,
        method: Method::StartsWith,
        doc: "Whether the string begins so.",
    },
    MethodEntry {
        receiver: Type::String,
        name: "endsWith",
        arguments: &[Type::String],
        result: Type::Bool,
        method: Method::EndsWith,
        doc: "Whether the string ends so.",
    },
    MethodEntry {
        receiver: Type::String,
        name: "contains",
        arguments: &[Type::String],
        result: Type::Bool,
        method: Method::Contains,
        doc: "Whether this is somewhere in the string.",
    },
    MethodEntry {
        receiver: Type::String,
        name: "size",
        arguments: &[],
        result: Type::Int,
        method: Method::Size,
        doc: "The number of characters.",
    },
    MethodEntry {
        receiver: Type::Cidr,
        name: "containsIP",
        arguments: &[Type::Ip],
        result: Type::Bool,
        method: Method::ContainsIp,
        doc: "Whether the address is in the network.",
    },
];

/// A function of one literal string, computed when the config is read.
pub(super) struct FunctionEntry {
    pub(super) name: &'static str,
    pub(super) result: Type,
    pub(super) build: fn(&str) -> Result<Kind, Wrong>,
    pub(super) doc: &'static str,
}

pub(super) const FUNCTIONS: [FunctionEntry; 2] = [
    FunctionEntry {
        name: "ip",
        result: Type::Ip,
        build: |text| value::ip(text).map(Kind::Ip),
        doc: "An address, such as `ip(\"192.0.2.1\")`.",
    },
    FunctionEntry {
        name: "cidr",
        result: Type::Cidr,
        build: |text| value::network(text).map(Kind::Cidr),
        doc: "A network, such as `cidr(\"192.0.2.0/24\")`.",
    },
];

/// The fields, methods and functions as Markdown tables, for the reference.
pub fn reference() -> String {
    let mut out = String::from("| field | type | |\n|---|---|---|\n");
    for FieldEntry { root, name, meaning, doc } in &FIELDS {
        let ty = match meaning {
            Meaning::Value(_, ty) => ty.to_string(),
            Meaning::Headers => "string, by name".to_owned(),
        };
        // Writing to a string cannot fail; the result carries no news.
        let _ = writeln!(out, "| `{root}.{name}` | {ty} | {doc} |");
    }
    out.push_str("\n| method | gives | |\n|---|---|---|\n");
    for MethodEntry { receiver, name, arguments, result, doc, .. } in &METHODS {
        let arguments: Vec<String> = arguments.iter().map(Type::to_string).collect();
        let _ = writeln!(out, "| `{receiver}.{name}({})` | {result} | {doc} |", arguments.join(", "));
    }
    out.push_str("\n| function | gives | |\n|---|---|---|\n");
    for FunctionEntry { name, result, doc, .. } in &FUNCTIONS {
        let _ = writeln!(out, "| `{name}(\"...\")` | {result} | {doc} |");
    }
    out
}
