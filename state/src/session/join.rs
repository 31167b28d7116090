//! How two states of one session join, and what of a peer's is taken at all.

use super::{Attribute, Row, SESSION_ATTRIBUTES_MAX, SESSION_COUNTERS_MAX, SESSION_LONGEST, SESSION_ROWS_MAX, Session};
use crate::counter::DRIFT_MAX;
use crate::fact::Joined;
use crate::time::Time;
use crate::void::Voids;

/// Why a peer's session is not taken. It is taken whole or not at all, for a part of it would claim more than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Something in it is too far ahead of the clock.
    Ahead,
    /// It is over.
    Over,
}

impl Session {
    /// Whether a peer may say this now.
    pub(crate) fn check(&self, now: Time) -> Result<(), Flaw> {
        let (stamps, rows) = (self.attributes.iter().map(|one| one.stamp), self.rows.iter().map(|row| row.version));
        let latest = stamps.chain(rows).map(|version| version.at()).max().unwrap_or_default();
        let soon = now.plus(DRIFT_MAX);
        if latest.max(self.seen).max(self.created) > soon || self.ends > soon.plus(SESSION_LONGEST) {
            return Err(Flaw::Ahead);
        }
        if self.over() <= now { Err(Flaw::Over) } else { Ok(()) }
    }

    /// The join of the lattice: commutative, associative, idempotent. Where more attributes or counters come together than one session has,
    /// nothing of the other is taken.
    pub(crate) fn join(&mut self, other: &Session) -> Joined {
        let Some(rows) = merged_rows(&self.rows, &other.rows) else { return Joined::Crowded };
        let attributes = merged(&self.attributes, &other.attributes);
        if attributes.len() > SESSION_ATTRIBUTES_MAX {
            return Joined::Crowded;
        }
        let next = Session {
            created: self.created.min(other.created),
            ends: self.ends.min(other.ends),
            seen: self.seen.max(other.seen),
            until: self.until.max(other.until),
            attributes,
            rows,
        };
        if next == *self {
            return Joined::Unchanged;
        }
        *self = next;
        Joined::Changed
    }

    /// What is left of it where some lives are void.
    pub(crate) fn void(&mut self, voids: &Voids) {
        self.rows.retain(|row| !voids.cover(row.author));
        self.attributes.retain(|attribute| !voids.cover(attribute.author));
    }
}

/// The later statement of each attribute.
fn merged(one: &[Attribute], other: &[Attribute]) -> Vec<Attribute> {
    let mut all: Vec<&Attribute> = one.iter().chain(other).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.order().cmp(&a.order())));
    all.dedup_by(|later, first| later.name == first.name);
    all.into_iter().cloned().collect()
}

/// The greater version and counts of each row, of those that were written last. `None` where one would have too many counters.
fn merged_rows(one: &[Row], other: &[Row]) -> Option<Vec<Row>> {
    let mut all: Vec<Row> = one.to_vec();
    for row in other {
        match all.binary_search_by_key(&row.id(), Row::id) {
            Ok(at) => all.get_mut(at)?.join(row)?,
            Err(at) => all.insert(at, row.clone()),
        }
    }
    trim(&mut all);
    Some(all)
}

/// Keeps the rows that were written last. Versions only grow, so what is dropped here would be dropped from whatever this is joined with.
pub(super) fn trim(rows: &mut Vec<Row>) {
    while rows.len() > SESSION_ROWS_MAX {
        let oldest = rows.iter().enumerate().min_by_key(|(_, row)| (row.version, row.id()));
        let Some((at, _)) = oldest else { return };
        rows.remove(at);
    }
}

impl Row {
    /// Of the same author and birth.
    fn join(&mut self, other: &Row) -> Option<()> {
        self.version = self.version.max(other.version);
        for (name, count) in &other.counts {
            match self.counts.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => {
                    let (_, known) = self.counts.get_mut(at)?;
                    *known = (*known).max(*count);
                }
                Err(at) => self.counts.insert(at, (name.clone(), *count)),
            }
        }
        (self.counts.len() <= SESSION_COUNTERS_MAX).then_some(())
    }
}
