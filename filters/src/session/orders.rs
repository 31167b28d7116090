//! What is to become of a session: said by rules, or by an origin's response, and carried out once all is said.

use std::sync::Arc;

use selvedge_conf::Named;

use super::value::Value;

/// What is to be done, in this order. At most one change for each attribute and counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// What is over, for ever.
    pub revoke: Option<Over>,
    /// There is one if there is none.
    pub start: bool,
    /// It goes on under another id.
    pub rotate: bool,
    /// What it holds.
    pub changes: Vec<Change>,
    /// What rules have revoked by name: the session may be over by it.
    pub named: Vec<Named>,
}

/// What is over with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It alone.
    Session,
    /// All that its user has had by now, sessions of other clients included. What they have afterwards is not, such as a session that goes on by a login of
    /// the same orders.
    User,
    /// All that its tenant's users have had by now.
    Tenant,
}

impl Over {
    /// What takes more than a session with it.
    pub(super) const OWNERS: [Over; 2] = [Over::User, Over::Tenant];
}

/// A change of what a session holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An attribute has this value.
    Set(Arc<str>, Value),
    /// An attribute has none.
    Unset(Arc<str>),
    /// A counter has counted so many more.
    Count(Arc<str>, u64),
}

impl Orders {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        *self == Orders::default()
    }

    /// One more change: of an attribute the last one holds, and what is counted adds up.
    pub fn push(&mut self, change: Change) {
        match change {
            Change::Count(name, more) => {
                let known = self.changes.iter_mut().find_map(|known| match known {
                    Change::Count(counter, count) if *counter == name => Some(count),
                    _ => None,
                });
                match known {
                    Some(count) => *count = count.saturating_add(more),
                    None => self.changes.push(Change::Count(name, more)),
                }
            }
            Change::Set(..) | Change::Unset(_) => {
                self.changes.retain(|known| known.attribute().is_none() || known.attribute() != change.attribute());
                self.changes.push(change);
            }
        }
    }
}

impl Change {
    /// The attribute that it is of.
    pub(super) fn attribute(&self) -> Option<&str> {
        match self {
            Change::Set(name, _) | Change::Unset(name) => Some(name),
            Change::Count(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_thing_the_last_word_holds_and_counts_add_up() {
        let mut orders = Orders::default();
        let set = |value| Change::Set("user".into(), Value::Int(value));
        for change in [set(1), Change::Count("user".into(), 1), set(2), Change::Count("user".into(), 2)] {
            orders.push(change);
        }
        assert_eq!(orders.changes, [Change::Count("user".into(), 3), set(2)]);
        orders.push(Change::Unset("user".into()));
        assert_eq!(orders.changes, [Change::Count("user".into(), 3), Change::Unset("user".into())]);
    }
}
