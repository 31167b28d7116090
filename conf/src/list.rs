//! Named lists: what `lists.NAME` holds before anything is added at run time.

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::ListKind;
use crate::finding::Check;
use crate::place::Place;
use crate::raw::{At, Choice, Text, Word};
use crate::sections::{Section, at_most};
use crate::value::{Patterns, Wrong, name, network};

/// `[list.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Its name in expressions.
    pub name: String,
    /// What it holds.
    pub kind: ListKind,
    /// A file with one element a line; empty lines and what follows `#` after a line's start or white space do not count.
    pub file: Option<PathBuf>,
    /// Elements written in the config itself, beside those of the file; checked like those. At most [`ITEMS_MAX`].
    pub items: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

/// The most lists of one config.
pub const LISTS_MAX: usize = 1024;
/// The most elements written in the config itself.
pub const ITEMS_MAX: usize = 10_000;
/// The most elements of a list, its file included.
pub const ELEMENTS_MAX: usize = 4_000_000;
/// The most needles of one list; patterns are fewer, since they are bounded when compiled.
pub const PIECES_MAX: usize = 100_000;
/// The longest element, in bytes.
const ELEMENT_LONGEST: usize = 8192;

impl Choice for ListKind {
    const WORDS: &'static [(&'static str, ListKind)] = &[
        ("addresses", ListKind::Addresses),
        ("strings", ListKind::Strings),
        ("needles", ListKind::Needles),
        ("patterns", ListKind::Patterns),
    ];
}

/// `[list.NAME]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawList {
    /// What it holds: `addresses` (and networks), `strings`, `needles` (pieces of text) or `patterns` (regular expressions).
    kind: At<Word<ListKind>>,
    /// A file with one element a line; `#` starts a comment. `${NAME}` is expanded.
    file: Option<At<Text>>,
    /// Elements beside those of the file, such as `["192.0.2.0/24"]`.
    #[serde(default)]
    items: Vec<At<Text>>,
}

/// Checks all lists, each by itself: expressions refer to them, so the wrong ones are marked, not left out.
pub(crate) fn lower(sections: &[Section<RawList>], check: &mut Check<'_>) -> Option<Vec<Option<List>>> {
    let within = at_most(sections, LISTS_MAX, "lists", check);
    let lists: Vec<_> = sections
        .iter()
        .take(LISTS_MAX)
        .map(|section| {
            check.file = section.file;
            let name = name(&section.name).map_err(|wrong| check.note(section.head.clone(), wrong));
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(name.ok(), section.head.clone(), place?, check)
        })
        .collect();
    within?;
    Some(lists)
}

impl RawList {
    fn lower(&self, name: Option<String>, head: Range<usize>, place: Place, check: &mut Check<'_>) -> Option<List> {
        let kind = check.value(&self.kind, ListKind::parse);
        let file = match &self.file {
            None => Some(None),
            Some(written) => check.path(written).map(Some),
        };
        let patterns = std::mem::take(&mut check.patterns);
        let items = kind.and_then(|kind| check.list(&self.items, ITEMS_MAX, |text| element(kind, text, &patterns)));
        check.patterns = patterns;
        let (kind, file, items) = (kind?, file?, items?);
        if file.is_none() && items.is_empty() && !grows(kind) {
            let wrong = Wrong::new("a list with neither `file` nor `items`");
            check.note(head, wrong.advice("only lists of addresses and of strings can grow while the node runs"));
            return None;
        }
        Some(List { name: name?, kind, file, items, place })
    }
}

/// Whether rules can add to such a list and remove from it: the others are built as a whole.
pub(crate) fn grows(kind: ListKind) -> bool {
    matches!(kind, ListKind::Addresses | ListKind::Strings)
}

/// An element of a list, as it is written.
pub(crate) fn element(kind: ListKind, text: &str, patterns: &Patterns) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("an empty element"));
    }
    if text.len() > ELEMENT_LONGEST {
        return Err(Wrong::new(format!("an element of {} bytes; at most {ELEMENT_LONGEST} are possible", text.len())));
    }
    match kind {
        ListKind::Addresses => network(text).map(drop)?,
        ListKind::Strings | ListKind::Needles => {}
        ListKind::Patterns => patterns.get(text).map(drop)?,
    }
    Ok(text.to_owned())
}
