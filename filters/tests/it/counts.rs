//! Counters and uniques: what counts, and what rules read of it.

use std::time::Duration;

use selvedge_conf::expr::{Counted, Expr, Field, Kind, Phase, Read, Type};
use selvedge_conf::{Effect, KeyPart, Reply};
use selvedge_filters::limit::Holds;
use selvedge_filters::{From, SiteId, Verdict};

use crate::support::{Ask, World};
use crate::tree::{
    answering, compare, constant, counter, doing, equal, expr, field, header, more_than, path_is, read, text, unique,
};
use http::HeaderMap;
use selvedge_conf::expr::Comparison;

const MINUTE: Duration = Duration::from_secs(60);

fn denied_after(world: &World, ask: &Ask) -> usize {
    (0..20).take_while(|_| matches!(world.decide(ask).verdict, Verdict::Pass(_))).count()
}

#[test]
fn a_rule_sees_what_was_counted_before_its_request() {
    let mut world = World::with("", |config| {
        config.counters = vec![counter("hits", Phase::Request, Some(constant(true)))];
        config.rules = vec![answering("busy", more_than(Counted::Counter(0), 3, MINUTE), Reply::Deny(429))];
    });
    assert_eq!(denied_after(&world, &Ask::default()), 4);
    assert_eq!(denied_after(&world, &Ask { client: "192.0.2.2", ..Ask::default() }), 4, "each client by its key");
    world.wait(30_000);
    assert_eq!(denied_after(&world, &Ask::default()), 0, "denied requests count too");
    world.wait(180_000);
    assert_eq!(denied_after(&world, &Ask::default()), 4);
}

#[test]
fn a_counter_without_a_condition_counts_what_rules_say() {
    let world = World::with("", |config| {
        config.counters = vec![counter("traps", Phase::Request, None)];
        config.rules = vec![
            answering("caught", more_than(Counted::Counter(0), 1, MINUTE), Reply::Deny(403)),
            doing("trap", path_is("/trap"), vec![Effect::Count(0)]),
        ];
    });
    assert_eq!(denied_after(&world, &Ask::default()), 20);
    assert_eq!(denied_after(&world, &Ask::path("/trap")), 2);
    assert_eq!(denied_after(&world, &Ask::default()), 0);
}

#[test]
fn a_counter_of_31_days_reaches_weeks_back() {
    let window = 31 * 24 * 60 * MINUTE;
    let mut world = World::with("", |config| {
        config.counters =
            vec![selvedge_conf::Counter { window, ..counter("hits", Phase::Request, Some(constant(true))) }];
        config.rules = vec![answering("again", more_than(Counted::Counter(0), 0, window), Reply::Deny(403))];
    });
    let denied = |world: &World| matches!(world.decide(&Ask::default()).verdict, Verdict::Denied { .. });
    assert!(!denied(&world));
    // All but the oldest seventh of the window is read in full.
    for days in [1, 9, 26] {
        world.wait(days * 24 * 3_600_000);
        assert!(denied(&world), "after {days} days more");
    }
}

#[test]
fn a_look_of_a_minute_into_ten_sees_a_burst_whole() {
    let mut world = World::with("", |config| {
        let hits = counter("hits", Phase::Request, Some(path_is("/hit")));
        config.counters = vec![selvedge_conf::Counter { window: 10 * MINUTE, ..hits }];
        config.rules = vec![answering("busy", more_than(Counted::Counter(0), 99, MINUTE), Reply::Deny(429))];
    });
    for _ in 0..20 {
        (0..100).for_each(|_| drop(world.decide(&Ask::path("/hit"))));
        assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Denied { .. }));
        world.wait(77_000);
        assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Pass(_)));
    }
}

#[test]
fn a_unique_forgets_an_eighth_of_its_window_late_at_most() {
    let mut world = World::with("", |config| {
        let users = unique("users", header("x-user"), Some(constant(true)));
        config.uniques = vec![selvedge_conf::Unique { window: 10 * MINUTE, ..users }];
        let distinct: Expr = read(Read::Uniques(0, Vec::new(), 10 * MINUTE), Type::Int);
        let any = compare(Comparison::Greater, distinct, expr(Kind::Int(0), Type::Int));
        config.rules = vec![answering("seen", any, Reply::Deny(403))];
    });
    let mut ask = Ask::default();
    ask.headers.insert("x-user", "a".parse().unwrap());
    world.decide(&ask);
    world.wait(600_000);
    assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Denied { .. }));
    world.wait(75_001);
    assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Pass(_)));
}

#[test]
fn banned_requests_and_unknown_hosts_are_not_counted() {
    let world = World::with("", |config| {
        config.counters = vec![counter("hits", Phase::Request, Some(constant(true)))];
    });
    world.store.ban("192.0.2.1/32", world.now.plus(1000), 0, "test", world.now).unwrap();
    let counted = |ask: &Ask| world.explain(ask, None).counters;
    assert_eq!(counted(&Ask::default()), [0; 0]);
    assert_eq!(counted(&Ask { client: "192.0.2.2", ..Ask::default() }), [0]);
    assert_eq!(counted(&Ask { client: "192.0.2.2", host: "example.net", ..Ask::default() }), [0; 0]);
}

#[test]
fn responses_are_counted_when_they_are_there() {
    let world = World::with("", |config| {
        let not_found = equal(field(Field::Status), expr(Kind::Int(404), Type::Int));
        config.counters = vec![counter("not-found", Phase::Response, Some(not_found))];
        config.rules = vec![answering("scanner", more_than(Counted::Counter(0), 2, MINUTE), Reply::Deny(429))];
    });
    let (ask, headers) = (Ask::default(), HeaderMap::new());
    let respond = |status| {
        let reply =
            selvedge_filters::Reply { status, headers: &headers, from: From::Origin, cache: "miss", challenge: None };
        world.filters.respond(&ask.head(), (SiteId(0), &[], &mut Holds::default()), &reply, &world.store, world.now)
    };
    for status in [200, 404, 404, 500] {
        assert_eq!(respond(status), None, "nothing follows, but it is counted");
    }
    assert_eq!(denied_after(&world, &ask), 20);
    respond(404);
    assert_eq!(denied_after(&world, &ask), 0);
}

#[test]
fn different_values_are_told_apart() {
    let world = World::with("", |config| {
        config.uniques = vec![unique("users", header("x-user"), Some(path_is("/login")))];
        let distinct: Expr = read(Read::Uniques(0, Vec::new(), MINUTE), Type::Int);
        let many = compare(Comparison::Greater, distinct, expr(Kind::Int(2), Type::Int));
        config.rules = vec![answering("stuffing", many, Reply::Deny(403))];
    });
    let login = |user: &'static str| {
        let mut ask = Ask::path("/login");
        ask.headers.insert("x-user", user.parse().unwrap());
        matches!(world.decide(&ask).verdict, Verdict::Pass(_))
    };
    assert!((0..10).all(|_| login("a")), "one user, however often");
    assert!((0..10).all(|_| login("")), "an empty value is nobody");
    assert!(login("b") && login("c"));
    assert!(!login("a"), "three users were seen before");
}

#[test]
fn a_limit_counts_by_any_value_and_an_absent_one_is_one_key() {
    let limit = "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 2\n";
    let world = World::with(limit, |config| {
        config.limits[0].key = vec![
            KeyPart::Value(header("x-user"), "user".to_owned()),
            KeyPart::Value(field(Field::ClientNet), "net".to_owned()),
        ];
    });
    let with = |user: Option<&'static str>| {
        let mut ask = Ask::default();
        if let Some(user) = user {
            ask.headers.insert("x-user", user.parse().unwrap());
        }
        ask
    };
    assert_eq!(world.passes(9, &with(Some("a"))), 2);
    assert_eq!(world.passes(9, &with(Some("b"))), 2);
    assert_eq!(world.passes(9, &with(None)), 2);
    assert_eq!(world.passes(9, &with(Some(""))), 0, "absent and empty are one key");
    let limit = &world.filters.limits()[0];
    let key = |values: [&str; 2]| limit.key_of(&values.map(str::to_owned), &world.store);
    assert_eq!(world.store.count(limit.table().unwrap(), key(["a", "192.0.2.1/32"]).unwrap(), 60_000, world.now), 2);
    assert_eq!(key(["a", "nowhere"]), Err("\"nowhere\" is no network".to_owned()));
}

#[test]
fn a_key_that_is_written_out_is_the_own_key() {
    let limit = "[[limit]]\nname = \"api\"\nkey = ['request.headers[\"x-key\"]']\nrate = \"60/1m\"\nburst = 60\n";
    let world = World::with(limit, |config| {
        let written = read(Read::Count(Counted::Limit(0), vec![header("x-key")], MINUTE), Type::Int);
        let own = read(Read::Count(Counted::Limit(0), Vec::new(), MINUTE), Type::Int);
        let differ = compare(Comparison::NotEqual, written, own);
        config.rules = vec![answering("differ", differ, Reply::Deny(403))];
    });
    for lines in [&[&b"k"[..]][..], &[b"k\xff"], &[b"k", b"l"], &[]] {
        let mut ask = Ask::default();
        for line in lines {
            ask.headers.append("x-key", http::HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(denied_after(&world, &ask), 20, "{lines:?}");
    }
}

#[test]
fn keys_can_be_given() {
    let world = World::with("", |config| {
        config.counters = vec![counter("hits", Phase::Request, Some(path_is("/count")))];
        let net = expr(Kind::Cidr("192.0.2.9/32".parse().unwrap()), Type::Cidr);
        let count = read(Read::Count(Counted::Counter(0), vec![net], MINUTE), Type::Int);
        let more = compare(Comparison::Greater, count, expr(Kind::Int(1), Type::Int));
        config.rules = vec![answering("by nine", more, Reply::Redirect(302, text("/busy")))];
    });
    let nine = Ask { client: "192.0.2.9", ..Ask::path("/count") };
    world.decide(&nine);
    assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Pass(_)));
    world.decide(&nine);
    assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Redirected { .. }), "whoever asks");
}
