//! What is counted of sessions.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use selvedge_conf::Named;
use selvedge_filters::revocation::Held;
use selvedge_filters::session::{Invalid, Over, Standing};

use super::metrics::{counters, gauges, opts, registered};
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

/// By whose say something is revoked by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoker {
    /// A rule's.
    Rule,
    /// An origin's.
    Origin,
    /// An operator's.
    Operator,
}

impl Revoker {
    /// Who says what: an origin knows of no tokens.
    const SAY: [(Named, Revoker); 8] = [
        (Named::User, Revoker::Rule),
        (Named::Tenant, Revoker::Rule),
        (Named::Token, Revoker::Rule),
        (Named::User, Revoker::Origin),
        (Named::Tenant, Revoker::Origin),
        (Named::User, Revoker::Operator),
        (Named::Tenant, Revoker::Operator),
        (Named::Token, Revoker::Operator),
    ];

    fn as_str(self) -> &'static str {
        match self {
            Revoker::Rule => "rule",
            Revoker::Origin => "origin",
            Revoker::Operator => "operator",
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
    revoked: Vec<((Named, Revoker), IntCounter)>,
    held: IntGauge,
    revocations: IntGaugeVec,
    floors: IntGaugeVec,
}

impl SessionCounters {
    pub(super) fn new(registry: &Registry) -> Result<SessionCounters, prometheus::Error> {
        let met: IntCounterVec = counters(registry, &series::SESSION_REQUESTS)?;
        let changed: IntCounterVec = counters(registry, &series::SESSION_CHANGES)?;
        let waited: IntCounterVec = counters(registry, &series::SESSION_WAITS)?;
        let made: IntCounterVec = counters(registry, &series::REVOCATIONS_MADE)?;
        let others = [Standing::Fresh, Standing::Behind, Standing::Absent, Standing::Idle];
        let revoked = [Over::Session, Over::User, Over::Tenant].map(Standing::Revoked);
        let standings = others.into_iter().chain(revoked).chain(Invalid::ALL.map(Standing::Invalid));
        Ok(SessionCounters {
            standings: standings.map(|standing| (standing, met.with_label_values(&[standing.as_str()]))).collect(),
            changes: SessionChange::ALL.map(|change| (change, changed.with_label_values(&[change.as_str()]))).into(),
            waits: SessionWait::ALL.map(|wait| (wait, waited.with_label_values(&[wait.as_str()]))).into(),
            revoked: Revoker::SAY
                .map(|said| (said, made.with_label_values(&[said.0.as_str(), said.1.as_str()])))
                .into(),
            held: registered(registry, IntGauge::with_opts(opts(&series::SESSIONS))?)?,
            revocations: gauges(registry, &series::REVOCATIONS)?,
            floors: gauges(registry, &series::REVOCATIONS_FLOOR)?,
        })
    }

    /// Sets what is held: of sessions, and of revocations by what is revoked.
    pub(super) fn set(&self, sessions: usize, revocations: &[Held]) {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.held.set(whole(sessions));
        for Held { what, count, floor } in revocations {
            self.revocations.with_label_values(&[*what]).set(whole(*count));
            let seconds = floor.map_or(0, |floor| floor.0 / 1000);
            self.floors.with_label_values(&[*what]).set(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn revoked(&self, what: Named, by: Revoker) {
        self.revoked.iter().filter(|(said, _)| *said == (what, by)).for_each(|(_, counter)| counter.inc());
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
