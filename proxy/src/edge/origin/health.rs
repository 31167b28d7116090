//! Passive health: a server that fails several times in a row is passed over for a while (outlier ejection).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use selvedge_conf::Eject;
use selvedge_state::Time;

#[derive(Debug, Default)]
pub(super) struct Health {
    failures: AtomicU32,
    /// Node time in ms until which the server is passed over.
    until: AtomicU64,
}

impl Health {
    pub(super) fn is_up(&self, now: Time) -> bool {
        self.until.load(Ordering::Relaxed) <= now.0
    }

    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure; says whether it was the one that ejects.
    pub(super) fn failed(&self, eject: &Eject, now: Time) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < eject.failures {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        let millis = u64::try_from(eject.duration.as_millis()).unwrap_or(u64::MAX);
        self.until.store(now.0.saturating_add(millis), Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn failures_in_a_row_eject_for_a_while() {
        let health = Health::default();
        let eject = Eject { failures: 2, duration: Duration::from_secs(10) };
        assert!(!health.failed(&eject, Time(0)));
        health.succeeded();
        assert!(!health.failed(&eject, Time(1)), "a success in between starts anew");
        assert!(health.failed(&eject, Time(2)));
        assert!(!health.is_up(Time(10_001)));
        assert!(health.is_up(Time(10_002)));
    }
}
