//! Several buckets of one request: all are charged or none.

use std::sync::Arc;

use selvedge_filters::limit::LimitId;
use selvedge_filters::list::List;
use selvedge_filters::{Head, Indexing, LimitOutcome, Tables, Verdict};

use crate::support::{Ask, World};

fn limit(name: &str, more: &str) -> String {
    format!("[[limit]]\nname = \"{name}\"\nkey = [\"client.net\"]\n{more}\n")
}

fn level(world: &World, limit: usize, client: &str) -> f64 {
    let limit = &world.filters.limits()[limit];
    let whose = limit.whose(&[client.to_owned()], &world.store, world.now).unwrap();
    limit.level(&whose, &world.store, world.now)
}

#[test]
fn all_rates_of_a_limit_must_have_room() {
    let rates = "rates = [{ rate = \"5/1s\", burst = 3 }, { rate = \"60/1m\", burst = 5 }]";
    let mut world = World::alone(&limit("api", rates));
    assert_eq!(world.passes(9, &Ask::default()), 3, "the burst of the fast one");
    world.wait(1_000);
    assert_eq!(world.passes(9, &Ask::default()), 3, "what is left of the slow one, which gave one back");
    world.wait(1_000);
    assert_eq!(world.passes(9, &Ask::default()), 1, "one a second");
    let refused = world.decide(&Ask::default());
    let quota = refused.quotas[0];
    assert_eq!((quota.allowed.amount, quota.remaining), (60, 0), "the one that refuses is told");
}

#[test]
fn the_tightest_rate_is_told() {
    let rates = "rates = [{ rate = \"50/1s\", burst = 30 }, { rate = \"60/1m\", burst = 5 }]";
    let world = World::alone(&limit("api", rates));
    let quotas = world.decide(&Ask::default()).quotas;
    assert_eq!((quotas.len(), quotas[0].allowed.amount, quotas[0].remaining), (1, 60, 4));
}

/// A request that one rate refuses has cost nothing at the other, so a client that hammers does not use up its minute.
#[test]
fn what_one_rate_refuses_costs_nothing_at_the_other() {
    let rates = "rates = [{ rate = \"60/1m\", burst = 50 }, { rate = \"1/1s\", burst = 1 }]";
    let world = World::alone(&limit("api", rates));
    assert_eq!(world.passes(40, &Ask::default()), 1);
    assert_eq!(level(&world, 0, "192.0.2.1"), 1.0);
}

#[test]
fn what_one_limit_refuses_costs_nothing_at_the_others() {
    let two = limit("wide", "rate = \"60/1m\"\nburst = 50") + &limit("tight", "rate = \"1/1s\"\nburst = 1");
    let world = World::alone(&two);
    assert_eq!(world.passes(40, &Ask::default()), 1);
    assert_eq!((level(&world, 0, "192.0.2.1"), level(&world, 1, "192.0.2.1")), (1.0, 1.0));
    let refused = world.decide(&Ask::default());
    assert!(matches!(refused.verdict, Verdict::Limited { quota, .. } if quota.limit == LimitId(1)));
    assert!(refused.holds.is_empty());
}

#[test]
fn networks_that_are_wider_are_counted_together() {
    let levels = "rate = \"60/1m\"\nburst = 2\nlevels = [{ ipv6 = 48, rate = \"60/1m\", burst = 5 }, { ipv4 = 24, rate = \"60/1m\", burst = 3 }]";
    let world = World::alone(&limit("api", levels));
    let from = |client| world.passes(9, &Ask { client, ..Ask::default() });
    assert_eq!(from("2001:db8:1:1::1"), 2);
    assert_eq!(from("2001:db8:1:1::2"), 0, "the same /64");
    assert_eq!(from("2001:db8:1:2::1"), 2);
    assert_eq!(from("2001:db8:1:3::1"), 1, "the fifth of its /48");
    assert_eq!(from("2001:db8:2:1::1"), 2, "another /48");
    assert_eq!(from("192.0.2.1"), 2);
    assert_eq!(from("192.0.2.2"), 1, "the third of its /24");
    assert_eq!(from("::ffff:192.0.2.3"), 0, "an IPv4 address in IPv6 form");
    assert_eq!(from("198.51.100.1"), 2);
}

#[test]
fn what_a_request_costs() {
    let cost = "rate = \"60/1m\"\nburst = 10\ncost = 'int(request.query[\"n\"])'";
    let mut world = World::alone(&limit("api", cost));
    let costs = |n: &'static str| Ask { query: Some(n), ..Ask::default() };
    assert_eq!(world.passes(9, &costs("n=4")), 2);
    assert_eq!(world.passes(9, &costs("n=0")), 9, "nothing");
    assert_eq!(world.passes(9, &costs("n=-7")), 2, "below nothing is one");
    world.wait(1_000);
    assert_eq!(world.passes(9, &costs("n=x")), 1, "no value is one");
    world.wait(3_600_000);
    assert_eq!(world.passes(9, &costs("n=11")), 0);
    assert_eq!(world.decide(&costs("n=11")).quotas[0].reset, None, "no time helps");
    assert_eq!(world.passes(9, &costs("n=10")), 1);
}

#[test]
fn refused_requests_are_counted_where_that_is_asked() {
    let mut free = World::alone(&limit("api", "rate = \"60/1m\"\nburst = 5"));
    let mut counted = World::alone(&limit("api", "rate = \"60/1m\"\nburst = 5\ncount_denied = true"));
    for world in [&mut free, &mut counted] {
        assert_eq!(world.passes(1_000, &Ask::default()), 5);
        world.wait(2_000);
    }
    assert_eq!(free.passes(9, &Ask::default()), 2);
    assert_eq!(counted.passes(9, &Ask::default()), 0, "who goes on asking stays out");
    assert_eq!(counted.passes(9, &Ask { client: "198.51.100.1", ..Ask::default() }), 5);
    counted.wait(61_000);
    assert_eq!(counted.passes(1, &Ask::default()), 1, "no longer than the time of the limit");
}

#[test]
fn a_request_waits_for_its_place() {
    let mut world = World::alone(&limit("api", "rate = \"10/1s\"\nburst = 2\nover = { delay = \"500ms\" }"));
    let waits: Vec<u64> = (0..7).map(|_| world.decide(&Ask::default()).wait.as_millis() as u64).collect();
    assert_eq!(waits, [0, 0, 100, 200, 300, 400, 500]);
    let refused = world.decide(&Ask::default());
    assert!(matches!(refused.verdict, Verdict::Limited { .. }));
    assert_eq!((refused.wait.as_millis(), refused.quotas[0].reset.unwrap().as_millis()), (0, 100));
    let outcome = world.explain(&Ask::default(), None).limits[0].outcome.clone();
    assert!(matches!(outcome, LimitOutcome::Refuses(_)), "{outcome:?}");
    world.wait(100);
    let outcome = world.explain(&Ask::default(), None).limits[0].outcome.clone();
    assert!(matches!(outcome, LimitOutcome::Admits(_, wait) if wait.as_millis() == 500), "{outcome:?}");
    assert_eq!(world.decide(&Ask::default()).wait.as_millis(), 500);
}

/// Too many wait already: whoever would have to is refused, takes nothing, and is no offender for that.
#[test]
fn who_may_not_wait_is_refused_and_takes_no_place() {
    let mut world = World::alone(
        &(limit("open", "in_flight = 9")
            + &limit(
                "api",
                "rate = \"10/1s\"\nburst = 2\nover = { delay = \"500ms\" }\npenalty = { after = 1, within = \"1m\", ban = [\"1h\"] }",
            )),
    );
    let crowded = |world: &World| {
        let ask = Ask::default();
        world.filters.decide(&Head { may_wait: false, ..ask.head() }, &world.store, world.now)
    };
    for _ in 0..2 {
        assert!(matches!(crowded(&world).verdict, Verdict::Pass(_)), "there is room at once");
    }
    assert_eq!(world.decide(&Ask::default()).wait.as_millis(), 100);
    for _ in 0..20 {
        let refused = crowded(&world);
        assert!(matches!(refused.verdict, Verdict::Limited { penalty: None, .. }), "{:?}", refused.verdict);
        assert!(refused.holds.is_empty() && refused.waits_by.is_none());
        assert_eq!(refused.quotas[0].reset.unwrap().as_millis(), 200, "when it is admitted and need not wait");
    }
    // Neither in the queue nor in flight is there anything of them.
    let next = world.decide(&Ask::default());
    assert_eq!(next.wait.as_millis(), 200);
    let left = next.quotas.iter().find(|quota| quota.limit == LimitId(0)).unwrap().remaining;
    assert_eq!(left, 9 - 4);
    world.wait(400);
    assert!(matches!(crowded(&world).verdict, Verdict::Pass(_)));
}

#[test]
fn what_has_no_room_may_pass_with_a_tag() {
    let world = World::alone(&limit("api", "rate = \"60/1m\"\nburst = 2\nover = { tag = \"busy\" }"));
    let tags: Vec<usize> = (0..4).map(|_| world.decide(&Ask::default()).tags.len()).collect();
    assert_eq!(tags, [0, 0, 1, 1]);
    let decision = world.decide(&Ask::default());
    assert_eq!((&*decision.tags[0], decision.tagged_by), ("busy", Some(LimitId(0))));
    assert!(matches!(decision.verdict, Verdict::Pass(_)));
}

#[test]
fn some_keys_are_treated_otherwise() {
    let overrides = concat!(
        "rate = \"60/1m\"\nburst = 2\noverrides = [{ key = [\"192.0.2.7/32\"], rate = \"600/1m\", burst = 4 }, ",
        "{ key = [\"192.0.2.8/32\"], unlimited = true }, { key = [\"192.0.2.9/32\"], rate = \"1/1m\" }]"
    );
    let mut world = World::alone(&limit("api", overrides));
    let passes = |world: &World, client| world.passes(9, &Ask { client, ..Ask::default() });
    let each = |world: &World| ["192.0.2.1", "192.0.2.7", "192.0.2.8", "192.0.2.9"].map(|client| passes(world, client));
    assert_eq!(each(&world), [2, 4, 9, 1]);
    world.wait(1_000);
    assert_eq!(each(&world), [1, 4, 9, 0]);
    assert_eq!(level(&world, 0, "192.0.2.7"), 4.0);
    let outcome = world.explain(&Ask { client: "192.0.2.8", ..Ask::default() }, None).limits[0].outcome.clone();
    assert_eq!(outcome, LimitOutcome::Unlimited);
}

#[test]
fn who_is_in_a_list_is_not_limited() {
    let lists = "[list.office]\nkind = \"addresses\"\nitems = [\"192.0.2.0/28\"]\n[list.keys]\nkind = \"strings\"\nitems = [\"gold\"]\n";
    let by_key = "[[limit]]\nname = \"key\"\nkey = ['request.headers[\"x-key\"]']\nrate = \"60/1m\"\nburst = 3\nunlimited = [\"keys\"]\n";
    let text = format!("{lists}{}{by_key}", limit("api", "rate = \"60/1m\"\nburst = 5\nunlimited = [\"office\"]"));
    let office = List::addresses(vec!["192.0.2.0/28".parse().unwrap()]);
    let keys = List::strings(vec!["gold".to_owned()]);
    let tables = Tables { lists: vec![Arc::new(office), Arc::new(keys)], ..Tables::default() };
    let world = World::of(1, crate::support::config(&text), tables, Indexing::On);
    let with = |client, key: &'static str| {
        let mut ask = Ask { client, ..Ask::default() };
        ask.headers.insert("x-key", key.parse().unwrap());
        world.passes(9, &ask)
    };
    assert_eq!(with("192.0.2.1", "gold"), 9);
    assert_eq!(with("192.0.2.1", "tin"), 3);
    assert_eq!(with("192.0.2.200", "gold"), 5);
}

#[test]
fn what_lacks_a_part_of_the_key() {
    let with = |on_missing: &str| {
        let text = format!(
            "[[limit]]\nname = \"key\"\nkey = ['request.headers[\"x-key\"]']\nrate = \"60/1m\"\nburst = 3\n{on_missing}\n"
        );
        World::alone(&text)
    };
    let mut keyed = Ask::default();
    keyed.headers.insert("x-key", "a".parse().unwrap());
    for (on_missing, without) in
        [("", 3), ("on_missing = \"count\"", 3), ("on_missing = \"skip\"", 9), ("on_missing = \"deny\"", 0)]
    {
        let world = with(on_missing);
        assert_eq!((world.passes(9, &Ask::default()), world.passes(9, &keyed)), (without, 3), "{on_missing}");
    }
    let denied = with("on_missing = \"deny\"");
    assert!(matches!(denied.decide(&Ask::default()).verdict, Verdict::Unkeyed { limit: LimitId(0), .. }));
    assert_eq!(denied.explain(&Ask::default(), None).limits[0].outcome, LimitOutcome::Unkeyed);
    let watched = with("on_missing = \"deny\"\nmode = \"monitor\"");
    assert_eq!(watched.decide(&Ask::default()).would_refuse, [LimitId(0)]);
}

/// What a refusal costs is in what it says of when to come back, or a client that obeys would stay out for ever.
#[test]
fn who_waits_as_long_as_told_gets_in_though_refusals_count() {
    for over in ["", "over = { delay = \"10s\" }"] {
        let mut world =
            World::alone(&limit("api", &format!("rate = \"60/1m\"\nburst = 5\ncount_denied = true\n{over}")));
        assert!(world.passes(100, &Ask::default()) < 20);
        for _ in 0..3 {
            let refused = world.decide(&Ask::default());
            assert!(matches!(refused.verdict, Verdict::Limited { .. }));
            world.wait(refused.quotas[0].reset.unwrap().as_millis() as u64);
            assert_eq!(world.passes(1, &Ask::default()), 1, "{over}");
        }
    }
}

#[test]
fn the_limit_that_has_a_request_wait_is_told() {
    let waits = limit("slow", "rate = \"10/1s\"\nburst = 1\nover = { delay = \"1s\" }");
    let world = World::alone(&(limit("few", "rate = \"2/1h\"\nburst = 2") + &waits));
    assert_eq!(world.decide(&Ask::default()).waits_by, None);
    let decision = world.decide(&Ask::default());
    assert_eq!((decision.quotas[0].limit, decision.waits_by.map(|quota| quota.limit)), (LimitId(0), Some(LimitId(1))));
}

#[test]
fn who_is_not_limited_lacks_nothing() {
    let text = "[[limit]]\nname = \"key\"\nkey = ['request.headers[\"x-key\"]']\nrate = \"1/1h\"\non_missing = \"deny\"\noverrides = [{ key = [\"\"], unlimited = true }]\n";
    assert_eq!(World::alone(text).passes(5, &Ask::default()), 5);
}
