//! The name of one request, for error pages and logs: 16 hex digits.

use std::fmt;

/// A request's id. Unique in practice, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId(u64);

impl RequestId {
    /// A fresh id.
    pub(super) fn new() -> RequestId {
        RequestId(fastrand::u64(..))
    }

    /// That of a request that another POP sends on.
    pub(super) fn numbered(number: u64) -> RequestId {
        RequestId(number)
    }

    /// The digits' value.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}
