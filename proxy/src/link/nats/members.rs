//! Who is there: the nodes that this one hears over the fabric, each under the number of its link. They come by being heard,
//! and go by saying so or by a minute of silence; no list of them is written anywhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use selvedge_state::{LinkId, PopId};

use super::subject::Party;

/// Nodes that may be there at once.
pub const MEMBERS_MAX: usize = 4096;

/// Nodes of one POP that may be there at once: a credential that leaks fills no more than its POP's part.
pub const MEMBERS_PER_POP: usize = 256;

/// A node that was not heard for so long has lost its link; it says every [`super::HERE_EVERY`] that it is there.
pub(super) const SILENCE_MAX: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(crate) struct Members {
    by_party: BTreeMap<Party, (LinkId, Instant)>,
    of_pop: BTreeMap<PopId, usize>,
}

impl Members {
    /// The link to one that is heard just now.
    pub(crate) fn hear(&mut self, party: Party, now: Instant) -> Option<LinkId> {
        let (link, heard) = self.by_party.get_mut(&party)?;
        *heard = now;
        Some(*link)
    }

    /// One comes. False when there is no room.
    pub(crate) fn join(&mut self, party: Party, link: LinkId, now: Instant) -> bool {
        let of_pop = self.of_pop.get(&party.actor.pop).copied().unwrap_or(0);
        if self.by_party.len() >= MEMBERS_MAX || of_pop >= MEMBERS_PER_POP || self.by_party.contains_key(&party) {
            return false;
        }
        self.of_pop.insert(party.actor.pop, of_pop + 1);
        self.by_party.insert(party, (link, now));
        true
    }

    /// One goes; its link.
    pub(crate) fn leave(&mut self, party: Party) -> Option<LinkId> {
        let (link, _) = self.by_party.remove(&party)?;
        if let Some(count) = self.of_pop.get_mut(&party.actor.pop) {
            *count = count.saturating_sub(1);
        }
        Some(link)
    }

    /// As [`Members::leave`], unless it has come anew under another link.
    pub(crate) fn let_go(&mut self, party: Party, link: LinkId) {
        if self.by_party.get(&party).is_some_and(|(known, _)| *known == link) {
            self.leave(party);
        }
    }

    /// Whether a life of this one's node is there.
    pub(crate) fn has(&self, party: Party) -> bool {
        let lives = Party { life: 0, ..party }..=Party { life: u64::MAX, ..party };
        self.by_party.range(lives).next().is_some()
    }

    /// The links of those who were silent for too long; they are members no more.
    pub(crate) fn silent(&mut self, now: Instant) -> Vec<LinkId> {
        let late = |heard: &Instant| now.saturating_duration_since(*heard) >= SILENCE_MAX;
        let silent: Vec<Party> =
            self.by_party.iter().filter(|(_, (_, heard))| late(heard)).map(|(party, _)| *party).collect();
        silent.into_iter().filter_map(|party| self.leave(party)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_party.len()
    }
}

#[cfg(test)]
mod tests {
    use selvedge_state::Actor;

    use super::*;

    fn party(pop: u16, node: u32) -> Party {
        Party { actor: Actor { pop: PopId(pop), node }, life: 1 }
    }

    #[test]
    fn a_pop_and_all_of_them_fill_no_more_than_their_bound() {
        let (mut members, now) = (Members::default(), Instant::now());
        let per_pop = u32::try_from(MEMBERS_PER_POP).unwrap();
        let joined = |members: &mut Members, pop| {
            (0..=per_pop).filter(|node| members.join(party(pop, *node), LinkId(0), now)).count()
        };
        assert_eq!(joined(&mut members, 1), MEMBERS_PER_POP);
        for pop in 2..=20 {
            joined(&mut members, pop);
        }
        assert_eq!(members.len(), MEMBERS_MAX);
        members.leave(party(1, 0));
        assert!(members.join(party(1, per_pop), LinkId(0), now));
    }

    #[test]
    fn one_goes_by_silence_and_its_place_is_free() {
        let (mut members, now) = (Members::default(), Instant::now());
        members.join(party(1, 0), LinkId(5), now);
        members.join(party(1, 1), LinkId(6), now);
        assert_eq!(members.hear(party(1, 1), now + SILENCE_MAX / 2), Some(LinkId(6)));
        assert_eq!(members.silent(now + SILENCE_MAX), [LinkId(5)]);
        assert_eq!(members.hear(party(1, 0), now + SILENCE_MAX), None);
        assert!(!members.has(party(1, 0)) && members.has(party(1, 1)));
    }

    #[test]
    fn a_link_of_before_takes_nobody_with_it() {
        let (mut members, now) = (Members::default(), Instant::now());
        members.join(party(1, 0), LinkId(5), now);
        members.let_go(party(1, 0), LinkId(4));
        assert_eq!(members.len(), 1);
        members.let_go(party(1, 0), LinkId(5));
        assert_eq!(members.len(), 0);
    }
}
