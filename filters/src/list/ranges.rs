//! Addresses as sorted ranges that neither overlap nor touch, behind an index by their top 16 bits: a look-up is one step into the
//! index and a search among the ranges that begin there.

/// An address as a number.
pub(super) trait Bits: Copy + Ord {
    /// The top 16 bits.
    fn top(self) -> usize;
    /// The next address, if there is one.
    fn next(self) -> Option<Self>;
}

impl Bits for u32 {
    fn top(self) -> usize {
        (self >> 16) as usize
    }

    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }
}

impl Bits for u128 {
    fn top(self) -> usize {
        (self >> 112) as usize
    }

    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }
}

/// Places in the index: one for each value of the top 16 bits, and the end.
const INDEX: usize = (1 << 16) + 1;
/// Fewer ranges are searched without an index: it would be larger than they are.
const INDEXED_MIN: usize = 1024;

/// A set of addresses.
#[derive(Debug)]
pub(super) struct Ranges<T> {
    /// First addresses, ascending.
    firsts: Box<[T]>,
    /// The last address of each range.
    lasts: Box<[T]>,
    /// For each value of the top 16 bits, how many ranges begin below it. Empty when there are few ranges.
    index: Box<[u32]>,
}

impl<T: Bits> Ranges<T> {
    /// From ranges in any order, each with its first and last address.
    pub(super) fn new(mut ranges: Vec<(T, T)>) -> Ranges<T> {
        ranges.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if end.next().is_none_or(|next| first <= next) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        let firsts: Box<[T]> = merged.iter().map(|(first, _)| *first).collect();
        let lasts = merged.iter().map(|(_, last)| *last).collect();
        let index = if firsts.len() < INDEXED_MIN { Box::default() } else { indexed(&firsts) };
        Ranges { firsts, lasts, index }
    }

    /// Whether an address is in a range.
    pub(super) fn contains(&self, address: T) -> bool {
        let top = address.top();
        let (from, to) = match (self.index.get(top), self.index.get(top + 1)) {
            (Some(from), Some(to)) => (*from as usize, *to as usize),
            _ => (0, self.firsts.len()),
        };
        let Some(begin_here) = self.firsts.get(from..to) else { return false };
        // The range that begins last at or before the address; it may have begun below these 16 bits.
        let begun = from + begin_here.partition_point(|first| *first <= address);
        begun.checked_sub(1).and_then(|place| self.lasts.get(place)).is_some_and(|last| address <= *last)
    }

    /// Memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.firsts) + size_of_val(&*self.lasts) + size_of_val(&*self.index)
    }
}

fn indexed<T: Bits>(firsts: &[T]) -> Box<[u32]> {
    let mut index = Vec::with_capacity(INDEX);
    let mut place = 0;
    for top in 0..INDEX {
        while firsts.get(place).is_some_and(|first| first.top() < top) {
            place += 1;
        }
        // Lists are bounded far below 2^32 elements.
        index.push(u32::try_from(place).unwrap_or(u32::MAX));
    }
    index.into()
}
