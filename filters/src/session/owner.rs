//! Whose a session is: the user and the tenant that its attributes name. It is over with all that they had when it became theirs.

use std::sync::Arc;

use selvedge_conf::Named;
use selvedge_state::{Store, Time};

use super::orders::{Change, Orders, Over};
use super::record::Record;
use super::shape::Shape;
use super::value::Value;
use crate::revocation;

impl Shape {
    /// The attribute that says who it is that more than a session is over of, if one does.
    pub(super) fn owner(&self, over: Over) -> Option<(Named, &Arc<str>)> {
        let (what, place) = match over {
            Over::Session => return None,
            Over::User => (Named::User, self.facts().user?),
            Over::Tenant => (Named::Tenant, self.facts().tenant?),
        };
        self.attribute_at(place).map(|name| (what, name))
    }

    /// Who that is.
    fn owner_of(&self, record: &Record, over: Over) -> Option<(Named, String)> {
        let (what, attribute) = self.owner(over)?;
        let name = record.attribute(attribute)?.spelt();
        (!name.is_empty()).then_some((what, name))
    }

    /// With whom a session is over, if it is: as far as it is known here whose it is.
    pub(super) fn over_with(&self, record: &Record, store: &Store) -> Option<Over> {
        let realm = self.realm().name.as_str();
        let is_revoked =
            |(what, name): (Named, String)| revocation::revoked(store, (what, realm, &name), record.login).is_some();
        let is_any = |over: &Over| self.owner(*over).is_some_and(|(what, _)| revocation::is_any(store, what));
        let mut owners = Over::OWNERS.into_iter().filter(is_any);
        owners.find(|over| self.owner_of(record, *over).is_some_and(is_revoked))
    }

    /// Revokes all that its user or its tenant has. Whether there was anybody.
    pub(super) fn revoke_owner(&self, record: &Record, over: Over, (store, now): (&Store, Time)) -> bool {
        let Some((what, name)) = self.owner_of(record, over) else { return false };
        revocation::revoke(store, (what, self.realm(), &name), None, now);
        true
    }

    /// Whether a session that is rotated by these orders is somebody's from then on. Where nothing says whose a session is, each rotation is taken for a login.
    pub(super) fn is_login(&self, orders: &Orders) -> bool {
        let Some((_, owner)) = self.owner(Over::User).or(self.owner(Over::Tenant)) else { return true };
        orders.changes.iter().any(|change| matches!(change, Change::Set(name, _) if name == owner))
    }

    /// The instant from which a session counts as that of whoever it is somebody's by these orders, beside what it held before.
    pub(super) fn login(&self, before: Option<&Record>, orders: &Orders, (store, now): (&Store, Time)) -> Time {
        let held = |attribute: &str| {
            let of_it = |change: &&Change| change.attribute() == Some(attribute);
            match orders.changes.iter().find(of_it) {
                Some(Change::Set(_, value)) => Some(value.spelt()),
                Some(Change::Unset(_) | Change::Count(..)) => None,
                None => before?.attribute(attribute).map(Value::spelt),
            }
        };
        let owners = Over::OWNERS.into_iter().filter_map(|over| self.owner(over));
        owners
            .filter_map(|(what, attribute)| Some((what, held(attribute)?)))
            .fold(now, |at, (what, name)| revocation::issued(store, (what, &self.realm().name, &name), at))
    }
}
