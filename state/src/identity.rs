//! Who writes. An actor is a unit of the deployment; an incarnation is one life of its memory. Counts are kept by both: an
//! actor that lost its memory and went on under the same name would write small numbers under its own old, greater ones,
//! and the join would mask them.

use std::fmt;

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

/// One life of an actor's memory. A later life has a greater number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

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
