//! What the checks find, and the notebook they write it in. A check never stops at its first finding.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use crate::expr::Names;
use crate::place::Place;
use crate::raw::{At, Choice, Number, Text, Word};
use crate::report::PROBLEMS_MAX;
use crate::scope::Scope;
use crate::source::Source;
use crate::value::{Patterns, Wrong, expand};

/// One thing that is wrong, by file and byte range. Ordered by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The first findings by place, as many as a report shows, and how many more there were: however much is wrong with a
/// file, the notes about it stay few.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: BTreeSet<Finding>,
    dropped: usize,
}

impl Findings {
    pub(crate) fn note(&mut self, finding: Finding) {
        self.kept.insert(finding);
        if self.kept.len() > PROBLEMS_MAX {
            self.kept.pop_last();
            self.dropped += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The findings by place, and how many more there were.
    pub(crate) fn into_parts(self) -> (impl Iterator<Item = Finding>, usize) {
        (self.kept.into_iter(), self.dropped)
    }
}

/// The notebook: the sources, the environment, and what was found so far. Each method that gives `None` has noted why.
pub(crate) struct Check<'a> {
    /// The file whose values are being checked.
    pub(crate) file: usize,
    pub(crate) sources: &'a [Source],
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) findings: &'a mut Findings,
    /// What expressions may name; empty until the sections that declare names were read.
    pub(crate) names: Names,
    /// The regular expressions so far, of expressions and of lists.
    pub(crate) patterns: Patterns,
    /// How expressions spell names whose declaration is wrong itself.
    pub(crate) doubtful: Vec<String>,
    /// The sites that what is being read is for, and their sessions.
    pub(crate) scope: Scope,
}

impl Check<'_> {
    /// Whether something was noted within this part of the current file.
    pub(crate) fn is_noted_within(&self, span: &Range<usize>) -> bool {
        let file = self.file;
        self.findings.kept.iter().any(|found| found.file == file && span.start <= found.start && found.end <= span.end)
    }

    /// Notes that something is wrong at `span` of the current file.
    pub(crate) fn note(&mut self, span: Range<usize>, wrong: Wrong) {
        let Wrong { message, help } = wrong;
        self.findings.note(Finding { file: self.file, start: span.start, end: span.end, message, help });
    }

    /// Parses one written value.
    pub(crate) fn value<S: AsRef<str>, T>(
        &mut self,
        written: &At<S>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.result(written.span(), parse(written.value.as_ref()))
    }

    /// Parses a value that may be left out.
    pub(crate) fn value_or<S: AsRef<str>, T>(
        &mut self,
        written: Option<&At<S>>,
        default: T,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        written.map_or(Some(default), |written| self.value(written, parse))
    }

    /// Parses each value of a list of at most `max`; `None` if any is wrong.
    pub(crate) fn list<S: AsRef<str>, T>(
        &mut self,
        written: &[At<S>],
        max: usize,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let within = self.at_most(written, max);
        let parsed: Vec<Option<T>> = written.iter().take(max).map(|one| self.value(one, &parse)).collect();
        within?;
        parsed.into_iter().collect()
    }

    /// Notes a list of more than `max` values, at the first one too many.
    pub(crate) fn at_most<T>(&mut self, written: &[At<T>], max: usize) -> Option<()> {
        let Some(excess) = written.get(max) else { return Some(()) };
        self.note(excess.span(), Wrong::new(format!("a list of {} values; at most {max} fit here", written.len())));
        None
    }

    /// Parses one of a few words.
    pub(crate) fn word<C: Choice>(&mut self, written: Option<&At<Word<C>>>, default: C) -> Option<C> {
        self.value_or(written, default, C::parse)
    }

    /// A number in a range, or `default`.
    pub(crate) fn number<T: TryFrom<u64>>(
        &mut self,
        written: Option<&At<Number>>,
        range: Range<u64>,
        default: T,
    ) -> Option<T> {
        let Some(written) = written else { return Some(default) };
        let n = written.value.0;
        let fitting = if range.contains(&n) { T::try_from(n).ok() } else { None };
        if fitting.is_none() {
            let wrong = format!("{n} is out of range: {} to {} is possible here", range.start, range.end - 1);
            self.note(written.span(), Wrong::new(wrong));
        }
        fitting
    }

    /// A value in which `${NAME}` stands for an environment variable.
    pub(crate) fn expanded<T>(&mut self, written: &At<Text>, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let text = self.result(written.span(), expand(written.value.as_ref(), self.env))?;
        self.result(written.span(), parse(&text))
    }

    /// A path; `${NAME}` is expanded, and a relative one starts at the folder of its file.
    pub(crate) fn path(&mut self, written: &At<Text>) -> Option<PathBuf> {
        let text = self.expanded(written, |text| {
            if text.is_empty() { Err(Wrong::new("an empty path")) } else { Ok(text.to_owned()) }
        })?;
        self.sources.get(self.file).map(|source| source.resolve(&text))
    }

    /// The place of an offset in the current file.
    pub(crate) fn place(&self, offset: usize) -> Option<Place> {
        self.sources.get(self.file).map(|source| source.place(offset))
    }

    pub(crate) fn result<T>(&mut self, span: Range<usize>, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.note(span, wrong)).ok()
    }
}
