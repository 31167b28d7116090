//! Writing into a session: all that one request changes is one version.

use super::join::trim;
use super::{
    Attribute, Row, SESSION_ATTRIBUTES_MAX, SESSION_COUNTERS_MAX, SESSION_NAME_MAX, SESSION_VALUE_MAX, Session,
    Versioned,
};
use crate::counter::DRIFT_MAX;
use crate::identity::Author;
use crate::time::Time;
use crate::version::Version;

/// When a session began and when it ends, as its signed cookie and the config say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLife {
    /// When it was started.
    pub created: Time,
    /// Its absolute end; 400 days away at most.
    pub ends: Time,
    /// When it is over if it is not seen again.
    pub until: Time,
}

/// What one request changes of a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionWrite<'a> {
    /// What the client has seen: what is written comes after it, also where it is not here yet.
    pub after: &'a [Versioned],
    /// Attributes that are given a value, and those that are removed.
    pub attributes: &'a [(&'a str, Option<&'a [u8]>)],
    /// What is added to counters.
    pub counts: &'a [(&'a str, u64)],
}

/// Why a session could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A name is empty or too long.
    #[error("a name has 1 to {SESSION_NAME_MAX} bytes, this one has {0}")]
    Name(usize),
    /// A value is too long.
    #[error("a value has at most {SESSION_VALUE_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// It would have more attributes than fit, removed ones included.
    #[error("a session has at most {SESSION_ATTRIBUTES_MAX} attributes")]
    Attributes,
    /// It would have more counters than fit.
    #[error("a session has at most {SESSION_COUNTERS_MAX} counters")]
    Counters,
    /// It is over.
    #[error("the session is over")]
    Over,
    /// It was written by clocks so far ahead that what is written now would be refused by peers.
    #[error("it was written too far ahead of this node's clock; try again when that has caught up")]
    Ahead,
    /// No more sessions fit, and none was found that can be forgotten yet.
    #[error("{max} sessions are remembered already, the most that are kept, and all wait to be sent")]
    Full {
        /// How many fit.
        max: usize,
    },
    /// What another node said cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// What another node said is of another session, or of none.
    #[error("it is of another session")]
    Other,
}

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hand {
    pub(crate) me: Author,
    /// The birth of the row that it may go on with.
    pub(crate) open: Option<Version>,
    /// The greatest version that it gave to any session: a new row comes after all that it ever forgot.
    pub(crate) newest: Version,
}

/// What a write made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) version: Version,
    /// The birth of the row that it is in.
    pub(crate) born: Version,
}

impl Session {
    /// Notes that it is seen; says whether that is news.
    pub(crate) fn see(&mut self, life: &SessionLife, now: Time) -> bool {
        let (seen, until) = (self.seen.max(now), self.until.max(life.until));
        let is_news = (seen, until) != (self.seen, self.until);
        (self.seen, self.until) = (seen, until);
        is_news
    }

    /// Whether a write would change what is read, or comes after what is not here.
    pub(crate) fn would_change(&self, write: &SessionWrite<'_>) -> bool {
        let differs = |(name, value): &(&str, Option<&[u8]>)| self.get(name) != *value;
        let counts = write.counts.iter().any(|(_, by)| *by > 0);
        counts || write.attributes.iter().any(differs) || !self.missing(write.after).is_empty()
    }

    /// Whether a write fits.
    pub(crate) fn check_write(&self, write: &SessionWrite<'_>, hand: &Hand) -> Result<(), SessionError> {
        let mut names = write.attributes.iter().map(|(name, _)| name).chain(write.counts.iter().map(|(name, _)| name));
        if let Some(name) = names.find(|name| name.is_empty() || name.len() > SESSION_NAME_MAX) {
            return Err(SessionError::Name(name.len()));
        }
        let mut values = write.attributes.iter().filter_map(|(_, value)| *value);
        if let Some(value) = values.find(|value| value.len() > SESSION_VALUE_MAX) {
            return Err(SessionError::TooLong(value.len()));
        }
        let known = self.attributes.iter().map(|known| &*known.name);
        if distinct(known, write.attributes.iter().map(|(name, _)| *name)) > SESSION_ATTRIBUTES_MAX {
            return Err(SessionError::Attributes);
        }
        let known = self.own_row(hand).into_iter().flat_map(|row| row.counts.iter().map(|(name, _)| &**name));
        if distinct(known, write.counts.iter().map(|(name, _)| *name)) > SESSION_COUNTERS_MAX {
            return Err(SessionError::Counters);
        }
        Ok(())
    }

    fn own_row(&self, hand: &Hand) -> Option<&Row> {
        let id = (hand.me, hand.open?);
        let at = self.rows.binary_search_by_key(&id, Row::id).ok()?;
        self.rows.get(at)
    }

    /// The version that comes after all that is known here and all that the client has seen.
    fn next_version(&self, after: &[Versioned], newest: Version, now: Time) -> Version {
        let known = self.rows.iter().map(|row| row.version).chain(self.attributes.iter().map(|one| one.stamp));
        known.chain(after.iter().map(|one| one.version)).fold(newest, Version::max).next(now)
    }

    /// Writes; nothing changes where it fails. What [fits](Self::check_write) was looked at before.
    pub(crate) fn write(&mut self, write: &SessionWrite<'_>, hand: &Hand, now: Time) -> Result<Written, SessionError> {
        let version = self.next_version(write.after, hand.newest, now);
        if version.at() > now.plus(DRIFT_MAX) {
            return Err(SessionError::Ahead);
        }
        for (name, value) in write.attributes {
            let (name, value) = (Box::from(*name), value.map(Box::from));
            self.state(Attribute { name, stamp: version, author: hand.me, value });
        }
        let born = self.own_row(hand).map_or(version, |row| row.born);
        let id = (hand.me, born);
        let at = match self.rows.binary_search_by_key(&id, Row::id) {
            Ok(at) => at,
            Err(at) => {
                self.rows.insert(at, Row { author: hand.me, born, version, counts: Vec::new() });
                at
            }
        };
        if let Some(row) = self.rows.get_mut(at) {
            row.version = version;
            write.counts.iter().for_each(|(name, by)| row.add(name, *by));
        }
        trim(&mut self.rows);
        Ok(Written { version, born })
    }

    fn state(&mut self, attribute: Attribute) {
        match self.attributes.binary_search_by(|known| known.name.cmp(&attribute.name)) {
            Ok(at) => {
                if let Some(known) = self.attributes.get_mut(at) {
                    *known = attribute;
                }
            }
            Err(at) => self.attributes.insert(at, attribute),
        }
    }

    /// Another session with what is read of this one: its attributes, stated as they were, and all that was counted, as its writer's.
    pub(crate) fn copied(&self, life: &SessionLife, now: Time) -> (Session, Vec<(&str, u64)>) {
        let mut copy = Session::new(life, now);
        copy.attributes = self.attributes.iter().filter(|attribute| attribute.value.is_some()).cloned().collect();
        let counters = self.counters().into_iter().take(SESSION_COUNTERS_MAX);
        (copy, counters.map(|name| (name, self.count(name))).collect())
    }
}

impl Row {
    fn add(&mut self, name: &str, by: u64) {
        match self.counts.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => {
                if let Some((_, count)) = self.counts.get_mut(at) {
                    *count = count.saturating_add(by);
                }
            }
            Err(at) => self.counts.insert(at, (Box::from(name), by)),
        }
    }
}

fn distinct<'a>(known: impl Iterator<Item = &'a str>, more: impl Iterator<Item = &'a str>) -> usize {
    let mut names: Vec<&str> = known.chain(more).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}
