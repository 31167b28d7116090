//! Everything that is wrong with a config, in the order of the text: for people with the offending line and a caret, for
//! programs as JSON.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::finding::{Finding, Findings};
use crate::place::Place;
use crate::source::Source;

/// The most problems one report shows.
pub const PROBLEMS_MAX: usize = 20;

/// The width messages are wrapped at: fixed, so that the same mistake prints the same text everywhere.
const WIDTH: usize = 100;

/// One thing that is wrong. Its `Display` is the message alone.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file's text and the bytes to underline; absent when the file could not be read.
    excerpt: Option<Excerpt>,
}

#[derive(Clone, Debug)]
struct Excerpt {
    source: Arc<NamedSource<Arc<str>>>,
    underlined: Range<usize>,
}

/// 1 to [`PROBLEMS_MAX`] problems, sorted by place, and how many more there were. Its `Display` is the plain rendering.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.render(false))]
pub struct Report {
    problems: Vec<Problem>,
    left_out: usize,
}

impl Report {
    /// `findings` is not empty.
    pub(crate) fn new(findings: Findings, sources: &[Source]) -> Report {
        let (findings, left_out) = findings.into_parts();
        let shown: Vec<_> = sources.iter().map(printable).collect();
        let problems = findings.map(|finding| Problem::new(finding, sources, &shown)).collect();
        Report { problems, left_out }
    }

    /// A report on a file that could not be read at all.
    pub(crate) fn unreadable(path: PathBuf, message: String) -> Report {
        let place = Place { file: path, line: 0, column: 0 };
        Report { problems: vec![Problem { place, message, help: None, excerpt: None }], left_out: 0 }
    }

    /// The problems, sorted by place: files in the order they were read, then position.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many further problems there were.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The report as text for people: each problem with its line and an underline, then the number of problems.
    /// The text depends on the report alone, never on the terminal; `colour` adds ANSI colours.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false).without_cause_chain();
        let mut out = String::new();
        for problem in &self.problems {
            if handler.render_report(&mut out, problem).is_err() {
                // Only an unusable span can get here; the place and the message are still worth printing.
                out.push_str(&format!("  × {}: {}\n", problem.place, problem.message));
            }
            out.push('\n');
        }
        // Lines of the file that are empty would leave a blank behind the gutter.
        let mut out: String = out.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        match (self.problems.len(), self.left_out) {
            (1, 0) => out.push_str("1 problem\n"),
            (n, 0) => out.push_str(&format!("{n} problems\n")),
            (n, more) => out.push_str(&format!("{n} problems, and {more} more not shown\n")),
        }
        out
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Report", 2)?;
        out.serialize_field("problems", &self.problems)?;
        out.serialize_field("left_out", &self.left_out)?;
        out.end()
    }
}

impl Problem {
    fn new(finding: Finding, sources: &[Source], shown: &[Arc<NamedSource<Arc<str>>>]) -> Problem {
        let Finding { file, start, end, message, help } = finding;
        let (Some(source), Some(text)) = (sources.get(file), shown.get(file)) else {
            let place = Place { file: PathBuf::new(), line: 0, column: 0 };
            return Problem { place, message, help, excerpt: None };
        };
        let excerpt = Excerpt { source: Arc::clone(text), underlined: source.underline(start..end) };
        Problem { place: source.place(start), message, help, excerpt: Some(excerpt) }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Problem", 5)?;
        out.serialize_field("file", &self.place.file.display().to_string())?;
        out.serialize_field("line", &self.place.line)?;
        out.serialize_field("column", &self.place.column)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("help", &self.help)?;
        out.end()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| &*excerpt.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let underlined = self.excerpt.as_ref()?.underlined.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new(None, underlined.start, underlined.len()))))
    }
}

/// The text as it may be shown: control characters, which a terminal might obey, become as many `?` as they have bytes.
fn printable(source: &Source) -> Arc<NamedSource<Arc<str>>> {
    let mut text = String::with_capacity(source.text.len());
    for c in source.text.chars() {
        if c.is_control() && c != '\n' && c != '\r' && c != '\t' {
            text.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            text.push(c);
        }
    }
    Arc::new(NamedSource::new(source.path.display().to_string(), text.into()))
}
