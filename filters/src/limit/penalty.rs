//! Penalties: clients that keep running into a limit are banned, longer each time.
//!
//! Offences are refused requests, counted like anything else across POPs. The ban is on the client network, and its level is
//! one more than that of the last ban still remembered.

use std::time::Duration;

use selvedge_conf::{Limit, Penalty};
use selvedge_state::{Ban, Key64, Rung, Store, TableFull, TableId, TableSpec, Time};

use super::key::KeyShape;
use crate::ban::{PENALTY_PREFIX, Subject};
use crate::head::Head;

#[derive(Debug)]
pub(crate) struct Penalties {
    offences: TableId,
    facts: Penalty,
    reason: String,
}

impl Penalties {
    pub(crate) fn new(limit: &Limit, penalty: &Penalty, key: &KeyShape, store: &Store) -> Result<Penalties, TableFull> {
        let offences = store.table(&TableSpec {
            uid: format!("{}/offences", limit.name),
            shape: key.name().to_owned(),
            fine: Rung::coarse_for(penalty.within / 8),
            coarse: Rung::coarse_for(penalty.within),
            replicated: true,
        })?;
        Ok(Penalties { offences, facts: penalty.clone(), reason: format!("{PENALTY_PREFIX}{}", limit.name) })
    }

    /// Counts one refused request; a ban is made when it was one too many.
    ///
    /// Offences that already led to a ban inside the window do not lead to the next one: each level needs `after` more.
    pub(crate) fn offence(&self, key: Key64, head: &Head<'_>, store: &Store, now: Time) -> Option<Ban> {
        store.add(self.offences, key, 1, now);
        let subject = Subject::of(head.client_net());
        let last = store.last_ban(subject.as_str(), now);
        let level = last.as_ref().map_or(0, |ban| ban.level.saturating_add(1));
        let window = u64::try_from(self.facts.within.as_millis()).unwrap_or(u64::MAX);
        let spent =
            last.filter(|ban| now.0.saturating_sub(ban.made_at.0) < window).map_or(0, |ban| u64::from(ban.level) + 1);
        let offences = store.count(self.offences, key, window, now);
        if offences < u64::from(self.facts.after).saturating_mul(spent + 1) {
            return None;
        }
        let until = Time(now.0.saturating_add(self.duration(level)));
        store.ban(subject.as_str(), until, level, &self.reason, now).ok()
    }

    fn duration(&self, level: u8) -> u64 {
        let step = self.facts.ban.get(usize::from(level)).or(self.facts.ban.last());
        step.copied().unwrap_or(Duration::ZERO).as_millis().try_into().unwrap_or(u64::MAX)
    }
}
