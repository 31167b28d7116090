//! Asking what a charge would say.

use proptest::prelude::*;
use selvedge_state::{Bucket, Charge, Input, Rung, Store, TableId, Time};

use crate::support::{START, actor, replica, spec, store_of};

/// All that a table tells of itself.
fn all(store: &Store, table: TableId, now: Time) -> Vec<(selvedge_state::Key, u64)> {
    store.top(table, usize::MAX, now)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of a table with room and of a full one, of keys that wait to be sent and keys that were, charged here and at a peer.
    #[test]
    fn it_is_what_the_charge_then_says(
        steps in prop::collection::vec((0..8_u8, 0..4_000_u64, 0..12_u32, 0..3_usize, 0..6_u8), 1..80),
        keys_max in 1..10_usize,
    ) {
        let store = store_of(1, 1, 2, keys_max, 1);
        let far = store_of(2, 1, 2, 100, 1);
        let spec = spec("limit", Rung::Ms100, Rung::S1);
        let (table, table_there) = (store.table(&spec).unwrap(), far.table(&spec).unwrap());
        let (mut near_replica, mut far_replica) = (replica(1, 1, 1, 2, &store), replica(2, 1, 2, 2, &far));
        let link = selvedge_state::LinkId(1);
        let buckets = [(0.01, 5.0), (0.002, 20.0), (1.0, 1.0)].map(|(rate_per_ms, burst)| Bucket::new(rate_per_ms, burst));
        let mut now = START;
        near_replica.handle(Input::Connected { link, peer: actor(2).pop }, now);
        far_replica.handle(Input::Connected { link, peer: actor(1).pop }, now);
        for (key, gap, cost, bucket, what) in steps {
            now = now.plus(gap);
            let (key, bucket) = (store.key(&[&[key]]), buckets[bucket]);
            match what {
                0 => far.add(table_there, key, cost, now),
                1 => {
                    let _ = (near_replica.handle(Input::Timeout, now), far_replica.handle(Input::Timeout, now));
                    while let Some(output) = far_replica.poll_output() {
                        if let selvedge_state::Output::Send { frame, .. } = output {
                            near_replica.handle(Input::Frame { link, bytes: frame }, now);
                        }
                    }
                    while let Some(output) = near_replica.poll_output() {
                        if let selvedge_state::Output::Send { frame, .. } = output {
                            far_replica.handle(Input::Frame { link, bytes: frame }, now);
                        }
                    }
                }
                _ => {
                    let before = (all(&store, table, now), store.keys(table), store.level(table, key, &bucket, now));
                    let said = store.peek(table, key, &bucket, cost, now);
                    prop_assert_eq!(store.peek(table, key, &bucket, cost, now), said, "asking changes nothing");
                    let after = (all(&store, table, now), store.keys(table), store.level(table, key, &bucket, now));
                    prop_assert_eq!(before, after);
                    prop_assert_eq!(store.charge(table, key, &bucket, cost, now), said);
                }
            }
        }
    }
}

#[test]
fn a_full_table_says_so() {
    let store = store_of(1, 1, 2, 1, 1);
    let table = store.table(&spec("limit", Rung::Ms100, Rung::M1)).unwrap();
    let bucket = Bucket::new(0.1, 5.0);
    let (one, other) = (store.key(&[b"one"]), store.key(&[b"other"]));
    assert_eq!(store.peek(table, one, &bucket, 1, START), Charge::Admitted { remaining: 4, wait_ms: 0 });
    assert_eq!(store.keys(table), 0);
    assert_eq!(store.charge(table, one, &bucket, 1, START), Charge::Admitted { remaining: 4, wait_ms: 0 });
    // It waits to be sent, so nothing can give way.
    assert_eq!(store.peek(table, other, &bucket, 1, START), Charge::Full);
    replica(1, 1, 1, 2, &store).handle(Input::Dirty, START);
    assert_eq!(store.peek(table, other, &bucket, 6, START), Charge::Refused { retry_after_ms: u64::MAX });
    assert_eq!(store.keys(table), 1);
    assert_eq!(store.peek(table, one, &bucket, 1, START), Charge::Admitted { remaining: 3, wait_ms: 0 });
}
