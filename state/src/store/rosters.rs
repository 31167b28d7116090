//! Who was in the roster when, as far as it decides what this life may claim of a quota or a rate. What all POPs share out among
//! themselves must be shared out by one roster, and they do not take a new one at one instant.
//!
//! So what begins at an instant is claimed only by who may claim it under *every* roster that somebody may still go by then: the one in
//! force and those that were replaced less than [`SPREAD`] before. A life does not know what was in force before it: it waits as long, or
//! until every POP of its roster has said that it has the same. And it claims nothing that begins within [`OVERLAP`] of its own begin,
//! for the life before it may still be there, and claims the same.
//!
//! A life that [inherits](super::estate) from one that ended in order knows what that one knew, and claims what it might have claimed.
//!
//! Only the first node of a POP claims: the roster names POPs, and nobody knows how many nodes one has.

use std::collections::{BTreeSet, VecDeque};

use crate::counter::DRIFT_MAX;
use crate::identity::{Author, PopId};
use crate::ledger::opening::{opening, rest};
use crate::ledger::rights::Mint;
use crate::time::Time;

/// After so long, ms, all nodes have taken a new roster, and one that was taken out of it has stopped.
pub const SPREAD: u64 = 600_000;

/// So long, ms, two lives of a node may go on at once while a process hands over to its successor.
pub const OVERLAP: u64 = 60_000;

/// Rosters that are remembered; before the oldest of them is what nobody knows.
const ROSTERS_MAX: usize = 8;

/// Stretches of time of which a life that ended knew enough to claim what began in them. More than one where lives did not follow on each
/// other at once.
const VOUCHED_MAX: usize = 16;

/// Nothing is known of what lives before claimed.
pub(super) const NEVER: Time = Time(u64::MAX);

/// One roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roster {
    pub(super) revision: u64,
    pub(super) since: Time,
    pub(super) pops: BTreeSet<PopId>,
}

impl Roster {
    /// Which one of its POPs, in their order, this is.
    fn place(&self, pop: PopId) -> Option<usize> {
        self.pops.iter().position(|known| *known == pop)
    }
}

/// What a life knew of rosters when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Knowledge {
    /// Oldest first.
    pub(super) rosters: Vec<Roster>,
    /// From when on, and before when it might claim what began.
    pub(super) vouched: Vec<(Time, Time)>,
    /// See [`ended`].
    pub(super) ended: Time,
}

/// What begins after that may be claimed by a life that ended at this instant no more: peers' clocks may be in the next epoch already. It
/// is its heir's, if that goes by the same rosters.
pub(super) fn ended(at: Time) -> Time {
    at.minus(2 * DRIFT_MAX)
}

/// The rosters of this life.
#[derive(Debug, Clone)]
pub(super) struct Rosters {
    me: Author,
    /// Oldest first, those included that the lives before knew.
    known: VecDeque<Roster>,
    /// Since when this life goes by rosters, and the revision of its first and its last one.
    own: Option<(Time, u64, u64)>,
    /// Rosters that this life has had.
    had: usize,
    /// Since when all POPs of its first one are known to have it.
    agreed: Option<Time>,
    /// What the lives before might claim.
    vouched: Vec<(Time, Time)>,
    /// The revision of the last roster of the one before, and when it ended, until it is known whether this one goes on by it.
    before: Option<(u64, Time)>,
    /// A later life of this node was heard of: what begins from now on is its.
    succeeded: bool,
    /// A life before this one ended in order, and left what it knew.
    goes_on: bool,
}

impl Rosters {
    pub(super) fn new(me: Author) -> Rosters {
        let (known, vouched) = (VecDeque::new(), Vec::new());
        let (own, agreed, before) = (None, None, None);
        Rosters { me, known, own, had: 0, agreed, vouched, before, succeeded: false, goes_on: false }
    }

    /// From an instant on the roster is this one.
    pub(super) fn set(&mut self, pops: impl IntoIterator<Item = PopId>, (revision, since): (u64, Time)) {
        let pops: BTreeSet<PopId> = pops.into_iter().collect();
        let is_same = self.known.back().is_some_and(|last| last.pops == pops);
        self.had += usize::from(!is_same || self.had == 0);
        let (began, first, _) = self.own.unwrap_or((since, revision, revision));
        self.own = Some((began, first, revision));
        if !is_same {
            self.known.push_back(Roster { revision, since, pops });
            self.bound();
        } else if let Some(last) = self.known.back_mut() {
            last.revision = revision;
        }
        self.go_on();
    }

    /// Forgets the oldest rosters, and all that is claimed by them.
    fn bound(&mut self) {
        while self.known.len() > ROSTERS_MAX {
            self.known.pop_front();
            let Some(oldest) = self.known.front().map(|roster| roster.since) else { return };
            if let Some((began, ..)) = self.own.as_mut().filter(|(began, ..)| *began <= oldest) {
                *began = oldest;
                self.agreed = None;
            }
            self.vouched.iter_mut().for_each(|(from, _)| *from = (*from).max(oldest.plus(SPREAD)));
        }
    }

    /// What the lives before might claim goes on where this one goes by the last roster of theirs.
    fn go_on(&mut self) {
        let (Some((_, first, last)), Some((theirs, ended))) = (self.own, self.before) else { return };
        if (first..=last).contains(&theirs) {
            self.before = None;
            if let Some((_, until)) = self.vouched.last_mut().filter(|(_, until)| *until == ended) {
                *until = Time(u64::MAX);
            }
        }
    }

    /// Takes over what a life knew that ended in order.
    pub(super) fn inherit(&mut self, knowledge: Knowledge) {
        let Knowledge { rosters, mut vouched, ended } = knowledge;
        self.before = rosters.last().map(|last| (last.revision, ended));
        self.goes_on = !rosters.is_empty();
        let mut known: Vec<Roster> = rosters.into_iter().chain(self.known.drain(..)).collect();
        known.sort_by_key(|roster| roster.since);
        known.dedup_by(|later, before| {
            let is_same = later.pops == before.pops;
            if is_same {
                before.revision = before.revision.max(later.revision);
            }
            is_same
        });
        vouched.drain(..vouched.len().saturating_sub(VOUCHED_MAX));
        (self.known, self.vouched) = (known.into(), vouched);
        self.bound();
        self.go_on();
    }

    /// This POP stands alone and always has: nobody else claims.
    pub(super) fn vouch_for_all(&mut self) {
        self.vouched = vec![(Time::ZERO, Time(u64::MAX))];
    }

    /// What a life before this one said is void: what it might claim is not this one's.
    pub(super) fn disinherit(&mut self) {
        self.vouched.clear();
        self.before = None;
        self.goes_on = false;
    }

    /// Whether all that lives before this one minted is known, whatever peers say: the last of them ended in order. A founder has only the
    /// operator's word for it that there were none.
    pub(super) fn go_on_from_a_life(&self) -> bool {
        self.goes_on
    }

    /// What this life knows when it ends.
    pub(super) fn knowledge(&self, now: Time) -> Knowledge {
        let until = ended(now);
        let own = self.own_from().filter(|from| *from < until).map(|from| (from, until));
        let mut all: Vec<(Time, Time)> = self.vouched.iter().map(|(from, to)| (*from, until.min(*to))).collect();
        all.retain(|(from, until)| from < until);
        all.extend(own);
        all.sort_unstable();
        let mut vouched: Vec<(Time, Time)> = Vec::new();
        for (from, until) in all {
            match vouched.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => vouched.push((from, until)),
            }
        }
        Knowledge { rosters: self.known.iter().cloned().collect(), vouched, ended: until }
    }

    /// Every POP of the roster has said that it has the same one.
    pub(super) fn agree(&mut self, now: Time) {
        if self.had == 1 {
            self.agreed.get_or_insert(now);
        }
    }

    pub(super) fn are_agreed(&self) -> bool {
        self.agreed.is_some() || self.had != 1
    }

    /// How many POPs there are, this one included.
    pub(super) fn pops(&self) -> usize {
        self.known.back().map_or(1, |roster| roster.pops.len()).max(1)
    }

    pub(super) fn succeed(&mut self) {
        self.succeeded = true;
    }

    pub(super) fn are_succeeded(&self) -> bool {
        self.succeeded
    }

    /// From when on this life may claim what begins, by what it knows itself.
    pub(super) fn own_from(&self) -> Option<Time> {
        let spread = self.own?.0.plus(SPREAD);
        // Whoever agreed did so by a clock that may be twice the drift bound away; and a POP that was taken out may go on for a while.
        let settled = self.agreed.map_or(spread, |agreed| spread.min(agreed.plus(OVERLAP + 2 * DRIFT_MAX)));
        Some(settled.max(self.me.incarnation.began().plus(OVERLAP)))
    }

    /// The rosters that somebody may go by who decides about what begins then; `None` where one of them is not known, or this life may
    /// claim nothing of it. `known` is from when on it knows all that lives before it claimed, where it inherits from them.
    fn in_doubt(&self, begins: Time, known: Time) -> Option<impl Iterator<Item = &Roster>> {
        let is_first = self.me.actor.node == 0 && !self.succeeded;
        let vouched = || known <= begins && self.vouched.iter().any(|(from, until)| (*from..*until).contains(&begins));
        if !is_first || !(self.own_from()? <= begins || vouched()) {
            return None;
        }
        let replaced = self.known.iter().skip(1).map(|next| Some(next.since)).chain([None]);
        let in_doubt = self.known.iter().zip(replaced);
        let held = move |replaced: Option<Time>| replaced.is_none_or(|at| at.plus(SPREAD) > begins);
        Some(in_doubt.filter(move |(_, replaced)| held(*replaced)).map(|(roster, _)| roster))
    }

    /// What this life mints of a quota whose epoch begins then. Its home is who has the greatest rank of each roster in doubt (rendezvous
    /// hashing, Thaler and Ravishankar, 1998). A POP opens with its part where one roster alone is in doubt: of any two that decide, one
    /// roster at least is in doubt at both, so whoever opens does by the same roster, and it is in doubt at home.
    pub(super) fn mints(&self, (begins, known): (Time, Time), quota: u64, rank: impl Fn(PopId) -> u64) -> Option<Mint> {
        let mine = self.me.actor.pop;
        let home = |roster: &Roster| roster.pops.iter().copied().max_by_key(|pop| (rank(*pop), *pop));
        let rosters: Vec<&Roster> = self.in_doubt(begins, known)?.collect();
        if rosters.iter().all(|roster| home(roster) == Some(mine)) {
            let rest = |roster: &&Roster| Some(rest(quota, roster.place(mine)?, roster.pops.len()));
            return Some(Mint::Rest(rosters.iter().filter_map(rest).min()?));
        }
        let &[roster] = rosters.as_slice() else { return None };
        Some(Mint::Opening(opening(quota, roster.place(mine)?, roster.pops.len())))
    }

    /// Since when this POP has been alone, or not alone, as it is now: alone it spends by other means.
    pub(super) fn company_since(&self) -> Time {
        let alone = |roster: &Roster| roster.pops.len() == 1;
        let now = self.known.back().map(alone);
        let same = self.known.iter().rev().take_while(|roster| Some(alone(roster)) == now);
        let began = self.own.map_or(Time::ZERO, |(began, ..)| began);
        same.last().map_or(Time::ZERO, |roster| roster.since.max(began))
    }

    /// Among how many POPs that share what begins then this life is one; `None` if it is not.
    pub(super) fn sharers(&self, begins: Time) -> Option<u64> {
        let mine = self.me.actor.pop;
        let sharers = |roster: &Roster| roster.pops.contains(&mine).then_some(roster.pops.len() as u64);
        self.in_doubt(begins, NEVER)?.map(sharers).try_fold(1, |most, pops| Some(pops?.max(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Actor, Incarnation};

    const NOW: Time = Time(1_800_000_000_000);

    fn rosters(node: u32, began: Time, pops: &[u16]) -> Rosters {
        let me = Author { actor: Actor { pop: PopId(2), node }, incarnation: Incarnation(began.0 << 16) };
        let mut rosters = Rosters::new(me);
        rosters.set(pops.iter().copied().map(PopId), (1, began));
        rosters
    }

    const QUOTA: u64 = 640;

    impl Rosters {
        fn is_home(&self, of: (Time, Time), rank: impl Fn(PopId) -> u64) -> bool {
            matches!(self.mints(of, QUOTA, rank), Some(Mint::Rest(_)))
        }
    }

    #[test]
    fn a_pop_opens_with_its_part_while_one_roster_alone_is_in_doubt() {
        let (changed, third) = (NOW.plus(5 * SPREAD), |pop: PopId| u64::from(pop.0 == 3));
        let mints = |known: &Rosters, begins, rank: fn(PopId) -> u64| known.mints((begins, NEVER), QUOTA, rank);
        let mut known = rosters(0, NOW, &[1, 2, 3]);
        let settled = NOW.plus(SPREAD);
        assert_eq!(mints(&known, settled.minus(1), third), None);
        assert_eq!(mints(&known, settled, third), Some(Mint::Opening(10)));
        assert_eq!(mints(&known, settled, |pop| u64::from(pop.0 == 2)), Some(Mint::Rest(620)));
        assert_eq!(mints(&rosters(1, NOW, &[1, 2, 3]), settled, third), None, "the second node of a POP");
        known.set([1, 2, 3, 4].map(PopId), (2, changed));
        // Also of what began long before, for others may have gone by the new one all along.
        for begins in [settled, changed.plus(SPREAD - 1)] {
            assert_eq!(mints(&known, begins, third), None);
            assert_eq!(mints(&known, begins, |pop| u64::from(pop.0 == 2)), Some(Mint::Rest(610)), "the least rest");
        }
        assert_eq!(mints(&known, changed.plus(SPREAD), third), Some(Mint::Opening(10)));
    }

    #[test]
    fn a_life_waits_for_what_was_before_it() {
        let mut known = rosters(0, NOW, &[1, 2, 3]);
        assert_eq!(known.sharers(NOW.plus(SPREAD - 1)), None);
        assert_eq!(known.sharers(NOW.plus(SPREAD)), Some(3));
        known.agree(NOW.plus(20));
        let settled = NOW.plus(20 + OVERLAP + 2 * DRIFT_MAX);
        assert_eq!(known.sharers(settled.minus(1)), None, "who was taken out may still be there");
        assert_eq!((known.sharers(settled), known.company_since()), (Some(3), NOW));
        let mut alone = rosters(0, NOW, &[2]);
        assert_eq!(alone.company_since(), NOW);
        alone.set([1, 2].map(PopId), (2, NOW.plus(7)));
        alone.set([1, 2, 3].map(PopId), (3, NOW.plus(9)));
        assert_eq!(alone.company_since(), NOW.plus(7));
        known.succeed();
        assert_eq!(known.sharers(NOW.plus(SPREAD)), None);
        assert_eq!(rosters(1, NOW, &[1, 2, 3]).sharers(NOW.plus(SPREAD)), None, "the second node of a POP");
        assert_eq!(rosters(0, NOW, &[1, 3]).sharers(NOW.plus(SPREAD)), None, "not in the roster");
    }

    #[test]
    fn a_roster_counts_with_the_one_before_until_all_have_it() {
        let mut known = rosters(0, NOW, &[1, 2, 3]);
        let changed = NOW.plus(5 * SPREAD);
        known.set([1, 2, 3, 4].map(PopId), (2, changed));
        // Greatest is who comes first here: of the new ones 4.
        let rank = |pop: PopId| if pop == PopId(2) { 5 } else { u64::from(pop.0) };
        let newest = |pop: PopId| u64::from(pop.0);
        for (begins, home) in [(changed.minus(1), true), (changed.plus(SPREAD), true)] {
            assert_eq!(known.is_home((begins, NEVER), rank), home);
            assert!(!known.is_home((begins, NEVER), newest));
        }
        // Also for what began long before: who went by the old roster then has claimed it.
        assert_eq!(known.sharers(NOW.plus(SPREAD)), Some(4));
        known.set([2, 4].map(PopId), (3, changed.plus(1)));
        assert_eq!(known.sharers(changed.plus(SPREAD)), Some(4));
        assert_eq!(known.sharers(changed.plus(SPREAD + 1)), Some(2));
        known.set([4].map(PopId), (4, changed.plus(2)));
        assert_eq!(known.sharers(changed.plus(SPREAD)), None);
    }

    #[test]
    fn a_founder_claims_what_began_before_it() {
        let rank = |pop: PopId| u64::from(pop.0 == 2);
        let mut founder = rosters(0, NOW, &[1, 2, 3]);
        let month = NOW.minus(20 * 86_400_000);
        assert!(!founder.is_home((month, Time::ZERO), rank));
        let Some(knowledge) = crate::Estate::of_founder(NOW).into_knowledge() else { panic!("nothing") };
        founder.inherit(knowledge);
        for begins in [month, NOW.minus(1), NOW.plus(1), NOW.plus(SPREAD), NOW.plus(2 * SPREAD)] {
            assert!(founder.is_home((begins, Time::ZERO), rank));
            assert!(!founder.is_home((begins, Time::ZERO), |pop| u64::from(pop.0 == 3)));
        }
        assert_eq!(founder.sharers(NOW.plus(SPREAD - 1)), None, "shares wait all the same");
        // Who came to the cluster later is the home of nothing that began before it came.
        founder.set([1, 2, 3, 4].map(PopId), (2, NOW.plus(5 * SPREAD)));
        assert!(founder.is_home((month, Time::ZERO), rank));
        assert!(!founder.is_home((month, Time::ZERO), |pop| u64::from(pop.0 == 4)));
    }

    #[test]
    fn of_rosters_that_are_forgotten_nothing_is_claimed() {
        let mut known = rosters(0, NOW, &[2]);
        known.agree(NOW);
        for n in 0..ROSTERS_MAX as u64 {
            known.set([PopId(2), PopId(3 + n as u16)], (2 + n, NOW.plus(SPREAD * n)));
        }
        assert_eq!((known.known.len(), known.sharers(NOW.plus(SPREAD - 1))), (ROSTERS_MAX, None));
        assert_eq!(known.sharers(NOW.plus(SPREAD * 9)), Some(2));
    }
}
