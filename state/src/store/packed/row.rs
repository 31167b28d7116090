//! A mark of one dot in 48 bytes: the author by a number, times and sequences in as many bytes as they need. What does not fit is not packed.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::identity::{Author, Seq};
use crate::key::Key128;
use crate::marks::{Application, Dot, Marked, Row};
use crate::time::Time;

/// Authors that have numbers. Each life of each node that purged is one.
const AUTHORS_MAX: usize = 1 << 16;

/// Authors by their numbers. They are not forgotten.
#[derive(Default)]
pub(in crate::store) struct Authors(RwLock<Numbered>);

#[derive(Default)]
struct Numbered {
    all: Vec<Author>,
    numbers: BTreeMap<Author, u16>,
}

impl Authors {
    /// `None` where there are too many.
    pub(in crate::store) fn number(&self, author: Author) -> Option<u16> {
        if let Some(number) = self.0.read().unwrap_or_else(PoisonError::into_inner).numbers.get(&author) {
            return Some(*number);
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(&author) {
            return Some(*number);
        }
        let number = u16::try_from(known.all.len()).ok().filter(|_| known.all.len() < AUTHORS_MAX)?;
        known.all.push(author);
        known.numbers.insert(author, number);
        Some(number)
    }

    pub(in crate::store) fn get(&self, number: u16) -> Option<Author> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all.get(usize::from(number)).copied()
    }
}

/// One mark, and whether it waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    key: [u8; 16],
    seq: [u8; 6],
    made_at: [u8; 6],
    /// After it was made.
    kept_for: [u8; 5],
    /// 0 where it is not applied yet.
    number: [u8; 6],
    at: [u8; 6],
    author: [u8; 2],
    dirty: bool,
}

impl Packed {
    /// `None` for what does not fit: a floor, dots of several actors, or a number that is too large.
    pub(super) fn new(mark: &Marked, dirty: bool, authors: &Authors) -> Option<Packed> {
        let (key, [Row { dot, made_at, applied }]) = (mark.about.key?, mark.rows.as_slice()) else { return None };
        let Application { number, at } = match applied {
            Some(applied) if applied.number > 0 => *applied,
            Some(_) => return None,
            None => Application { number: 0, at: Time::ZERO },
        };
        if mark.about.space != 0 {
            return None;
        }
        Some(Packed {
            key: key.0.to_le_bytes(),
            seq: cut(dot.seq.0)?,
            made_at: cut(made_at.0)?,
            kept_for: cut(mark.kept.0.checked_sub(made_at.0)?)?,
            number: cut(number)?,
            at: cut(at.0)?,
            author: authors.number(dot.author)?.to_le_bytes(),
            dirty,
        })
    }

    pub(super) fn key(&self) -> Key128 {
        Key128(u128::from_le_bytes(self.key))
    }

    /// The mark that it was made of, and whether that waits to be sent.
    pub(super) fn mark(&self, authors: &Authors) -> Option<(Marked, bool)> {
        let author = authors.get(u16::from_le_bytes(self.author))?;
        let (dot, made_at) = (Dot { author, seq: Seq(whole(self.seq)) }, Time(whole(self.made_at)));
        let applied = match whole(self.number) {
            0 => None,
            number => Some(Application { number, at: Time(whole(self.at)) }),
        };
        let kept = made_at.plus(whole(self.kept_for));
        Some((Marked::of_one(self.key(), Row { dot, made_at, applied }, kept), self.dirty))
    }
}

/// The low bytes of a number that has no others.
pub(in crate::store) fn cut<const N: usize>(number: u64) -> Option<[u8; N]> {
    let bytes = number.to_le_bytes();
    let (low, high) = bytes.split_at_checked(N)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    low.try_into().ok()
}

pub(in crate::store) fn whole<const N: usize>(low: [u8; N]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(low).for_each(|(to, from)| *to = from);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Actor, Incarnation, PopId};

    fn mark(number: u64, seq: u64) -> Marked {
        let author = Author { actor: Actor { pop: PopId(7), node: 9 }, incarnation: Incarnation(u64::MAX) };
        let applied = (number > 0).then_some(Application { number, at: Time(1_800_000_000_123) });
        let row = Row { dot: Dot { author, seq: Seq(seq) }, made_at: Time(1_800_000_000_000), applied };
        Marked::of_one(Key128(u128::MAX - 5), row, Time(1_800_000_000_000 + crate::fact::FACT_LONGEST))
    }

    #[test]
    fn what_is_packed_is_the_same() {
        let authors = Authors::default();
        for (number, seq, dirty) in [(0, 1, true), (1, 1, false), ((1 << 48) - 1, (1 << 48) - 1, true)] {
            let mark = mark(number, seq);
            let packed = Packed::new(&mark, dirty, &authors).expect("it fits");
            let (back, was_dirty) = packed.mark(&authors).expect("its author is known");
            assert_eq!((&back, was_dirty), (&mark, dirty));
            assert_eq!(back.last(), mark.last(), "what is not replicated, too");
        }
        assert_eq!(std::mem::size_of::<Packed>(), 48);
    }

    #[test]
    fn what_does_not_fit_is_not_packed() {
        let authors = Authors::default();
        let mut two = mark(1, 1);
        two.rows.push(Row { made_at: Time(1), ..two.rows[0] });
        let mut floor = mark(1, 1);
        floor.about.key = None;
        let mut early = mark(1, 1);
        early.kept = Time(1);
        for (mark, why) in [
            (mark(1 << 48, 1), "a number"),
            (mark(1, 1 << 48), "a sequence"),
            (two, "two dots"),
            (floor, "a floor"),
            (early, "forgotten before it was made"),
        ] {
            assert_eq!(Packed::new(&mark, false, &authors), None, "{why}");
        }
    }
}
