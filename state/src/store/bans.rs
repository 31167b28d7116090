//! All bans of a node, by the keyed hash of their subject.

use std::sync::Arc;

use super::facts::Facts;
use crate::ban::{Ban, Banning, Statement, TEXT_MAX, key_of};
use crate::fact::Stated as _;
use crate::identity::Actor;
use crate::key::{Key128, Secret};
use crate::time::Time;
use crate::trail::BanStep;

/// Why a ban could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// There is no subject.
    #[error("a ban needs a subject")]
    NoSubject,
    /// The subject is too long.
    #[error("a subject has at most {TEXT_MAX} bytes, this one has {0}")]
    SubjectTooLong(usize),
    /// The reason is too long.
    #[error("a reason has at most {TEXT_MAX} bytes, this one has {0}")]
    ReasonTooLong(usize),
    /// No more subjects fit, and none was found that may be forgotten yet.
    #[error(
        "{max} subjects are remembered already, the most that are kept, and none was found that can be forgotten yet"
    )]
    Full {
        /// How many fit.
        max: usize,
    },
}

fn check_lengths(subject: &str, reason: &str) -> Result<(), BanError> {
    match (subject.len(), reason.len()) {
        (0, _) => Err(BanError::NoSubject),
        (len, _) if len > TEXT_MAX => Err(BanError::SubjectTooLong(len)),
        (_, len) if len > TEXT_MAX => Err(BanError::ReasonTooLong(len)),
        _ => Ok(()),
    }
}

impl Facts<Banning> {
    /// States a ban; says what holds, and the key if it has to be sent.
    pub(super) fn ban(
        &self,
        secret: &Secret,
        subject: &str,
        statement: Statement<'_>,
    ) -> Result<(Ban, Option<Key128>), BanError> {
        check_lengths(subject, statement.reason)?;
        let next = |known: Option<&Banning>| {
            let subject = known.map_or_else(|| Arc::from(subject), |known| Arc::clone(&known.ban.subject));
            Banning::ban(subject, known, statement)
        };
        let read = |fact: &Banning| fact.ban.clone();
        let stated = self.state((key_of(secret, subject), None), next, read, statement.now);
        stated.map_err(|_| BanError::Full { max: self.max() })
    }

    /// Whether a ban could be stated.
    pub(super) fn could_ban(
        &self,
        secret: &Secret,
        (subject, reason): (&str, &str),
        now: Time,
    ) -> Result<(), BanError> {
        check_lengths(subject, reason)?;
        self.could_state(key_of(secret, subject), None, now).map_err(|_| BanError::Full { max: self.max() })
    }

    /// Lifts the ban that holds; says what held, and the key if it has to be sent.
    pub(super) fn lift(&self, secret: &Secret, by: Actor, subject: &str, now: Time) -> Option<(Ban, Option<Key128>)> {
        self.amend(key_of(secret, subject), |known| {
            known.ban.holds(now).then(|| (known.lifted(by, now), known.ban.clone()))
        })
    }

    pub(super) fn find(&self, secret: &Secret, subject: &str, test: impl Fn(&Banning) -> bool) -> Option<Ban> {
        // Asked for every request, and most nodes most of the time know no ban at all.
        if self.len() == 0 {
            return None;
        }
        self.read(key_of(secret, subject), |fact| test(fact).then(|| fact.ban.clone())).flatten()
    }

    /// Those that hold, by subject.
    pub(super) fn all(&self, now: Time) -> Vec<Ban> {
        let mut bans = self.collect(|fact| fact.ban.holds(now).then(|| fact.ban.clone()));
        bans.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
        bans
    }

    pub(super) fn steps_of(&self, secret: &Secret, subject: &str, now: Time) -> Vec<BanStep> {
        self.read(key_of(secret, subject), |fact| steps(fact, now)).unwrap_or_default()
    }

    /// The steps of each subject that has any, by subject.
    pub(super) fn all_steps(&self, now: Time) -> Vec<Vec<BanStep>> {
        let mut all = self.collect(|fact| Some(steps(fact, now)).filter(|steps| !steps.is_empty()));
        all.sort_unstable_by(|a, b| subject(a).cmp(&subject(b)));
        all
    }
}

fn steps(fact: &Banning, now: Time) -> Vec<BanStep> {
    if fact.is_spent(now) { Vec::new() } else { fact.steps() }
}

fn subject(steps: &[BanStep]) -> Option<&str> {
    steps.first().map(|step| &*step.ban.subject)
}
