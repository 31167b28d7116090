//! What one limit takes of what it has for one request, and leaves at the till.

use std::time::Duration;

use selvedge_conf::{OnMissing, Over};
use selvedge_state::{Charge, ERA, Key, Key64, Raised, SharesId, Spent};

use super::budget::Budget;
use super::flight::InFlight;
use super::resets::Generation;
use super::seen::Came;
use super::share::Share;
use super::special::Special;
use super::tier::{self, Tier};
use super::till::Till;
use super::{Hold, Limit, Measure, Outcome};
use crate::decision::Quota;
use crate::explain::Note;
use crate::hand::Hand;
use crate::rule::Context;

/// What a look at one limit comes to.
enum Taken {
    Room(Quota, Duration),
    NoRoom(Quota),
    Full,
}

/// The key of a request, as it is called in the generation that it is in.
#[derive(Clone, Copy)]
struct Named {
    key: Key,
    generation: Generation,
}

impl Named {
    fn lasting(self, limit: &Limit, context: &Context<'_>) -> Key64 {
        self.generation.of_name(limit.key.lasting(context), context.store)
    }
}

impl Limit {
    /// Takes what one request needs that it is for, and leaves it at the till; where no other limit is asked, for good.
    pub(crate) fn take(&self, till: &mut Till, context: &Context<'_>, hand: &mut impl Hand) -> Outcome {
        let (store, now) = (context.store, context.now);
        let named = self.key.hash(context);
        let special = self.special(named, store, now);
        if let Some(Special::Everything) = special {
            return Outcome::Unlimited;
        }
        if self.facts.on_missing == OnMissing::Deny && !self.key.is_whole(context) {
            return if self.is_enforced() { Outcome::Unkeyed } else { Outcome::WouldRefuse };
        }
        let share = Share::of(&self.facts, store, now);
        if share == Share::Nothing {
            return if self.is_enforced() { Outcome::Partitioned } else { Outcome::WouldRefuse };
        }
        let generation = self.resets.generation(named, store, now);
        let (key, cost) = (Named { key: generation.of(named, store), generation }, self.cost.taken(context));
        let taken = match &self.measure {
            Measure::Rates(_) | Measure::Shared(..) => {
                self.take_rate(till, (key, special), (cost, share), context, hand)
            }
            Measure::Quota(own) => self.take_rights(till, &own.or(special), (key, cost), context, hand),
            Measure::InFlight(own) => self.take_place(till, own.or(special), (key.key, share), context, hand),
        };
        hand.aside(|| {
            let came = if let Taken::NoRoom(_) = taken { Came::Refused } else { Came::Charged };
            self.resets.renew(named, generation, store, now);
            self.seen.note(named, came, now, || self.key.texts(context));
        });
        match taken {
            Taken::Room(quota, wait) => Outcome::Admitted { quota, wait },
            Taken::Full => Outcome::Uncounted,
            Taken::NoRoom(_) if !self.is_enforced() => Outcome::WouldRefuse,
            Taken::NoRoom(_) if matches!(self.facts.over, Over::Tag(_)) => Outcome::Tagged,
            Taken::NoRoom(quota) => {
                // Where too many wait it may be for the others' sake that there is no room.
                let penalties = self.penalties.as_ref().filter(|_| context.head.may_wait);
                let penalty = penalties.and_then(|penalties| penalties.offence(key.key, context, hand));
                Outcome::Refused { quota, penalty }
            }
        }
    }

    fn take_rate(
        &self,
        till: &mut Till,
        (key, special): (Named, Option<Special>),
        (cost, share): (u32, Share),
        context: &Context<'_>,
        hand: &mut impl Hand,
    ) -> Taken {
        let own;
        let tiers = match (&self.measure, special) {
            (Measure::Shared(shared, tier), _) => {
                if let Some(shares) = shared.among_several(context.store, context.now) {
                    return self.take_share(till, (shares, tier), (key, cost), context, hand);
                }
                std::slice::from_ref(tier)
            }
            (_, Some(Special::Tier(tier))) => {
                own = tier;
                std::slice::from_ref(&own)
            }
            _ => self.tiers(),
        };
        let mut taken = self.take_tiers(till, tiers, (key.key, cost, share), context, hand);
        if let (Taken::NoRoom(quota), true) = (&mut taken, self.facts.count_denied) {
            let mut later = Duration::ZERO;
            for tier in tiers {
                let Some(key) = tier.key(&self.key, key.key, context) else { continue };
                let denied = (&tier.for_denied(), cost);
                if let Charge::Admitted { .. } = hand.charge(context.store, (tier.table, key), denied, context.now) {
                    later = later.max(tier.drains_in(cost));
                }
            }
            // There is room when what this request costs has drained as well.
            quota.reset = quota.reset.map(|reset| reset.saturating_add(later));
        }
        taken
    }

    /// Room in each of some buckets, or in none.
    fn take_tiers(
        &self,
        till: &mut Till,
        tiers: &[Tier],
        (key, cost, share): (Key, u32, Share),
        context: &Context<'_>,
        hand: &mut impl Hand,
    ) -> Taken {
        let (store, now) = (context.store, context.now);
        let at_once = till.is_sole() && tiers.len() == 1 && !self.is_settled_later();
        let held = till.mark();
        let mut tightest: Option<(Quota, Duration)> = None;
        for (at, tier) in tiers.iter().enumerate() {
            let Some(key) = tier.key(&self.key, key, context) else { continue };
            let bucket = tier.bucket_for(&context.head, share);
            if at == 0 {
                hand.note(|| Note::Bucket(self.id, tier.written(), store.level(tier.table, key, &bucket, now)));
            }
            let charge = if at_once {
                hand.charge(store, (tier.table, key), (&bucket, cost), now)
            } else {
                hand.reserve(store, (tier.table, key), (&bucket, cost), now)
            };
            let (remaining, reset) = tier::told(&bucket, charge);
            let quota = Quota { limit: self.id, allowed: tier.allowed(), remaining, reset, key: key.to_bytes() };
            match charge {
                Charge::Admitted { wait_ms, .. } => {
                    if !at_once {
                        till.hold(Hold::Room { limit: self.id, table: tier.table, key, cost });
                    }
                    let longest = tightest.map_or(0, |(_, wait)| wait.as_millis() as u64).max(wait_ms);
                    let tighter = tightest.map_or(quota, |(known, _)| known.tighter(quota));
                    tightest = Some((tighter, Duration::from_millis(longest)));
                }
                Charge::Refused { .. } => {
                    till.give_back_from(held, store, hand, now);
                    return Taken::NoRoom(quota);
                }
                Charge::Full => {}
            }
        }
        tightest.map_or(Taken::Full, |(quota, wait)| Taken::Room(quota, wait))
    }

    fn take_share(
        &self,
        till: &mut Till,
        (shares, tier): (SharesId, &Tier),
        (named, cost): (Named, u32),
        context: &Context<'_>,
        hand: &mut impl Hand,
    ) -> Taken {
        let (store, now, key) = (context.store, context.now, named.key);
        let lasting = named.lasting(self, context);
        let seen = (!till.is_sole()).then(|| store.peek_draw(shares, lasting, cost, now));
        let (charge, drawn) = match seen {
            Some(charge @ Charge::Admitted { .. }) => (charge, false),
            // Where there is no room it is refused likewise, and the others hear of the demand.
            _ => (hand.draw(store, (shares, lasting), cost, now), true),
        };
        if let Charge::Admitted { .. } = charge {
            let counts = (tier.table, key);
            till.hold(Hold::Share { limit: self.id, shares, key: lasting, counts, cost, drawn });
        }
        let quota = self.share_quota(tier, key, charge);
        match charge {
            Charge::Admitted { .. } => Taken::Room(quota, Duration::ZERO),
            // What has no room would be admitted without end.
            Charge::Refused { .. } | Charge::Full => Taken::NoRoom(quota),
        }
    }

    pub(super) fn share_quota(&self, tier: &Tier, key: Key, charge: Charge) -> Quota {
        let (remaining, reset) = match charge {
            Charge::Full => (0, Some(Duration::from_millis(ERA))),
            charge => tier::told(&tier.bucket, charge),
        };
        Quota { limit: self.id, allowed: tier.allowed(), remaining, reset, key: key.to_bytes() }
    }

    fn take_rights(
        &self,
        till: &mut Till,
        budget: &Budget,
        (named, cost): (Named, u32),
        context: &Context<'_>,
        hand: &mut impl Hand,
    ) -> Taken {
        let (store, now, key) = (context.store, context.now, named.key);
        let (lasting, epoch, price) = (named.lasting(self, context), budget.epoch(now), budget.price(cost));
        let left = budget.left(lasting, epoch, store, now);
        let spent = hand.spend(store, (budget.rights(), lasting, epoch), price, now);
        let (remaining, reset) = budget.told(left, epoch, (spent, price), now);
        let quota = Quota { limit: self.id, allowed: budget.allowed(epoch), remaining, reset, key: key.to_bytes() };
        match spent {
            Spent::Granted { .. } => {
                let rights = budget.rights();
                till.hold(Hold::Rights { limit: self.id, rights, key: lasting, epoch, taken: price });
                Taken::Room(quota, Duration::ZERO)
            }
            Spent::Short { .. } | Spent::OutOfTime | Spent::Full => Taken::NoRoom(quota),
        }
    }

    fn take_place(
        &self,
        till: &mut Till,
        flight: InFlight,
        (key, share): (Key, Share),
        context: &Context<'_>,
        hand: &mut impl Hand,
    ) -> Taken {
        let raised = hand.raise(context.store, (flight.gauge, key), flight.most(share), context.now);
        let (remaining, reset) = (flight.left(raised), None);
        let quota = Quota { limit: self.id, allowed: flight.allowed(), remaining, reset, key: key.to_bytes() };
        match raised {
            Raised::To(_) => {
                till.hold(Hold::Place { limit: self.id, gauge: flight.gauge, key });
                Taken::Room(quota, Duration::ZERO)
            }
            Raised::Over(_) => Taken::NoRoom(quota),
            Raised::Full => Taken::Full,
        }
    }
}
