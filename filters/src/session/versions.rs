//! Which writes of a session a client knows of: for each author the number of its newest one. A node that has seen them all shows the client
//! nothing older than what it wrote itself (Terry et al., *Session Guarantees for Weakly Consistent Replicated Data*, 1994).

use selvedge_state::Author;

/// The most authors that a cookie names.
pub const VERSIONS_MAX: usize = 4;

/// Authors with the newest write of each that the client knows of, the one that wrote last at the end. At most [`VERSIONS_MAX`], each author
/// once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    written: Vec<(Author, u32)>,
    is_partial: bool,
}

impl Versions {
    /// An author wrote something that the client knows of from now on. A smaller number than the one that is known changes nothing but the
    /// order. Beyond [`VERSIONS_MAX`] the author that wrote longest ago is left out, which [`is_partial`](Versions::is_partial) tells ever after.
    pub fn wrote(&mut self, author: Author, version: u32) {
        let known = self.written.iter().position(|(known, _)| *known == author);
        let before = known.map(|at| self.written.remove(at).1);
        self.written.push((author, before.map_or(version, |before| before.max(version))));
        if self.written.len() > VERSIONS_MAX {
            self.written.remove(0);
            self.is_partial = true;
        }
    }

    /// What some authors wrote cannot be had any more: their memory is gone.
    pub fn forget(&mut self, authors: &[Author]) {
        self.written.retain(|(author, _)| !authors.contains(author));
    }

    /// Some author was left out: who has seen all that is named here need not have seen all.
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The authors and their newest writes, the one that wrote last at the end.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Author, u32)> {
        self.written.iter().copied()
    }

    /// The same, as a slice.
    pub fn as_slice(&self) -> &[(Author, u32)] {
        &self.written
    }

    pub(super) fn of(written: impl Iterator<Item = (Author, u32)>, is_partial: bool) -> Versions {
        let mut versions = Versions { written: Vec::new(), is_partial };
        written.for_each(|(author, version)| versions.wrote(author, version));
        versions
    }
}

#[cfg(test)]
mod tests {
    use selvedge_state::{Actor, Incarnation, PopId};

    use super::*;

    fn author(pop: u16) -> Author {
        Author { actor: Actor { pop: PopId(pop), node: 0 }, incarnation: Incarnation(7) }
    }

    #[test]
    fn the_newest_write_of_each_is_kept_and_the_last_writer_stands_last() {
        let mut versions = Versions::default();
        for (pop, version) in [(1, 3), (2, 1), (1, 2)] {
            versions.wrote(author(pop), version);
        }
        assert_eq!(versions.as_slice(), [(author(2), 1), (author(1), 3)]);
        assert!(!versions.is_partial());
    }

    #[test]
    fn beyond_its_bound_it_says_that_something_is_left_out() {
        let mut versions = Versions::default();
        (0..VERSIONS_MAX as u16).for_each(|pop| versions.wrote(author(pop), 1));
        assert!(!versions.is_partial());
        versions.wrote(author(9), 1);
        assert_eq!(versions.as_slice().len(), VERSIONS_MAX);
        assert!(versions.is_partial() && versions.iter().all(|(known, _)| known != author(0)));
        versions.forget(&[author(9), author(1)]);
        assert!(versions.is_partial() && versions.as_slice().len() == 2);
    }
}
