//! How many requests there are at once: a gauge for each key, whose height is the sum over all POPs that are heard.

use selvedge_conf::{Limit as Facts, Scope};
use selvedge_state::{GaugeId, LedgerSpec, Raised, Store, TableFull};

use super::share::{Fraction, Share};
use crate::decision::{Allowed, Counted};
use crate::key::KeyShape;

/// The gauges of one limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) gauge: GaugeId,
    most: u32,
}

impl InFlight {
    /// Of a limit; makes its table.
    pub(super) fn new(limit: &Facts, most: u32, key: &KeyShape, store: &Store) -> Result<InFlight, TableFull> {
        let replicated = limit.scope == Scope::Global;
        let spec = LedgerSpec { uid: limit.name.clone(), shape: key.name().to_owned(), replicated };
        Ok(InFlight { gauge: store.gauge(&spec)?, most })
    }

    /// The same gauges, which may stand as high for some key.
    pub(super) fn up_to(self, most: u32) -> InFlight {
        InFlight { most, ..self }
    }

    /// How high a gauge may stand with this share of it: one at the least, unless it is none at all.
    pub(super) fn most(&self, share: Share) -> u32 {
        match share {
            Share::Part(Fraction(part)) => ((f64::from(self.most) * part) as u32).max(1).min(self.most),
            Share::Whole | Share::Nothing => self.most,
        }
    }

    /// What clients are told that it allows.
    pub(super) fn allowed(&self) -> Allowed {
        Allowed { amount: self.most.into(), within: None, counted: Counted::InFlight }
    }

    /// What is left after a gauge was raised, or was not.
    pub(super) fn left(&self, raised: Raised) -> u64 {
        match raised {
            Raised::To(height) => u64::from(self.most).saturating_sub(height),
            Raised::Over(_) | Raised::Full => 0,
        }
    }
}
