//! Where what a request takes of its limits lies until all of them have admitted: then it is paid, else it is given back. What is known only by the
//! response goes on with the request.

use selvedge_state::{Charge, Store, Time};

use super::Limit;
use super::hold::{Hold, Holds};
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

    /// Pays what is known, and leaves the rest for later. Shares go first: what seemed to be there may have been taken meanwhile, and then all
    /// is given back, the shares that were there included.
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
            let Some(Hold::Share { limit, shares, key, counts, cost, drawn }) = self.held.get_mut(at) else { continue };
            if *drawn {
                continue;
            }
            let charge = hand.draw(store, (*shares, *key), *cost, now);
            *drawn = matches!(charge, Charge::Admitted { .. });
            let of = limits.get(limit.0).filter(|of| !*drawn && of.is_enforced() && of.tag().is_none());
            let refused = of.and_then(|of| Some((of, of.share_quota(of.first()?, counts.1, charge))));
            if let Some(refused) = refused {
                self.give_back(context, hand);
                return Err(refused);
            }
        }
        let is_later = |hold: &Hold| limits.get(hold.limit().0).is_some_and(Limit::is_settled_later);
        self.held.retain(|hold| {
            let later = is_later(hold);
            match hold {
                Hold::Room { table, key, cost, .. } if !later => hand.commit(store, (*table, *key), *cost, now),
                // For those who read what was counted.
                Hold::Share { counts, cost, drawn: true, .. } => hand.add(store, *counts, *cost, now),
                _ => {}
            }
            later
        });
        Ok(Holds(self.held))
    }
}

/// Gives back what is held as if it had never been taken.
fn give_back(hold: &Hold, store: &Store, hand: &mut impl Hand, now: Time) {
    match hold {
        Hold::Room { table, key, cost, .. } => hand.release(store, (*table, *key), *cost, now),
        Hold::Share { shares, key, cost, drawn: true, .. } => hand.put_back(store, (*shares, *key), *cost, now),
        Hold::Share { drawn: false, .. } => {}
        Hold::Rights { rights, key, epoch, taken, .. } => hand.settle(store, (*rights, *key, *epoch), (*taken, 0), now),
        Hold::Place { gauge, key, .. } => hand.lower(store, (*gauge, *key), now),
    }
}

/// What is held costs so much: what was too much is given back, and what was too little is owed.
fn pay_in_full(hold: &Hold, actual: u32, store: &Store, hand: &mut impl Hand, now: Time) {
    match hold {
        Hold::Room { table, key, cost, .. } => {
            hand.commit(store, (*table, *key), actual.min(*cost), now);
            if actual < *cost {
                hand.release(store, (*table, *key), cost - actual, now);
            } else if actual > *cost {
                hand.add(store, (*table, *key), actual - cost, now);
            }
        }
        Hold::Rights { rights, key, epoch, taken, .. } => {
            hand.settle(store, (*rights, *key, *epoch), (*taken, actual.into()), now);
        }
        Hold::Share { .. } | Hold::Place { .. } => {}
    }
}

impl Holds {
    /// Pays or gives back what waits for the response: a limit counts it or does not, and it may tell what it costs.
    pub(crate) fn settle(&mut self, limits: &[Limit], context: &Context<'_>, hand: &mut impl Hand) {
        let (store, now) = (context.store, context.now);
        self.0.retain(|hold| {
            let Some(limit) = limits.get(hold.limit().0) else { return true };
            let counts = limit.counts().map(|count| count.holds(context));
            match (hold, counts, limit.late_cost()) {
                (_, None, None) => return true,
                (hold, Some(false), _) => give_back(hold, store, hand, now),
                (hold, _, Some(cost)) => pay_in_full(hold, cost.value(context), store, hand, now),
                (Hold::Room { cost, .. }, ..) => pay_in_full(hold, *cost, store, hand, now),
                (Hold::Rights { .. }, ..) => {}
                (hold, ..) => give_back(hold, store, hand, now),
            }
            false
        });
    }

    /// The request is over, and its response had a body of so many bytes; nobody knows how many where there are none. What is not known costs what
    /// was taken for it.
    pub(crate) fn end(self, limits: &[Limit], bytes: Option<u64>, store: &Store, hand: &mut impl Hand, now: Time) {
        for hold in self.0 {
            let of = limits.get(hold.limit().0).filter(|of| of.counts().is_none());
            let is_late = of.is_some_and(|of| of.late_cost().is_some());
            match (hold, of) {
                (Hold::Room { cost, .. }, Some(_)) if is_late => pay_in_full(&hold, cost, store, hand, now),
                (Hold::Rights { .. }, Some(_)) if is_late => {}
                (Hold::Rights { rights, key, epoch, taken, .. }, Some(_)) => {
                    hand.settle(store, (rights, key, epoch), (taken, bytes.unwrap_or(taken)), now);
                }
                (hold, _) => give_back(&hold, store, hand, now),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use selvedge_state::{Actor, Charge, Incarnation, PopId, StoreConfig};

    use super::super::Outcome;
    use super::*;
    use crate::hand::Doing;
    use crate::{Filters, Head, Tables};

    const NOW: Time = Time(1_800_000_000_000);

    /// One of three POPs, of which each has two of six at once.
    fn store() -> Store {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(1), node: 0 },
            incarnation: Incarnation(1),
            cluster: "test".to_owned(),
            secret: [3; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 1000,
            bans_max: 100,
            roster: 3,
        });
        store.stand_among((1..=3).map(PopId));
        store.set_heard(3, Some(NOW));
        store
    }

    fn filters(store: &Store) -> Filters {
        let limit = |name: &str| {
            format!("[[limit]]\nname = {name:?}\nkey = []\nrate = \"60/1m\"\nburst = 6\nclass = \"strict\"\n")
        };
        let text = format!(
            "[listen]\nhttp = [\"127.0.0.1:80\"]\n[origin.app]\nservers = [\"127.0.0.1:8000\"]\n[site.\"*\"]\norigin = \"app\"\n{}{}",
            limit("one"),
            limit("other"),
        );
        let config = selvedge_conf::load(Path::new("t"), &|_: &Path| Ok(text.clone()), &|_| Ok(Vec::new()), &|_| None);
        let filters = Filters::new(&config.unwrap(), Tables::default(), store).unwrap();
        filters.begin(store, Time::ZERO);
        filters
    }

    /// What a store has left of a share.
    fn left(hold: Hold, store: &Store) -> usize {
        let Hold::Share { shares, key, .. } = hold else { panic!("{hold:?}") };
        std::iter::from_fn(|| matches!(store.draw(shares, key, 1, NOW), Charge::Admitted { .. }).then_some(())).count()
    }

    /// Another request takes the last of the second share between a look at it and its turn to be paid.
    #[test]
    fn a_share_comes_back_when_another_one_of_the_same_request_is_gone() {
        let store = store();
        let (filters, headers) = (filters(&store), http::HeaderMap::new());
        let head = Head::plain("GET", "www.example.com", "/", &headers, [192, 0, 2, 1].into());
        let context = filters.context(&head, None, Vec::new(), (&store, NOW));
        let mut till = Till::new(2);
        for limit in filters.limits() {
            assert!(matches!(limit.take(&mut till, &context, &mut Doing), Outcome::Admitted { .. }));
        }
        let [one, other] = [till.held[0], till.held[1]];
        assert_eq!(left(other, &store), 2);
        let (refusing, quota) = till.pay(filters.limits(), &context, &mut Doing).unwrap_err();
        assert_eq!((refusing.facts().name.as_str(), quota.remaining), ("other", 0));
        assert_eq!(left(one, &store), 2, "nothing was taken of it");
        let Hold::Share { counts: (table, key), .. } = one else { unreachable!() };
        assert_eq!(store.count(table, key, 60_000, NOW), 0, "nor counted");
    }

    /// A share that was used up at a look may be there a moment later; it is taken then, and comes back likewise.
    #[test]
    fn what_was_drawn_at_once_comes_back_too() {
        let store = store();
        let (filters, headers) = (filters(&store), http::HeaderMap::new());
        let head = Head::plain("GET", "www.example.com", "/", &headers, [192, 0, 2, 1].into());
        let context = filters.context(&head, None, Vec::new(), (&store, NOW));
        let mut till = Till::new(1);
        assert!(matches!(filters.limits()[0].take(&mut till, &context, &mut Doing), Outcome::Admitted { .. }));
        let [one] = [till.held[0]];
        till.give_back(&context, &mut Doing);
        assert_eq!(left(one, &store), 2);
    }
}
