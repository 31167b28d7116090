//! The text of one config file, and how offsets in it become lines and columns.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::place::Place;

/// One file that was read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: Arc<str>,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: Arc<str>) -> Source {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Source { path, text, lines }
    }

    /// The place of a byte offset; an offset past the end or inside a character is moved back to a boundary.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let offset = self.boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset);
        let line_start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(line_start..offset).unwrap_or_default().chars().count() + 1;
        Place { file: self.path.clone(), line: as_u32(line), column: as_u32(column) }
    }

    /// The part of `span` that lies on its first line, on character boundaries, never empty unless its line ends there.
    pub(crate) fn underline(&self, span: Range<usize>) -> Range<usize> {
        let start = self.boundary(span.start);
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let wanted = span.end.saturating_sub(start).min(line);
        let least = if line == 0 { 0 } else { rest.chars().next().map_or(0, char::len_utf8) };
        start..self.boundary(start + wanted.max(least))
    }

    /// A path written in this file: relative ones start at the file's folder.
    pub(crate) fn resolve(&self, written: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(written)
    }

    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

fn as_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
