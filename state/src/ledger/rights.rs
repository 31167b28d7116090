//! `Rights`: a hard quota. In one epoch all nodes together take no more than it says, whatever is lost, late, cut off or dead.
//!
//! *State.* Each life of each actor has an account: what it minted, what it used, what it moved to whom, and what it wants to have been
//! given, all in all. *Join:* the later version of each author. *Read:* what this life may still take is minted + received - moved - used,
//! never below 0.
//!
//! *Bound.* Each part of the quota of a key and epoch is minted by one life, once: a small one by each POP of the roster, which it
//! [opens](super::opening) with, and the rest by the key's home. Who, is decided by the roster alone ([`Cluster`](crate::store)), so there is
//! no telling and no asking. All else is moving ([`ledger`](super)): what is moved is taken off before anybody can see it. So what all
//! may still take and what all used add up to the quota at most; only a cost that turns out greater than what was taken for it
//! goes beyond, is counted as used, and is told. Clocks do not matter: an epoch is a name, and each has rights of its own.
//!
//! *Lost.* What a life had that died is void until the epoch ends. A home that begins anew within an epoch cannot know what it had used,
//! so it mints nothing for that epoch; nor does anybody else what it might have. A life that ends in order leaves what it has to the next one
//! of its node ([`estate`](crate::store::Estate)).
//!
//! *Moving.* Who runs low says what it wants; whoever has something left and hears of it answers, in proportion to what it has of what
//! there is, with half of what it has left at most. So the last rights go round in small pieces, and to where they are asked for.

use super::{ASK_AGAIN, Account, Ledger};
use crate::identity::Author;
use crate::time::Time;

/// A part of the quota that is asked for at the least: one in so many.
const PORTIONS: u64 = 32;

/// A stretch of absolute time for which a quota is given out. All nodes state the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Its first instant.
    pub begins: Time,
    /// The first instant after it; [`EPOCH_LONGEST`](crate::EPOCH_LONGEST) later at most.
    pub ends: Time,
}

impl Epoch {
    /// The one of this length that an instant lies in; epochs of a length follow on each other from time zero on.
    #[must_use]
    pub fn of(length_ms: u64, now: Time) -> Epoch {
        let begins = Time(now.0 - now.0 % length_ms.max(1));
        Epoch { begins, ends: begins.plus(length_ms.max(1)) }
    }
}

/// What came of [`Store::spend`](crate::Store::spend).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It was taken; this node may take so much more before it is given any.
    Granted {
        /// What is left here.
        left: u64,
    },
    /// This node has less than that; nothing was taken. It has asked for more.
    Short {
        /// What is left here.
        left: u64,
    },
    /// The epoch is over, has not begun, or is too long; nothing was taken.
    OutOfTime,
    /// The table holds no more keys; nothing was taken.
    Full,
}

/// What came of [`Store::settle`](crate::Store::settle).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It cost no more than this node had; what it had taken too much is back.
    Within {
        /// What is left here.
        left: u64,
    },
    /// It cost so much more than this node had. All of it counts as used: what comes is taken for it first.
    Beyond(u64),
    /// The epoch has been over for too long.
    OutOfTime,
}

/// What a life mints of a key's quota in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mint {
    /// At home: all that no other POP may open with.
    Rest(u64),
    /// What its POP opens with.
    Opening(u64),
}

/// What an own account of rights is kept by.
pub(crate) struct Keeper<M> {
    pub(crate) me: Author,
    pub(crate) epoch: Epoch,
    /// As this node's config has it.
    pub(crate) quota: u64,
    /// What this life may mint of the key's quota in this epoch, if anything. Asked only where it matters.
    pub(crate) mints: M,
}

fn any(_: &Account) -> bool {
    true
}

pub(super) fn number(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

impl Ledger {
    /// What an author may still take, as far as is known here.
    pub(super) fn left_to(&self, author: Author, account: &Account) -> u64 {
        number(self.kept_by(author, account, any).saturating_sub(account.amount.into()))
    }

    /// What this life may still take.
    pub(crate) fn left(&self, me: Author) -> u64 {
        self.own().map_or(0, |own| self.left_to(me, own))
    }

    /// What an author asked for and was not given.
    fn unmet(&self, author: Author, account: &Account) -> u64 {
        account.want.saturating_sub(number(self.received(author, any).0))
    }

    /// What all have used, as far as is known here.
    fn used(&self) -> u128 {
        let others = self.others.iter().map(|(_, account)| account);
        others.chain(self.own()).map(|account| u128::from(account.amount)).sum()
    }

    /// The own account, begun if there was none.
    fn rights(&mut self, epoch: Epoch, quota: u64) -> &mut Account {
        let own = self.open();
        own.ends = epoch.ends;
        own.terms = (quota, epoch.begins.0);
        own
    }

    /// Makes the claim what this life may mint, if it has minted already or that `passes`. Who may mint nothing any more, by a change of the roster, keeps what it has
    /// minted, but for what the quota is less now. Says whether that changed anything.
    fn mint(&mut self, keeper: &Keeper<impl Fn() -> Option<Mint>>, passes: impl Fn(Mint) -> bool) -> bool {
        let (claim, said) = self.claimed(keeper);
        // With more rosters in doubt a life may mint less, never more.
        if claim > 0 && said == keeper.quota {
            return false;
        }
        // Another life of this node minted: that this one would, too, is against all rules, but it costs nothing to look.
        let me = keeper.me.actor;
        let minted = |(author, account): &(Author, Account)| author.actor == me && account.claim > 0;
        let may = (!self.others.iter().any(minted)).then(|| (keeper.mints)()).flatten();
        let due = match may.filter(|mint| claim > 0 || passes(*mint)) {
            Some(Mint::Rest(due) | Mint::Opening(due)) => due,
            None => claim.saturating_sub(said.saturating_sub(keeper.quota)),
        };
        if claim != due {
            self.rights(keeper.epoch, keeper.quota).claim = due;
        }
        claim != due
    }

    /// What this life has minted, and of which quota.
    fn claimed<M>(&self, keeper: &Keeper<M>) -> (u64, u64) {
        self.own().map_or((0, keeper.quota), |own| (own.claim, own.terms.0))
    }

    /// Takes `cost` if it is there; says whether the own account has changed.
    pub(crate) fn spend(&mut self, keeper: &Keeper<impl Fn() -> Option<Mint>>, cost: u64, now: Time) -> (Spent, bool) {
        // A lower quota is heeded at once, a mint waits until it is needed: most nodes are at home to little.
        let (claim, of) = self.claimed(keeper);
        let lowered = claim > 0 && of > keeper.quota;
        let said = self.own().map(|own| own.terms);
        let mut changed = (lowered || self.left(keeper.me) < cost) && self.mint(keeper, |_| true);
        changed |= said != Some((keeper.quota, keeper.epoch.begins.0));
        let left = self.left(keeper.me);
        let own = self.rights(keeper.epoch, keeper.quota);
        let spent = if cost <= left {
            own.amount = own.amount.saturating_add(cost);
            changed |= cost > 0;
            Spent::Granted { left: left - cost }
        } else {
            Spent::Short { left }
        };
        changed |= self.ask(keeper, cost, spent, now);
        if changed && let Some(own) = self.own.as_mut() {
            own.changed(now);
        }
        (spent, changed)
    }

    /// Asks for more when little is left: as much as was used so far, so that what is asked for grows with the demand. Says whether there
    /// is something to say.
    fn ask(&mut self, keeper: &Keeper<impl Fn() -> Option<Mint>>, cost: u64, spent: Spent, now: Time) -> bool {
        let received = number(self.received(keeper.me, any).0);
        let Some(own) = self.own.as_mut() else { return false };
        let portion = own.amount.max(keeper.quota / PORTIONS).min(keeper.quota).max(cost);
        let (left, is_short) = match spent {
            Spent::Granted { left } => (left, false),
            Spent::Short { left } => (left, true),
            Spent::OutOfTime | Spent::Full => return false,
        };
        let before = own.want;
        if left >= portion / 2 && !is_short {
            // What is enough by now is not asked for any more.
            own.want = own.want.min(received);
        } else if own.want.saturating_sub(received) < portion {
            own.want = received.saturating_add(portion);
        }
        own.want != before || is_short && own.version.at().plus(ASK_AGAIN) <= now
    }

    /// `taken` turned out to cost `actual`; says whether the own account has changed. What was taken before the own account began is not
    /// given back: nothing goes below zero.
    pub(crate) fn settle(&mut self, me: Author, (taken, actual): (u64, u64), now: Time) -> (Settled, bool) {
        let Some(own) = self.own.as_mut() else { return (Settled::OutOfTime, false) };
        let used = own.amount.saturating_sub(taken).saturating_add(actual);
        let changed = used != own.amount;
        if changed {
            own.amount = used;
            own.changed(now);
        }
        let has = self.own().map_or(0, |own| self.kept_by(me, own, any));
        let beyond = number(u128::from(used).saturating_sub(has)).min(actual.saturating_sub(taken));
        let settled = if beyond > 0 { Settled::Beyond(beyond) } else { Settled::Within { left: self.left(me) } };
        (settled, changed)
    }

    /// Answers who asked just now. Says whether anything was moved or minted.
    pub(crate) fn answer_rights(
        &mut self,
        keeper: &Keeper<impl Fn() -> Option<Mint>>,
        is_heard: impl Fn(Author) -> bool,
        now: Time,
    ) -> bool {
        let asks = |(author, account): &(Author, Account)| {
            let unmet = if account.is_fresh(now) { self.unmet(*author, account) } else { 0 };
            (unmet > 0).then_some((*author, unmet))
        };
        let asking: Vec<(Author, u64)> = self.others.iter().filter_map(asks).collect();
        if asking.is_empty() {
            return false;
        }
        // As much as there can be at all; peers may ask for more.
        let unmet = asking.iter().fold(0, |sum, (_, unmet)| sum + u128::from(*unmet)).min(u64::MAX.into());
        // What this POP opens with is its own as long as the rest may do: else each POP would have a part in each key.
        let is_scarce = self.used() + unmet > u128::from(keeper.quota / 2);
        let mut changed = self.mint(keeper, |mint| is_scarce || matches!(mint, Mint::Rest(_)));
        let mine = self.left(keeper.me);
        let others = self.others.iter().filter(|(author, _)| is_heard(*author));
        let all =
            others.fold(u128::from(mine), |sum, (author, account)| sum + u128::from(self.left_to(*author, account)));
        let own_unmet = self.own().map_or(0, |own| self.unmet(keeper.me, own));
        // Half, rounded up where nothing is wanted here: else the last one could never leave.
        let half = if own_unmet == 0 { mine.div_ceil(2) } else { mine / 2 };
        let most = u128::from(half) * unmet / (unmet + u128::from(own_unmet)).max(1);
        let part = (unmet * u128::from(mine)).div_ceil(all.max(1)).min(most);
        let mut rest = part;
        for (author, wants) in asking {
            let gift = (part * u128::from(wants)).div_ceil(unmet.max(1)).min(rest).min(wants.into());
            if gift > 0 && self.open().give(author, number(gift), 0) {
                rest -= gift;
                changed = true;
            }
        }
        if changed && let Some(own) = self.own.as_mut() {
            own.changed(now);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Gift, Version};
    use super::*;
    use crate::identity::{Actor, Incarnation, PopId};

    const QUOTA: u64 = 100;
    const OPENING: u64 = 7;
    const EPOCH: Epoch = Epoch { begins: Time(1_800_000_000_000), ends: Time(1_800_003_600_000) };

    #[derive(Debug, Clone)]
    enum Step {
        Spend(usize, u64),
        /// Who, what was taken, what it cost.
        Settle(usize, u64, u64),
        /// From, to, and how many versions ago: lost, late, doubled and in any order.
        Hear(usize, usize, usize),
        Wait(u64),
        /// Its memory is gone.
        Crash(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let who = || 0..3_usize;
        let step = prop_oneof![
            60 => (who(), 0..9_u64).prop_map(|(who, cost)| Step::Spend(who, cost)),
            20 => (who(), 0..9_u64, 0..12_u64).prop_map(|(who, taken, cost)| Step::Settle(who, taken, cost)),
            60 => (who(), who(), prop_oneof![4 => Just(0_usize), 1 => 0..9_usize])
                .prop_map(|(from, to, ago)| Step::Hear(from, to, ago)),
            20 => (0..900_u64).prop_map(Step::Wait),
            1 => who().prop_map(Step::Crash),
        ];
        prop::collection::vec(step, 1..300)
    }

    #[derive(Default)]
    struct Node {
        ledger: Ledger,
        life: u64,
        said: Vec<(Author, Account)>,
        /// What this life has taken, settled.
        taken: u64,
    }

    fn author(node: usize, life: u64) -> Author {
        Author { actor: Actor { pop: PopId(node as u16), node: 0 }, incarnation: Incarnation(life) }
    }

    /// The first life of the first node is at home, and those of the others open with a part of it.
    fn keeper(me: Author) -> Keeper<impl Fn() -> Option<Mint>> {
        let mints = move || match (me.actor.pop.0, me.incarnation.0) {
            (0, 0) => Some(Mint::Rest(QUOTA - 2 * OPENING)),
            (_, 0) => Some(Mint::Opening(OPENING)),
            _ => None,
        };
        Keeper { me, epoch: EPOCH, quota: QUOTA, mints }
    }

    impl Node {
        fn say(&mut self, me: Author) {
            self.said.extend(self.ledger.own().map(|own| (me, own.clone())));
        }
    }

    /// A peer's numbers are anything at all.
    #[test]
    fn wishes_without_end_are_answered_with_what_there_is() {
        let (me, now) = (author(0, 0), EPOCH.begins.plus(1));
        let mut ledger = Ledger::default();
        let wishes =
            Account { version: Version::new(now, 0).unwrap(), ends: EPOCH.ends, want: u64::MAX, ..Account::default() };
        let given = vec![Gift { to: me, amount: u64::MAX, tokens: 0 }];
        ledger.join(author(1, 0), Account { given, ..wishes.clone() });
        ledger.join(author(2, 0), wishes);
        assert!(ledger.answer_rights(&keeper(me), |_| true, now));
        let moved = ledger.own().unwrap().given.iter().map(|gift| u128::from(gift.amount)).sum::<u128>();
        assert!(moved > 0 && moved <= u128::from(u64::MAX) / 2 + u128::from(QUOTA));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// What was taken anywhere and what everybody may still take by its own account of it are the quota at the most, and what settling
        /// told to be beyond.
        #[test]
        fn what_was_taken_and_what_is_left_never_add_up_to_more(steps in steps()) {
            let mut nodes = [Node::default(), Node::default(), Node::default()];
            let (mut now, mut gone, mut beyond) = (EPOCH.begins, 0, 0);
            for step in steps {
                match step {
                    Step::Spend(who, cost) => {
                        let (me, node) = (author(who, nodes[who].life), &mut nodes[who]);
                        let (spent, changed) = node.ledger.spend(&keeper(me), cost, now);
                        node.taken += if let Spent::Granted { .. } = spent { cost } else { 0 };
                        if changed {
                            node.say(me);
                        }
                    }
                    Step::Settle(who, taken, cost) => {
                        let (me, node) = (author(who, nodes[who].life), &mut nodes[who]);
                        if node.taken >= taken && node.ledger.own().is_some() {
                            let (settled, _) = node.ledger.settle(me, (taken, cost), now);
                            node.taken = node.taken - taken + cost;
                            beyond += if let Settled::Beyond(more) = settled { more } else { 0 };
                            node.say(me);
                        }
                    }
                    Step::Hear(from, to, ago) if from != to => {
                        let said = nodes[from].said.iter().rev().nth(ago).cloned();
                        let (me, node) = (author(to, nodes[to].life), &mut nodes[to]);
                        if let Some((author, account)) = said {
                            let raised = node.ledger.join(author, account) == super::super::Joined::Raised;
                            if raised && node.ledger.answer_rights(&keeper(me), |_| true, now) {
                                node.say(me);
                            }
                        }
                    }
                    Step::Hear(..) => {}
                    Step::Wait(ms) => now = now.plus(ms),
                    Step::Crash(who) => {
                        gone += nodes[who].taken;
                        let said = std::mem::take(&mut nodes[who].said);
                        nodes[who] = Node { life: nodes[who].life + 1, said, ..Node::default() };
                    }
                }
                let left = |(who, node): (usize, &Node)| node.ledger.left(author(who, node.life));
                let left: u64 = nodes.iter().enumerate().map(left).sum();
                let taken: u64 = nodes.iter().map(|node| node.taken).sum::<u64>() + gone;
                prop_assert!(taken + left <= QUOTA + beyond, "{taken} taken, {left} left, {beyond} beyond");
            }
        }
    }

    /// A node that asked and has enough by now takes its wish back, and goes on to give.
    #[test]
    fn a_wish_is_withdrawn_when_there_is_enough() {
        // A later life, which mints nothing.
        let (home, me, all) = (author(0, 0), author(1, 1), QUOTA - 2 * OPENING);
        let (mut there, mut here) = (Ledger::default(), Ledger::default());
        let mut now = EPOCH.begins;
        assert_eq!(here.spend(&keeper(me), 4, now), (Spent::Short { left: 0 }, true));
        assert_eq!(here.own().map(|own| own.want), Some(4));
        there.join(me, here.own().unwrap().clone());
        assert!(there.answer_rights(&keeper(home), |_| true, now));
        assert_eq!((there.left(home), there.own().unwrap().claim), (all - 4, all));
        here.join(home, there.own().unwrap().clone());
        now = now.plus(1);
        assert_eq!(here.spend(&keeper(me), 1, now).0, Spent::Granted { left: 3 });
        assert_eq!(here.own().map(|own| own.want), Some(4));
        // What is old is no wish any more.
        let old = here.own().unwrap().clone();
        assert_eq!(old.want - 4, 0);
        there.join(me, Account { want: 50, version: old.version.next(now), ..old });
        assert!(!there.answer_rights(&keeper(home), |_| true, now.plus(5_000)));
        assert!(there.answer_rights(&keeper(home), |_| true, now.plus(1_000)));
    }
}
