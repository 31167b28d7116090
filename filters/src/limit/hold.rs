//! What a request holds of limits while it is not known what becomes of it. Given back, or paid, when it is.

use selvedge_state::{Epoch, GaugeId, Key, Key64, RightsId, SharesId, TableId};

use super::LimitId;

/// What one request holds. Whoever has it gives it to [`Filters::end`](crate::Filters::end), whatever way the request ends: nothing of it
/// comes back by itself.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Holds(pub(super) Vec<Hold>);

/// Something of one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Hold {
    /// Room in a bucket, which nobody else may take.
    Room { limit: LimitId, table: TableId, key: Key, cost: u32 },
    /// Of a share: nothing before it is drawn, which is when all else has room.
    Share { limit: LimitId, shares: SharesId, key: Key64, counts: (TableId, Key), cost: u32, drawn: bool },
    /// Rights that are spent, and may turn out to have been too many or too few.
    Rights { limit: LimitId, rights: RightsId, key: Key64, epoch: Epoch, taken: u64 },
    /// A place among the requests that there are at once.
    Place { limit: LimitId, gauge: GaugeId, key: Key },
}

impl Hold {
    pub(super) fn limit(&self) -> LimitId {
        match self {
            Hold::Room { limit, .. }
            | Hold::Share { limit, .. }
            | Hold::Rights { limit, .. }
            | Hold::Place { limit, .. } => *limit,
        }
    }
}

impl Holds {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
