//! What is counted of sessions.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};
use selvedge_filters::session::{Invalid, Standing};

use super::metrics::{counters, opts, registered};
use super::series;

/// Something that became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// It began.
    Started,
    /// It goes on under another id.
    Rotated,
    /// It is over.
    Revoked,
    /// What an origin said of it was nothing that can be done.
    Refused,
    /// The store could not hold it.
    Failed,
}

impl SessionChange {
    const ALL: [SessionChange; 5] = [
        SessionChange::Started,
        SessionChange::Rotated,
        SessionChange::Revoked,
        SessionChange::Refused,
        SessionChange::Failed,
    ];

    fn as_str(self) -> &'static str {
        match self {
            SessionChange::Started => "started",
            SessionChange::Rotated => "rotated",
            SessionChange::Revoked => "revoked",
            SessionChange::Refused => "refused",
            SessionChange::Failed => "failed",
        }
    }
}

/// What came of waiting for what a client wrote at another POP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionWait {
    /// It came.
    Arrived,
    /// It was fetched.
    Fetched,
    /// It neither came nor was it to be had in time.
    Behind,
    /// Whoever wrote it is not heard, so nobody waited.
    Unheard,
}

impl SessionWait {
    const ALL: [SessionWait; 4] =
        [SessionWait::Arrived, SessionWait::Fetched, SessionWait::Behind, SessionWait::Unheard];

    fn as_str(self) -> &'static str {
        match self {
            SessionWait::Arrived => "arrived",
            SessionWait::Fetched => "fetched",
            SessionWait::Behind => "behind",
            SessionWait::Unheard => "unheard",
        }
    }
}

/// Counters of sessions, each looked up once.
#[derive(Debug)]
pub(super) struct SessionCounters {
    standings: Vec<(Standing, IntCounter)>,
    changes: Vec<(SessionChange, IntCounter)>,
    waits: Vec<(SessionWait, IntCounter)>,
    pub(super) held: IntGauge,
}

impl SessionCounters {
    pub(super) fn new(registry: &Registry) -> Result<SessionCounters, prometheus::Error> {
        let met: IntCounterVec = counters(registry, &series::SESSION_REQUESTS)?;
        let changed: IntCounterVec = counters(registry, &series::SESSION_CHANGES)?;
        let waited: IntCounterVec = counters(registry, &series::SESSION_WAITS)?;
        let others = [Standing::Fresh, Standing::Behind, Standing::Absent, Standing::Idle, Standing::Revoked];
        let standings = others.into_iter().chain(Invalid::ALL.map(Standing::Invalid));
        Ok(SessionCounters {
            standings: standings.map(|standing| (standing, met.with_label_values(&[standing.as_str()]))).collect(),
            changes: SessionChange::ALL.map(|change| (change, changed.with_label_values(&[change.as_str()]))).into(),
            waits: SessionWait::ALL.map(|wait| (wait, waited.with_label_values(&[wait.as_str()]))).into(),
            held: registered(registry, IntGauge::with_opts(opts(&series::SESSIONS))?)?,
        })
    }

    pub(super) fn met(&self, standing: Standing) {
        self.standings.iter().filter(|(known, _)| *known == standing).for_each(|(_, counter)| counter.inc());
    }

    pub(super) fn waited(&self, wait: SessionWait) {
        self.waits.iter().filter(|(known, _)| *known == wait).for_each(|(_, counter)| counter.inc());
    }

    pub(super) fn changed(&self, change: SessionChange) {
        self.changes.iter().filter(|(known, _)| *known == change).for_each(|(_, counter)| counter.inc());
    }
}
