//! A peer that lies. It is in the roster and its certificate is good; whatever it says, other actors' counts stay, memory is
//! bounded, the node goes on, and status and events name the liar.

use bytes::Bytes;

use super::bounds::{NOW, Node, pair};
use super::given::{Stated, author, fact};
use crate::bucket::{Bucket, Charge};
use crate::counter::{COUNT_MOST, Row};
use crate::fact::Fact;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::{Key, Key64};
use crate::replica::{Event, Input};
use crate::store::CONTRIBUTORS_MAX;
use crate::time::Time;
use crate::void::Void;
use crate::wire::{Builder, DeltaHead, NEWEST, RangeHead, Room};

const LIAR: Actor = author(2, 1).actor;

/// How many keys a table holds here.
const KEYS_MAX: usize = 1_000;

/// What the victim counted of its own key, and what the third node did, as the liar passed it on in good faith.
const OWN: u64 = 7;
const THIRD: u64 = 5;

/// A fine slot of a second, and the row of so much in it.
fn counting(count: u64, at: Time) -> Row {
    Row { head: at.0 / 1_000, fine: [count, 0, 0, 0, 0, 0, 0, 0], coarse: [count, 0, 0, 0, 0, 0, 0, 0] }
}

struct Victim {
    node: Node,
    key: Key,
    table: u64,
    said: u64,
}

impl Victim {
    /// Greeted by the liar, with counts of its own and of the third node.
    fn new() -> Victim {
        let (node, _) = pair(KEYS_MAX, 50);
        let (key, table) = (node.store.key(&[b"k"]), node.store.identity(node.table).unwrap());
        node.store.add(node.table, key, OWN as u32, NOW);
        let mut victim = Victim { node, key, table, said: 0 };
        victim.node.feed(Input::Timeout, NOW);
        let mut builder = Builder::new();
        builder.row(table, key.now, author(3, 1), counting(THIRD, NOW));
        assert_eq!(victim.repaired(builder), []);
        victim.holds();
        victim
    }

    fn delta(&mut self, builder: Builder) -> Bytes {
        self.said += 1;
        builder.delta(&DeltaHead { author: author(2, 1).into(), from: 0, to: self.said, at: NOW.0 }, NEWEST)
    }

    /// Hears a delta of the liar.
    fn told(&mut self, builder: Builder) -> Vec<Event> {
        let frame = self.delta(builder);
        self.node.takes(vec![frame], NOW).1
    }

    /// Hears a repair of the liar.
    fn repaired(&mut self, builder: Builder) -> Vec<Event> {
        let frame = builder.range(&RangeHead { from: 0, to: 1, at: NOW.0 }, NEWEST);
        self.node.takes(vec![frame], NOW).1
    }

    fn told_row(&mut self, by: Author, row: Row) -> Vec<Event> {
        let mut builder = Builder::new();
        assert_eq!(builder.row(self.table, self.key.now, by, row), Room::Taken);
        self.told(builder)
    }

    fn counted(&self, by: Actor) -> u64 {
        let counts = self.node.store.counts(self.node.table, self.key, NOW);
        counts.iter().filter(|(actor, ..)| *actor == by).map(|(_, _, count)| count).sum()
    }

    /// Nobody's counts but the liar's can have changed, and requests are still decided.
    fn holds(&self) {
        assert_eq!((self.counted(author(1, 1).actor), self.counted(author(3, 1).actor)), (OWN, THIRD));
        let bucket = Bucket::new(0.1, 5.0);
        let charge = self.node.store.peek(self.node.table, self.node.store.key(&[b"anybody"]), &bucket, 1, NOW);
        assert!(matches!(charge, Charge::Admitted { .. }), "{charge:?}");
    }

    /// Status names the liar: so much was dropped, and why.
    fn named(&self, dropped: u64, why: &str) {
        let status = self.node.replica.status(NOW);
        let peer = status.peers.iter().find(|peer| peer.actor == LIAR).unwrap();
        assert_eq!(peer.dropped, dropped);
        let said = peer.last_error.as_deref().unwrap_or_default();
        assert!(said.contains(why), "{said}");
        assert!(status.peers.iter().all(|peer| peer.actor == LIAR || peer.dropped == 0));
    }
}

#[test]
fn counts_that_nobody_can_have_are_refused() {
    let mut victim = Victim::new();
    let events = victim.told_row(author(2, 1), counting(u64::MAX, NOW));
    assert!(matches!(events[..], [Event::Implausible { .. }]), "{events:?}");
    assert_eq!(victim.counted(LIAR), 0);
    victim.holds();
    victim.named(2, "more than any node can");
    // Told once, dropped each time.
    assert_eq!(victim.told_row(author(2, 1), counting(u64::MAX - 1, NOW)), []);
    victim.named(4, "more than any node can");
}

/// The most that is believed, of as many lives as are kept: sums stay sums.
#[test]
fn the_greatest_counts_that_are_believed_do_not_overflow() {
    let mut victim = Victim::new();
    let most = COUNT_MOST * 1_000;
    let mut builder = Builder::new();
    for life in 1..CONTRIBUTORS_MAX as u64 / 2 {
        builder.row(victim.table, victim.key.now, author(2, life << 20), Row { coarse: [0; 8], ..counting(most, NOW) });
    }
    victim.repaired(builder);
    victim.holds();
    let all = victim.node.store.count(victim.node.table, victim.key, 3_600_000, NOW.plus(999));
    assert!(all >= most, "{all}");
}

#[test]
fn nobody_counts_in_anothers_name() {
    let mut victim = Victim::new();
    for other in [author(1, 1), author(3, 1), author(2, 2 << 20), author(9, 1)] {
        victim.told_row(other, counting(1_000, NOW));
        victim.holds();
    }
    // In repair one passes on what others counted, but never what the receiver itself did, in this life, or a stranger.
    let mut builder = Builder::new();
    builder.row(victim.table, victim.key.now, author(1, 1), counting(1_000, NOW));
    builder.row(victim.table, Key64(1), author(9, 1), counting(1_000, NOW));
    victim.repaired(builder);
    victim.holds();
    assert_eq!(victim.node.store.keys(victim.node.table), 1);
    victim.named(6, "spoke in the name of");
}

#[test]
fn nobody_states_a_fact_in_anothers_name() {
    let mut victim = Victim::new();
    let mut stated = |made_by: u16, made_at: u64, until: u64| {
        let stated = Stated { epoch: 1, until, kept: until + 3_600_000, level: 9, reason: "lie", made_at, made_by };
        let mut builder = Builder::new();
        builder.fact(&Fact::Ban(fact(&stated)));
        victim.told(builder);
        victim.node.store.bans(NOW).len()
    };
    assert_eq!(stated(3, NOW.0, NOW.0 + 1_000), 0);
    assert_eq!(stated(2, NOW.0, u64::MAX - 3_600_000), 0, "not for ever");
    assert_eq!(stated(2, NOW.0 + 10_000, NOW.0 + 1_000), 0, "not in the future");
    assert_eq!(stated(2, NOW.0, NOW.0 + 1_000), 1, "its own, within bounds");
    // One that says it is older than the life that is void goes with the rest.
    assert_eq!(stated(2, 0, NOW.0 + 500_000), 1);
    let (from, to) = (Incarnation(NOW.minus(1_000).0 << 16), Incarnation(NOW.plus(1).0 << 16));
    victim.node.store.set_voids(&[Void { actor: LIAR, from, to }]);
    assert_eq!(victim.node.store.bans(NOW).len(), 0);
    victim.holds();
}

#[test]
fn slots_of_the_far_future_are_refused() {
    let mut victim = Victim::new();
    let events = victim.told_row(author(2, 1), counting(1, NOW.plus(86_400_000)));
    assert!(matches!(events[..], [Event::ClockAhead { .. }]), "{events:?}");
    victim.told_row(author(2, 1), Row { head: u64::MAX, ..counting(1, NOW) });
    assert_eq!(victim.counted(LIAR), 0);
    victim.holds();
    victim.named(4, "too far ahead");
}

/// It may be that it has an older roster: it is named once for each revision of the roster, and never barred.
#[test]
fn who_sends_what_is_void_is_named_and_heard_on() {
    let mut victim = Victim::new();
    let void = |pop: u16| Void { actor: author(pop, 1).actor, from: Incarnation(1), to: Incarnation(9) };
    victim.node.store.set_voids(&[void(3), void(2)]);
    let passed_on = |victim: &mut Victim| {
        let mut builder = Builder::new();
        builder.row(victim.table, victim.key.now, author(3, 2), counting(1, NOW));
        victim.repaired(builder)
    };
    let told = Event::VoidAuthor { pop: LIAR.pop, void: void(3) };
    assert_eq!(passed_on(&mut victim), [told]);
    for _ in 0..300 {
        assert_eq!(passed_on(&mut victim), []);
    }
    victim.named(301, "sends what 3/0 said in incarnations 1 to 9, which the roster voids");
    assert_eq!(victim.counted(author(3, 1).actor), 0);
    // Another revision: told again, whatever is void first. Facts of its own too.
    victim.node.feed(Input::Roster { revision: 2, pops: vec![PopId(2), PopId(3)] }, NOW);
    let mut builder = Builder::new();
    let (until, kept) = (NOW.0 + 1_000, NOW.0 + 3_600_000);
    let stated = Stated { epoch: 1, until, kept, level: 9, reason: "lie", made_at: 0, made_by: 2 };
    builder.fact(&Fact::Ban(fact(&stated)));
    assert_eq!(victim.told(builder), [Event::VoidAuthor { pop: LIAR.pop, void: void(2) }]);
    assert_eq!(passed_on(&mut victim), []);
    // What it says in a life after that is taken.
    let mut builder = Builder::new();
    builder.row(victim.table, victim.key.now, author(3, 10), counting(1, NOW));
    assert_eq!(victim.repaired(builder), []);
    assert_eq!(victim.counted(author(3, 1).actor), 1);
}

/// Old frames over and over, in any order, also of slots that are over.
#[test]
fn replays_change_nothing() {
    let mut victim = Victim::new();
    let frames: Vec<Bytes> = (1..=5)
        .map(|count| {
            let mut builder = Builder::new();
            builder.row(victim.table, victim.key.now, author(2, 1), counting(count, NOW));
            victim.delta(builder)
        })
        .collect();
    for start in [0, 3, 1, 4, 2] {
        for _ in 0..50 {
            victim.node.takes(frames[start..].to_vec(), NOW);
        }
    }
    assert_eq!(victim.counted(LIAR), 5);
    victim.holds();
    let later = NOW.plus(9 * 3_600_000);
    victim.node.store.sweep(later);
    victim.node.takes(frames, later);
    assert_eq!(victim.node.store.count(victim.node.table, victim.key, 86_400_000, later), 0);
    victim.named(10, "counts of slots that are over");
}

/// More new keys than there is room for: they make room for one another, never at the expense of what was counted here.
#[test]
fn a_flood_of_keys_pushes_nothing_out_that_was_counted_here() {
    let mut victim = Victim::new();
    for flood in 0..50_u64 {
        let mut builder = Builder::new();
        for nth in 0..1_000 {
            let key = Key64((flood * 1_000 + nth) * 0x0001_0000_0000_0001);
            if builder.row(victim.table, key, author(2, 1), counting(1, NOW)) != Room::Taken {
                break;
            }
        }
        victim.told(builder);
        assert!(victim.node.store.keys(victim.node.table) <= KEYS_MAX);
    }
    victim.holds();
    let status = victim.node.replica.status(NOW);
    let said = |peer: &crate::replica::PeerStatus| peer.last_error.clone().filter(|_| peer.actor == LIAR);
    let said: Vec<String> = status.peers.iter().filter_map(said).collect();
    assert!(matches!(&said[..], [said] if said.contains("no room for all that POP 2 sent")), "{said:?}");
}

/// A life without end: each says it is newer than the last.
#[test]
fn lives_without_end_are_bounded() {
    let mut victim = Victim::new();
    for life in 1..2_000 {
        let mut builder = Builder::new();
        builder.row(
            victim.table,
            victim.key.now,
            Author { actor: LIAR, incarnation: Incarnation(life << 20) },
            counting(1, NOW),
        );
        victim.repaired(builder);
    }
    assert!(victim.node.store.counts(victim.node.table, victim.key, NOW).len() <= CONTRIBUTORS_MAX + 1);
    victim.holds();
    victim.named(2_000 - CONTRIBUTORS_MAX as u64, "no room");
}
