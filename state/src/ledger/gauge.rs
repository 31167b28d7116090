//! `Gauge`: how much of something is going on right now, such as requests in flight.
//!
//! Each life of an actor says how high its own part is; what is read is the sum over lives that are heard. So a node that crashes
//! leaves nothing behind: a counter of begins and ends would keep what began there for ever. A life that is not heard counts
//! nothing, whether it is dead or cut off. Two lives of one actor count both while both are heard, as they are when a process
//! hands over to its successor.

use super::{Account, Ledger};
use crate::identity::Author;
use crate::time::Time;

/// An account is over when it was not said again for so long, ms. An account of 0 is kept as long: it beats all older ones.
pub const GAUGE_MEMORY: u64 = 180_000;

/// One that is not 0 is said again after so long, ms.
const SAID_AGAIN: u64 = 60_000;

/// What came of [`Store::raise`](crate::Store::raise).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// It was raised; all nodes together stand so high now.
    To(u64),
    /// It would stand higher than it may: all nodes together stand so high.
    Over(u64),
    /// The table holds no more keys; not raised.
    Full,
}

pub(crate) fn is_over(account: &Account, now: Time) -> bool {
    account.version.at().plus(GAUGE_MEMORY) <= now
}

impl Ledger {
    /// The sum over the own life and those that are heard.
    pub(crate) fn height(&self, is_heard: impl Fn(Author) -> bool, now: Time) -> u64 {
        let heard = self.others.iter().filter(|(author, account)| !is_over(account, now) && is_heard(*author));
        let own = self.own().map_or(0, |own| own.amount);
        heard.fold(own, |sum, (_, account)| sum.saturating_add(account.amount))
    }

    pub(crate) fn raise(&mut self, by: u32, now: Time) {
        let own = self.open();
        own.amount = own.amount.saturating_add(by.into());
        own.changed(now);
    }

    /// Never below 0; says whether anything changed.
    pub(crate) fn lower(&mut self, by: u32, now: Time) -> bool {
        let Some(own) = self.own.as_mut().filter(|own| own.amount > 0 && by > 0) else { return false };
        own.amount = own.amount.saturating_sub(by.into());
        own.changed(now);
        true
    }

    /// Says the own height again if it is time to; says whether it did.
    pub(crate) fn say_again(&mut self, now: Time) -> bool {
        let due = |own: &&mut Box<Account>| own.amount > 0 && own.version.at().plus(SAID_AGAIN) <= now;
        let Some(own) = self.own.as_mut().filter(due) else { return false };
        own.changed(now);
        true
    }

    /// Whether nothing of it is needed any more.
    pub(crate) fn is_flat(&self, now: Time) -> bool {
        let own = self.own().is_none_or(|own| own.amount == 0 && is_over(own, now));
        own && self.others.iter().all(|(_, account)| is_over(account, now))
    }
}
