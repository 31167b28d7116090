//! What orders make of the session of a request that nobody sent: of what is known of it, without a cookie.

use selvedge_state::{Store, Time};

use super::orders::{Change, Orders, Over};
use super::record::Record;
use super::shape::Shape;

impl Shape {
    /// The session that a client has after its request: none where it is over, or there was none and none was started. One that begins here, or
    /// goes on under another id, is called by this number. What is over with its user or its tenant is in the store.
    pub fn followed(
        &self,
        mut before: Option<Record>,
        orders: &Orders,
        id: u64,
        (store, now): (&Store, Time),
    ) -> Option<Record> {
        match (orders.revoke, &before) {
            (Some(Over::Session), _) => before = None,
            (Some(over), Some(record)) => _ = self.revoke_owner(record, over, (store, now)),
            (Some(_), None) | (None, _) => {}
        }
        let is_new = before.is_none() || orders.rotate;
        let is_login = before.is_none() || orders.rotate && self.is_login(orders);
        let login = self.login(before.as_ref(), orders, (store, now));
        let mut record = match before {
            None if !orders.start => return None,
            None => self.given(&[], now),
            Some(record) => record,
        };
        if is_new {
            (record.id, record.started) = (format!("{id:032x}"), now);
        }
        if is_login {
            record.login = login;
        }
        for change in &orders.changes {
            match change {
                Change::Set(name, value) => {
                    record.attributes.retain(|(held, _)| held != name);
                    record.attributes.push((name.clone(), value.clone()));
                }
                Change::Unset(name) => record.attributes.retain(|(held, _)| held != name),
                Change::Count(name, more) => {
                    let held = record.counts.iter_mut().find(|(held, _)| held == name);
                    held.into_iter().for_each(|(_, count)| *count = count.saturating_add(*more));
                }
            }
        }
        Some(record)
    }

    /// Whether a session is over that was last seen at an instant.
    pub fn is_over(&self, record: &Record, seen: Time, (store, now): (&Store, Time)) -> bool {
        self.idle_at(seen) <= now || self.end(record.started) <= now || self.over_with(record, store).is_some()
    }
}
