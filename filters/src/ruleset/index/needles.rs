//! Which of many needles a text holds: one pass of one automaton for all rules.

use aho_corasick::{AhoCorasick, MatchKind};

use super::WORDS_MAX;

/// Matches in one text after which all needles count as found, so that a text made of needles costs no more than its length.
const MATCHES_MAX: usize = 4096;

/// Needles and what belongs to each.
#[derive(Debug)]
pub(super) struct Needles<T> {
    automaton: AhoCorasick,
    values: Vec<T>,
}

impl<T> Needles<T> {
    /// Of needles, none twice and none empty. Gives them back when they are too many for one automaton.
    pub(super) fn new(needles: Vec<(Box<str>, T)>) -> Result<Needles<T>, Vec<(Box<str>, T)>> {
        let built =
            AhoCorasick::builder().match_kind(MatchKind::Standard).build(needles.iter().map(|(text, _)| &**text));
        match built {
            Ok(automaton) => {
                let values = needles.into_iter().map(|(_, value)| value).collect();
                Ok(Needles { automaton, values })
            }
            Err(_) => Err(needles),
        }
    }

    /// Visits what belongs to the needles in a text, perhaps more than those; each of the first 64 * [`WORDS_MAX`] once.
    pub(super) fn of(&self, text: &str, mut visit: impl FnMut(&T)) {
        // Made at the first match: most texts have none.
        let mut seen = None;
        for (nth, found) in self.automaton.find_overlapping_iter(text).enumerate() {
            if nth == MATCHES_MAX {
                return self.values.iter().for_each(visit);
            }
            let needle = found.pattern().as_usize();
            if let Some(word) = seen.get_or_insert([0_u64; WORDS_MAX]).get_mut(needle / 64) {
                if *word >> (needle % 64) & 1 == 1 {
                    continue;
                }
                *word |= 1 << (needle % 64);
            }
            if let Some(value) = self.values.get(needle) {
                visit(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{MATCHES_MAX, Needles};

    fn found(needles: &Needles<usize>, text: &str) -> Vec<usize> {
        let mut found = BTreeSet::new();
        needles.of(text, |value| {
            found.insert(*value);
        });
        found.into_iter().collect()
    }

    #[test]
    fn a_needle_that_repeats_is_visited_once() {
        let needles = Needles::new(vec![("bot".into(), 0), ("ot".into(), 1)]).unwrap();
        let mut visits = Vec::new();
        needles.of(&"bot".repeat(2000), |value: &usize| visits.push(*value));
        assert_eq!(visits, [0, 1]);
    }

    #[test]
    fn needles_inside_needles_are_found() {
        let needles = ["a", "ab", "b/", "xyz"].iter().enumerate().map(|(at, text)| ((*text).into(), at)).collect();
        let needles = Needles::new(needles).unwrap();
        assert_eq!(found(&needles, "/ab/"), [0, 1, 2]);
        assert_eq!(found(&needles, "/xy"), [0; 0]);
        assert_eq!(found(&needles, &"a".repeat(MATCHES_MAX)), [0]);
        assert_eq!(found(&needles, &"a".repeat(MATCHES_MAX + 1)), [0, 1, 2, 3], "all, to be asked");
    }
}
