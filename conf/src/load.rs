//! From a path to a [`Config`]: read, parse, check, in that order, each to its end before the next begins.

use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::admin::RawAdmin;
use crate::document;
use crate::finding::{Check, Finding, Findings};
use crate::listen::RawListen;
use crate::pop::RawPop;
use crate::sections::{Section, Sections};
use crate::source::Source;
use crate::storage::RawStorage;
use crate::value::Wrong;
use crate::{Config, Report, limit, origin, schema, site};

/// The most files one `include` may name.
pub const INCLUDES_MAX: usize = 64;

/// Reads the config that starts at `entry`. `read` gives the text of a file, `env` the value of an environment variable;
/// nothing else is asked of the world.
///
/// # Errors
/// Everything that is wrong, sorted by place: first whether the files can be read, then all their syntax errors, then
/// all else.
pub fn load(
    entry: &Path,
    read: &dyn Fn(&Path) -> io::Result<String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Report> {
    let text = document::read(entry, read).map_err(|message| Report::unreadable(entry.to_owned(), message))?;
    let mut findings = Findings::default();
    let mut sources = vec![Source::new(entry.to_owned(), Arc::clone(&text))];
    let root = document::parse(0, &text, &mut findings);
    let included = includes(&root, &sources, read, &mut findings);
    sources.extend(included);
    let texts: Vec<Arc<str>> = sources.iter().map(|source| Arc::clone(&source.text)).collect();
    let mut tables = vec![root];
    for (file, text) in texts.iter().enumerate().skip(1) {
        tables.push(document::parse(file, text, &mut findings));
    }
    // What the parser could save of a broken file is not what was meant: judging it would only add noise.
    if !findings.is_empty() {
        return Err(Report::new(findings, &sources));
    }
    let mut check = Check { file: 0, sources: &sources, env, findings: &mut findings };
    let config = facts(tables, &mut check);
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(Report::new(findings, &sources)),
    }
}

/// Reads the files the entry includes.
fn includes(
    root: &DeTable<'_>,
    sources: &[Source],
    read: &dyn Fn(&Path) -> io::Result<String>,
    findings: &mut Findings,
) -> Vec<Source> {
    let mut note = |span: std::ops::Range<usize>, message: String, help: Option<String>| {
        findings.note(Finding { file: 0, start: span.start, end: span.end, message, help });
    };
    let (Some(value), Some(entry)) = (root.get("include"), sources.first()) else { return Vec::new() };
    let wanted = "expected a list of files, such as [\"limits.toml\"]";
    let DeValue::Array(files) = value.get_ref() else {
        note(value.span(), wanted.to_owned(), None);
        return Vec::new();
    };
    if let Some(excess) = files.get(INCLUDES_MAX) {
        note(excess.span(), format!("a list of {} files; at most {INCLUDES_MAX} fit here", files.len()), None);
    }
    let mut included: Vec<Source> = Vec::new();
    for file in files.iter().take(INCLUDES_MAX) {
        let Some(written) = file.get_ref().as_str() else {
            note(file.span(), wanted.to_owned(), None);
            continue;
        };
        if written.contains(['*', '?']) {
            let help = "name each file; patterns are not available".to_owned();
            note(file.span(), "a pattern instead of a file".to_owned(), Some(help));
            continue;
        }
        let path = entry.resolve(written);
        if path == entry.path || included.iter().any(|source| source.path == path) {
            note(file.span(), format!("{} is included twice", path.display()), None);
            continue;
        }
        match document::read(&path, read) {
            Ok(text) => included.push(Source::new(path, text)),
            Err(message) => note(file.span(), message, None),
        }
    }
    included
}

/// Checks everything; `None` if anything was noted on the way to a fact.
fn facts(tables: Vec<DeTable<'_>>, check: &mut Check<'_>) -> Option<Config> {
    let schema = schema::schema();
    let mut sections = Sections::default();
    for (file, table) in tables.into_iter().enumerate() {
        check.file = file;
        if let Some((key, _)) = table.get_key_value("include").filter(|_| file > 0) {
            check.note(key.span(), Wrong::new("only the first file includes others"));
        }
        sections.add(table, &schema, check);
    }
    let pop = section(sections.pop.unwrap_or_else(absent::<RawPop>), check, |raw, _, check| raw.lower(check));
    let listen = match sections.listen {
        Some(section) => self::section(section, check, RawListen::lower),
        None => {
            check.file = 0;
            check.note(
                0..0,
                Wrong::new("there is no [listen]")
                    .advice("say where clients connect:\n[listen]\nhttp = [\"0.0.0.0:8080\"]"),
            );
            None
        }
    };
    let admin = section(sections.admin.unwrap_or_else(absent::<RawAdmin>), check, |raw, _, check| raw.lower(check));
    let cluster = sections.cluster.map(|cluster| section(cluster, check, |raw, _, check| raw.lower(check)));
    let storage =
        section(sections.storage.unwrap_or_else(absent::<RawStorage>), check, |raw, _, check| raw.lower(check));
    let origins = origin::lower(&sections.origins, check);
    let sites = site::lower(&sections.sites, &sections.origins, check);
    let limits = limit::lower(&sections.limits, &sections.sites, check);
    Some(Config {
        pop: pop?,
        listen: listen?,
        admin: admin?,
        cluster: match cluster {
            Some(cluster) => Some(cluster?),
            None => None,
        },
        storage: storage?,
        origins: origins?,
        sites: sites?,
        limits: limits?,
    })
}

/// A section that was not written: all defaults.
fn absent<T: Default>() -> Section<T> {
    Section { file: 0, head: 0..0, name: String::new(), raw: Some(T::default()) }
}

fn section<T, F>(
    section: Section<T>,
    check: &mut Check<'_>,
    lower: impl FnOnce(T, std::ops::Range<usize>, &mut Check<'_>) -> Option<F>,
) -> Option<F> {
    check.file = section.file;
    lower(section.raw?, section.head, check)
}
