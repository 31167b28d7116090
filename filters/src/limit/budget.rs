//! Quotas: so much in each hour, day or month of the calendar, over all POPs together. Each spends rights that no other has.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use selvedge_conf::{Limit as Facts, Period, Quota as Written, Unit};
use selvedge_state::{Epoch, Key64, LedgerSpec, RightsId, Spent, Store, TableFull, Time};

use crate::decision::{Allowed, Counted};
use crate::key::KeyShape;

/// What asking again at once may bring: rights that others have were asked for.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The rights of one amount.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    rights: RightsId,
    quota: Written,
    /// Whether what a request costs is told by its response.
    is_late: bool,
}

impl Budget {
    /// A limit's own; makes its table.
    pub(super) fn new(limit: &Facts, quota: Written, key: &KeyShape, store: &Store) -> Result<Budget, TableFull> {
        Budget::with(limit.name.clone(), limit, quota, key, store)
    }

    /// One of some keys of a limit alone, by their amount: each table has one.
    pub(super) fn special(limit: &Facts, quota: Written, key: &KeyShape, store: &Store) -> Result<Budget, TableFull> {
        Budget::with(format!("{}#{}", limit.name, quota.amount), limit, quota, key, store)
    }

    fn with(uid: String, limit: &Facts, quota: Written, key: &KeyShape, store: &Store) -> Result<Budget, TableFull> {
        let spec = LedgerSpec { uid, shape: key.name().to_owned(), replicated: true };
        Ok(Budget { rights: store.rights(&spec)?, quota, is_late: limit.reserve.is_some() })
    }

    /// The config that it is of is in force from now on.
    pub(super) fn begin(&self, store: &Store) {
        store.allot(self.rights, self.quota.amount);
    }

    pub(super) fn rights(&self) -> RightsId {
        self.rights
    }

    /// What is taken for a request that costs so much, before its response is there.
    pub(super) fn price(&self, cost: u32) -> u64 {
        match self.quota.unit {
            Unit::Requests if self.is_late => u64::from(cost).min(self.quota.amount),
            Unit::Requests => cost.into(),
            Unit::Bytes { reserve } => reserve.min(self.quota.amount),
        }
    }

    /// Whether what a request costs is known only when its response is over.
    pub(super) fn is_of_bytes(&self) -> bool {
        matches!(self.quota.unit, Unit::Bytes { .. })
    }

    pub(super) fn epoch(&self, now: Time) -> Epoch {
        epoch(self.quota.period, now)
    }

    /// What clients are told that it allows.
    pub(super) fn allowed(&self, epoch: Epoch) -> Allowed {
        let within = Some(Duration::from_millis(epoch.ends.since(epoch.begins)));
        let counted = match self.quota.unit {
            Unit::Requests => Counted::Requests,
            Unit::Bytes { .. } => Counted::Bytes,
        };
        Allowed { amount: self.quota.amount, within, counted }
    }

    /// What is left of it over all POPs, as far as is known here.
    pub(super) fn left(&self, key: Key64, epoch: Epoch, store: &Store, now: Time) -> u64 {
        let used = store.rights_used(self.rights, key, epoch, now).into_iter().map(|(_, _, used)| used);
        self.quota.amount.saturating_sub(used.fold(0, u64::saturating_add))
    }

    /// What is told to a client: how much is left of what was left before it came, and when that changes; `None` where no time helps.
    pub(super) fn told(
        &self,
        left: u64,
        epoch: Epoch,
        (spent, price): (Spent, u64),
        now: Time,
    ) -> (u64, Option<Duration>) {
        let ends = Some(Duration::from_millis(epoch.ends.since(now)));
        match spent {
            Spent::Granted { .. } => (left.saturating_sub(price), ends),
            _ if price > self.quota.amount => (left, None),
            Spent::Short { .. } if left >= price => (left, ends.min(Some(ASK_AGAIN))),
            Spent::Short { .. } | Spent::OutOfTime | Spent::Full => (left, ends),
        }
    }
}

/// The hour, day or month of UTC that an instant lies in.
fn epoch(period: Period, now: Time) -> Epoch {
    const HOUR: u64 = 3_600_000;
    match period {
        Period::Hour => Epoch::of(HOUR, now),
        Period::Day => Epoch::of(24 * HOUR, now),
        // Beyond the year 9999 there are no months; nothing is counted there.
        Period::Month => month(now).unwrap_or(Epoch { begins: now, ends: now }),
    }
}

fn month(now: Time) -> Option<Epoch> {
    let date = Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?.to_zoned(TimeZone::UTC).date();
    let at = |date: Date| {
        let start = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        u64::try_from(start).ok().map(Time)
    };
    let first = date.first_of_month();
    Some(Epoch { begins: at(first)?, ends: at(first.checked_add(1.month()).ok()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_millisecond() as u64
    }

    #[test]
    fn epochs_are_those_of_the_calendar_in_utc() {
        for (period, now, begins, ends) in [
            (Period::Hour, "2024-02-29T23:59:59.999Z", "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Day, "2024-02-29T23:59:59.999Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Month, "2024-02-29T23:59:59.999Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Month, "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z"),
            (Period::Month, "2026-12-31T12:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Period::Month, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z"),
        ] {
            let expected = Epoch { begins: Time(ms(begins)), ends: Time(ms(ends)) };
            assert_eq!(epoch(period, Time(ms(now))), expected, "{period:?} {now}");
        }
        assert_eq!(epoch(Period::Month, Time(u64::MAX)).ends, Time(u64::MAX));
    }
}
