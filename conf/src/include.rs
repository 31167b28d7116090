//! `include`: which further files belong to a config.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::document;
use crate::finding::{Finding, Findings};
use crate::source::Source;

/// The most files one config is read from, beside the first.
pub const INCLUDES_MAX: usize = 256;

/// What the loader asks of the world to find and read files.
pub(crate) struct Files<'a> {
    pub(crate) read: &'a dyn Fn(&Path) -> io::Result<String>,
    pub(crate) list: &'a dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
}

/// Reads the files that the first one includes.
pub(crate) fn read(root: &DeTable<'_>, entry: &Source, files: &Files<'_>, findings: &mut Findings) -> Vec<Source> {
    let Some(value) = root.get("include") else { return Vec::new() };
    let mut including = Including { entry, files, findings, included: Vec::new() };
    match value.get_ref() {
        DeValue::Array(written) => {
            for one in written {
                match one.get_ref().as_str() {
                    Some(text) => including.one(text, one.span()),
                    None => including.no_list(one.span()),
                }
            }
        }
        _ => including.no_list(value.span()),
    }
    including.included
}

struct Including<'a> {
    entry: &'a Source,
    files: &'a Files<'a>,
    findings: &'a mut Findings,
    included: Vec<Source>,
}

impl Including<'_> {
    fn note(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<&str>) {
        let (message, help) = (message.into(), help.map(str::to_owned));
        self.findings.note(Finding { file: 0, start: span.start, end: span.end, message, help });
    }

    fn no_list(&mut self, span: Range<usize>) {
        self.note(span, "expected a list of files, such as [\"limits.toml\"]", None);
    }

    /// One element of the list: a file, or a pattern of files.
    fn one(&mut self, written: &str, span: Range<usize>) {
        let path = self.entry.resolve(written);
        let (folder, name) = match written.rsplit_once('/') {
            Some((folder, name)) => (folder, name),
            None => ("", written),
        };
        if folder.contains('*') {
            let help = "write it in the last part, such as \"conf.d/*.toml\"";
            self.note(span, "`*` stands for the names of files, not of folders", Some(help));
        } else if name.contains('*') {
            self.matching(&path, name, span);
        } else if self.is_included(&path) {
            self.note(span, format!("{} is included twice", path.display()), None);
        } else {
            self.file(path, span);
        }
    }

    /// All files of a folder that a pattern fits, sorted by name, but not what is part of the config already. There may be
    /// none; there must be a folder.
    fn matching(&mut self, pattern: &Path, name: &str, span: Range<usize>) {
        let folder = match pattern.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let entries = match (self.files.list)(folder) {
            Ok(entries) => entries,
            Err(error) => return self.note(span, format!("{} cannot be listed: {error}", folder.display()), None),
        };
        let names = entries.iter().filter_map(|entry| entry.file_name()?.to_str());
        let mut fitting: Vec<PathBuf> =
            names.filter(|entry| fits(name, entry)).map(|entry| pattern.with_file_name(entry)).collect();
        fitting.sort();
        fitting.dedup();
        for path in fitting {
            if !self.is_included(&path) && !self.file(path, span.clone()) {
                return;
            }
        }
    }

    fn is_included(&self, path: &Path) -> bool {
        path == self.entry.path || self.included.iter().any(|source| source.path == path)
    }

    /// Reads one file; says whether there is room for another.
    fn file(&mut self, path: PathBuf, span: Range<usize>) -> bool {
        if self.included.len() == INCLUDES_MAX {
            self.note(span, format!("more files than {INCLUDES_MAX}, the most that fit in one config"), None);
            return false;
        }
        match document::read(&path, self.files.read) {
            Ok(text) => self.included.push(Source::new(path, text)),
            Err(message) => self.note(span, message, None),
        }
        true
    }
}

/// Whether a name fits a pattern in which each `*` stands for any text. What starts with a dot is hidden from it, as it is
/// in a shell: editors keep such files beside those they write.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    if first.is_empty() && name.starts_with('.') {
        return false;
    }
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        // The first occurrence leaves the most for the pieces behind it.
        match rest.find(piece) {
            Some(found) => rest = rest.get(found + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.is_empty()
}
