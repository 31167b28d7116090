//! What a request costs where its response tells: an estimate is taken, and settled when the response is there.

use http::HeaderMap;
use selvedge_filters::limit::Holds;
use selvedge_filters::{From, Reply, SiteId, Verdict};

use crate::support::{Ask, World};

const COST: &str = "cost = 'int(response.headers[\"x-cost\"])'";

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\n{COST}\n{more}\n")
}

fn holds(world: &World) -> Option<Holds> {
    let decision = world.decide(&Ask::default());
    matches!(decision.verdict, Verdict::Pass(_)).then_some(decision.holds)
}

/// The response comes, and says what it cost, or nothing.
fn answered(world: &World, holds: &mut Holds, (status, cost): (u16, Option<&'static str>)) {
    let mut headers = HeaderMap::new();
    cost.map(|cost| headers.insert("x-cost", cost.parse().unwrap()));
    let reply = Reply { status, headers: &headers, from: From::Origin, cache: "", challenge: None };
    world.filters.respond(&Ask::default().head(), (SiteId(0), &[], holds), &reply, &world.store, world.now);
}

fn level(world: &World) -> f64 {
    let limit = &world.filters.limits()[0];
    let whose = limit.whose(&["192.0.2.1".to_owned()], &world.store, world.now).unwrap();
    limit.level(&whose, &world.store, world.now)
}

#[test]
fn a_quota_is_charged_what_the_response_says() {
    let world = World::alone(&limit("quota = \"100/day\"\nreserve = 10"));
    assert_eq!(world.decide(&Ask::default()).quotas[0].remaining, 90, "what is reserved is taken");
    let mut used = 10.0;
    for (cost, charged) in [(Some("3"), 3.0), (Some("25"), 25.0), (Some("0"), 0.0), (None, 1.0), (Some("-4"), 1.0)] {
        let mut held = holds(&world).expect("room");
        assert_eq!(level(&world), used + 10.0);
        answered(&world, &mut held, (200, cost));
        assert!(held.is_empty());
        used += charged;
        assert_eq!(level(&world), used, "{cost:?}");
        world.filters.end(held, 7_000, &world.store, world.now);
        assert_eq!(level(&world), used, "once");
    }
    let held = holds(&world).expect("room");
    world.filters.end(held, 7_000, &world.store, world.now);
    assert_eq!(level(&world), used + 10.0, "without a response it is what was reserved");
    let held = holds(&world).expect("room");
    world.filters.abandon(held, &world.store, world.now);
    assert_eq!(level(&world), used + 20.0);
}

#[test]
fn what_costs_more_than_was_reserved_is_owed_and_nothing_passes_meanwhile() {
    let mut world = World::alone(&limit("quota = \"100/day\"\nreserve = 10"));
    let mut held: Vec<Holds> = std::iter::from_fn(|| holds(&world)).collect();
    assert_eq!(held.len(), 10, "as many as find what they reserve");
    answered(&world, &mut held[0], (200, Some("500")));
    held[1..].iter_mut().for_each(|one| answered(&world, one, (200, Some("1"))));
    assert_eq!(level(&world), 509.0);
    assert!(holds(&world).is_none());
    world.wait(24 * 3_600_000);
    assert!(holds(&world).is_some(), "another day");
}

#[test]
fn a_quota_below_what_is_reserved_lets_one_in() {
    let world = World::alone(&limit("quota = \"5/day\"\nreserve = 10"));
    let mut held = holds(&world).expect("room");
    assert!(holds(&world).is_none());
    answered(&world, &mut held, (200, Some("2")));
    assert_eq!(level(&world), 2.0);
}

#[test]
fn one_is_reserved_where_nothing_is_said() {
    let world = World::alone(&limit("quota = \"5/day\""));
    assert_eq!(std::iter::from_fn(|| holds(&world)).count(), 5);
}

#[test]
fn what_does_not_count_costs_nothing_whatever_it_says() {
    for measure in ["quota = \"100/day\"", "rate = \"60/1m\"\nburst = 100"] {
        let world = World::alone(&limit(&format!("{measure}\nreserve = 10\ncount = 'response.status < 500'")));
        for (status, charged) in [(502, 0.0), (200, 30.0)] {
            let mut held = holds(&world).expect("room");
            answered(&world, &mut held, (status, Some("30")));
            assert_eq!(level(&world), charged, "{measure}");
        }
        let held = holds(&world).expect("room");
        world.filters.end(held, 0, &world.store, world.now);
        assert_eq!(level(&world), 30.0, "{measure}: without a response nothing counts");
    }
}

#[test]
fn a_bucket_is_charged_what_the_response_says() {
    for measure in [
        "rate = \"60/1m\"\nburst = 10",
        "rates = [{ rate = \"60/1m\", burst = 10 }, { rate = \"6000/1m\", burst = 99 }]",
    ] {
        let mut world = World::alone(&limit(&format!("{measure}\nreserve = 4")));
        let (mut first, mut second) = (holds(&world).expect("room"), holds(&world).expect("room"));
        assert!(holds(&world).is_none(), "{measure}: eight of ten are taken");
        answered(&world, &mut first, (200, Some("1")));
        assert_eq!(level(&world), 5.0, "{measure}: three came back");
        let third = holds(&world).expect("room");
        answered(&world, &mut second, (200, Some("30")));
        assert_eq!(level(&world), 35.0, "{measure}: more is owed than there was room for");
        world.filters.end(third, 0, &world.store, world.now);
        assert_eq!(level(&world), 35.0, "{measure}: without a response it is what was reserved");
        world.wait(28_000);
        assert!(holds(&world).is_none(), "{measure}: it is earned first");
        world.wait(2_000);
        assert!(holds(&world).is_some(), "{measure}");
    }
}

#[test]
fn a_look_sees_what_would_be_reserved() {
    let rule = "[[rule]]\nname = \"full\"\nwhen = 'limit(\"api\").exceeded'\ndo = { tag = \"full\" }\n";
    for measure in ["quota = \"25/day\"", "rate = \"60/1m\"\nburst = 25"] {
        let world = World::alone(&(rule.to_owned() + &limit(&format!("{measure}\nreserve = 10"))));
        let full: Vec<usize> = (0..3).map(|_| world.decide(&Ask::default()).tags.len()).collect();
        assert_eq!(full, [0, 0, 1], "{measure}");
    }
}
