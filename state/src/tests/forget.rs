//! Tables at their cap: what is forgotten here and counted again is more to peers, not the same.

use proptest::prelude::*;

use super::given::{author, only};
use crate::counter::Row;
use crate::identity::{Author, Incarnation};
use crate::key::{Key, Key64};
use crate::rung::Rung;
use crate::store::{Store, StoreConfig, TableId, TableSpec, Told};
use crate::time::Time;

const START: Time = Time(1_800_000_000_000);

pub(super) fn node(pop: u16, keys_max: usize) -> (Store, TableId) {
    let Author { actor: me, incarnation } = author(pop, 1 << 16);
    let store = Store::new(StoreConfig {
        me,
        incarnation,
        cluster: "edge".to_owned(),
        secret: [7; 16],
        secret_beside: None,
        salt: 0,
        keys_max,
        bans_max: 1,
        roster: 2,
    });
    let (uid, shape) = ("t".to_owned(), "ip".to_owned());
    let spec = TableSpec { uid, shape, fine: Rung::Ms100, coarse: Rung::M1, replicated: true };
    let table = store.table(&spec).unwrap();
    (store, table)
}

/// Keys of one shard, so that a sample sees all of them.
pub(super) fn key(n: u64) -> Key {
    only(0xab << 56 | n)
}

/// What a tick would send.
pub(super) fn taken(store: &Store, table: TableId) -> Vec<(Key64, Author, Row)> {
    let rows = store.take_counters().into_iter();
    rows.filter_map(|(_, key)| store.take_row(table, key, Time::ZERO).map(|(author, row)| (key, author, row))).collect()
}

fn total(store: &Store, table: TableId, key: Key, now: Time) -> u64 {
    store.counts(table, key, now).iter().map(|(_, _, n)| n).sum()
}

#[test]
fn a_key_that_comes_back_adds_at_its_peers() {
    let ((near, at_near), (far, at_far)) = (node(1, 1), node(2, 100));
    let tell = || {
        taken(&near, at_near).into_iter().for_each(|(key, author, mut row)| {
            let _ = far.offer_row((at_far, key), (author, &mut row), Told::Changed, START);
        })
    };
    near.add(at_near, key(1), 5, START);
    tell();
    near.add(at_near, key(2), 1, START.plus(100));
    tell();
    near.add(at_near, key(1), 3, START.plus(200));
    tell();
    assert_eq!(total(&near, at_near, key(1), START), 3, "the node itself forgot");
    assert_eq!(total(&far, at_far, key(1), START), 8);
    // It has two rows there, by the same node in one life.
    let lives: Vec<_> = far.counts(at_far, key(1), START).into_iter().map(|(_, life, n)| (life, n)).collect();
    assert_eq!(lives, [(Incarnation(1 << 16), 5), (Incarnation(2 + (1 << 16)), 3)]);
    // The node does not take back what it said before: it is in what others read.
    for (author, mut row) in far.rows(at_far, key(1).now, START) {
        let _ = near.offer_row((at_near, key(1).now), (author, &mut row), Told::Changed, START);
    }
    assert_eq!(total(&near, at_near, key(1), START), 3);
}

#[test]
fn a_generation_ends_only_when_a_counter_of_it_is_forgotten() {
    let (near, table) = node(1, 2);
    let lives =
        |n: u64| near.rows(table, key(n).now, START).into_iter().map(|(author, _)| author.incarnation.0 - (1 << 16));
    let mut counted = 0;
    let mut add = |n: u64| {
        counted += 100;
        near.add(table, key(n), 1, START.plus(counted));
        let _ = taken(&near, table);
        lives(n).collect::<Vec<_>>()
    };
    // 3 forgets 1, of generation 0; 4 forgets 2, of generation 0 too; 5 forgets 3, of the present one.
    assert_eq!([1, 2, 3, 4, 5, 6].map(&mut add), [[0], [0], [1], [1], [2], [2]]);
}

#[test]
fn the_last_generation_does_not_run_over() {
    let me = author(1, u64::MAX - 3);
    assert_eq!(me.in_generation(u16::MAX).incarnation, Incarnation(u64::MAX));
    assert!(me.covers(me.in_generation(9)));
    let me = author(1, 1 << 16);
    assert!(me.covers(me) && me.covers(me.in_generation(u16::MAX)));
    assert!(!me.covers(author(1, 2 << 16)) && !me.covers(author(1, 65_535)) && !me.covers(author(2, 1 << 16)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A node of three keys counts a dozen, its peer hears each tick, some of them twice and in any order: the peer knows all.
    #[test]
    fn nothing_is_masked(
        steps in prop::collection::vec((0..12_u64, 1..9_u32, 0..400_u64, any::<bool>()), 1..200),
        seed in any::<u64>(),
    ) {
        let ((near, at_near), (far, at_far)) = (node(1, 3), node(2, 100));
        let (mut now, mut truth, mut said) = (START, [0_u64; 12], Vec::new());
        for (n, count, gap, tick) in steps {
            now = now.plus(gap);
            // A table whose counters all wait to be sent counts no other.
            if near.keys(at_near) < 3 || near.rows(at_near, key(n).now, now).iter().any(|(_, row)| !row.is_empty()) {
                near.add(at_near, key(n), count, now);
                truth[n as usize] += u64::from(count);
            }
            if tick {
                said.extend(taken(&near, at_near));
                near.add(at_near, key(n), count, now);
                truth[n as usize] += u64::from(count);
            }
        }
        said.extend(taken(&near, at_near));
        said.extend(said.clone().into_iter().step_by(3));
        fastrand::Rng::with_seed(seed).shuffle(&mut said);
        for (key, author, mut row) in said {
            let _ = far.offer_row((at_far, key), (author, &mut row), Told::Changed, now);
        }
        let heard: Vec<u64> = (0..12).map(|n| total(&far, at_far, key(n), now)).collect();
        prop_assert_eq!(heard, truth);
    }
}
