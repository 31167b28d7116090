//! What carries a decision out. Live it writes into the store; when somebody only wants to know, it looks, writes nothing, and
//! keeps notes. Everything else about a decision is the same code for both, so that an explanation cannot differ from what it
//! explains.
//!
//! While a request is decided, nothing reads what the same decision wrote: conditions see the state as the request found it.
//! That is what makes looking and doing come to the same end.

use selvedge_conf::{Named, Realm};
use selvedge_state::{
    Bucket, Charge, Epoch, GaugeId, Key, Key64, ListId, Raised, RightsId, SharesId, Spent, Store, TableId, Time,
    UniquesId,
};

use crate::explain::Note;
use crate::revocation;

/// Does, or only looks.
pub(crate) trait Hand {
    /// Takes room in a bucket for a cost, or says what would come of it.
    fn charge(&mut self, store: &Store, of: (TableId, Key), take: (&Bucket, u32), now: Time) -> Charge;
    /// The same; it is held until it is committed or released.
    fn reserve(&mut self, store: &Store, of: (TableId, Key), take: (&Bucket, u32), now: Time) -> Charge;
    /// Counts what was held.
    fn commit(&mut self, store: &Store, of: (TableId, Key), cost: u32, now: Time);
    /// Gives back what was held.
    fn release(&mut self, store: &Store, of: (TableId, Key), cost: u32, now: Time);
    /// Takes of this node's share, or says what would come of it.
    fn draw(&mut self, store: &Store, of: (SharesId, Key64), cost: u32, now: Time) -> Charge;
    /// Puts back what was drawn.
    fn put_back(&mut self, store: &Store, of: (SharesId, Key64), cost: u32, now: Time);
    /// Spends rights, or says what would come of it.
    fn spend(&mut self, store: &Store, of: (RightsId, Key64, Epoch), cost: u64, now: Time) -> Spent;
    /// What was taken as so much has cost so much.
    fn settle(&mut self, store: &Store, of: (RightsId, Key64, Epoch), costs: (u64, u64), now: Time);
    /// Raises a gauge by one, or says what would come of it.
    fn raise(&mut self, store: &Store, of: (GaugeId, Key), most: u32, now: Time) -> Raised;
    /// Lowers it again.
    fn lower(&mut self, store: &Store, of: (GaugeId, Key), now: Time);
    /// Counts so many more.
    fn add(&mut self, store: &Store, of: (TableId, Key), n: u32, now: Time);
    /// Sees one element.
    fn observe(&mut self, store: &Store, of: (UniquesId, Key), element: &[u8], now: Time);
    /// Bans a subject.
    fn ban(&mut self, store: &Store, subject: &str, ban: Sentence<'_>, now: Time) -> Settled;
    /// Puts an element into a list, or takes it out.
    fn list(&mut self, store: &Store, element: (ListId, &str), present: bool, until: Time, now: Time) -> Settled;
    /// Revokes what has a name; it is remembered until `until` where that is known.
    fn revoke(&mut self, store: &Store, name: (Named, &Realm, &str), until: Option<Time>, now: Time);
    /// Does what no decision depends on; who only looks leaves it.
    fn aside(&mut self, act: impl FnOnce());
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
    fn charge(&mut self, store: &Store, (table, key): (TableId, Key), take: (&Bucket, u32), now: Time) -> Charge {
        let (bucket, cost) = take;
        store.charge(table, key, bucket, cost, now)
    }

    fn reserve(&mut self, store: &Store, (table, key): (TableId, Key), take: (&Bucket, u32), now: Time) -> Charge {
        let (bucket, cost) = take;
        store.reserve(table, key, bucket, cost, now)
    }

    fn commit(&mut self, store: &Store, (table, key): (TableId, Key), cost: u32, now: Time) {
        store.commit(table, key, cost, now);
    }

    fn release(&mut self, store: &Store, (table, key): (TableId, Key), cost: u32, _: Time) {
        store.release(table, key, cost);
    }

    fn draw(&mut self, store: &Store, (shares, key): (SharesId, Key64), cost: u32, now: Time) -> Charge {
        store.draw(shares, key, cost, now)
    }

    fn put_back(&mut self, store: &Store, (shares, key): (SharesId, Key64), cost: u32, now: Time) {
        store.put_back(shares, key, cost, now);
    }

    fn spend(&mut self, store: &Store, of: (RightsId, Key64, Epoch), cost: u64, now: Time) -> Spent {
        let (rights, key, epoch) = of;
        store.spend(rights, key, epoch, cost, now)
    }

    fn settle(&mut self, store: &Store, of: (RightsId, Key64, Epoch), costs: (u64, u64), now: Time) {
        let (rights, key, epoch) = of;
        // What went beyond the rights that were here is counted as used.
        let _ = store.settle(rights, key, epoch, costs, now);
    }

    fn raise(&mut self, store: &Store, (gauge, key): (GaugeId, Key), most: u32, now: Time) -> Raised {
        store.raise(gauge, key, 1, most.into(), now)
    }

    fn lower(&mut self, store: &Store, (gauge, key): (GaugeId, Key), now: Time) {
        store.lower(gauge, key, 1, now);
    }

    fn add(&mut self, store: &Store, (table, key): (TableId, Key), n: u32, now: Time) {
        store.add(table, key, n, now);
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

    fn revoke(&mut self, store: &Store, name: (Named, &Realm, &str), until: Option<Time>, now: Time) {
        revocation::revoke(store, name, until, now);
    }

    fn aside(&mut self, act: impl FnOnce()) {
        act();
    }

    fn note(&mut self, _: impl FnOnce() -> Note) {}
}
