//! Regular expressions: compiled once for each text, and bounded in size, each and all together, so that what a config takes
//! to load does not grow with the cleverness of its patterns.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Wrong, shown};
use crate::expr::Pattern;

/// The most memory one regular expression may take when it is compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// The most memory that all different regular expressions of a config may take when they are compiled, in bytes.
const PATTERNS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How large one is, is found by trying, since the crate knows limits, but tells no sizes.
const SIZES: [usize; 5] = [4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024, PATTERN_BYTES_MAX];

/// The regular expressions of a config.
#[derive(Default)]
pub(crate) struct Patterns {
    compiled: RefCell<Compiled>,
}

#[derive(Default)]
struct Compiled {
    by_text: BTreeMap<String, Pattern>,
    /// The sizes of all, those that were too large included: they took as long.
    bytes: usize,
}

impl Patterns {
    /// The regular expression that a text is.
    ///
    /// # Errors
    /// It is none, is too large, or is the first for which there is no room beside the others.
    pub(crate) fn get(&self, text: &str) -> Result<Pattern, Wrong> {
        let mut compiled = self.compiled.borrow_mut();
        if let Some(known) = compiled.by_text.get(text) {
            return Ok(known.clone());
        }
        let full = || {
            let most = PATTERNS_BYTES_MAX / (1024 * 1024);
            let wrong =
                Wrong::new(format!("the regular expressions of this config take more than {most} MiB together"));
            wrong.advice("repeat less in them, and write `[0-9]` and `[0-9A-Za-z_]` for `\\d` and `\\w`")
        };
        for size in SIZES {
            if compiled.bytes + size > PATTERNS_BYTES_MAX {
                return Err(full());
            }
            match regex::RegexBuilder::new(text).size_limit(size).build() {
                Ok(regex) => {
                    compiled.bytes += size;
                    let pattern = Pattern(regex, size);
                    compiled.by_text.insert(text.to_owned(), pattern.clone());
                    return Ok(pattern);
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(malformed(text, &error)),
            }
        }
        compiled.bytes += PATTERN_BYTES_MAX;
        let most = PATTERN_BYTES_MAX / (1024 * 1024);
        let wrong = Wrong::new(format!("`{}` takes more than {most} MiB when it is compiled", shown(text)));
        Err(wrong.advice("repeat less, and write `[0-9]` and `[a-z]` for `\\d` and `\\w`"))
    }
}

/// The crate draws a picture; its last line says what is wrong.
fn malformed(text: &str, error: &regex::Error) -> Wrong {
    let error = error.to_string();
    let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let wrong = Wrong::new(format!("`{}` is not a regular expression: {reason}", shown(text)));
    if reason.contains("look-around") || reason.contains("backreferences") {
        wrong.advice("the syntax is that of RE2, whose time is linear in the text")
    } else {
        wrong
    }
}
