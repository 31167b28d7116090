//! The tables that generate checker, reference and schema say the same.

use selvedge_conf::expr::{self, Phase};

use super::{accepted, value_in};

/// Every field of the schema is a value of the type and the phase that it says.
#[test]
fn fields_are_as_the_schema_says() {
    let schema = expr::schema();
    let fields = schema["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), 36);
    for field in fields {
        let name = field["name"].as_str().expect("a name");
        let ty = field["type"].as_str().expect("a type");
        let phase = match field["phase"].as_str().expect("a phase") {
            "connection" => Phase::Connection,
            "request" => Phase::Request,
            _ => Phase::Response,
        };
        let read = if ty.starts_with("map") { format!("{name}['a']") } else { name.to_owned() };
        let expr = accepted(&read);
        assert_eq!(expr.phase(), phase, "{name}");
        assert!(value_in(&read, phase).is_ok(), "{name}");
        for earlier in [Phase::Connection, Phase::Request] {
            assert_eq!(value_in(&read, earlier).is_ok(), phase <= earlier, "{name}");
        }
        if !ty.starts_with("map") {
            assert_eq!(expr.ty.to_string(), ty, "{name}");
        }
        assert!(!field["description"].as_str().expect("a description").is_empty());
    }
}

/// A value of each type, for calls that are made from the schema.
fn sample(ty: &str) -> &'static str {
    match ty {
        "bool" => "(1 == 1)",
        "int" => "response.status",
        "uint" => "7u",
        "double" => "1.5",
        "string" => "request.path",
        "bytes" => "b'a'",
        "duration" => "peers.lag",
        "timestamp" => "request.time",
        "ip" => "client.ip",
        "cidr" => "client.net",
        "list" | "list(string)" => "request.segments",
        "map" => "{1: 2}",
        "map(string, string)" => "request.headers",
        other => panic!("no sample of {other}"),
    }
}

/// Every function of the schema takes what it says and gives what it says, by every overload.
#[test]
fn functions_are_as_the_schema_says() {
    let schema = expr::schema();
    for function in schema["functions"].as_array().expect("functions") {
        let name = function["name"].as_str().expect("a name");
        let receivers = match (function["receiver"].as_str(), function["root"].as_str()) {
            (Some(types), _) => types.split(" or ").map(|ty| format!("{}.", sample(ty))).collect(),
            (None, Some(root)) => vec![format!("{root}.")],
            (None, None) => vec![String::new()],
        };
        let mut calls = receivers;
        calls.iter_mut().for_each(|call| call.push_str(&format!("{name}(")));
        for (index, argument) in function["arguments"].as_array().expect("arguments").iter().enumerate() {
            let types = argument.as_str().expect("a type");
            let comma = if index == 0 { "" } else { ", " };
            let zone = name.starts_with("get");
            let pattern = name == "matches" && index + 1 == function["arguments"].as_array().map_or(0, Vec::len);
            let samples: Vec<&str> = match types {
                "lists.NAME" if name == "containsAny" => vec!["lists.probes"],
                "lists.NAME" => vec!["lists.bots"],
                _ if zone => vec!["'UTC'"],
                _ if pattern => vec!["'a+'"],
                types => types.split(" or ").map(sample).collect(),
            };
            calls = calls
                .iter()
                .flat_map(|call| samples.iter().map(move |sample| format!("{call}{comma}{sample}")))
                .collect();
        }
        for call in calls {
            assert_eq!(
                accepted(&format!("{call})")).ty.to_string(),
                function["type"].as_str().expect("a type"),
                "{call})"
            );
        }
    }
}

#[test]
fn the_reference_has_every_entry() {
    let (schema, reference) = (expr::schema(), expr::reference());
    for (part, key) in [("fields", "name"), ("forms", "written")] {
        for entry in schema[part].as_array().expect("entries") {
            let written = entry[key].as_str().expect("a name");
            assert!(reference.contains(&format!("| `{written}` |")), "{written}");
        }
    }
}
