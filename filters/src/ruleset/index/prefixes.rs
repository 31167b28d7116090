//! Which of many prefixes a text starts with: sorted, each with a link to the longest other one that it starts with itself.
//!
//! All prefixes of a text sort at or before it, and what sorts between a prefix of it and the text starts with that prefix too.
//! So the prefixes of a text are on the chain of links that begins at the last entry not after it: one binary search.

/// Sorted prefixes and what belongs to each.
#[derive(Debug)]
pub(super) struct Prefixes<T> {
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    text: Box<str>,
    /// The longest other entry that this one starts with.
    shorter: Option<usize>,
    value: T,
}

impl<T> Prefixes<T> {
    /// Of texts, none twice.
    pub(super) fn new(mut texts: Vec<(Box<str>, T)>) -> Prefixes<T> {
        texts.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut entries: Vec<Entry<T>> = Vec::with_capacity(texts.len());
        for (text, value) in texts {
            let shorter = entries.len().checked_sub(1).and_then(|last| chain(&entries, Some(last), &text));
            entries.push(Entry { text, shorter, value });
        }
        Prefixes { entries }
    }

    /// What belongs to the prefixes of a text, the longest first.
    pub(super) fn of<'t>(&'t self, text: &str) -> impl Iterator<Item = &'t T> {
        let last = self.entries.partition_point(|entry| *entry.text <= *text).checked_sub(1);
        let longest = chain(&self.entries, last, text).and_then(|at| self.entries.get(at));
        let link = |entry: &&'t Entry<T>| entry.shorter.and_then(|at| self.entries.get(at));
        std::iter::successors(longest, link).map(|entry| &entry.value)
    }
}

/// The first entry on a chain that `text` starts with.
fn chain<T>(entries: &[Entry<T>], from: Option<usize>, text: &str) -> Option<usize> {
    let mut at = from;
    while let Some(entry) = at.and_then(|at| entries.get(at)) {
        if text.starts_with(&*entry.text) {
            return at;
        }
        at = entry.shorter;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Prefixes;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2048, ..ProptestConfig::default() })]

        #[test]
        fn all_prefixes_of_a_text_are_found(
            texts in prop::collection::btree_set("[ab/]{1,6}", 0..40),
            text in "[ab/]{0,8}",
        ) {
            let table = Prefixes::new(texts.iter().map(|text| (text.as_str().into(), text.clone())).collect());
            let mut found: Vec<String> = table.of(&text).cloned().collect();
            found.sort();
            let expected: Vec<String> = texts.into_iter().filter(|prefix| text.starts_with(prefix.as_str())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
