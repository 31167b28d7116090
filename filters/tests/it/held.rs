//! What a request holds of limits until its response is there, or over.

use http::HeaderMap;
use selvedge_filters::limit::{Holds, LimitId};
use selvedge_filters::{Counted, Filters, From, LimitOutcome, Reply, SiteId, Tables, Verdict};

use crate::support::{Ask, World, config};

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\n{more}\n")
}

/// Decides, and says what is held of a request that passes.
fn holds(world: &World, ask: &Ask) -> Option<Holds> {
    let decision = world.decide(ask);
    matches!(decision.verdict, Verdict::Pass(_)).then_some(decision.holds)
}

/// The response comes, with this status.
fn answered(world: &World, ask: &Ask, holds: &mut Holds, status: u16) {
    let headers = HeaderMap::new();
    let reply = Reply { status, headers: &headers, from: From::Origin, cache: "", challenge: None };
    world.filters.respond(&ask.head(), (SiteId(0), &[], holds), &reply, &world.store, world.now);
}

fn level(world: &World) -> f64 {
    let limit = &world.filters.limits()[0];
    let whose = limit.whose(&["192.0.2.1".to_owned()], &world.store, world.now).unwrap();
    limit.level(&whose, &world.store, world.now)
}

#[test]
fn what_counts_by_its_response() {
    let ask = Ask::default();
    let world = World::alone(&limit("rate = \"60/1m\"\nburst = 3\ncount = 'response.status in [401, 403]'"));
    for _ in 0..20 {
        let mut held = holds(&world, &ask).expect("nothing counts but what is denied");
        answered(&world, &ask, &mut held, 200);
        assert!(held.is_empty());
    }
    for left in [2.0, 1.0, 0.0] {
        let mut held = holds(&world, &ask).expect("room");
        answered(&world, &ask, &mut held, 401);
        assert!(held.is_empty());
        assert_eq!(3.0 - level(&world), left);
    }
    assert!(holds(&world, &ask).is_none());
}

/// Else as many guesses as there are connections would come before the first answer does.
#[test]
fn what_is_not_answered_yet_takes_its_place() {
    let ask = Ask::default();
    let world = World::alone(&limit("rate = \"60/1m\"\nburst = 3\ncount = 'response.status == 401'"));
    let mut held: Vec<Holds> = (0..3).map(|_| holds(&world, &ask).expect("room")).collect();
    assert!(holds(&world, &ask).is_none());
    answered(&world, &ask, &mut held[0], 200);
    held.push(holds(&world, &ask).expect("the place that was not used"));
    assert!(holds(&world, &ask).is_none());
    // The client is gone before there is a response.
    for one in held {
        world.filters.end(one, 0, &world.store, world.now);
    }
    assert_eq!(level(&world), 0.0);
    assert_eq!((0..9).filter_map(|_| holds(&world, &ask)).count(), 3);
}

#[test]
fn so_many_at_once() {
    let ask = Ask::default();
    let world = World::alone(&limit("in_flight = 2"));
    let first = holds(&world, &ask).unwrap();
    let mut second = holds(&world, &ask).unwrap();
    let refused = world.decide(&ask);
    assert!(matches!(refused.verdict, Verdict::Limited { .. }) && refused.holds.is_empty());
    let quota = refused.quotas[0];
    assert_eq!((quota.allowed.amount, quota.allowed.within, quota.allowed.counted), (2, None, Counted::InFlight));
    assert!(matches!(world.explain(&ask, None).limits[0].outcome, LimitOutcome::Refuses(_)));
    assert!(holds(&world, &Ask { client: "198.51.100.1", ..Ask::default() }).is_some());
    answered(&world, &ask, &mut second, 200);
    assert!(holds(&world, &ask).is_none(), "its body is on the way still");
    world.filters.end(second, 70_000, &world.store, world.now);
    assert_eq!(level(&world), 1.0);
    let again = holds(&world, &ask).unwrap();
    assert!(holds(&world, &ask).is_none());
    [first, again].into_iter().for_each(|one| world.filters.end(one, 0, &world.store, world.now));
    assert_eq!(level(&world), 0.0);
}

/// What another limit refuses is not in flight.
#[test]
fn a_refused_request_holds_nothing() {
    let ask = Ask::default();
    let both = limit("in_flight = 9") + &limit("rate = \"60/1m\"\nburst = 2").replace("api", "rate");
    let world = World::alone(&both);
    assert_eq!((0..9).filter_map(|_| holds(&world, &ask)).count(), 2);
    assert_eq!(level(&world), 2.0);
}

#[test]
fn a_quota_of_requests_ends_with_its_day() {
    let mut world =
        World::alone(&limit("quota = \"5/day\"\noverrides = [{ key = [\"192.0.2.7/32\"], quota = \"7/day\" }]"));
    assert_eq!(world.passes(9, &Ask::default()), 5);
    assert_eq!(world.passes(9, &Ask { client: "192.0.2.7", ..Ask::default() }), 7);
    let refused = world.decide(&Ask::default());
    // 1,800,000,000 s is the 15th of January 2027, 08:00.
    assert_eq!(refused.quotas[0].reset.unwrap().as_secs(), 16 * 3600);
    assert_eq!((refused.quotas[0].allowed.amount, refused.quotas[0].remaining), (5, 0));
    assert_eq!(world.filters.limit(LimitId(0)).unwrap().keys(&world.store), 2);
    assert_eq!(level(&world), 5.0);
    world.wait(16 * 3_600_000 - 1);
    assert_eq!(world.passes(9, &Ask::default()), 0);
    world.wait(1);
    assert_eq!(world.passes(9, &Ask::default()), 5);
}

#[test]
fn a_quota_of_bytes_is_settled_when_the_response_is_over() {
    let ask = Ask::default();
    let world = World::alone(&limit("quota = \"1000B/month\"\nreserve = \"100B\""));
    let quota = world.decide(&ask).quotas[0];
    assert_eq!((quota.allowed.counted, quota.allowed.amount, quota.remaining), (Counted::Bytes, 1000, 900));
    let held = holds(&world, &ask).unwrap();
    assert_eq!(level(&world), 200.0, "what is reserved");
    world.filters.end(held, 30, &world.store, world.now);
    assert_eq!(level(&world), 130.0, "what it was");
    let held = holds(&world, &ask).unwrap();
    world.filters.end(held, 850, &world.store, world.now);
    assert_eq!(level(&world), 980.0);
    assert!(holds(&world, &ask).is_none(), "no room for what is reserved");
}

#[test]
fn a_quota_counts_by_cost_and_by_response() {
    let ask = Ask::default();
    let text = limit("quota = \"10/hour\"\ncost = '3'\ncount = 'response.status < 500'");
    let world = World::alone(&text);
    let mut held: Vec<Holds> = (0..9).filter_map(|_| holds(&world, &ask)).collect();
    assert_eq!((held.len(), level(&world)), (3, 9.0));
    answered(&world, &ask, &mut held[0], 200);
    answered(&world, &ask, &mut held[1], 502);
    held.into_iter().for_each(|one| world.filters.end(one, 0, &world.store, world.now));
    assert_eq!(level(&world), 3.0, "one counts; one failed, and one was never answered");
}

#[test]
fn what_is_exceeded_is_seen_without_being_charged() {
    for (text, passes) in [
        ("in_flight = 2", 2),
        ("quota = \"2/day\"", 2),
        ("rates = [{ rate = \"9/1s\", burst = 9 }, { rate = \"2/1m\", burst = 2 }]", 2),
    ] {
        let rule = "[[rule]]\nname = \"full\"\nwhen = 'limit(\"api\").exceeded'\ndo = { tag = \"full\" }\n";
        let world = World::alone(&(rule.to_owned() + &limit(text)));
        let full = |world: &World| world.decide(&Ask::default()).tags.iter().any(|tag| &**tag == "full");
        let seen: Vec<bool> = (0..passes + 1).map(|_| full(&world)).collect();
        assert_eq!(seen, [false, false, true], "{text}");
    }
}

/// A request of which nobody knows how it ended, such as after a panic.
#[test]
fn what_is_abandoned_costs_what_was_reserved_of_a_quota_of_bytes_and_nothing_else() {
    for (text, before, after) in [
        ("quota = \"1000B/month\"\nreserve = \"100B\"", 100.0, 100.0),
        ("in_flight = 2", 1.0, 0.0),
        ("quota = \"10/day\"\ncount = 'response.status == 200'", 1.0, 0.0),
        ("rate = \"60/1m\"\ncount = 'response.status == 200'", 1.0, 0.0),
    ] {
        let world = World::alone(&limit(text));
        let held = holds(&world, &Ask::default()).expect("room");
        assert_eq!(level(&world), before, "{text}");
        world.filters.abandon(held, &world.store, world.now);
        assert_eq!(level(&world), after, "{text}");
    }
}

#[test]
fn a_config_that_is_only_looked_at_changes_no_quota() {
    let quota = |own: u32, other: u32| {
        config(&limit(&format!(
            "quota = \"{own}/day\"\noverrides = [{{ key = [\"192.0.2.7\"], quota = \"{other}/day\" }}]"
        )))
    };
    let world = World::of(1, quota(5, 7), Tables::default(), selvedge_filters::Indexing::On);
    let other = Ask { client: "192.0.2.7", ..Ask::default() };
    assert_eq!((world.passes(3, &Ask::default()), world.passes(3, &other)), (3, 3));
    let looked_at = [quota(50, 70), quota(1, 7)];
    let [more, _] = looked_at.map(|config| Filters::new(&config, Tables::default(), &world.store).unwrap());
    assert_eq!((world.passes(99, &Ask::default()), world.passes(99, &other)), (2, 4));
    more.begin(&world.store, world.now);
    let edited = World { filters: more, ..world };
    assert_eq!(edited.passes(99, &Ask::default()), 45, "what was used before counts");
    assert_eq!(edited.passes(99, &other), 70, "another amount of a key is a quota of its own");
}
