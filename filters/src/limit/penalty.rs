//! Penalties: clients that keep running into a limit are banned, longer each time.
//!
//! Offences are refused requests, counted like anything else across POPs. The ban is on the client network, and its level is
//! one more than that of the last ban still remembered, if this limit made it: bans of operators, rules and other limits are
//! no step of this one's.

use std::time::Duration;

use selvedge_conf::{Limit, Penalty};
use selvedge_state::{Ban, Key, Rung, Store, TableFull, TableId, TableSpec};

use crate::ban::{self, PENALTY_PREFIX, Subject};
use crate::decision::Penalised;
use crate::hand::{Hand, Sentence, Settled};
use crate::key::KeyShape;
use crate::rule::Context;

#[derive(Debug)]
pub(crate) struct Penalties {
    offences: TableId,
    facts: Penalty,
    reason: Box<str>,
}

impl Penalties {
    pub(crate) fn new(limit: &Limit, penalty: &Penalty, key: &KeyShape, store: &Store) -> Result<Penalties, TableFull> {
        let (fine, coarse) = Rung::for_looks(penalty.within);
        let offences = store.table(&TableSpec {
            uid: format!("{}#offences", limit.name),
            shape: key.name().to_owned(),
            fine,
            coarse,
            replicated: true,
        })?;
        Ok(Penalties { offences, facts: penalty.clone(), reason: ban::reason(PENALTY_PREFIX, &limit.name) })
    }

    /// Counts one refused request; a ban is made when it was one too many.
    ///
    /// Offences that already led to a ban inside the window do not lead to the next one: each level needs `after` more.
    pub(crate) fn offence(&self, key: Key, context: &Context<'_>, hand: &mut impl Hand) -> Option<Penalised> {
        let (store, now) = (context.store, context.now);
        let subject = Subject::of(context.head.client_net());
        let last = store.last_ban(subject.as_str(), now).filter(|ban| *ban.reason == *self.reason);
        let level = last.as_ref().map_or(0, |ban| ban.level.saturating_add(1));
        let window = u64::try_from(self.facts.within.as_millis()).unwrap_or(u64::MAX);
        let spent = last.filter(|ban| now.since(ban.made_at) < window).map_or(0, |ban| u64::from(ban.level) + 1);
        let offences = store.count(self.offences, key, window, now).saturating_add(1);
        hand.add(store, (self.offences, key), 1, now);
        if offences < u64::from(self.facts.after).saturating_mul(spent + 1) {
            return None;
        }
        let until = now.plus(self.duration(level));
        match hand.ban(store, subject.as_str(), Sentence { until, level, reason: &self.reason }, now) {
            Settled::Done => Some(Penalised { until, level }),
            Settled::Refused => None,
        }
    }

    /// How long the next ban lasts, ms, after one that it made itself and that is still remembered.
    pub(super) fn next(&self, ban: &Ban) -> Option<u64> {
        (*ban.reason == *self.reason).then(|| self.duration(ban.level.saturating_add(1)))
    }

    fn duration(&self, level: u8) -> u64 {
        let step = self.facts.ban.get(usize::from(level)).or(self.facts.ban.last());
        step.copied().unwrap_or(Duration::ZERO).as_millis().try_into().unwrap_or(u64::MAX)
    }
}
