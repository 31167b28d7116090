//! Clients that go to another node with each request.

use crate::sim::roam::{Roam, Roamed, run};
use crate::support::seeds;

fn roam(seed: u64, in_trouble: bool) -> Roamed {
    let roamed = run(Roam { nodes: 5, clients: 10, requests: 4_000, seed, in_trouble });
    println!("{roamed:?}");
    assert_eq!(roamed.violations, Vec::<String>::new(), "seed {seed}");
    assert_eq!(roamed.stale_though_reachable, 0, "seed {seed}");
    roamed
}

#[test]
fn all_answers_are_fresh_while_the_writers_can_be_reached() {
    for seed in seeds(&[1, 2]) {
        let roamed = roam(seed, false);
        assert_eq!((roamed.fresh, roamed.lost), (roamed.requests, 0), "seed {seed}");
        assert!(roamed.fetched > 20 && roamed.writes > 1_000, "seed {seed}: and some had to be fetched");
    }
}

#[test]
fn what_is_not_fresh_is_never_called_so() {
    for seed in seeds(&[1, 2, 3, 4]) {
        let roamed = roam(seed, true);
        assert!(roamed.fresh > roamed.requests / 4, "seed {seed}");
        assert!(
            roamed.fresh < roamed.requests && roamed.behind > 20,
            "seed {seed}: there was some trouble, and it shows"
        );
    }
}
