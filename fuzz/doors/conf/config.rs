//! The text of a config: any text gives a config or a report that can be shown.

use std::io;
use std::path::Path;

use selvedge_conf::{Config, PROBLEMS_MAX, Report};

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Err(report) = load(text) {
        shown(&report);
    }
}

/// Loads one text that stands alone.
pub(crate) fn load(text: &str) -> Result<Config, Report> {
    let read = |_: &Path| io::Result::Ok(text.to_owned());
    let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    selvedge_conf::load(Path::new("edge.toml"), &read, &nothing, &|_| None)
}

/// It says what is wrong, within its bound.
pub(crate) fn shown(report: &Report) {
    assert!(!report.problems().is_empty() && report.problems().len() <= PROBLEMS_MAX);
    assert!(!report.render(false).is_empty());
}
