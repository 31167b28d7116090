//! What metrics say of requests that are run once for each key.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::metrics::{counters, gauges};
use super::series;
use crate::keep::RunsStatus;

/// Counters and gauges of runs.
#[derive(Debug)]
pub struct RunMeters {
    /// By policy and outcome.
    pub(super) requests: IntCounterVec,
    served: IntCounterVec,
    keys: IntGaugeVec,
    bytes: IntGaugeVec,
    broken: IntGaugeVec,
}

impl RunMeters {
    pub(super) fn new(registry: &Registry) -> Result<RunMeters, prometheus::Error> {
        Ok(RunMeters {
            requests: counters(registry, &series::IDEMPOTENCY_REQUESTS)?,
            served: counters(registry, &series::IDEMPOTENCY_SERVED)?,
            keys: gauges(registry, &series::IDEMPOTENCY_KEYS)?,
            bytes: gauges(registry, &series::IDEMPOTENCY_LOG_BYTES)?,
            broken: gauges(registry, &series::IDEMPOTENCY_LOG_BROKEN)?,
        })
    }

    /// This came of a client's request, of a policy.
    pub fn came(&self, policy: &str, outcome: &str) {
        self.requests.with_label_values(&[policy, outcome]).inc();
    }

    /// This came of a request of another POP.
    pub fn served(&self, outcome: &str) {
        self.served.with_label_values(&[outcome]).inc();
    }

    /// Where there is no log there is nothing to say of it.
    pub(super) fn set(&self, log: Option<&RunsStatus>) {
        let Some(log) = log else { return };
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.keys.with_label_values::<&str>(&[]).set(whole(log.keys as u64));
        self.bytes.with_label_values::<&str>(&[]).set(whole(log.bytes));
        self.broken.with_label_values::<&str>(&[]).set(log.error.is_some().into());
    }
}
