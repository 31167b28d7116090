//! A small set of places, on the stack: which of a config's limits, counters or uniques something is for.

/// Places that fit: the most limits, and the most counters, that a config may have.
const PLACES: usize = 1024;

const _: () = assert!(
    selvedge_conf::LIMITS_MAX <= PLACES
        && selvedge_conf::COUNTERS_MAX <= PLACES
        && selvedge_conf::UNIQUES_MAX <= PLACES
);

/// A set of places in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    words: [u64; PLACES / 64],
}

impl Default for Marks {
    fn default() -> Marks {
        Marks { words: [0; PLACES / 64] }
    }
}

impl Marks {
    /// The places of those for which it holds.
    pub(crate) fn of<T>(list: &[T], holds: impl Fn(&T) -> bool) -> Marks {
        let mut marks = Marks::default();
        for (word, chunk) in marks.words.iter_mut().zip(list.chunks(64)) {
            for (bit, item) in chunk.iter().enumerate() {
                *word |= u64::from(holds(item)) << bit;
            }
        }
        marks
    }

    /// How many are marked.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Those that are marked, with their places, in order.
    pub(crate) fn among<'t, T>(&self, list: &'t [T]) -> impl Iterator<Item = (usize, &'t T)> {
        let marked = |at: usize| self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        list.iter().enumerate().filter(move |(at, _)| marked(*at))
    }
}
