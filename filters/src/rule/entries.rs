//! The pairs of a query, of the cookies or of a form, decoded once and sorted: however many a request brings, a name is found
//! without walking through all of them.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::slice;

/// So many looks walk through the pairs; one more, and they are sorted.
const LOOKS_MAX: u8 = 8;

/// The pairs of a request once they were asked for often enough.
#[derive(Default)]
pub(super) struct Indexed<'a> {
    entries: OnceCell<Entries<'a>>,
    looks: Cell<u8>,
}

/// Names and values as text, in the order in which they came.
pub(super) struct Entries<'a> {
    pairs: Box<[(Cow<'a, str>, Cow<'a, str>)]>,
    /// Places of all pairs by their names, those of one name in their order.
    sorted: Box<[u32]>,
    /// Places of the first pair of each name, in their order.
    firsts: Box<[u32]>,
}

impl<'a> Indexed<'a> {
    /// For a look at one name: none while a walk is cheaper than sorting.
    pub(super) fn for_look(&self, make: impl FnOnce() -> Entries<'a>) -> Option<&Entries<'a>> {
        let looks = self.looks.get();
        if looks < LOOKS_MAX && self.entries.get().is_none() {
            self.looks.set(looks + 1);
            return None;
        }
        Some(self.for_all(make))
    }

    /// For a visit of all.
    pub(super) fn for_all(&self, make: impl FnOnce() -> Entries<'a>) -> &Entries<'a> {
        self.entries.get_or_init(make)
    }
}

impl<'a> Entries<'a> {
    /// Sorts; the order of pairs of one name is kept.
    pub(super) fn new(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Entries<'a> {
        let mut entries = Entries { pairs: pairs.collect(), sorted: Box::default(), firsts: Box::default() };
        let mut sorted: Vec<u32> = (0..).take(entries.pairs.len()).collect();
        sorted.sort_by(|one, other| entries.name(*one).cmp(entries.name(*other)));
        let runs = sorted.chunk_by(|one, other| entries.name(*one) == entries.name(*other));
        let mut firsts: Vec<u32> = runs.filter_map(|run| run.first().copied()).collect();
        firsts.sort_unstable();
        entries.sorted = sorted.into();
        entries.firsts = firsts.into();
        entries
    }

    /// All values of a name, in their order.
    pub(super) fn values<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e str> {
        let start = self.sorted.partition_point(|place| self.name(*place) < name);
        let from = self.sorted.get(start..).unwrap_or(&[]).iter();
        from.take_while(move |place| self.name(**place) == name).map(|place| self.pair(*place).1)
    }

    /// The first value of a name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let at = self.sorted.partition_point(|place| self.name(*place) < name);
        let (held, value) = self.sorted.get(at).map(|place| self.pair(*place))?;
        (held == name).then_some(value)
    }

    /// All names, each once, in their order.
    pub(super) fn names(&self) -> Names<'_> {
        Names { entries: self, places: self.firsts.iter() }
    }

    fn name(&self, place: u32) -> &str {
        self.pair(place).0
    }

    fn pair(&self, place: u32) -> (&str, &str) {
        let pair = usize::try_from(place).ok().and_then(|place| self.pairs.get(place));
        pair.map_or(("", ""), |(name, value)| (name, value))
    }
}

/// Names of entries.
pub(super) struct Names<'e> {
    entries: &'e Entries<'e>,
    places: slice::Iter<'e, u32>,
}

impl<'e> Iterator for Names<'e> {
    type Item = &'e str;

    fn next(&mut self) -> Option<&'e str> {
        let entries: &'e Entries<'e> = self.entries;
        self.places.next().map(|place| entries.name(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_once_and_values_in_their_order() {
        let pairs = [("b", "1"), ("a", "2"), ("b", "3"), ("", "4"), ("a", "5"), ("b", "0")];
        let entries = Entries::new(pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))));
        assert_eq!(entries.names().collect::<Vec<_>>(), ["b", "a", ""]);
        assert_eq!(entries.values("b").collect::<Vec<_>>(), ["1", "3", "0"]);
        assert_eq!(entries.values("").collect::<Vec<_>>(), ["4"]);
        assert_eq!(entries.values("c").next(), None);
    }

    #[test]
    fn the_pairs_are_sorted_after_a_few_looks() {
        let indexed = Indexed::default();
        let make = || Entries::new(std::iter::empty());
        assert!((0..LOOKS_MAX).all(|_| indexed.for_look(make).is_none()));
        assert!(indexed.for_look(make).is_some() && indexed.for_look(|| unreachable!()).is_some());
    }
}
