//! The references are complete: `docs/config.md` has each key of the schema, `docs/rules.md` the tables of the expression
//! language, and their examples load.

use std::path::Path;

use serde_json::Value;

use crate::support::load;

fn reference() -> String {
    document("config.md")
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(path).expect("the reference")
}

/// The row the reference needs for a key: its name and the first sentence the schema has about it.
fn rows(schema: &Value, out: &mut Vec<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let description = value["description"].as_str().unwrap_or_default();
        out.push(format!("| `{key}` | {} |", description.lines().collect::<Vec<_>>().join(" ")));
        let tables = [value, &value["items"], &value["anyOf"][0]];
        tables.into_iter().for_each(|table| rows(table, out));
    }
}

#[test]
fn every_key_is_in_the_reference() {
    let (schema, reference) = (selvedge_conf::schema(), reference());
    let mut missing = Vec::new();
    for (section, value) in schema["properties"].as_object().expect("sections") {
        let mut wanted = Vec::new();
        for table in [value, &value["items"], &value["anyOf"][0], &value["additionalProperties"]] {
            rows(table, &mut wanted);
        }
        let heading = match section.as_str() {
            "origin" | "site" | "list" | "jwt" | "session" => format!("## `[{section}."),
            "counter" | "unique" | "rule" | "limit" | "cache" | "idempotency" | "test" => format!("## `[[{section}]]`"),
            "include" => "## `include`".to_owned(),
            _ => format!("## `[{section}]`"),
        };
        let part = reference.split("\n## ").find(|part| format!("## {part}").starts_with(&heading)).unwrap_or_default();
        if part.is_empty() {
            missing.push(heading);
        }
        missing.extend(wanted.into_iter().filter(|row| !part.contains(row)));
    }
    assert!(missing.is_empty(), "not in docs/config.md:\n{}", missing.join("\n"));
}

#[test]
fn the_expression_tables_are_in_the_reference() {
    let tables = selvedge_conf::expr::reference();
    assert!(document("rules.md").contains(&tables), "docs/rules.md lacks these tables:\n{tables}");
}

#[test]
fn the_examples_of_the_reference_load() {
    let references = reference() + &document("rules.md") + &document("challenge.md");
    let blocks: Vec<&str> = references.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        // Each block shows one section; what it leans on is added.
        let mut text = block.to_owned();
        for (section, lean) in [
            ("[listen]", "\n[listen]\nhttp = [\"0.0.0.0:1\"]\n"),
            ("[origin.app]", "\n[origin.app]\nservers = [\"a:1\"]\n"),
            ("[site.\"www.example.com\"]", "\n[site.\"www.example.com\"]\norigin = \"app\"\n"),
        ] {
            if !text.contains(section) {
                text.push_str(lean);
            }
        }
        if let Err(report) = load(&text) {
            panic!("{report}");
        }
    }
}
