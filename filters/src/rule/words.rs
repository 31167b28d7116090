//! Strings known beforehand, to be asked for one: few are compared in turn, many are searched in their order.

/// Up to so many, comparing in turn is quicker.
const FEW: usize = 8;

/// A set of strings.
#[derive(Clone, Debug)]
pub(super) struct Words(Box<[Box<str>]>);

impl Words {
    pub(super) fn new(mut words: Vec<Box<str>>) -> Words {
        words.sort();
        words.dedup();
        Words(words.into())
    }

    /// Whether any of them is so.
    pub(super) fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|word| is(word))
    }

    /// Whether one has these bytes.
    pub(super) fn contain(&self, word: &[u8]) -> bool {
        if self.0.len() <= FEW {
            return self.0.iter().any(|held| held.as_bytes() == word);
        }
        self.0.binary_search_by(|held| held.as_bytes().cmp(word)).is_ok()
    }
}
