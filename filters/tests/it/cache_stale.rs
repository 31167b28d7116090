//! For how long what is no longer fresh may stand in for an origin that cannot be reached.

use std::time::Duration;

use selvedge_filters::cache::Lifetime;

use crate::cache::{decide, decide_ruled};

const HOUR: u64 = 3600;

/// RFC 9111 section 4.2.4: a disconnected cache may, unless a directive says no. RFC 5861 section 4 names another window.
#[test]
fn an_hour_where_nothing_is_said_and_nothing_where_it_is_forbidden() {
    for (said, seconds) in [
        ("max-age=60", HOUR),
        ("max-age=60, public", HOUR),
        ("max-age=60, stale-while-revalidate=30", HOUR),
        ("max-age=60, must-revalidate", 0),
        ("max-age=60, proxy-revalidate", 0),
        ("max-age=60, must-revalidate, stale-if-error=90", 0),
        ("s-maxage=60", 0),
        ("max-age=60, s-maxage=60", 0),
        ("s-maxage=60, stale-if-error=90", 90),
        ("max-age=60, stale-if-error=90", 90),
        ("max-age=60, stale-if-error=86400", 86400),
        ("max-age=60, stale-if-error=0", 0),
        ("max-age=60, stale-if-error=lots", 0),
    ] {
        let stored = decide(200, &[&format!("cache-control: {said}")], false, 0).expect(said);
        assert_eq!(stored.stale_if_unreachable.as_secs(), seconds, "{said}");
    }
    let targeted =
        decide(200, &["cdn-cache-control: max-age=60, must-revalidate", "cache-control: max-age=60"], false, 0);
    assert!(targeted.expect("stored").stale_if_unreachable.is_zero(), "the targeted field says it too");
}

#[test]
fn the_hour_counts_from_the_end_of_freshness() {
    let overdue = decide(200, &["cache-control: max-age=60, stale-while-revalidate=300", "age: 160"], false, 0);
    assert_eq!(overdue.expect("stored").stale_if_unreachable.as_secs(), HOUR - 100);
}

#[test]
fn a_rules_window_is_the_window() {
    let lifetime = Lifetime { ttl: Duration::from_secs(60), stale_while_revalidate: None, stale_if_error: None };
    for (window, said, seconds) in [
        (None, "x-a: 1", HOUR),
        (None, "cache-control: stale-if-error=5", 5),
        (None, "cache-control: s-maxage=5", 0),
        (Some(7), "cache-control: stale-if-error=5", 7),
        (Some(0), "x-a: 1", 0),
        (Some(7), "cache-control: must-revalidate", 0),
    ] {
        let ruled = Lifetime { stale_if_error: window.map(Duration::from_secs), ..lifetime };
        let stored = decide_ruled(200, &[said], (false, Some(ruled)), 0).expect("stored");
        assert_eq!(stored.stale_if_unreachable.as_secs(), seconds, "{window:?} {said}");
    }
}
