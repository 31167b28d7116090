//! What comes by time, the first of it at hand: that is asked for at each input, the rest seldom.

use std::collections::BTreeSet;

/// A set whose first is kept beside it.
#[derive(Debug)]
pub(super) struct Soonest<T> {
    all: BTreeSet<T>,
    first: Option<T>,
}

impl<T> Default for Soonest<T> {
    fn default() -> Soonest<T> {
        Soonest { all: BTreeSet::new(), first: None }
    }
}

impl<T: Copy + Ord> Soonest<T> {
    pub(super) fn first(&self) -> Option<T> {
        self.first
    }

    pub(super) fn insert(&mut self, item: T) {
        self.all.insert(item);
        self.first = Some(self.first.map_or(item, |first| first.min(item)));
    }

    pub(super) fn remove(&mut self, item: T) {
        self.all.remove(&item);
        if self.first == Some(item) {
            self.first = self.all.first().copied();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_first(steps in prop::collection::vec((any::<bool>(), 0..20_u64), 0..100)) {
            let mut soonest = Soonest::default();
            for (comes, item) in steps {
                if comes { soonest.insert(item) } else { soonest.remove(item) }
                prop_assert_eq!(soonest.first(), soonest.all.first().copied());
            }
        }
    }
}
