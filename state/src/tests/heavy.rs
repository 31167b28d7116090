//! Tables of gauges, rights, shares and distinct counts that one peer floods with new keys: what this node and other peers hold in them
//! stays, and there is room for what they name anew.

use super::bounds::NOW;
use super::flood::{key, node_of};
use super::given::{author, only};
use crate::bucket::Charge;
use crate::identity::{Author, Incarnation, PopId};
use crate::key::Key64;
use crate::ledger::gauge::Raised;
use crate::ledger::rights::{Epoch, Spent};
use crate::ledger::shares::{Allowance, ERA};
use crate::ledger::{Account, Version};
use crate::rung::Rung;
use crate::store::{
    GaugeId, Ingested, LedgerId, LedgerSpec, RightsId, SharesId, Standing, Store, StoreBounds, StoreConfig, Told,
    UniquesId, UniquesSpec,
};
use crate::time::Time;
use crate::unique::Mark;

const CAP: usize = 2_000;

/// POPs of the roster, this one included; POP 4 is the heavy one.
const POPS: u16 = 4;

fn store() -> Store {
    let config = StoreConfig {
        me: author(1, 1).actor,
        incarnation: Incarnation(1),
        cluster: "edge".to_owned(),
        secret: [3; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 1,
        bans_max: 1,
        roster: POPS,
    };
    let store =
        Store::with_bounds(config, StoreBounds { uniques_max: CAP, ledgers_max: CAP, ..StoreBounds::default() });
    store.set_roster((1..=POPS).map(PopId), (1, Time::ZERO));
    store.agree_on_roster(Time::ZERO);
    store.set_standing(Standing::Settled);
    store
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Gauge(GaugeId),
    Rights(RightsId),
    Shares(SharesId),
}

/// A store with one table of ledgers.
struct Table {
    store: Store,
    id: LedgerId,
    kind: Kind,
}

const QUOTA: u64 = 100;

fn allowance() -> Allowance {
    Allowance { nano_per_ms: 1_000_000_000, burst: 100, overdraft: 0 }
}

fn sharing(store: &Store, spec: &LedgerSpec) -> SharesId {
    let id = store.shares(spec).unwrap();
    store.share_out(id, allowance(), Time(1));
    id
}

fn epoch() -> Epoch {
    Epoch::of(3_600_000, NOW)
}

fn allotted(store: &Store, spec: &LedgerSpec) -> RightsId {
    let id = store.rights(spec).unwrap();
    store.allot(id, QUOTA);
    id
}

fn tables() -> [Table; 3] {
    let spec = LedgerSpec { uid: "plan".to_owned(), shape: "key".to_owned(), replicated: true };
    let make: [&dyn Fn(&Store) -> Kind; 3] =
        [&|store| Kind::Gauge(store.gauge(&spec).unwrap()), &|store| Kind::Rights(allotted(store, &spec)), &|store| {
            Kind::Shares(sharing(store, &spec))
        }];
    make.map(|make| {
        let store = store();
        let kind = make(&store);
        Table { id: store.next_ledgers(None, crate::walk::Reach::All).unwrap(), store, kind }
    })
}

impl Table {
    /// What a peer says of a key, without a wish.
    fn said(&self) -> Account {
        let version = Version::new(NOW, 0).unwrap();
        match self.kind {
            Kind::Gauge(_) => Account { version, amount: 1, ..Account::default() },
            Kind::Rights(_) => {
                Account { version, ends: epoch().ends, terms: (QUOTA, epoch().begins.0), ..Account::default() }
            }
            Kind::Shares(_) => {
                Account { version, ends: NOW.plus(ERA), terms: allowance().terms(), claim: 1, ..Account::default() }
            }
        }
    }

    /// The same with one.
    fn wishes(&self) -> Account {
        let wish = if let Kind::Shares(_) = self.kind { 1_000_000 } else { 0 };
        Account { want: 5, amount: wish, ..self.said() }
    }

    fn hears(&self, author: Author, key: Key64, account: Account, told: Told) -> Ingested {
        self.store.offer_account((self.id, key), (author, account), told, NOW)
    }

    /// This node takes part itself; whether there was room.
    fn takes(&self, nth: u64) -> bool {
        let name = key(1, nth);
        match self.kind {
            Kind::Gauge(id) => matches!(self.store.raise(id, only(name.0), 1, QUOTA, NOW), Raised::To(_)),
            Kind::Rights(id) => {
                matches!(self.store.spend(id, name, epoch(), 1, NOW), Spent::Granted { .. } | Spent::Short { .. })
            }
            Kind::Shares(id) => !matches!(self.store.draw(id, name, 1, NOW), Charge::Full),
        }
    }

    /// Whether what this node took is there.
    fn has(&self, nth: u64) -> bool {
        let (name, me) = (key(1, nth), author(1, 1).actor);
        match self.kind {
            Kind::Gauge(id) => self.store.height(id, only(name.0), NOW) == 1,
            Kind::Rights(id) => self.store.rights_used(id, name, epoch(), NOW).iter().any(|(actor, ..)| *actor == me),
            Kind::Shares(id) => self.store.share(id, name, NOW) > 0,
        }
    }

    /// How many of the first keys of a peer it knows.
    fn held(&self, pop: u16, n: u64) -> usize {
        let of = |nth: &u64| {
            let accounts = self.store.accounts(self.id, key(pop, *nth), NOW);
            accounts.iter().any(|(author, _)| author.actor.pop == PopId(pop))
        };
        (0..n).filter(of).count()
    }

    /// Of how many of the first keys that a peer named it has a part itself.
    fn begun(&self, pop: u16, n: u64) -> usize {
        (0..n).filter(|nth| self.store.own_account(self.id, key(pop, *nth)).is_some()).count()
    }

    fn send(&self) {
        for (table, key) in self.store.take_ledgers() {
            self.store.take_account(table, key);
        }
    }
}

#[test]
fn accounts_of_others_stay_and_the_heavy_peer_has_its_part() {
    for table in tables() {
        (0..100).for_each(|nth| assert!(table.takes(nth)));
        for nth in 0..400 {
            assert!(!table.hears(author(2, 1), key(2, nth), table.said(), Told::Changed).full);
            assert!(!table.hears(author(3, 1), key(3, nth), table.said(), Told::Changed).full);
        }
        table.send();
        let mut late = 400;
        for nth in 0..10 * CAP as u64 {
            table.hears(node_of(4, nth as u32 % 50), key(4, nth), table.said(), Told::Changed);
            if nth % 500 == 499 {
                assert!(!table.hears(author(2, 1), key(2, late), table.said(), Told::Changed).full, "{:?}", table.kind);
                late += 1;
            }
        }
        assert_eq!((table.held(2, late), table.held(3, 400)), (440, 400), "{:?}", table.kind);
        assert_eq!((0..100).filter(|nth| table.has(*nth)).count(), 100, "{:?}", table.kind);
        assert_eq!(table.held(4, 10 * CAP as u64), CAP - 440 - 400 - 100, "{:?}", table.kind);
        assert!(table.takes(100), "{:?}: what is new here has room", table.kind);
    }
}

/// Whoever asks for rights or shares of a key makes this node have a part in it, which may not be forgotten before it is over.
#[test]
fn wishes_without_end_leave_room_for_those_of_others() {
    let mut wishing = 0;
    for (table, calm) in tables().into_iter().zip(tables()) {
        let asks = |table: &Table, pop: u16, nth: u64| {
            table.hears(author(pop, 1), key(pop, nth), table.wishes(), Told::Changed)
        };
        (0..10 * CAP as u64).for_each(|nth| {
            asks(&table, 4, nth);
        });
        assert!(table.begun(4, 10 * CAP as u64) <= CAP / 2, "{:?}", table.kind);
        for nth in 0..100 {
            assert!(!asks(&table, 2, nth).full && table.takes(nth), "{:?}", table.kind);
            asks(&calm, 2, nth);
        }
        assert_eq!(table.begun(2, 100), calm.begun(2, 100), "{:?}", table.kind);
        wishing += usize::from(calm.begun(2, 100) > 0);
    }
    assert_eq!(wishing, 2, "rights and shares");
}

/// What repair tells makes nobody forget anything.
#[test]
fn what_is_told_again_pushes_nothing_out() {
    for table in tables() {
        (0..CAP as u64)
            .for_each(|nth| assert!(!table.hears(author(2, 1), key(2, nth), table.said(), Told::Known).full));
        for nth in 0..100 {
            let ingested = table.hears(author(3, 1), key(3, nth), table.said(), Told::Known);
            assert!(ingested.pushed && !ingested.raised, "{:?}", table.kind);
        }
        assert_eq!((table.held(2, CAP as u64), table.held(3, 100)), (CAP, 0), "{:?}", table.kind);
    }
}

/// A store with one table of distinct counts.
struct Seen {
    store: Store,
    id: UniquesId,
}

impl Seen {
    fn new() -> Seen {
        let store = store();
        let spec = UniquesSpec { uid: "u".to_owned(), shape: String::new(), slot: Rung::S1, replicated: true };
        Seen { id: store.uniques(&spec).unwrap(), store }
    }

    fn hears(&self, by: Option<Author>, key: Key64, told: Told) -> Ingested {
        let sketch = [Mark::new(7, 1).unwrap()].into_iter().collect();
        let of = (by.map(|by| by.actor), (NOW.0 / 1_000, &sketch));
        self.store.offer_sketch((self.id, key), of, told, NOW.plus(1))
    }

    /// How many of the first keys of a peer it knows.
    fn held(&self, pop: u16, n: u64) -> usize {
        (0..n).filter(|nth| self.store.distinct(self.id, only(key(pop, *nth).0), 1_000, NOW.plus(1)) == 1).count()
    }

    fn observe(&self, nth: u64) {
        self.store.observe(self.id, only(key(1, nth).0), b"value", NOW);
        for (table, key) in self.store.take_uniques() {
            self.store.take_sketches(table, key, Time::ZERO);
        }
    }
}

#[test]
fn distinct_counts_of_others_stay_and_the_heavy_peer_has_its_part() {
    let seen = Seen::new();
    (0..100).for_each(|nth| seen.observe(nth));
    for nth in 0..400 {
        assert!(!seen.hears(Some(author(2, 1)), key(2, nth), Told::Changed).full);
        assert!(!seen.hears(Some(author(3, 1)), key(3, nth), Told::Changed).full);
    }
    // An earlier life of this node knew them, from whomever.
    (0..50).for_each(|nth| assert!(!seen.hears(None, key(5, nth), Told::Known).full));
    let mut late = 400;
    for nth in 0..10 * CAP as u64 {
        let ingested = seen.hears(Some(node_of(4, nth as u32 % 50)), key(4, nth), Told::Changed);
        assert_eq!(ingested.pushed, nth >= CAP as u64 - 950 - (late - 400));
        if nth % 500 == 499 {
            assert!(!seen.hears(Some(author(2, 1)), key(2, late), Told::Changed).full);
            late += 1;
        }
    }
    assert_eq!((seen.held(1, 100), seen.held(2, late), seen.held(3, 400), seen.held(5, 50)), (100, 440, 400, 50));
    assert_eq!(seen.held(4, 10 * CAP as u64), CAP - 100 - 440 - 400 - 50);
    seen.observe(100);
    let new = seen.store.distinct(seen.id, only(key(1, 100).0), 1_000, NOW.plus(1));
    assert_eq!(new, 1, "what is seen here has room");
}

/// Sketches have no author: a key that two POPs tell of is nobody's, and what repair tells pushes nothing out.
#[test]
fn distinct_counts_that_several_tell_of_stay() {
    let seen = Seen::new();
    for nth in 0..CAP as u64 {
        seen.hears(Some(author(2, 1)), key(2, nth), Told::Changed);
    }
    assert!(!seen.hears(Some(author(3, 1)), key(3, 0), Told::Known).raised);
    for nth in 0..CAP as u64 {
        seen.hears(Some(author(3, 1)), key(2, nth), Told::Changed);
    }
    assert!((0..100).all(|nth| seen.hears(Some(author(4, 1)), key(4, nth), Told::Changed).full));
    assert_eq!((seen.held(2, CAP as u64), seen.held(3, 1)), (CAP, 0));
}
