//! One session, as requests meet it: read, written, and whether it is what its client saw before.

use std::sync::Arc;

use bytes::Bytes;

use super::sessions::Wanted;
use super::watches::SessionWatch;
use super::{Store, Told};
use crate::identity::{Actor, Author};
use crate::key::{Domain, Key128, SessionKey};
use crate::session::{CONTEXT_MAX, Covered, Session, SessionError, SessionLife, SessionWrite, Versioned, newest_of};
use crate::time::Time;
use crate::wire;

impl Store {
    /// The keyed hash of a session's parts, such as its name in the config and its id. Parts are framed by length.
    #[must_use]
    pub fn session_key(&self, parts: &[&[u8]]) -> SessionKey {
        self.secrets.key128(Domain::Session, parts)
    }

    /// Reads a session. None where it is not known here, or over. While the cluster's secret is rotated, what is known by either name is read
    /// as one; else nothing is copied.
    pub fn session<R>(&self, key: SessionKey, now: Time, read: impl FnOnce(&Session) -> R) -> Option<R> {
        let Some(beside) = key.beside else { return self.sessions.read(key.now, now, read) };
        self.both(key.now, beside, now).as_ref().map(read)
    }

    /// What is known by either of two names.
    fn both(&self, name: Key128, beside: Key128, now: Time) -> Option<Session> {
        match (self.sessions.get(name, now), self.sessions.get(beside, now)) {
            (Some(mut one), Some(other)) => {
                let _ = one.join(&other);
                Some(one)
            }
            (one, other) => one.or(other),
        }
    }

    /// Whether all of a client's context is in what is known here of its session.
    #[must_use]
    pub fn session_covers(&self, key: SessionKey, context: &[Versioned], now: Time) -> Covered {
        let missing = self.session(key, now, |session| session.missing(context)).unwrap_or_else(|| context.to_vec());
        let authors = |all: Vec<Versioned>| newest_of(all).into_iter().map(|one| one.author).collect();
        let (ended, living): (Vec<_>, Vec<_>) = missing.into_iter().partition(|one| self.has_ended(one.author));
        match (living.is_empty(), ended.is_empty()) {
            (true, true) => Covered::All,
            (false, _) => Covered::Misses(authors(living)),
            (true, false) => Covered::Ended(authors(ended)),
        }
    }

    /// Whether nobody who has a life's memory can be asked, as far as is known here. This life is no other node's to be asked of.
    fn has_ended(&self, author: Author) -> bool {
        let later = |heard: &Author| heard.actor == author.actor && heard.incarnation > author.incarnation;
        author.actor == self.me.actor || self.cluster.with_heard(|heard| heard.iter().any(later))
    }

    /// What a client has seen once it was answered from here: all that is known here, and what of its own context is missing and may still be
    /// fetched, [`CONTEXT_MAX`] entries at most. Where more authors wrote the session than that, this node writes that it has seen them, so that
    /// one entry says it all; as well where something is missing for good, so that what the client writes from now on comes after that, too.
    /// Where something is missing the client has to be told that its answer is not fresh: not all of it need be in here.
    #[must_use]
    pub fn session_context(&self, key: SessionKey, context: &[Versioned], now: Time) -> Vec<Versioned> {
        let here = |session: &Session| (session.missing(context), session.versions().collect::<Vec<_>>());
        let (missing, mut known) = self.session(key, now, here).unwrap_or_default();
        if known.is_empty() {
            return newest_of(context.iter().copied());
        }
        let is_covered = missing.is_empty();
        let (ended, living): (Vec<_>, Vec<_>) = missing.into_iter().partition(|one| self.has_ended(one.author));
        let living = newest_of(living);
        // An author that forgot the session has two rows of it, and its greater version does not stand for both.
        let once = known.is_sorted_by(|one, next| one.author < next.author);
        if !once || !ended.is_empty() || known.len() + living.len() > CONTEXT_MAX {
            // Said before, and nothing came since.
            let sealed = if is_covered { self.sealed(key, now) } else { None };
            let Some(sealed) = sealed.or_else(|| self.seal(key, context, now)) else {
                return newest_of(context.iter().copied());
            };
            known = vec![sealed];
        }
        // What is known here comes first: it is certainly somewhere. An author may be there twice: what is missing of it is what it wrote later.
        known.into_iter().chain(living).take(CONTEXT_MAX).collect()
    }

    /// This node's row of a session, where that stands for all that is known here. Where there are two names, who knows which one it was of.
    fn sealed(&self, key: SessionKey, now: Time) -> Option<Versioned> {
        let version = self.sessions.sealed(key.now, now).filter(|_| key.beside.is_none())?;
        Some(Versioned { author: self.me, version })
    }

    /// Raises this node's row of a session, so that it stands for all that is known here, and comes after what the client has seen.
    fn seal(&self, key: SessionKey, after: &[Versioned], now: Time) -> Option<Versioned> {
        let lasts =
            |session: &Session| SessionLife { created: session.created, ends: session.ends, until: session.until };
        let life = self.session(key, now, lasts)?;
        let write = SessionWrite { after, ..SessionWrite::default() };
        self.write(key, &life, (&write, Wanted::Anyway), now).ok().flatten()
    }

    /// Writes into a session, made if it is not known here, and notes that it is seen. What is written comes after all that is known here
    /// and all that the client has seen. Says up to which version of this node's that is: whoever has that has all that is known here now, so it may stand
    /// for the client's whole context, but for what of it was missing. None where nothing new was said.
    ///
    /// # Errors
    /// [`SessionError`] when it does not fit, is over, or peers would refuse it; nothing changes then.
    pub fn write_session(
        &self,
        key: SessionKey,
        life: &SessionLife,
        write: &SessionWrite<'_>,
        now: Time,
    ) -> Result<Option<Versioned>, SessionError> {
        self.write(key, life, (write, Wanted::News), now)
    }

    fn write(
        &self,
        key: SessionKey,
        life: &SessionLife,
        write: (&SessionWrite<'_>, Wanted),
        now: Time,
    ) -> Result<Option<Versioned>, SessionError> {
        if life.ends.min(life.until) <= now {
            return Err(SessionError::Over);
        }
        self.adopt(key, now);
        let make = || Session::new(life, now);
        let version = self.sessions.write((&self.dirty, key.now), make, (life, write), now)?;
        Ok(version.map(|version| Versioned { author: self.me, version }))
    }

    /// What peers wrote by the name beside is known by the one in force from here on.
    fn adopt(&self, SessionKey { now: name, beside }: SessionKey, now: Time) {
        let Some(session) = beside.and_then(|beside| self.sessions.get(beside, now)) else { return };
        let _ = self.sessions.offer((None, name), session, (Told::Known, &self.voids), now);
    }

    /// Makes another session with all that is read of one: its attributes and what was counted, as this node's. For a new id after a login, against
    /// fixation; the old one is to be revoked. What was not known here of the old one does not come along.
    ///
    /// # Errors
    /// [`SessionError`], as for [`write_session`](Store::write_session).
    pub fn copy_session(
        &self,
        (from, to): (SessionKey, SessionKey),
        life: &SessionLife,
        write: &SessionWrite<'_>,
        now: Time,
    ) -> Result<Option<Versioned>, SessionError> {
        let Some(old) = self.session(from, now, Session::clone) else {
            return self.write_session(to, life, write, now);
        };
        if life.ends.min(life.until) <= now {
            return Err(SessionError::Over);
        }
        let (copy, mut counts) = old.copied(life, now);
        counts.extend(write.counts.iter().copied());
        let after: Vec<Versioned> = write.after.iter().copied().chain(old.versions()).collect();
        let write = SessionWrite { after: &after, counts: &counts, ..*write };
        let version =
            self.sessions.write((&self.dirty, to.now), || copy.clone(), (life, (&write, Wanted::Anyway)), now)?;
        Ok(version.map(|version| Versioned { author: self.me, version }))
    }

    /// What is known here of one session, for another node that asks for it; none where it is not known, or over.
    #[must_use]
    pub fn export_session(&self, key: SessionKey, now: Time) -> Option<Bytes> {
        self.session(key, now, |session| wire::session_alone(key.now, session))
    }

    /// Takes what another node [said](Store::export_session) of one session when it was asked for it. Says whether anything of it was new.
    ///
    /// # Errors
    /// [`SessionError`] when it cannot be read, is of another session, or may not be taken; nothing changes then.
    pub fn take_session(&self, key: SessionKey, from: Actor, bytes: &[u8], now: Time) -> Result<bool, SessionError> {
        let (name, session) =
            wire::read_session_alone(bytes).map_err(|error| SessionError::Unreadable(error.to_string()))?;
        if !key.each().any(|known| known == name) {
            return Err(SessionError::Other);
        }
        let taken = self.sessions.offer((Some(from), name), session, (Told::Changed, &self.voids), now);
        match (taken.ahead, taken.expired, taken.full) {
            (1.., ..) => Err(SessionError::Ahead),
            (_, 1.., _) => Err(SessionError::Over),
            (_, _, true) => Err(SessionError::Full { max: self.sessions.max() }),
            _ => Ok(taken.raised),
        }
    }

    /// Has `wake` called each time that a peer says something new of a session, from here on until what this gives back is dropped; look once
    /// more at what is known before waiting. Called by the thread that took the news in, so it must not block.
    pub fn watch_session(&self, key: SessionKey, wake: Arc<dyn Fn() + Send + Sync>) -> SessionWatch<'_> {
        self.sessions.watches().begin(key, wake)
    }

    /// Sessions that are held, ended ones included until they are swept.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }
}
