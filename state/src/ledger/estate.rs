//! What a life leaves of a quota to the next life of its node. A life that ends gives nothing away any more, and only then says what it has.
//! Where it knows its heir it moves all of it there itself; else the heir does so in its name, once: the account of a life that ended in
//! order has one writer at any time, as every account has.

use super::rights::number;
use super::{Account, Ledger, is_over};
use crate::identity::Author;
use crate::time::Time;

impl Ledger {
    /// This life ends: it wants nothing any more, and what it has left is its heir's, if it knows one. Says whether the own account has changed.
    pub(crate) fn bequeath(&mut self, me: Author, heir: Option<Author>, now: Time) -> bool {
        let received = number(self.received(me, |_| true).0);
        let left = self.left(me);
        let Some(own) = self.own.as_mut().filter(|own| !is_over(own, now)) else { return false };
        let wanted = own.want;
        own.want = wanted.min(received);
        let moved = heir.is_some_and(|heir| left > 0 && own.give(heir, left, 0));
        let changed = moved || wanted != own.want;
        if changed {
            own.changed(now);
        }
        changed
    }

    /// What another author has left, as far as is known here.
    pub(crate) fn left_of(&self, author: Author) -> u64 {
        let account = self.others().find(|(known, _)| *known == author);
        account.map_or(0, |(_, account)| self.left_to(author, account))
    }

    /// A life that ended left this account to `me`. Where nobody has moved what was left, it is moved now, in that life's name and as far as the
    /// quota allows by now. Where a life of this node minted, the own account begins, so that nobody forgets it. Says whether there is such an account.
    pub(crate) fn succeed(&mut self, (from, me): (Author, Author), quota: Option<u64>, now: Time) -> bool {
        let known = self.others.binary_search_by_key(&from, |(author, _)| *author).ok();
        let account = known.and_then(|at| self.others.get(at)).map(|(_, account)| account);
        let Some(mut last) = account.filter(|account| !is_over(account, now)).cloned() else { return false };
        let (ends, terms) = (last.ends, last.terms);
        if let Some(quota) = quota {
            let claim = last.claim.saturating_sub(last.terms.0.saturating_sub(quota));
            let left = self.left_to(from, &Account { claim, ..last.clone() });
            last.want = last.want.min(number(self.received(from, |_| true).0));
            if left > 0 {
                last.give(me, left, 0);
            }
            last.changed(now);
            self.join(from, last);
        }
        let minted = self.others.iter().any(|(author, account)| author.actor == me.actor && account.claim > 0);
        if self.own.is_none() && (minted || self.received(me, |_| true).0 > 0) {
            let own = self.open();
            (own.ends, own.terms) = (ends, terms);
            own.changed(now);
        }
        true
    }
}
