//! Who says what to whom, in the subjects of messages. The author stands in each, so that the permissions of NATS bind a
//! POP's credential to what its own nodes may say: it publishes `selvedge.CLUSTER.all.POP.*.*.*` and
//! `selvedge.CLUSTER.one.*.*.*.POP.*.*.*`, and hears `selvedge.CLUSTER.all.>` and `selvedge.CLUSTER.one.POP.>`.
//!
//! ```text
//! selvedge.edge.all.3.0.9f2c.frame                to all, from node 0 of POP 3 in its life 9f2c
//! selvedge.edge.one.7.1.44d0.3.0.9f2c.frame       to node 1 of POP 7, from the same
//! ```

use std::fmt;

use selvedge_state::{Actor, PopId};

/// A node in one of its lives: a process and its successor are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Party {
    pub(crate) actor: Actor,
    pub(crate) life: u64,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:x}", self.actor.pop.0, self.actor.node, self.life)
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A frame of the replica.
    Frame,
    /// Its author is there. Said on coming and from time to time.
    Here,
    /// Its author goes, in order.
    Gone,
    /// Its author begins anew with the one it is for: what both knew of each other's frames is void.
    Anew,
}

impl Kind {
    const ALL: [(&'static str, Kind); 4] =
        [("frame", Kind::Frame), ("here", Kind::Here), ("gone", Kind::Gone), ("anew", Kind::Anew)];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// The subjects of one node.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    prefix: String,
    pub(crate) me: Party,
}

impl Subjects {
    pub(crate) fn new(cluster: &str, me: Party) -> Self {
        Self { prefix: format!("selvedge.{cluster}"), me }
    }

    /// For all nodes.
    pub(crate) fn all(&self, kind: Kind) -> String {
        format!("{}.all.{}.{}", self.prefix, self.me, kind.word())
    }

    /// For one node.
    pub(crate) fn one(&self, to: Party, kind: Kind) -> String {
        format!("{}.one.{to}.{}.{}", self.prefix, self.me, kind.word())
    }

    /// What this node hears: what is for all, and what is for it.
    pub(crate) fn heard(&self) -> [String; 2] {
        [format!("{}.all.>", self.prefix), format!("{}.one.{}.>", self.prefix, self.me)]
    }

    /// Author and kind of a message that was heard; `None` for what no node of this protocol says. Words are read from the front, where
    /// permissions look: whatever follows on the kind makes it nobody's.
    pub(crate) fn read(&self, subject: &str) -> Option<(Party, Kind)> {
        let mut words = subject.strip_prefix(&self.prefix)?.strip_prefix('.')?.split('.');
        match words.next()? {
            "all" => {}
            "one" if party(&mut words)? == self.me => {}
            _ => return None,
        }
        let (author, word) = (party(&mut words)?, words.next()?);
        let kind = Kind::ALL.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)?;
        words.next().is_none().then_some((author, kind))
    }
}

fn party<'s>(words: &mut impl Iterator<Item = &'s str>) -> Option<Party> {
    let mut number = || words.next().filter(|word| is_plain(word));
    let (pop, node) = (PopId(number()?.parse().ok()?), number()?.parse().ok()?);
    Some(Party { actor: Actor { pop, node }, life: u64::from_str_radix(number()?, 16).ok()? })
}

/// Whether a number is written as nodes write it. A permission that denies POP 7 knows nothing of `07` and `+7`.
fn is_plain(word: &str) -> bool {
    word == "0" || !word.starts_with(['0', '+'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Party = Party { actor: Actor { pop: PopId(3), node: 1 }, life: 0x9f2c };
    const OTHER: Party = Party { actor: Actor { pop: PopId(7), node: 0 }, life: u64::MAX };

    #[test]
    fn the_author_and_the_kind_are_read_back() {
        let (subjects, theirs) = (Subjects::new("edge", ME), Subjects::new("edge", OTHER));
        for (_, kind) in Kind::ALL {
            assert_eq!(theirs.read(&subjects.all(kind)), Some((ME, kind)));
            assert_eq!(theirs.read(&subjects.one(OTHER, kind)), Some((ME, kind)));
            assert_eq!(subjects.read(&subjects.one(OTHER, kind)), None, "it is for another");
        }
        assert_eq!(subjects.all(Kind::Here), "selvedge.edge.all.3.1.9f2c.here");
        assert_eq!(subjects.one(OTHER, Kind::Frame), "selvedge.edge.one.7.0.ffffffffffffffff.3.1.9f2c.frame");
        assert_eq!(subjects.heard(), ["selvedge.edge.all.>", "selvedge.edge.one.3.1.9f2c.>"]);
    }

    #[test]
    fn what_no_node_says_is_passed_over() {
        let subjects = Subjects::new("edge", ME);
        for words in ["", "here", "3.1.9f2c.shout", "70000.1.0.here", "3.-1.0.here", "3.1.xyz.here", "3.1.here"] {
            assert_eq!(subjects.read(&format!("selvedge.edge.all.{words}")), None, "{words}");
        }
        for subject in ["", "selvedge.edge", "selvedge.other.all.3.1.9f2c.here", "selvedge.edge.some.3.1.9f2c.here"] {
            assert_eq!(subjects.read(subject), None, "{subject}");
        }
    }

    /// A POP may publish what begins with its own name; what it puts behind that makes nobody of it.
    #[test]
    fn nobody_speaks_for_others_behind_its_own_name() {
        let subjects = Subjects::new("edge", ME);
        for words in ["all.1.0.ab.frame.7.0.ab.frame", "all.1.x.7.0.ab.frame", "one.3.1.9f2c.1.x.7.0.ab.gone"] {
            assert_eq!(subjects.read(&format!("selvedge.edge.{words}")), None, "{words}");
        }
    }

    /// What denies a POP its name denies it every spelling of that.
    #[test]
    fn a_number_is_written_in_one_way() {
        let subjects = Subjects::new("edge", ME);
        for words in ["all.07.0.ab", "all.+7.0.ab", "all.7.00.ab", "all.7.+0.ab", "all.7.0.0ab", "all..0.ab"] {
            assert_eq!(subjects.read(&format!("selvedge.edge.{words}.here")), None, "{words}");
        }
        let author = Party { actor: OTHER.actor, life: 0 };
        assert_eq!(subjects.read("selvedge.edge.all.7.0.0.here"), Some((author, Kind::Here)));
    }
}
