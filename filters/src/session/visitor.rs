//! One request and its session, from the cookie that comes to the cookie that goes.
//!
//! What is read is read once, and again only where somebody says so: when what was missing has come, and after what was ordered is carried out. A
//! cookie goes out where the client has to know something: another session, a write or a read of something new, another key, or that it is seen.

use http::HeaderMap;
use selvedge_state::{Author, Covered, SessionError, SessionKey, SessionWrite, Store, Time, Versioned};

use super::invalid::Invalid;
use super::orders::{Change, Orders, Over};
use super::record::Record;
use super::shape::Shape;
use super::token::{ID_LEN, Token};

/// What a request's cookie comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has a session, and all that its client knows of is known here.
    Fresh,
    /// It has a session of which not all is known here that its client knows of.
    Behind,
    /// It brings no cookie.
    Absent,
    /// It brings one that is not believed.
    Invalid(Invalid),
    /// The session was not used for too long.
    Idle,
    /// The session was revoked, or all that its user or its tenant had when it became theirs.
    Revoked(Over),
}

impl Standing {
    /// In a word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Fresh => "fresh",
            Standing::Behind => "behind",
            Standing::Absent => "absent",
            Standing::Invalid(reason) => reason.as_str(),
            Standing::Idle => "idle",
            Standing::Revoked(Over::Session) => "revoked",
            Standing::Revoked(Over::User) => "revoked_user",
            Standing::Revoked(Over::Tenant) => "revoked_tenant",
        }
    }
}

/// What became of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Obeyed {
    /// There is one where there was none.
    pub started: bool,
    /// It goes on under another id.
    pub rotated: bool,
    /// This is over.
    pub revoked: Option<Over>,
}

/// A request and its session.
#[derive(Debug)]
pub struct Visitor {
    standing: Standing,
    visit: Option<Visit>,
    /// The client has to be given a cookie, or, where there is no session any more, to give it back.
    owes: bool,
}

/// A valid session.
#[derive(Debug)]
struct Visit {
    token: Token,
    key: SessionKey,
    /// When it was last written down that it was seen; `None` where nothing is known of it here.
    seen: Option<Time>,
    covered: Covered,
    record: Record,
}

impl Visitor {
    /// Finds out what a request brings. `site` is the name of its site.
    pub fn meet(shape: &Shape, headers: &HeaderMap, site: &str, store: &Store, now: Time) -> Visitor {
        let nobody = |standing| Visitor { standing, visit: None, owes: false };
        let Some(text) = shape.carried(headers) else { return nobody(Standing::Absent) };
        let (token, signer) = match Token::read(text, shape.keys(), shape.bound(site), now) {
            Ok(read) => read,
            Err(reason) => return nobody(Standing::Invalid(reason)),
        };
        let visit = match Visit::look(shape, token, store, now) {
            Ok(visit) => visit,
            Err(over) => return nobody(over),
        };
        if visit.seen.is_none() && shape.idle_at(visit.token.made) <= now {
            return nobody(Standing::Idle);
        }
        // A key that signs no longer goes out of use by this.
        Visitor { standing: visit.standing(), visit: Some(visit), owes: signer != 0 }
    }

    /// What its cookie came to when it came in.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What is known of its session, if it has a valid one.
    pub fn record(&self) -> Option<&Record> {
        self.visit.as_ref().map(|visit| &visit.record)
    }

    /// The session's name in the store.
    pub fn key(&self) -> Option<SessionKey> {
        self.visit.as_ref().map(|visit| visit.key)
    }

    /// The session's keyed hash, for logs.
    pub fn hashed(&self) -> Option<String> {
        self.record().map(|record| record.id.clone())
    }

    /// Who can be asked for what the client knows of and is not known here.
    pub fn missing(&self) -> &[Author] {
        match self.visit.as_ref().map(|visit| &visit.covered) {
            Some(Covered::Misses(authors)) => authors,
            _ => &[],
        }
    }

    /// Looks once more at what is known of its session.
    pub fn look(&mut self, shape: &Shape, store: &Store, now: Time) {
        if let Some(visit) = self.visit.take() {
            let looked = Visit::look(shape, visit.token, store, now);
            self.standing = looked.as_ref().map_or_else(|over| *over, Visit::standing);
            self.visit = looked.ok();
        }
    }

    /// Carries out what is ordered. `id` is that of a session that begins now: 128 random bits.
    ///
    /// # Errors
    /// [`SessionError`] when the store cannot hold what is ordered: nothing of a session that goes on has changed then.
    pub fn obey(
        &mut self,
        shape: &Shape,
        orders: &Orders,
        id: [u8; ID_LEN],
        (store, now): (&Store, Time),
    ) -> Result<Obeyed, SessionError> {
        let had_one = self.visit.is_some();
        let revoked = orders.revoke.filter(|over| self.revoke(shape, *over, (store, now)));
        let (obeyed, token) = self.change(shape, orders, id, (store, now))?;
        // What was revoked just now, and whose it is now, may be the end of it.
        self.visit = token.and_then(|token| Visit::look(shape, token, store, now).ok());
        let is_over = had_one && self.visit.is_none();
        self.owes |= obeyed.started || obeyed.rotated || is_over;
        Ok(Obeyed { revoked, ..obeyed })
    }

    /// Revokes its session, or all that its user or its tenant has. Whether there was anything to revoke.
    fn revoke(&mut self, shape: &Shape, over: Over, (store, now): (&Store, Time)) -> bool {
        let Some(visit) = &self.visit else { return false };
        if over == Over::Session {
            visit.revoke(shape, (store, now));
            (self.visit, self.owes) = (None, true);
            return true;
        }
        shape.revoke_owner(&visit.record, over, (store, now))
    }

    /// Carries out all but what is revoked. The other part is what the session goes on as, if there is one then.
    fn change(
        &self,
        shape: &Shape,
        orders: &Orders,
        id: [u8; ID_LEN],
        (store, now): (&Store, Time),
    ) -> Result<(Obeyed, Option<Token>), SessionError> {
        let held: Vec<Held<'_>> = orders.changes.iter().filter_map(Held::of).collect();
        let attributes: Vec<_> = held.iter().map(|held| (held.name, held.value.as_deref())).collect();
        let counts: Vec<_> = orders.changes.iter().filter_map(counted).collect();
        let write = SessionWrite { attributes: &attributes, counts: &counts, ..SessionWrite::default() };
        let Some(visit) = &self.visit else {
            if !orders.start {
                return Ok((Obeyed::default(), None));
            }
            let token = shape.begin(id, shape.login(self.record(), orders, (store, now)), now);
            store.write_session(shape.key(&token, store), &shape.life(&token, now), &write, now)?;
            return Ok((Obeyed { started: true, ..Obeyed::default() }, Some(token)));
        };
        let write = SessionWrite { after: visit.token.context.as_slice(), ..write };
        if orders.rotate {
            let token = match shape.is_login(orders) {
                true => shape.begin(id, shape.login(self.record(), orders, (store, now)), now),
                // Whoever is logged in is so for no longer, and from no later.
                false => Token { end: visit.token.end, ..shape.begin(id, visit.token.login, now) },
            };
            let keys = (visit.key, shape.key(&token, store));
            store.copy_session(keys, &shape.life(&token, now), &write, now)?;
            visit.revoke(shape, (store, now));
            return Ok((Obeyed { rotated: true, ..Obeyed::default() }, Some(token)));
        }
        if !orders.changes.is_empty() {
            store.write_session(visit.key, &shape.life(&visit.token, now), &write, now)?;
        }
        Ok((Obeyed::default(), Some(visit.token.clone())))
    }

    /// `Set-Cookie`, where the client has to be told something; what is told is what was read and written by now. It is written down that the
    /// session is seen, if that is due.
    pub fn cookie(&mut self, shape: &Shape, site: &str, store: &Store, now: Time) -> Option<String> {
        let owes = std::mem::take(&mut self.owes);
        let Some(visit) = &mut self.visit else { return owes.then(|| shape.set_cookie(None, site, now)) };
        if visit.seen.is_none_or(|seen| shape.is_long_ago(seen, now)) {
            // Where there is no room for it, the cookie says it.
            let _ = store.write_session(visit.key, &shape.life(&visit.token, now), &SessionWrite::default(), now);
        }
        let mut context = store.session_context(visit.key, &visit.token.context, now);
        context.sort_unstable();
        let is_news = !is_same(&context, &visit.token.context);
        if !owes && !is_news && !shape.is_long_ago(visit.token.made, now) {
            return None;
        }
        (visit.token.context, visit.token.made) = (context, now);
        Some(shape.set_cookie(Some(&visit.token), site, now))
    }
}

impl Visit {
    /// What is known of a token's session.
    ///
    /// # Errors
    /// [`Standing::Revoked`], and with whom.
    fn look(shape: &Shape, token: Token, store: &Store, now: Time) -> Result<Visit, Standing> {
        if store.revoked(shape.revocation(&token, store), token.started).is_some() {
            return Err(Standing::Revoked(Over::Session));
        }
        let key = shape.key(&token, store);
        let covered = store.session_covers(key, &token.context, now);
        let is_fresh = covered == Covered::All;
        let read = store.session(key, now, |known| (known.seen(), shape.record((&token, key), Some(known), is_fresh)));
        let (seen, record) = match read {
            Some((seen, record)) => (Some(seen), record),
            None => (None, shape.record((&token, key), None, is_fresh)),
        };
        let visit = Visit { token, key, seen, covered, record };
        match shape.over_with(&visit.record, store) {
            Some(over) => Err(Standing::Revoked(over)),
            None => Ok(visit),
        }
    }

    /// It is over from here on, at every node that hears of it, until it would have ended.
    fn revoke(&self, shape: &Shape, (store, now): (&Store, Time)) {
        // The name is that of a session, and the instant is not ahead: it is always taken.
        let _ = store.revoke(shape.revocation(&self.token, store), now, self.token.end, now);
    }

    fn standing(&self) -> Standing {
        if self.record.is_fresh { Standing::Fresh } else { Standing::Behind }
    }
}

impl Shape {
    /// The token of a session that begins, and that is its user's since an instant.
    fn begin(&self, id: [u8; ID_LEN], login: Time, now: Time) -> Token {
        Token { id, started: now, login, end: self.end(now), made: now, context: Vec::new() }
    }
}

/// A change of an attribute as the store has it.
struct Held<'o> {
    name: &'o str,
    value: Option<Vec<u8>>,
}

impl Held<'_> {
    fn of(change: &Change) -> Option<Held<'_>> {
        match change {
            Change::Set(name, value) => Some(Held { name, value: Some(value.spelt().into_bytes()) }),
            Change::Unset(name) => Some(Held { name, value: None }),
            Change::Count(..) => None,
        }
    }
}

fn counted(change: &Change) -> Option<(&str, u64)> {
    match change {
        Change::Count(name, more) => Some((name, *more)),
        Change::Set(..) | Change::Unset(_) => None,
    }
}

/// Whether two contexts say the same, in whichever order.
fn is_same(one: &[Versioned], other: &[Versioned]) -> bool {
    one.len() == other.len() && one.iter().all(|versioned| other.contains(versioned))
}
