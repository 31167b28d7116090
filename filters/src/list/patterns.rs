//! Regular expressions, any of which is looked for in a text.
//!
//! One automaton for all of them has more states than its memory holds as soon as some hundred are of the kind
//! `[a-z]+7=.*select`: it is then made anew at each byte, and takes seconds for a long path. So they are taken in small sets, each
//! with an automaton that stays in its memory, and each set goes through the whole text: padding hides nothing. The time is the
//! number of sets times the length of the text, about 2 ns a step, so the number is bounded: a full list takes a quarter of a
//! millisecond for 1 KiB, and 15 ms for the longest path. (Measured with 2,000 such patterns; as one set they took 62 ms and 4.8 s.)

use regex::{Error, RegexSet, RegexSetBuilder};

use super::Unusable;

/// Patterns in one set.
const TOGETHER: usize = 16;
/// What a set counts as at least when compiled, in bytes; what needs more counts as the next power of two.
const SET_SIZE_MIN: usize = 128 * 1024;
/// Memory of the automaton of one set, in bytes, for each thread that uses it; taken as it is needed.
const AUTOMATON_MAX: usize = 512 * 1024;

/// The most that the patterns of one list may count as when compiled, in bytes.
pub const PATTERNS_SIZE_MAX: usize = 16 * 1024 * 1024;
/// The most patterns of one list.
pub const PATTERNS_MAX: usize = PATTERNS_SIZE_MAX / SET_SIZE_MIN * TOGETHER;

/// Patterns, compiled.
#[derive(Debug)]
pub(super) struct Patterns {
    sets: Box<[RegexSet]>,
    bytes: usize,
}

impl Patterns {
    /// # Errors
    /// When one is no regular expression, or all together are too many or too large.
    pub(super) fn new(patterns: &[String]) -> Result<Patterns, Unusable> {
        if patterns.len() > PATTERNS_MAX {
            let many = patterns.len();
            return Err(Unusable(format!("{many} patterns in one list; at most {PATTERNS_MAX} are possible")));
        }
        let mut bytes = 0;
        let sets = patterns.chunks(TOGETHER).map(|together| {
            let (set, size) = compiled(together, PATTERNS_SIZE_MAX - bytes)?;
            bytes += size;
            Ok(set)
        });
        let sets = sets.collect::<Result<_, Unusable>>()?;
        Ok(Patterns { sets, bytes })
    }

    /// Whether one of them is found in a text.
    pub(super) fn found_in(&self, text: &str) -> bool {
        self.sets.iter().any(|set| set.is_match(text))
    }

    /// Memory they count as, in bytes; the automata come on top.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// One set, and what it counts as: the compiler does not say how large it is, only whether it is too large.
fn compiled(patterns: &[String], room: usize) -> Result<(RegexSet, usize), Unusable> {
    let mut size = SET_SIZE_MIN;
    while size <= room {
        match RegexSetBuilder::new(patterns).size_limit(size).dfa_size_limit(AUTOMATON_MAX).build() {
            Ok(set) => return Ok((set, size)),
            Err(Error::CompiledTooBig(_)) => size *= 2,
            Err(error) => return Err(Unusable(error.to_string())),
        }
    }
    let most = PATTERNS_SIZE_MAX / (1024 * 1024);
    Err(Unusable(format!(
        "the patterns take more than {most} MiB when compiled; write them shorter, or with smaller repetitions"
    )))
}
