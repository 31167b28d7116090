//! Where what a request takes of its limits lies until all of them have admitted: then it is paid, else it is given back. What is known only by the
//! response goes on with the request.

use selvedge_state::{Charge, Store, Time};

use super::hold::{Hold, Holds};
use super::{Limit, LimitId};
use crate::decision::Quota;
use crate::hand::Hand;
use crate::rule::Context;

/// What one request has taken so far.
#[derive(Debug)]
pub(crate) struct Till {
    held: Vec<Hold>,
    sole: bool,
}

impl Till {
    /// For a request that so many limits are for.
    pub(crate) fn new(limits: usize) -> Till {
        Till { held: Vec::new(), sole: limits == 1 }
    }

    /// Whether no other limit is asked, so that nothing else may still refuse the request.
    pub(super) fn is_sole(&self) -> bool {
        self.sole
    }

    /// How much is held now; see [`Till::give_back_from`].
    pub(super) fn mark(&self) -> usize {
        self.held.len()
    }

    pub(super) fn hold(&mut self, hold: Hold) {
        self.held.push(hold);
    }

    /// Gives back what was taken after a mark.
    pub(super) fn give_back_from(&mut self, mark: usize, store: &Store, hand: &mut impl Hand, now: Time) {
        self.held.drain(mark..).for_each(|hold| give_back(&hold, store, hand, now));
    }

    /// Gives back all.
    pub(crate) fn give_back(mut self, context: &Context<'_>, hand: &mut impl Hand) {
        self.give_back_from(0, context.store, hand, context.now);
    }

    /// Pays what is known, and leaves the rest for later. Shares go first: what seemed to be there may have been taken meanwhile, and then the rest
    /// is given back.
    ///
    /// # Errors
    /// What the limit says that has no share left, and which it is.
    pub(crate) fn pay<'l>(
        mut self,
        limits: &'l [Limit],
        context: &Context<'_>,
        hand: &mut impl Hand,
    ) -> Result<Holds, (&'l Limit, Quota)> {
        let (store, now) = (context.store, context.now);
        for at in 0..self.held.len() {
            let Some(hold @ Hold::Share { limit, counts: (_, key), .. }) = self.held.get(at).copied() else { continue };
            let charge = draw(&hold, store, hand, now);
            let of = limits.get(limit.0).filter(|of| of.is_enforced() && of.tag().is_none());
            if let (Charge::Refused { .. } | Charge::Full, Some(of)) = (charge, of) {
                let quota = of.first().map(|tier| of.share_quota(tier, key, charge));
                self.give_back(context, hand);
                return quota.map_or(Ok(Holds::default()), |quota| Err((of, quota)));
            }
        }
        let is_later = |hold: &Hold| limits.get(hold.limit().0).is_some_and(Limit::is_settled_later);
        self.held.retain(|hold| {
            let later = is_later(hold);
            if let (Hold::Room { table, key, cost, .. }, false) = (hold, later) {
                hand.commit(store, (*table, *key), *cost, now);
            }
            later
        });
        Ok(Holds(self.held))
    }
}

/// Takes a share that is held, and counts it for those who read what was counted.
pub(super) fn draw(hold: &Hold, store: &Store, hand: &mut impl Hand, now: Time) -> Charge {
    let Hold::Share { shares, key, counts, cost, .. } = hold else { return Charge::Full };
    let charge = hand.draw(store, (*shares, *key), *cost, now);
    if let Charge::Admitted { .. } = charge {
        hand.add(store, *counts, *cost, now);
    }
    charge
}

/// Gives back what is held as if it had never been taken.
fn give_back(hold: &Hold, store: &Store, hand: &mut impl Hand, now: Time) {
    match hold {
        Hold::Room { table, key, cost, .. } => hand.release(store, (*table, *key), *cost, now),
        Hold::Share { .. } => {}
        Hold::Rights { rights, key, epoch, taken, .. } => hand.settle(store, (*rights, *key, *epoch), (*taken, 0), now),
        Hold::Place { gauge, key, .. } => hand.lower(store, (*gauge, *key), now),
    }
}

impl Holds {
    /// Pays or gives back what waits for the response: a limit counts it or does not.
    pub(crate) fn settle(&mut self, limits: &[Limit], context: &Context<'_>, hand: &mut impl Hand) {
        let (store, now) = (context.store, context.now);
        self.0.retain(|hold| {
            let Some(count) = limits.get(hold.limit().0).and_then(Limit::counts) else { return true };
            match (hold, count.holds(context)) {
                (Hold::Room { table, key, cost, .. }, true) => hand.commit(store, (*table, *key), *cost, now),
                (Hold::Rights { .. }, true) => {}
                (hold, _) => give_back(hold, store, hand, now),
            }
            false
        });
    }

    /// The request is over, and its response had a body of so many bytes.
    pub(crate) fn end(self, limits: &[Limit], bytes: u64, store: &Store, hand: &mut impl Hand, now: Time) {
        for hold in self.0 {
            let of_bytes = |limit: LimitId| limits.get(limit.0).is_some_and(|limit| limit.counts().is_none());
            match hold {
                Hold::Rights { limit, rights, key, epoch, taken } if of_bytes(limit) => {
                    hand.settle(store, (rights, key, epoch), (taken, bytes), now);
                }
                hold => give_back(&hold, store, hand, now),
            }
        }
    }
}
