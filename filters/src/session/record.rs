//! What is known of a valid session when its request comes in. A request sees this to its end, whatever it or another one changes meanwhile.

use std::sync::Arc;

use selvedge_state::Time;

use super::value::Value;

/// A valid session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name for logs and origins, 32 hexadecimal digits: from it nobody comes to its cookie.
    pub id: String,
    /// When it was started.
    pub started: Time,
    /// Since when it is its user's: what is revoked of that user or tenant before is not this one.
    pub login: Time,
    /// Whether all that its client knows of is known here.
    pub is_fresh: bool,
    /// What is set, each name once.
    pub attributes: Vec<(Arc<str>, Value)>,
    /// What was counted, each name once.
    pub counts: Vec<(Arc<str>, u64)>,
}

impl Record {
    /// The value of an attribute, if it is set.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(held, _)| **held == *name).map(|(_, value)| value)
    }

    /// What was counted under a name.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.iter().find(|(held, _)| **held == *name).map_or(0, |(_, count)| *count)
    }
}
