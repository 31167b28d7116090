//! Where something is written: file, line and column, as editors and compilers print it.

use std::fmt;
use std::path::PathBuf;

/// A position in a config file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the entry path or an `include` names it.
    pub file: PathBuf,
    /// The line; 0 when the file as a whole is meant.
    pub line: u32,
    /// The column; 0 when the file as a whole is meant.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.line == 0 { write!(f, "{file}") } else { write!(f, "{file}:{}:{}", self.line, self.column) }
    }
}
