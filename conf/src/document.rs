//! One file as TOML: all its syntax errors, or its sections, each key and value with its place.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::finding::{Finding, Findings};

/// A key, with its place.
pub(crate) type Key<'i> = Spanned<DeString<'i>>;
/// A value, with its place.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// The largest config file, in bytes.
pub(crate) const FILE_MAX: usize = 8 * 1024 * 1024;

/// Reads one file's text, and bounds it.
pub(crate) fn read(path: &Path, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<Arc<str>, String> {
    let text = read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if text.len() > FILE_MAX {
        return Err(format!("{} has {} bytes; at most {FILE_MAX} fit in one file", path.display(), text.len()));
    }
    Ok(text.into())
}

/// Parses a file. Every syntax error is noted; the table holds what could be read despite them.
pub(crate) fn parse<'i>(file: usize, text: &'i str, findings: &mut Findings) -> DeTable<'i> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let start = |error: &toml::de::Error| error.span().unwrap_or(0..0).start;
    let mut errors = errors.into_iter().peekable();
    while let Some(error) = errors.next() {
        // An unclosed string leaves its array unclosed too: of errors at one place, the last is the innermost.
        if errors.peek().is_some_and(|next| start(next) == start(&error)) {
            continue;
        }
        let end = error.span().unwrap_or(0..0).end;
        let message = error.message().to_owned();
        findings.note(Finding { file, start: start(&error), end, message, help: None });
    }
    table.into_inner()
}

/// The entries of a table in the order they were written.
pub(crate) fn in_order<'i>(table: DeTable<'i>) -> Vec<(Key<'i>, Value<'i>)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, value)| (key.span().start, value.span().start));
    entries
}
