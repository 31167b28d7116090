//! Tokens that are held for costs whose fate is not known yet: in the way of whoever asks here, but not counted. They are this process's
//! alone, so they are in no row: never sent, compared or saved.

use super::widths::Widths;
use super::{Asker, More, SlotCounter};
use crate::bucket::{Bucket, Charge};
use crate::time::Time;

impl SlotCounter {
    /// Tokens that are held.
    pub(crate) fn held(&self) -> u64 {
        self.more.as_ref().map_or(0, |more| more.held)
    }

    /// Checks, and holds the cost where there is room.
    pub(crate) fn hold(&mut self, widths: Widths, (bucket, cost): (&Bucket, u32), asker: Asker, now: Time) -> Charge {
        let charge = self.ask(widths, (bucket, cost), asker, now);
        if let (Charge::Admitted { .. }, true) = (charge, cost > 0) {
            let more = self.more.get_or_insert_default();
            more.held = more.held.saturating_add(cost.into());
        }
        charge
    }

    /// Lets go of what was held; of more than that, of all.
    pub(crate) fn free(&mut self, cost: u32) {
        let Some(more) = self.more.as_mut() else { return };
        more.held = more.held.saturating_sub(cost.into());
        if more.is_empty() {
            self.more = None;
        }
    }

    /// Counts what was held, without asking again. `rate` is the table's.
    pub(crate) fn commit(&mut self, widths: Widths, cost: u32, rate: Option<f64>, now: Time) {
        self.free(cost);
        self.add(widths, cost, rate, now);
    }
}

impl More {
    fn is_empty(&self) -> bool {
        self.large.is_none() && self.others.is_none() && self.held == 0
    }
}
