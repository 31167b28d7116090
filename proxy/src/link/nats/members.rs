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

/// One whose link was closed for a reason is not met again for so long: what was wrong with it is so for each of its frames.
const SHUNNED_FOR: Duration = Duration::from_secs(5);

/// When one whose link ends may be met again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// When it is heard.
    Now,
    /// Not before a while is over.
    Later,
}

#[derive(Debug, Default)]
pub(crate) struct Members {
    by_party: BTreeMap<Party, (LinkId, Instant)>,
    of_pop: BTreeMap<PopId, usize>,
    /// Who is not to be met, and until when. They come out of `by_party`, so at most [`MEMBERS_MAX`] are added in one [`SHUNNED_FOR`].
    shunned: BTreeMap<Party, Instant>,
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
        let known = self.by_party.contains_key(&party) || self.is_shunned(party, now);
        if known || self.by_party.len() >= MEMBERS_MAX || of_pop >= MEMBERS_PER_POP {
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
    pub(crate) fn let_go(&mut self, party: Party, link: LinkId, again: Again, now: Instant) {
        if self.by_party.get(&party).is_some_and(|(known, _)| *known == link) {
            self.leave(party);
            if again == Again::Later && self.shunned.len() < MEMBERS_MAX {
                self.shunned.insert(party, now + SHUNNED_FOR);
            }
        }
    }

    /// Whether it is not to be met yet.
    pub(crate) fn is_shunned(&self, party: Party, now: Instant) -> bool {
        self.shunned.get(&party).is_some_and(|until| now < *until)
    }

    /// Whether a life of this one's node is there.
    pub(crate) fn has(&self, party: Party) -> bool {
        let lives = Party { life: 0, ..party }..=Party { life: u64::MAX, ..party };
        self.by_party.range(lives).next().is_some()
    }

    /// The links of those who were silent for too long; they are members no more.
    pub(crate) fn silent(&mut self, now: Instant) -> Vec<LinkId> {
        self.shunned.retain(|_, until| now < *until);
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
        members.let_go(party(1, 0), LinkId(4), Again::Now, now);
        assert_eq!(members.len(), 1);
        members.let_go(party(1, 0), LinkId(5), Again::Now, now);
        assert_eq!(members.len(), 0);
    }

    #[test]
    fn one_whose_link_was_refused_is_not_met_at_once() {
        let (mut members, now) = (Members::default(), Instant::now());
        members.join(party(1, 0), LinkId(5), now);
        members.let_go(party(1, 0), LinkId(5), Again::Later, now);
        assert!(!members.join(party(1, 0), LinkId(6), now + SHUNNED_FOR / 2));
        assert!(members.join(party(1, 1), LinkId(7), now), "another node");
        assert!(members.silent(now + SHUNNED_FOR).is_empty() && members.shunned.is_empty());
        assert!(members.join(party(1, 0), LinkId(8), now + SHUNNED_FOR));
    }
}
