//! Who writes. An actor is a unit of the deployment; an incarnation is one life of its memory. Counts are kept by both: an
//! actor that lost its memory and went on under the same name would write small numbers under its own old, greater ones,
//! and the join would mask them.

use std::fmt;

use crate::time::Time;

/// A point of presence, by its number in the roster. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PopId(pub u16);

/// The unit that writes: one node of one POP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// Its POP.
    pub pop: PopId,
    /// Its number inside the POP.
    pub node: u32,
}

/// One life of an actor's memory. A later life has a number that is greater by more than 65,535: those between are the life's
/// *generations*, under which it counts keys anew that it had to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// How far ahead of a start a life may lie that others say this actor had, ms: a year. What lies further ahead was made up.
const SEEN_AHEAD: u64 = 366 * 86_400_000;

impl Incarnation {
    /// The bits that are random, so that two lives that begin at one instant are two.
    const RANDOM: u32 = 16;

    /// The greatest number of an instant.
    const LATEST: u64 = u64::MAX >> Incarnation::RANDOM;

    /// When this life began, by its own clock.
    pub(crate) const fn began(self) -> Time {
        Time(self.0 >> Incarnation::RANDOM)
    }

    /// The life that begins at `now`, greater than those that are known of its actor: the one that was `written` down here last, and
    /// the greatest one that was `seen` with others. The high bits are `now` or two more than theirs; two, since a life may write
    /// under any of the 65,536 numbers from its own on, and no two lives may share one.
    #[must_use]
    pub fn next(now: Time, written: Option<Incarnation>, seen: Option<Incarnation>, random: u16) -> Incarnation {
        let high = |life: Incarnation| life.0 >> Incarnation::RANDOM;
        let seen = seen.map(high).filter(|seen| *seen <= now.plus(SEEN_AHEAD).0);
        let known = written.map(high).max(seen).map_or(0, |high| high.saturating_add(2));
        Incarnation(now.0.max(known).min(Incarnation::LATEST) << Incarnation::RANDOM | u64::from(random))
    }
}

/// A place in the one sequence of changes that an incarnation makes. The first change is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    pub(crate) const fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

/// The writer of a row: an actor in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// In which life.
    pub incarnation: Incarnation,
}

impl Author {
    /// The author of what this one counts under a key that it had to forget and counts anew. Its rows of before are elsewhere
    /// and say more, so counts under the same name would be masked there.
    pub(crate) const fn in_generation(self, generation: u16) -> Author {
        let incarnation = Incarnation(self.incarnation.0.saturating_add(generation as u64));
        Author { actor: self.actor, incarnation }
    }

    /// Whether `row` is this one in any generation. Lives are so far apart that no later one is meant.
    pub(crate) fn covers(self, row: Author) -> bool {
        let generation = row.incarnation.0.checked_sub(self.incarnation.0);
        self.actor == row.actor && generation.is_some_and(|generation| generation <= u16::MAX.into())
    }
}

impl Actor {
    /// No actor of any roster.
    pub(crate) const NOBODY: Actor = Actor { pop: PopId(u16::MAX), node: u32::MAX };
}

/// What is held of a key that a peer may name.
pub(crate) trait Nameable {
    /// It is made because a peer names its key.
    fn set_named_by(&mut self, peer: Actor);

    /// The peer that named its key before anybody else.
    fn named_by(&self) -> Option<Actor>;

    /// Whether it is known from nodes of this POP alone.
    fn is_only_of(&self, pop: PopId) -> bool;
}

impl fmt::Display for PopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pop.0, self.node)
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:x}", self.actor, self.incarnation.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);

    #[test]
    fn a_life_is_the_time_of_its_start_and_random_bits() {
        assert_eq!(Incarnation::next(NOW, None, None, 0xabcd), Incarnation(NOW.0 << 16 | 0xabcd));
        let yesterday = Incarnation::next(NOW.minus(86_400_000), None, None, u16::MAX);
        assert_eq!(Incarnation::next(NOW, Some(yesterday), Some(yesterday), 1), Incarnation(NOW.0 << 16 | 1));
    }

    /// The wall clock went back between two starts, or both fell into one instant.
    #[test]
    fn lives_and_the_numbers_after_them_never_meet() {
        let last = Incarnation::next(NOW.plus(3_600_000), None, None, u16::MAX);
        let reach = last.0 + u64::from(u16::MAX);
        for (written, seen) in [(Some(last), None), (None, Some(last)), (Some(Incarnation(7)), Some(last))] {
            let next = Incarnation::next(NOW, written, seen, 0);
            assert!(next.0 > reach, "{next:?} after {last:?}");
            assert_eq!(next.0 >> 16, (last.0 >> 16) + 2);
        }
    }

    #[test]
    fn a_life_that_others_made_up_is_not_believed() {
        let far = Incarnation(NOW.plus(400 * 86_400_000).0 << 16);
        assert_eq!(Incarnation::next(NOW, None, Some(far), 0), Incarnation(NOW.0 << 16));
        assert!(Incarnation::next(NOW, Some(far), None, 0) > far, "what this node wrote itself is");
    }

    #[test]
    fn the_end_of_numbers_is_survived() {
        let last = Incarnation(u64::MAX);
        assert_eq!(Incarnation::next(NOW, Some(last), None, 5).0, u64::MAX << 16 | 5);
        assert_eq!(Incarnation::next(Time(u64::MAX), None, None, 5).0, u64::MAX << 16 | 5);
    }
}
