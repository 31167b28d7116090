//! From a path to a [`Config`]: read, parse, check, in that order, each to its end before the next begins.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::expr::Names;
use crate::finding::{Check, Findings};
use crate::include::{self, Files};
use crate::scope::Scope;
use crate::sections::Sections;
use crate::source::Source;
use crate::value::{Patterns, Wrong};
use crate::{Config, Report, document, facts, schema};

/// Reads the config that starts at `entry`. `read` gives the text of a file, `list` the entries of a folder in any order,
/// which `include` asks for patterns, and `env` the value of an environment variable; nothing else is asked of the world.
///
/// # Errors
/// Everything that is wrong, sorted by place: first whether the files can be read, then all their syntax errors, then
/// all else.
pub fn load(
    entry: &Path,
    read: &dyn Fn(&Path) -> io::Result<String>,
    list: &dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Report> {
    let text = document::read(entry, read).map_err(|message| Report::unreadable(entry.to_owned(), message))?;
    let mut findings = Findings::default();
    let first = Source::new(entry.to_owned(), Arc::clone(&text));
    let root = document::parse(0, &text, &mut findings);
    let included = include::read(&root, &first, &Files { read, list }, &mut findings);
    let sources: Vec<Source> = std::iter::once(first).chain(included).collect();
    let texts: Vec<Arc<str>> = sources.iter().map(|source| Arc::clone(&source.text)).collect();
    let mut tables = vec![root];
    for (file, text) in texts.iter().enumerate().skip(1) {
        tables.push(document::parse(file, text, &mut findings));
    }
    // What the parser could save of a broken file is not what was meant: judging it would only add noise.
    if !findings.is_empty() {
        return Err(Report::new(findings, &sources));
    }
    let mut check = Check {
        file: 0,
        sources: &sources,
        env,
        findings: &mut findings,
        names: Names::default(),
        patterns: Patterns::default(),
        doubtful: Vec::new(),
        scope: Scope::default(),
    };
    let config = facts::facts(read_sections(tables, &mut check), &mut check);
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(Report::new(findings, &sources)),
    }
}

/// Reads the sections of all files, each on its own.
fn read_sections(tables: Vec<DeTable<'_>>, check: &mut Check<'_>) -> Sections {
    let schema = schema::keys();
    let mut sections = Sections::default();
    for (file, table) in tables.into_iter().enumerate() {
        check.file = file;
        if let Some((key, _)) = table.get_key_value("include").filter(|_| file > 0) {
            check.note(key.span(), Wrong::new("only the first file includes others"));
        }
        sections.add(table, &schema, check);
    }
    sections
}
