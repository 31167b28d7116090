//! What authors say of one key, one account each. Gauges, rights and shares have this shape in common: they differ in what the
//! numbers of an account mean ([`gauge`], [`rights`], [`shares`]).
//!
//! Only its author changes an account, and each change has a greater version. A join takes the greater account of each author,
//! by version first and then by all it says, so loss, duplication and reordering are harmless, and so is a tie that no honest author
//! makes. An author is an actor in one life: what a life had passes to the next one only where it ended in order, and
//! of rights alone ([`estate`]).
//!
//! Accounts die by absolute time, of which they carry what it takes: a gauge's is kept alive by being said again, those of rights and shares end
//! with their epoch.
//!
//! What is moved to another is taken off in the giver's own account, and only then said; the receiver has it when it joins that account. So
//! what all have by their own account of it never exceeds what there was at first (escrow: O'Neil, *The escrow transactional
//! method*, 1986; as a lattice: Balegas et al., *Extending eventually consistent cloud databases for enforcing numeric invariants*,
//! SRDS 2015). What was moved to a life that ended, or that the giver's end took along before anybody heard it, is lost until the epoch ends.

mod estate;
pub(crate) mod gauge;
pub(crate) mod opening;
pub(crate) mod rights;
pub(crate) mod shares;

use crate::identity::Author;
use crate::time::Time;
pub(crate) use crate::version::Version;

/// Authors beside the own one whose accounts one key holds, and receivers that one account names. Lives count, so there are more
/// than nodes where nodes restart over and over.
pub const AUTHORS_MAX: usize = 256;

/// A wish that is not met is said again after so long, ms, when there still is reason for it.
const ASK_AGAIN: u64 = 100;

/// A wish counts for so long, ms: whoever still has it says it again.
const FRESH: u64 = 2_000;

/// Accounts that end are kept for so long after it, ms: clocks differ, and what was taken before may be settled then. No shorter than an
/// era, for one begins with what its node had at the end of the one before.
pub(crate) const KEPT: u64 = 60_000;

/// The longest epoch, ms: a month of 31 days. An account that ends later than that from now was made up, and is refused.
pub const EPOCH_LONGEST: u64 = 31 * 86_400_000;

/// Whether an account of rights or shares is not needed any more.
pub(crate) fn is_over(account: &Account, now: Time) -> bool {
    account.ends.plus(KEPT) <= now
}

/// What was moved to another author, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gift {
    pub(crate) to: Author,
    /// Rights, or rate in nano-tokens per ms.
    pub(crate) amount: u64,
    /// Nano-tokens that went with a rate.
    pub(crate) tokens: u64,
}

/// What one author says of one key. The order of fields is the order of accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Account {
    pub(crate) version: Version,
    /// When the epoch that it belongs to is over; 0 for a gauge.
    pub(crate) ends: Time,
    /// A gauge's height, rights used, or the rate that its author has demand for.
    pub(crate) amount: u64,
    /// Rights minted, or the rate that its author had from the start.
    pub(crate) claim: u64,
    /// Rights that its author wants to have been given, all in all.
    pub(crate) want: u64,
    /// As its author's config has it: a quota and the begin of its epoch, or a rate and a burst.
    pub(crate) terms: (u64, u64),
    /// In the order of receivers, each once.
    pub(crate) given: Vec<Gift>,
}

impl Account {
    /// What was moved to an author, all in all.
    fn given_to(&self, author: Author) -> (u64, u64) {
        let gift = self.given.binary_search_by_key(&author, |gift| gift.to).ok().and_then(|at| self.given.get(at));
        gift.map_or((0, 0), |gift| (gift.amount, gift.tokens))
    }

    /// What was moved away, to all.
    fn moved(&self) -> u128 {
        self.given.iter().map(|gift| u128::from(gift.amount)).sum()
    }

    /// Moves so much more. False when no more receivers fit; nothing is moved then.
    fn give(&mut self, to: Author, amount: u64, tokens: u64) -> bool {
        match self.given.binary_search_by_key(&to, |gift| gift.to) {
            Ok(at) => match self.given.get_mut(at) {
                // A sum that does not fit would be read as less than was taken off here: that is safe, but nothing gets so far.
                Some(gift) => {
                    gift.amount = gift.amount.saturating_add(amount);
                    gift.tokens = gift.tokens.saturating_add(tokens);
                }
                None => return false,
            },
            Err(at) if self.given.len() < AUTHORS_MAX => self.given.insert(at, Gift { to, amount, tokens }),
            Err(_) => return false,
        }
        true
    }

    /// Whether it was changed just now: its author lives, as far as anybody can know.
    fn is_fresh(&self, now: Time) -> bool {
        self.version.at().plus(FRESH) > now
    }

    fn changed(&mut self, now: Time) {
        self.version = self.version.next(now);
    }
}

/// What became of an account that was joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    Raised,
    Unchanged,
    /// No more authors fit.
    Crowded,
}

/// The accounts of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    own: Option<Box<Account>>,
    /// In the order of authors.
    others: Vec<(Author, Account)>,
}

impl Ledger {
    pub(crate) fn own(&self) -> Option<&Account> {
        self.own.as_deref()
    }

    /// The own account, empty if there was none.
    pub(crate) fn open(&mut self) -> &mut Account {
        self.own.get_or_insert_default()
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = (Author, &Account)> {
        self.others.iter().map(|(author, account)| (*author, account))
    }

    /// All accounts, the own one as `me`'s, in the order of authors.
    pub(crate) fn all(&self, me: Author) -> Vec<(Author, Account)> {
        let mut all = self.others.clone();
        if let Some(own) = self.own() {
            let at = all.partition_point(|(author, _)| *author < me);
            all.insert(at, (me, own.clone()));
        }
        all
    }

    /// Joins another author's account.
    pub(crate) fn join(&mut self, author: Author, account: Account) -> Joined {
        match self.others.binary_search_by_key(&author, |(author, _)| *author) {
            Ok(at) => match self.others.get_mut(at) {
                Some((_, known)) if *known < account => {
                    *known = account;
                    Joined::Raised
                }
                _ => Joined::Unchanged,
            },
            Err(_) if self.others.len() >= AUTHORS_MAX => Joined::Crowded,
            Err(at) => {
                self.others.insert(at, (author, account));
                Joined::Raised
            }
        }
    }

    /// What was moved to an author, as far as is known here: by accounts that pass.
    fn received(&self, author: Author, by: impl Fn(&Account) -> bool) -> (u128, u128) {
        let others = self.others.iter().map(|(_, account)| account);
        let gifts = others.chain(self.own()).filter(|account| by(account)).map(|account| account.given_to(author));
        gifts.fold((0, 0), |(amount, tokens), gift| (amount + u128::from(gift.0), tokens + u128::from(gift.1)))
    }

    /// What an author has of what it began with and was given, moved away or used, as far as is known here.
    fn kept_by(&self, author: Author, account: &Account, by: impl Fn(&Account) -> bool) -> u128 {
        (u128::from(account.claim) + self.received(author, by).0).saturating_sub(account.moved())
    }

    /// Whether all accounts are over, the own one included.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        self.own().is_none_or(|own| is_over(own, now)) && self.others.iter().all(|(_, account)| is_over(account, now))
    }

    /// Keeps what passes of the others' accounts.
    pub(crate) fn retain(&mut self, keep: impl Fn(Author, &Account) -> bool) {
        self.others.retain(|(author, account)| keep(*author, account));
    }
}
