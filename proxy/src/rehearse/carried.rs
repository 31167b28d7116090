//! The sessions that a story's clients have, from one request to the next.

use std::collections::BTreeMap;
use std::net::IpAddr;

use selvedge_filters::session::{Orders, Record, Shape};
use selvedge_state::{Store, Time};

/// By client and kind of session, what is known of it and when it was seen. As many as the story has requests at most.
#[derive(Default)]
pub(super) struct Carried {
    of: BTreeMap<(IpAddr, String), (Record, Time)>,
    requests: u64,
}

impl Carried {
    /// The session that earlier requests left a client with, if it is not over.
    pub(super) fn of(&self, client: IpAddr, shape: &Shape, at: (&Store, Time)) -> Option<Record> {
        let (record, seen) = self.of.get(&(client, shape.facts().name.clone()))?;
        (!shape.is_over(record, *seen, at)).then(|| record.clone())
    }

    /// One more request of a client, the session that it came with, and what was ordered of that.
    pub(super) fn follow(
        &mut self,
        (client, shape): (IpAddr, &Shape),
        came: Option<Record>,
        orders: &[Orders],
        (store, now): (&Store, Time),
    ) {
        self.requests += 1;
        let follow = |session, orders| shape.followed(session, orders, self.requests, (store, now));
        let key = (client, shape.facts().name.clone());
        match orders.iter().fold(came, follow) {
            Some(record) => drop(self.of.insert(key, (record, now))),
            None => drop(self.of.remove(&key)),
        }
    }
}
