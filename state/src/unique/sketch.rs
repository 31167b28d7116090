//! One HyperLogLog sketch (P. Flajolet et al., 2007): 1,024 registers, each the greatest rank that was seen among the hashes
//! that fall to it; the rank of a hash is the place of its first 1 bit behind the ten bits that name the register.
//!
//! Most sketches stay small, and small numbers should be right: up to 128 values are a sorted list of [`Mark`]s, as in the
//! sparse form of S. Heule, M. Nunkesser and A. Hall ("HyperLogLog in Practice", 2013), which tells them apart by 26 bits. One
//! more, and each mark becomes a rank of its register. That step is taken by number alone, and marks are only ever added, so
//! the order and the grouping of joins make no difference.

use super::mark::{INDEX_BITS, Mark};

/// Registers of the large form.
pub(crate) const REGISTERS: usize = 1 << INDEX_BITS;

/// Marks that the small form holds.
pub(crate) const SPARSE_MAX: usize = 128;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sketch {
    /// Marks in order, one for each prefix.
    Sparse(Vec<Mark>),
    /// The rank of each register.
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch::Sparse(Vec::new())
    }
}

impl FromIterator<Mark> for Sketch {
    fn from_iter<I: IntoIterator<Item = Mark>>(marks: I) -> Sketch {
        let mut sketch = Sketch::default();
        for mark in marks {
            sketch.raise(mark);
        }
        sketch
    }
}

impl Sketch {
    /// All of it, for a digest.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Sketch::Sparse(marks) => marks.iter().flat_map(|mark| mark.bytes()).collect(),
            Sketch::Dense(ranks) => ranks.to_vec(),
        }
    }

    /// Takes a mark in; true if that changed anything.
    pub(crate) fn raise(&mut self, mark: Mark) -> bool {
        match self {
            Sketch::Sparse(marks) => {
                let risen = match marks.binary_search_by_key(&mark.prefix(), |known| known.prefix()) {
                    Ok(at) => marks.get_mut(at).is_some_and(|known| raise(known, mark)),
                    Err(at) => {
                        marks.insert(at, mark);
                        true
                    }
                };
                if marks.len() > SPARSE_MAX {
                    *self = Sketch::Dense(registers(marks));
                }
                risen
            }
            Sketch::Dense(ranks) => put(ranks, mark),
        }
    }

    /// Takes all of another one in: the join of the lattice. True if that changed anything.
    pub(crate) fn join(&mut self, other: &Sketch) -> bool {
        let others = match other {
            Sketch::Sparse(marks) => return marks.iter().fold(false, |risen, mark| self.raise(*mark) | risen),
            Sketch::Dense(others) => others,
        };
        match self {
            Sketch::Sparse(marks) => {
                let mut ranks = others.clone();
                for mark in marks {
                    put(&mut ranks, *mark);
                }
                *self = Sketch::Dense(ranks);
                true
            }
            Sketch::Dense(ranks) => {
                ranks.iter_mut().zip(others.iter()).fold(false, |risen, (rank, other)| raise(rank, *other) | risen)
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Sketch::Sparse(marks) if marks.is_empty())
    }
}

fn raise<T: Ord + Copy>(known: &mut T, to: T) -> bool {
    let risen = to > *known;
    *known = to.max(*known);
    risen
}

fn put(ranks: &mut [u8; REGISTERS], mark: Mark) -> bool {
    let (index, rank) = mark.register();
    ranks.get_mut(index).is_some_and(|known| raise(known, rank))
}

fn registers(marks: &[Mark]) -> Box<[u8; REGISTERS]> {
    let mut ranks = Box::new([0; REGISTERS]);
    for mark in marks {
        put(&mut ranks, *mark);
    }
    ranks
}
