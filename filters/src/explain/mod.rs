//! Why a request is answered as it is: every rule, counter and limit, in file order, with what came of it.
//!
//! There is no second copy of the decision here. The functions of the request path run with a [`Hand`] that writes nothing into the
//! store and keeps [`Note`]s; what the notes do not mention was not reached, or not a candidate, and is filled in afterwards.

mod noting;
mod record;

pub(crate) use self::noting::Noting;
pub use self::record::{EffectRecord, Explanation, LimitOutcome, LimitRecord, Reason, RuleOutcome, RuleRecord};

use selvedge_conf::Tier;

use crate::limit::{LimitId, Outcome};
use crate::ruleset::{Asked, EffectPlace, RuleId, Undone};

/// Something that happened on the way to a decision.
#[derive(Debug)]
pub(crate) enum Note {
    /// A rule was asked.
    Rule(RuleId, Asked),
    /// The next effect of a rule that matched: the text made of its expression, if it has one.
    Effect(RuleId, Result<Option<String>, Undone>),
    /// The state has no room for what an effect writes.
    NoRoom(EffectPlace),
    /// Where a rule redirects to; `None` leaves it unanswered.
    Location(RuleId, Option<String>),
    /// A rule of the request phase answered, or allowed.
    Ended(RuleId),
    /// The first bucket of a limit that the request is for, and its backlog before it, in requests.
    Bucket(LimitId, Tier, f64),
    /// What a limit that the request is for said.
    Limit(LimitId, Outcome),
    /// A counter counts it, by its place in the config.
    Counter(usize),
    /// A unique sees it, likewise.
    Unique(usize),
}
