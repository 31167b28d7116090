//! The hand that only looks: it keeps notes, and writes nothing.

use selvedge_state::{Bucket, Charge, Key, Key64, ListId, SharesId, Store, TableId, Time, UniquesId};

use super::Note;
use crate::hand::{Hand, Sentence, Settled};

/// The notes so far.
#[derive(Debug, Default)]
pub(crate) struct Noting {
    notes: Vec<Note>,
}

impl Noting {
    /// The notes in the order of things.
    pub(crate) fn into_notes(self) -> Vec<Note> {
        self.notes
    }
}

impl Hand for Noting {
    fn charge(&mut self, store: &Store, (table, key): (TableId, Key), bucket: &Bucket, now: Time) -> Charge {
        store.peek(table, key, bucket, 1, now)
    }

    fn draw(&mut self, store: &Store, (shares, key): (SharesId, Key64), now: Time) -> Charge {
        store.peek_draw(shares, key, 1, now)
    }

    fn add(&mut self, _: &Store, _: (TableId, Key), _: Time) {}

    fn observe(&mut self, _: &Store, _: (UniquesId, Key), _: &[u8], _: Time) {}

    fn ban(&mut self, store: &Store, subject: &str, ban: Sentence<'_>, now: Time) -> Settled {
        Settled::of(&store.could_ban(subject, ban.reason, now))
    }

    fn list(&mut self, store: &Store, (list, element): (ListId, &str), _: bool, _: Time, now: Time) -> Settled {
        Settled::of(&store.could_list(list, element, now))
    }

    fn note(&mut self, note: impl FnOnce() -> Note) {
        self.notes.push(note());
    }
}
