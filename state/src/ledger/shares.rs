//! `Shares`: a rate and a burst that hold over all nodes together, at every instant.
//!
//! *State.* Time is cut into eras. Each life of each actor has an account for the present one: the rate that it began with (an equal part for
//! each POP of the roster), the rate and tokens that it moved to whom, and what it has demand for. *Join:* the later version of each
//! author. *Read:* this life's share is begun with + received - moved, of the same era and the same terms. Beside it each node keeps a
//! token bucket of its own, which fills at its share of the rate up to its share of the burst and is never sent.
//!
//! *Bound.* Over any stretch of time all nodes together admit at most burst + rate x its length. What is moved is taken off before anybody
//! can see it ([`ledger`](super)), so shares never add up to more than the rate; and a share takes its part of the tokens along, so the
//! buckets never hold more than the burst. A share without its tokens would fill a second bucket: a burst at each hop.
//!
//! *Eras.* What a dead life had is void until its era ends; then the roster shares out anew, and nobody has to agree who is dead. A life
//! has a share from the first era on that begins long enough after it. Nodes do not go over at one instant, so in an era's first
//! second nothing fills: while one node is in the next era, the shares of the last one may still be held in full elsewhere. A
//! bucket goes over with what is in it, up to what an equal share holds. A key that was not asked for goes over as if it had been: nobody
//! took anything of its bucket.
//!
//! *Overdraft.* Where more is allowed, so many tokens over all nodes, each has an equal part of it to go below nothing by. It stays at its node,
//! is never sent, and is paid back before tokens come: over any stretch of time all nodes together admit at most burst + overdraft + rate x its
//! length. A life, and a part that grows, begins with it used up, since whoever had it before may have used it.
//!
//! *Moving.* Who has less share than demand says so; whoever has more share than demand and hears of it gives, of what is lacking, as much as it
//! has of what all have to spare: so several that answer at once give what is lacking, and not many times as much. Where demand is greater than
//! the rate, each is due its part of it. Some room stays, or shares would go to and fro.

use super::{ASK_AGAIN, Account, Ledger};
use crate::bucket::Charge;
use crate::counter::DRIFT_MAX;
use crate::identity::Author;
use crate::time::Time;

/// How long an era is, ms. Shares of dead nodes are void for so long at most; and of each era the first second is lost.
pub const ERA: u64 = 60_000;

/// In the first ms of an era nothing fills: as many as two clocks within the drift bound may be apart.
const QUIET: u64 = 2 * DRIFT_MAX;

/// Demand is measured over so long, ms.
const MEASURED: u64 = 1_000;

/// Demand that should have brought so many costs since the last one is less by now.
const MISSED: u64 = 3;

/// Whoever was given something is given more only after so long, ms: others answer the same question, and what they gave is not known here at
/// once.
const SETTLES: u64 = 300;

/// Costs that make a surge, rather than chance.
const SURGE: u64 = 3;

/// Nano-tokens of one token.
const NANO: u64 = 1_000_000_000;

/// A rate and a burst that all nodes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Nano-tokens that come in a ms: a million for one token in a second.
    pub nano_per_ms: u64,
    /// Tokens that may be taken at once; 18 billion at most.
    pub burst: u64,
    /// Tokens that may be taken beyond that, and are owed then; 18 billion at most.
    pub overdraft: u64,
}

impl Allowance {
    /// As accounts have it.
    pub(crate) fn terms(self) -> (u64, u64) {
        (self.nano_per_ms, self.burst.saturating_mul(NANO))
    }

    /// Nano-tokens that may be owed, over all nodes.
    pub(crate) fn overdraft(self) -> u64 {
        self.overdraft.saturating_mul(NANO)
    }
}

/// A node's own bucket of one key, and what it is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Purse {
    /// Nano-tokens.
    tokens: u64,
    /// Nano-tokens that are owed; none while there are tokens.
    owed: u64,
    /// Nano-tokens that may be owed in this era.
    overdraft: u64,
    /// Among how many POPs the present era is shared out; 0 of a life that has no part of it.
    sharers: u64,
    /// It was filled up to here.
    at: Time,
    /// Nano-tokens that came with shares, of all that is known to have come in this era.
    credited: u64,
    /// Nano-tokens asked for in a ms, as measured.
    demand: u64,
    /// Nano-tokens asked for since the last measurement, admitted or not.
    tried: u64,
    measured: Time,
    /// The last time that anybody asked, and for how many nano-tokens at most since a silence.
    asked: (Time, u64),
    /// To whom something was moved of late.
    gave: Vec<(Author, Time)>,
}

impl Purse {
    /// What there is demand for: where nobody asks nobody measures, and so many costs should have come by now.
    fn demand_at(&self, now: Time) -> u64 {
        let (at, cost) = self.asked;
        let silent = cost.saturating_mul(MISSED).checked_div(now.since(at));
        silent.map_or(self.demand, |most| most.min(self.demand))
    }

    /// Nano-tokens came. What is owed is paid back first; what the bucket has no room for is lost.
    fn gain(&mut self, came: u128, most: u64) {
        let paid = number(came.min(self.owed.into()));
        self.owed -= paid;
        self.tokens = number((u128::from(self.tokens) + came - u128::from(paid)).min(most.into()));
    }

    /// Nano-tokens that may be taken.
    fn holds(&self) -> u64 {
        self.tokens.saturating_add(self.overdraft.saturating_sub(self.owed))
    }

    fn take(&mut self, cost: u64) {
        let lack = cost.saturating_sub(self.tokens);
        self.tokens = self.tokens.saturating_sub(cost);
        self.owed = self.owed.saturating_add(lack);
    }

    /// From now on so much may be owed. What it is more than before counts as owed already.
    fn owe_up_to(&mut self, overdraft: u64) {
        let grown = overdraft.saturating_sub(self.overdraft);
        self.overdraft = overdraft;
        self.take(grown);
    }

    fn ask(&mut self, cost: u64, now: Time) {
        if now.since(self.asked.0) > MEASURED {
            // What comes after a silence is measured by itself.
            self.demand = self.demand_at(now);
            (self.tried, self.measured) = (0, now);
            self.asked.1 = 0;
        }
        self.tried = self.tried.saturating_add(cost);
        // A cheap one among dear ones is no silence.
        self.asked = (now, cost.max(self.asked.1));
    }

    /// What was asked for in a ms since the last measurement.
    fn rate(&self, now: Time) -> u64 {
        self.tried / now.since(self.measured).max(ASK_AGAIN)
    }

    /// Whether by far more is asked for than was known, by more than chance.
    fn is_surge(&self, now: Time) -> bool {
        self.tried >= self.asked.1.saturating_mul(SURGE) && self.rate(now) / 2 > self.demand
    }

    /// A surge counts at once, and what falls off does by halves: what is asked for in vain counts more than what could be spared. What goes
    /// up and down by chance is smoothed, or shares would go to and fro with it.
    fn measure(&mut self, now: Time) {
        let rate = self.rate(now);
        self.demand = if rate / 2 > self.demand {
            rate
        } else if rate < self.demand / 2 {
            u64::midpoint(self.demand, rate)
        } else {
            self.demand - self.demand / 4 + rate / 4
        };
        (self.tried, self.measured) = (0, now);
    }
}

/// What an own account of shares is kept by.
pub(crate) struct Sharer<S> {
    pub(crate) me: Author,
    /// As this node's config has it.
    pub(crate) terms: (u64, u64),
    /// Nano-tokens that all nodes together may owe.
    pub(crate) overdraft: u64,
    /// Since when all that was taken was taken of shares: before, nobody knows what a key that was not asked for has used.
    pub(crate) since: Time,
    /// Among how many POPs this life is one that share what begins at an instant.
    pub(crate) sharers: S,
}

fn number(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

/// `of` x `part` / `whole`, rounded down.
fn part(of: u64, part: u64, whole: u64) -> u64 {
    number(u128::from(of) * u128::from(part) / u128::from(whole.max(1)))
}

/// What a bucket of a share holds at most: the same part of the burst. An equal part of the rate was rounded down, by which the bucket must not
/// lose a whole token.
fn holds_most((rate, burst): (u64, u64), (claim, sharers): (u64, u64), share: u64) -> u64 {
    if share == claim && claim > 0 { burst / sharers.max(1) } else { part(burst, share.min(rate), rate) }
}

/// When the era began that an instant lies in.
pub(crate) fn era_of(now: Time) -> Time {
    Time(now.0 - now.0 % ERA)
}

/// Whether an account is one of those that an own account shares with.
fn shares(own: &Account, other: &Account) -> bool {
    (own.ends, own.terms) == (other.ends, other.terms)
}

impl Ledger {
    /// An author's share, as far as is known here.
    fn share_of(&self, author: Author, account: &Account) -> u64 {
        number(self.kept_by(author, account, |other| shares(account, other)))
    }

    /// This life's share of the rate in an era.
    pub(crate) fn share(&self, me: Author, now: Time) -> u64 {
        self.own().filter(|own| now < own.ends).map_or(0, |own| self.share_of(me, own))
    }

    /// Fills the own bucket up to an instant, and with what came along with shares. To be called before a share changes, too.
    pub(crate) fn fill(&self, purse: &mut Purse, me: Author, now: Time) {
        let Some(own) = self.own() else { return };
        let share = self.share_of(me, own);
        let most = holds_most(own.terms, (own.claim, purse.sharers), share);
        let from = purse.at.max(own.ends.minus(ERA).plus(QUIET));
        purse.gain(u128::from(share) * u128::from(now.min(own.ends).since(from)), most);
        let came = number(self.received(me, |other| shares(own, other)).1);
        purse.gain(came.saturating_sub(purse.credited).into(), most);
        purse.credited = purse.credited.max(came);
        purse.at = purse.at.max(now);
    }

    /// Begins the era that an instant lies in, where it has not begun yet; says whether it did.
    fn enter(&mut self, purse: &mut Purse, sharer: &Sharer<impl Fn(Time) -> Option<u64>>, now: Time) -> bool {
        let (begins, rate) = (era_of(now), sharer.terms.0);
        let ends = self.own().map(|own| own.ends);
        if ends.is_some_and(|ends| ends > begins) {
            return false;
        }
        let equal = |of: u64, begins: Time| (sharer.sharers)(begins).map_or(0, |sharers| of / sharers.max(1));
        let (claim, overdraft) = (equal(rate, begins), equal(sharer.overdraft, begins));
        let sharers = (sharer.sharers)(begins).unwrap_or(0);
        let most = holds_most(sharer.terms, (claim, sharers), claim);
        if ends == Some(begins) {
            self.fill(purse, sharer.me, begins);
            purse.owe_up_to(overdraft);
        } else {
            (purse.tokens, purse.owed, purse.overdraft) = (0, overdraft, overdraft);
            if sharer.since <= begins.minus(ERA) {
                // Nobody asked for it in the era before: its bucket filled all the while, whatever was owed when that began.
                purse.gain(u128::from(equal(rate, begins.minus(ERA))) * u128::from(ERA - QUIET), most);
            }
        }
        purse.tokens = purse.tokens.min(most);
        purse.sharers = sharers;
        (purse.at, purse.credited) = (begins, 0);
        let own = self.open();
        (own.ends, own.terms, own.claim) = (begins.plus(ERA), sharer.terms, claim);
        own.amount = purse.demand_at(now);
        own.given.clear();
        own.changed(now);
        true
    }

    /// Takes `cost` tokens if they are there; says whether the own account has changed.
    pub(crate) fn draw(
        &mut self,
        purse: &mut Purse,
        sharer: &Sharer<impl Fn(Time) -> Option<u64>>,
        cost: u32,
        now: Time,
    ) -> (Charge, bool) {
        // Threads read the time, and come here in another order.
        let now = now.max(purse.at);
        let mut changed = self.enter(purse, sharer, now);
        self.fill(purse, sharer.me, now);
        let cost = u64::from(cost).saturating_mul(NANO);
        let burst = self.own().map_or(0, |own| own.terms.1).max(sharer.terms.1);
        if cost > burst.saturating_add(purse.overdraft.max(sharer.overdraft)) {
            // Nobody needs a share for what never fits.
            return (Charge::Refused { retry_after_ms: u64::MAX }, changed);
        }
        purse.ask(cost, now);
        let holds = purse.holds();
        let charge = if cost <= holds {
            purse.take(cost);
            Charge::Admitted { remaining: u32::try_from(purse.holds() / NANO).unwrap_or(u32::MAX), wait_ms: 0 }
        } else {
            Charge::Refused { retry_after_ms: self.wait(cost - holds, sharer.me, now) }
        };
        changed |= self.tell_demand(purse, charge, now);
        (charge, changed)
    }

    /// Puts back what was drawn at `now` and not used: what is owed is paid back first, and what the bucket has no room for is lost, so it never
    /// has more than if nothing had been drawn. In another era all of it is lost. Demand was told, and stays.
    pub(crate) fn put_back(&self, purse: &mut Purse, me: Author, cost: u32, now: Time) {
        let Some(own) = self.own().filter(|own| own.ends == era_of(now).plus(ERA)) else { return };
        let most = holds_most(own.terms, (own.claim, purse.sharers), self.share_of(me, own));
        purse.gain(u128::from(cost) * u128::from(NANO), most);
    }

    /// How long it takes until so many nano-tokens have come, if no share changes; the next era at most, which changes them.
    fn wait(&self, lacks: u64, me: Author, now: Time) -> u64 {
        let Some(own) = self.own() else { return ERA };
        let quiet = own.ends.minus(ERA).plus(QUIET).since(now);
        let fills = lacks.checked_div(self.share_of(me, own)).map_or(ERA, |ms| ms.saturating_add(1));
        quiet.saturating_add(fills).min(own.ends.since(now)).max(1)
    }

    /// Measures the demand, and says it where it is another one or not met. True when the own account has changed.
    fn tell_demand(&mut self, purse: &mut Purse, charge: Charge, now: Time) -> bool {
        let Some(own) = self.own.as_mut() else { return false };
        let is_short = matches!(charge, Charge::Refused { .. }) && own.version.at().plus(ASK_AGAIN) <= now;
        let is_due = now.since(purse.measured) >= MEASURED;
        if is_due || is_short && purse.is_surge(now) {
            purse.measure(now);
        }
        if !is_short && (!is_due || purse.demand.abs_diff(own.amount) <= own.amount / 8) {
            return false;
        }
        own.amount = purse.demand;
        own.changed(now);
        true
    }

    /// Answers who asks just now, as far as there is more share here than demand. Says whether the own account has changed.
    pub(crate) fn answer_shares(
        &mut self,
        purse: &mut Purse,
        sharer: &Sharer<impl Fn(Time) -> Option<u64>>,
        now: Time,
    ) -> bool {
        let now = now.max(purse.at);
        let entered = self.enter(purse, sharer, now);
        self.fill(purse, sharer.me, now);
        let Some(own) = self.own() else { return entered };
        let fresh = |(_, account): &&(Author, Account)| account.is_fresh(now) && shares(own, account);
        let asking = self.others.iter().filter(fresh);
        let (terms, claim, mine) = (own.terms, own.claim, purse.demand_at(now));
        let rate = terms.0;
        let all = asking.clone().fold(u128::from(mine), |sum, (_, account)| sum + u128::from(account.amount));
        let due = |demand: u64| if all > rate.into() { part(rate, demand, number(all)) } else { demand };
        // What somebody has beyond what is due, with some room, or shares would go to and fro.
        let spares = |share: u64, demand: u64| {
            let keeps = due(demand);
            share.saturating_sub(keeps.saturating_add(keeps / 4))
        };
        let share = self.share_of(sharer.me, own);
        let spare = spares(share, mine);
        if spare <= claim / 128 {
            return entered;
        }
        purse.gave.retain(|(_, at)| now.since(*at) < SETTLES);
        let lacks = |(author, account): &(Author, Account)| {
            let waits = purse.gave.iter().any(|(to, _)| to == author);
            let lacks = due(account.amount).saturating_sub(self.share_of(*author, account));
            (*author, if waits { 0 } else { lacks })
        };
        let lacking: Vec<(Author, u64)> = asking.clone().map(lacks).filter(|(_, lacks)| *lacks > 0).collect();
        // Others that ask as well give as well, each by what it has to spare. Who has not asked of late has no use for what it has.
        let spares_of = |(author, account): &(Author, Account)| spares(self.share_of(*author, account), account.amount);
        let all_spare = asking.fold(u128::from(spare), |sum, other| sum + u128::from(spares_of(other)));
        let (has, mut changed) = (purse.tokens, entered);
        for (author, lacks) in lacking {
            let left = self.own().map_or(0, |own| spares(self.share_of(sharer.me, own), mine));
            let moved = part(lacks, spare, number(all_spare)).min(left.div_ceil(2));
            let along = part(has, moved, share);
            if moved > 0 && self.open().give(author, moved, along) {
                purse.tokens = purse.tokens.saturating_sub(along);
                purse.gave.push((author, now));
                changed = true;
            }
        }
        let left = self.own().map_or(0, |own| self.share_of(sharer.me, own));
        purse.tokens = purse.tokens.min(holds_most(terms, (claim, purse.sharers), left));
        if changed && let Some(own) = self.own.as_mut() {
            // What was asked for here some time ago must not count as if it were now.
            own.amount = mine;
            own.changed(now);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{Actor, Incarnation, PopId};
    use crate::time::Time;

    const TERMS: (u64, u64) = (40_000_000, 6 * NANO);
    /// Of all together.
    const OVERDRAFTS: [u64; 2] = [0, 9 * NANO];
    const START: Time = Time(1_800_000_000_000);

    #[derive(Debug, Clone)]
    enum Step {
        /// Who, and how much.
        Draw(usize, u32),
        /// The same, and it is put back after the next wait.
        DrawInVain(usize, u32),
        /// From, to, and how many versions ago: lost, late, doubled and in any order.
        Hear(usize, usize, usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..3_usize, 0..4_u32).prop_map(|(who, cost)| Step::Draw(who, cost)),
            1 => (0..3_usize, 0..4_u32).prop_map(|(who, cost)| Step::DrawInVain(who, cost)),
            4 => (0..3_usize, 0..3_usize, prop_oneof![4 => Just(0_usize), 1 => 0..9_usize])
                .prop_map(|(from, to, ago)| Step::Hear(from, to, ago)),
            3 => prop_oneof![8 => 0..400_u64, 2 => 0..5_000_u64, 1 => 50_000..130_000_u64].prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..300)
    }

    struct Node {
        ledger: Ledger,
        purse: Purse,
        me: Author,
        ahead: u64,
        overdraft: u64,
        said: Vec<Account>,
    }

    impl Node {
        fn new(pop: u16, overdraft: u64) -> Node {
            let me = Author { actor: Actor { pop: PopId(pop), node: 0 }, incarnation: Incarnation(1) };
            let (ledger, purse) = (Ledger::default(), Purse::default());
            Node { ledger, purse, me, ahead: u64::from(pop) * 250, overdraft, said: Vec::new() }
        }

        fn sharer(&self) -> Sharer<impl Fn(Time) -> Option<u64> + use<>> {
            Sharer { me: self.me, terms: TERMS, overdraft: self.overdraft, since: Time::ZERO, sharers: |_| Some(3) }
        }

        fn say(&mut self) {
            self.said.extend(self.ledger.own().cloned());
        }

        fn draw(&mut self, cost: u32, now: Time) -> bool {
            let sharer = self.sharer();
            let (charge, changed) = self.ledger.draw(&mut self.purse, &sharer, cost, now.plus(self.ahead));
            if changed {
                self.say();
            }
            matches!(charge, Charge::Admitted { .. })
        }

        fn put_back(&mut self, cost: u32, drawn: Time) {
            self.ledger.put_back(&mut self.purse, self.me, cost, drawn.plus(self.ahead));
        }

        fn hear(&mut self, author: Author, account: Account, now: Time) {
            let (now, sharer) = (now.plus(self.ahead), self.sharer());
            self.ledger.fill(&mut self.purse, self.me, now);
            let asks = account.ends == era_of(now).plus(ERA) && account.amount > 0;
            self.ledger.join(author, account);
            self.ledger.fill(&mut self.purse, self.me, now);
            if asks && self.ledger.answer_shares(&mut self.purse, &sharer, now) {
                self.say();
            }
        }
    }

    /// What all have by their own account of it, in each era.
    fn check(nodes: &[Node], now: Time) -> Result<(), TestCaseError> {
        let ends: Vec<Time> = nodes.iter().filter_map(|node| node.ledger.own()).map(|own| own.ends).collect();
        for era in ends {
            let own = |node: &&Node| node.ledger.own().is_some_and(|own| own.ends == era);
            let share = |node: &Node| u128::from(node.ledger.share(node.me, era.minus(1)));
            let shares: u128 = nodes.iter().filter(own).map(share).sum();
            prop_assert!(shares <= TERMS.0.into(), "{} at {}", shares, now);
        }
        // Whoever has to go over to the next era takes an equal share's part along, when it comes to it.
        let tokens = |node: &Node| {
            let is_over = node.ledger.own().is_some_and(|own| own.ends <= now.plus(node.ahead));
            u128::from(if is_over { node.purse.tokens.min(TERMS.1 / 3) } else { node.purse.tokens })
        };
        let tokens: u128 = nodes.iter().map(tokens).sum();
        prop_assert!(tokens <= TERMS.1.into(), "{} tokens at {}", tokens, now);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn shares_and_tokens_never_add_up_to_more(steps in steps(), overdraft in prop::sample::select(&OVERDRAFTS)) {
            let mut nodes = [0, 1, 2].map(|pop| Node::new(pop, overdraft));
            let (mut now, mut backlog, mut in_vain) = (START, 0_u128, Vec::new());
            for step in steps {
                match step {
                    Step::Draw(who, cost) => {
                        if nodes[who].draw(cost, now) {
                            backlog += u128::from(cost) * u128::from(NANO);
                        }
                    }
                    Step::DrawInVain(who, cost) => {
                        if nodes[who].draw(cost, now) {
                            in_vain.push((who, cost, now));
                        }
                    }
                    Step::Hear(from, to, ago) if from != to => {
                        let said = nodes[from].said.iter().rev().nth(ago).cloned();
                        if let Some(account) = said {
                            let author = nodes[from].me;
                            nodes[to].hear(author, account, now);
                        }
                    }
                    Step::Hear(..) => {}
                    Step::Wait(ms) => {
                        now = now.plus(ms);
                        backlog = backlog.saturating_sub(u128::from(TERMS.0) * u128::from(ms));
                        in_vain.drain(..).for_each(|(who, cost, at)| nodes[who].put_back(cost, at));
                    }
                }
                check(&nodes, now)?;
                prop_assert!(backlog <= (TERMS.1 + overdraft).into(), "{} admitted beyond the rate at {}", backlog, now);
            }
        }
    }
}
