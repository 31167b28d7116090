//! The trail of a subject's bans: the statements that another one beat, so that operators see how a client came to where it is.
//!
//! Of statements of one epoch, level and reason that were made in the same minute the greatest is a step: threads that ban a
//! client at once say one thing. The greatest steps are kept, [`TRAIL_MAX`] beside the last statement. So trails join by union,
//! in whatever order statements come. They are saved but not sent: a node that was cut off hears the last statement, and knows
//! of those before it what it heard itself.

use crate::ban::{Ban, Banning};
use crate::identity::Actor;
use crate::time::Time;

/// How many steps of one subject are remembered beside its last statement.
pub const TRAIL_MAX: usize = 8;

/// Statements of one kind in this time are one step, ms.
const STEP: u64 = 60_000;

/// A ban as a step of its subject's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanStep {
    /// The ban.
    pub ban: Ban,
    /// When it was lifted and by whom, if it was.
    pub lifted: Option<(Time, Actor)>,
}

/// The greater of two statements, with the other and both trails as its trail.
pub(crate) fn join(one: Banning, other: Banning) -> Banning {
    let (mut last, beaten) = if one.order() >= other.order() { (one, other) } else { (other, one) };
    let mut statements = std::mem::take(&mut last.trail);
    statements.extend(beaten.unroll());
    statements.sort_by(|a, b| b.order().cmp(&a.order()));
    for statement in statements {
        let is_known = std::iter::once(&last).chain(&last.trail).any(|known| kind(known) == kind(&statement));
        if last.trail.len() < TRAIL_MAX && !is_known {
            last.trail.push(statement);
        }
    }
    last
}

/// What tells steps apart.
fn kind(statement: &Banning) -> (u64, u8, &str, u64) {
    let Ban { epoch, level, reason, made_at, .. } = &statement.ban;
    (*epoch, *level, reason, made_at.0 / STEP)
}

/// The bans among these statements, which come greatest first; a lifting is told of the one that it lifted.
pub(crate) fn steps<'a>(statements: impl Iterator<Item = &'a Banning>) -> Vec<BanStep> {
    let (mut steps, mut lifting) = (Vec::new(), None);
    for Banning { ban, .. } in statements {
        if ban.is_lifting() {
            lifting = Some((ban.epoch, (ban.made_at, ban.made_by)));
            continue;
        }
        let lifted =
            lifting.take().filter(|(epoch, _)| *epoch == ban.epoch.saturating_add(1)).map(|(_, lifted)| lifted);
        steps.push(BanStep { ban: ban.clone(), lifted });
    }
    steps
}
