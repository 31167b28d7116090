//! Penalties: bans on clients that are refused again and again.

use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::key::KeyPart;
use crate::raw::{At, DurationText, Number};
use crate::value::{Wrong, some_time};

/// A ban on the client's network after repeated refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Penalty {
    /// Refusals that lead to a ban, 1 or more.
    pub after: u32,
    /// The time in which they must fall.
    pub within: Duration,
    /// The length of the first, second, ... ban; the last one repeats. Never empty, at most [`BANS_MAX`].
    pub ban: Vec<Duration>,
}

/// The most steps of one penalty.
pub const BANS_MAX: usize = 8;

/// `penalty` of a limit as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPenalty {
    /// Refusals that lead to a ban, 1 to 1,000,000.
    after: At<Number>,
    /// The time in which they must fall, such as `"10m"`.
    within: At<DurationText>,
    /// The length of the first, second, ... ban, such as `["1m", "10m", "1h"]`; the last one repeats.
    ban: At<Vec<At<DurationText>>>,
}

impl RawPenalty {
    pub(super) fn lower(&self, span: Range<usize>, key: Option<&[KeyPart]>, check: &mut Check<'_>) -> Option<Penalty> {
        let by_client = match key {
            // A key that is wrong was noted already.
            None | Some([KeyPart::ClientIp | KeyPart::ClientNet]) => Some(()),
            Some(_) => {
                let wrong = Wrong::new("a penalty bans a client network, and this limit does not count by one");
                check.note(
                    span,
                    wrong.advice("write key = [\"client.net\"] or key = [\"client.ip\"], without further parts"),
                );
                None
            }
        };
        let after = check.number(Some(&self.after), 1..1_000_001, 1);
        let within = check.value(&self.within, some_time);
        if self.ban.value.is_empty() {
            check.note(self.ban.span(), Wrong::new("a penalty needs at least one length of ban"));
        }
        let ban = check.list(&self.ban.value, BANS_MAX, some_time);
        by_client?;
        Some(Penalty { after: after?, within: within?, ban: ban? })
    }
}
