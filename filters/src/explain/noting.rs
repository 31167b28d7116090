//! The hand that only looks: it keeps notes, and writes nothing.

use selvedge_conf::{Named, Realm};
use selvedge_state::{
    Bucket, Charge, Epoch, GaugeId, Key, Key64, ListId, Raised, RightsId, SharesId, Spent, Store, TableId, Time,
    UniquesId,
};

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
    fn charge(&mut self, store: &Store, (table, key): (TableId, Key), take: (&Bucket, u32), now: Time) -> Charge {
        let (bucket, cost) = take;
        store.peek(table, key, bucket, cost, now)
    }

    fn reserve(&mut self, store: &Store, of: (TableId, Key), take: (&Bucket, u32), now: Time) -> Charge {
        self.charge(store, of, take, now)
    }

    fn commit(&mut self, _: &Store, _: (TableId, Key), _: u32, _: Time) {}

    fn release(&mut self, _: &Store, _: (TableId, Key), _: u32, _: Time) {}

    fn draw(&mut self, store: &Store, (shares, key): (SharesId, Key64), cost: u32, now: Time) -> Charge {
        store.peek_draw(shares, key, cost, now)
    }

    fn put_back(&mut self, _: &Store, _: (SharesId, Key64), _: u32, _: Time) {}

    fn spend(&mut self, store: &Store, of: (RightsId, Key64, Epoch), cost: u64, now: Time) -> Spent {
        let (rights, key, epoch) = of;
        store.peek_spend(rights, key, epoch, cost, now)
    }

    fn settle(&mut self, _: &Store, _: (RightsId, Key64, Epoch), _: (u64, u64), _: Time) {}

    fn raise(&mut self, store: &Store, (gauge, key): (GaugeId, Key), most: u32, now: Time) -> Raised {
        let height = store.height(gauge, key, now);
        if height < u64::from(most) { Raised::To(height + 1) } else { Raised::Over(height) }
    }

    fn lower(&mut self, _: &Store, _: (GaugeId, Key), _: Time) {}

    fn add(&mut self, _: &Store, _: (TableId, Key), _: u32, _: Time) {}

    fn observe(&mut self, _: &Store, _: (UniquesId, Key), _: &[u8], _: Time) {}

    fn ban(&mut self, store: &Store, subject: &str, ban: Sentence<'_>, now: Time) -> Settled {
        Settled::of(&store.could_ban(subject, ban.reason, now))
    }

    fn list(&mut self, store: &Store, (list, element): (ListId, &str), _: bool, _: Time, now: Time) -> Settled {
        Settled::of(&store.could_list(list, element, now))
    }

    fn revoke(&mut self, _: &Store, _: (Named, &Realm, &str), _: Option<Time>, _: Time) {}

    fn aside(&mut self, _: impl FnOnce()) {}

    fn note(&mut self, note: impl FnOnce() -> Note) {
        self.notes.push(note());
    }
}
