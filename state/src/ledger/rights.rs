//! `Rights`: a hard quota. In one epoch all nodes together take no more than it says, whatever is lost, late, cut off or dead.
//!
//! *State.* Each life of each actor has an account: what it minted, what it used, what it moved to whom, and what it wants to have been
//! given, all in all. *Join:* the later version of each author. *Read:* what this life may still take is minted + received - moved - used,
//! never below 0.
//!
//! *Bound.* One life mints the quota of a key and epoch, once; who, is decided by the roster alone ([`Cluster`](crate::store)), so there is
//! no telling and no asking. All else is moving ([`ledger`](super)): what is moved is taken off before anybody can see it. So what all
//! may still take and what all used add up to the quota at most; only a cost that turns out greater than what was taken for it
//! goes beyond, is counted as used, and is told. Clocks do not matter: an epoch is a name, and each has rights of its own.
//!
//! *Lost.* What a dead life had is void until the epoch ends. A home that begins anew within an epoch cannot know what it had used,
//! so it mints nothing for that epoch; nor does anybody else.
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

/// What an own account of rights is kept by.
pub(crate) struct Keeper<M> {
    pub(crate) me: Author,
    pub(crate) epoch: Epoch,
    /// As this node's config has it.
    pub(crate) quota: u64,
    /// Whether this life is at home to the key in this epoch. Asked only where it matters.
    pub(crate) is_home: M,
}

fn any(_: &Account) -> bool {
    true
}

fn number(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

impl Ledger {
    /// What an author may still take, as far as is known here.
    fn left_to(&self, author: Author, account: &Account) -> u64 {
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

    /// The own account, begun if there was none.
    fn rights(&mut self, epoch: Epoch, quota: u64) -> &mut Account {
        let own = self.open();
        own.ends = epoch.ends;
        own.terms = (quota, epoch.begins.0);
        own
    }

    /// Makes the claim what it has to be: the quota at home, else nothing. A home that is none any more, by a change of the roster, keeps
    /// what it minted, unless the quota is less now. Says whether that changed anything.
    fn mint(&mut self, keeper: &Keeper<impl Fn() -> bool>) -> bool {
        // Another life of this node minted: that this one would, too, is against all rules, but it costs nothing to look.
        let me = keeper.me.actor;
        let minted = |(author, account): &(Author, Account)| author.actor == me && account.claim > 0;
        let claim = self.own().map_or(0, |own| own.claim);
        let may = claim != keeper.quota && !self.others.iter().any(minted) && (keeper.is_home)();
        let due = if may { keeper.quota } else { claim.min(keeper.quota) };
        if claim != due {
            self.rights(keeper.epoch, keeper.quota).claim = due;
        }
        claim != due
    }

    /// Takes `cost` if it is there; says whether the own account has changed.
    pub(crate) fn spend(&mut self, keeper: &Keeper<impl Fn() -> bool>, cost: u64, now: Time) -> (Spent, bool) {
        // A lower quota is heeded at once, a mint waits until it is needed: most nodes are at home to little.
        let lowered = self.own().is_some_and(|own| own.claim > keeper.quota);
        let mut changed = (lowered || self.left(keeper.me) < cost) && self.mint(keeper);
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
    fn ask(&mut self, keeper: &Keeper<impl Fn() -> bool>, cost: u64, spent: Spent, now: Time) -> bool {
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
        keeper: &Keeper<impl Fn() -> bool>,
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
        let mut changed = self.mint(keeper);
        let mine = self.left(keeper.me);
        let others = self.others.iter().filter(|(author, _)| is_heard(*author));
        let all =
            others.fold(u128::from(mine), |sum, (author, account)| sum + u128::from(self.left_to(*author, account)));
        let own_unmet = self.own().map_or(0, |own| self.unmet(keeper.me, own));
        let unmet = asking.iter().fold(0, |sum, (_, unmet)| sum + u128::from(*unmet));
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
