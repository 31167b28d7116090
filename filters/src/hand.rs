//! What carries a decision out. Live it writes into the store; when somebody only wants to know, it looks, writes nothing, and
//! keeps notes. Everything else about a decision is the same code for both, so that an explanation cannot differ from what it
//! explains.
//!
//! While a request is decided, nothing reads what the same decision wrote: conditions see the state as the request found it.
//! That is what makes looking and doing come to the same end.

use selvedge_state::{Bucket, Charge, Key, Key64, ListId, SharesId, Store, TableId, Time, UniquesId};

use crate::explain::Note;

/// Does, or only looks.
pub(crate) trait Hand {
    /// Takes room in a bucket, or says what would come of it.
    fn charge(&mut self, store: &Store, of: (TableId, Key), bucket: &Bucket, now: Time) -> Charge;
    /// Takes one of this node's share, or says what would come of it.
    fn draw(&mut self, store: &Store, of: (SharesId, Key64), now: Time) -> Charge;
    /// Counts one more.
    fn add(&mut self, store: &Store, of: (TableId, Key), now: Time);
    /// Sees one element.
    fn observe(&mut self, store: &Store, of: (UniquesId, Key), element: &[u8], now: Time);
    /// Bans a subject.
    fn ban(&mut self, store: &Store, subject: &str, ban: Sentence<'_>, now: Time) -> Settled;
    /// Puts an element into a list, or takes it out.
    fn list(&mut self, store: &Store, element: (ListId, &str), present: bool, until: Time, now: Time) -> Settled;
    /// Notes what happened; not even asked for when nobody reads notes.
    fn note(&mut self, note: impl FnOnce() -> Note);
}

/// What came of writing something into the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is there.
    Done,
    /// The store has no room for it, or it is longer than what the store holds.
    Refused,
}

impl Settled {
    pub(crate) fn of<T, E>(outcome: &Result<T, E>) -> Settled {
        if outcome.is_ok() { Settled::Done } else { Settled::Refused }
    }
}

/// A ban to be stated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sentence<'a> {
    pub(crate) until: Time,
    pub(crate) level: u8,
    pub(crate) reason: &'a str,
}

/// The live one.
#[derive(Debug)]
pub(crate) struct Doing;

impl Hand for Doing {
    fn charge(&mut self, store: &Store, (table, key): (TableId, Key), bucket: &Bucket, now: Time) -> Charge {
        store.charge(table, key, bucket, 1, now)
    }

    fn draw(&mut self, store: &Store, (shares, key): (SharesId, Key64), now: Time) -> Charge {
        store.draw(shares, key, 1, now)
    }

    fn add(&mut self, store: &Store, (table, key): (TableId, Key), now: Time) {
        store.add(table, key, 1, now);
    }

    fn observe(&mut self, store: &Store, (uniques, key): (UniquesId, Key), element: &[u8], now: Time) {
        store.observe(uniques, key, element, now);
    }

    fn ban(&mut self, store: &Store, subject: &str, ban: Sentence<'_>, now: Time) -> Settled {
        Settled::of(&store.ban(subject, ban.until, ban.level, ban.reason, now))
    }

    fn list(
        &mut self,
        store: &Store,
        (list, element): (ListId, &str),
        present: bool,
        until: Time,
        now: Time,
    ) -> Settled {
        Settled::of(&store.list_set(list, element, present, until, now))
    }

    fn note(&mut self, _: impl FnOnce() -> Note) {}
}
