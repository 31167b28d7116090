//! Limits that are shared out (`strict`, `bounded`): each node spends its own share of rate and burst, which moves to where there is demand.
//! Together they admit no more than burst and rate, and of a bounded one its overdraft, whatever is late, lost, cut off or dead.

use selvedge_conf::{Class, Limit, Tier};
use selvedge_state::{Allowance, LedgerSpec, SharesId, Store, TableFull, Time};

use crate::key::KeyShape;

/// Nano-tokens of one token.
const NANO: f64 = 1e9;

/// The shares of one limit.
#[derive(Debug)]
pub(crate) struct Shared {
    shares: SharesId,
    allowance: Allowance,
}

impl Shared {
    /// Of a limit that is shared out; makes its table.
    pub(crate) fn new(facts: &Limit, tier: &Tier, key: &KeyShape, store: &Store) -> Result<Option<Shared>, TableFull> {
        if !facts.class.is_shared_out() {
            return Ok(None);
        }
        let spec = LedgerSpec { uid: facts.name.clone(), shape: key.name().to_owned(), replicated: true };
        Ok(Some(Shared { shares: store.shares(&spec)?, allowance: allowance(facts.class, tier) }))
    }

    /// The limit is in force from now on.
    pub(crate) fn share_out(&self, store: &Store, now: Time) {
        store.share_out(self.shares, self.allowance, now);
    }

    /// Its table, while there is anybody to share with: a POP alone has a bucket, which outlives the process.
    pub(crate) fn among_several(&self, store: &Store, now: Time) -> Option<SharesId> {
        (store.peers(now).roster > 1).then_some(self.shares)
    }
}

/// What is shared out: rounded down to whole nano-tokens in a ms, and whole tokens.
fn allowance(class: Class, tier: &Tier) -> Allowance {
    let per_ms = tier.rate.per.as_millis().max(1) as f64;
    Allowance {
        nano_per_ms: (f64::from(tier.rate.count) * NANO / per_ms) as u64,
        burst: tier.burst.into(),
        overdraft: overdraft(class, tier) as u64,
    }
}

/// Tokens that a limit may admit beyond burst and rate: of a bounded one its part of what it admits in its time.
pub(super) fn overdraft(class: Class, tier: &Tier) -> f64 {
    match class {
        Class::Bounded(part) => (part * f64::from(tier.rate.count)).floor(),
        Class::Strict | Class::Converge => 0.0,
    }
}
