//! Limits of one POP that hears all others.

use std::time::Duration;

use selvedge_filters::limit::LimitId;
use selvedge_filters::{Allowed, Counted, Quota, Verdict};

use crate::support::{Ask, World};

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 5\n{more}\n")
}

#[test]
fn the_burst_passes_and_refills_at_the_rate() {
    let mut world = World::alone(&limit(""));
    assert_eq!(world.passes(20, &Ask::default()), 5);
    world.wait(2_000);
    assert_eq!(world.passes(20, &Ask::default()), 2, "one a second");
    world.wait(3_600_000);
    assert_eq!(world.passes(20, &Ask::default()), 5, "never more than the burst");
}

#[test]
fn what_is_left_is_told_and_when_there_will_be_more() {
    let world = World::alone(&limit(""));
    let minute = Allowed { amount: 60, within: Some(Duration::from_secs(60)), counted: Counted::Requests };
    let key = world.filters.limits()[0].key_of(&["192.0.2.1".to_owned()], &world.store).unwrap().to_bytes();
    let quota = |remaining, seconds| Quota {
        limit: LimitId(0),
        allowed: minute,
        remaining,
        reset: Some(Duration::from_secs(seconds)),
        key,
    };
    assert_eq!(world.decide(&Ask::default()).quotas, [quota(4, 1)]);
    assert_eq!(world.decide(&Ask::default()).quotas, [quota(3, 2)]);
    assert_eq!(world.passes(3, &Ask::default()), 3);
    let refused = world.decide(&Ask::default());
    assert!(matches!(refused.verdict, Verdict::Limited { quota: Quota { remaining: 0, .. }, penalty: None, .. }));
    assert_eq!(refused.quotas, [quota(0, 1)]);
}

#[test]
fn clients_are_counted_apart_and_an_ipv6_network_together() {
    let world = World::alone(&limit(""));
    for client in ["192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"] {
        assert_eq!(world.passes(9, &Ask { client, ..Ask::default() }), 5, "{client}");
    }
    assert_eq!(world.passes(9, &Ask { client: "2001:db8:0:1:ffff::9", ..Ask::default() }), 0, "the same /64");
    assert_eq!(world.passes(9, &Ask { client: "::ffff:192.0.2.1", ..Ask::default() }), 0, "the same IPv4 address");
}

#[test]
fn a_key_of_several_parts_counts_each_combination() {
    let world =
        World::alone(&limit("").replace("[\"client.net\"]", "[\"request.host\", 'request.headers[\"x-key\"]']"));
    let with = |value: &'static str| {
        let mut ask = Ask::default();
        ask.headers.insert("x-key", value.parse().unwrap());
        ask
    };
    assert_eq!(world.passes(9, &with("a")), 5);
    assert_eq!(world.passes(9, &with("b")), 5);
    assert_eq!(world.passes(9, &Ask::default()), 5, "a missing field is a key like any other");
    assert_eq!(world.passes(9, &Ask { client: "198.51.100.1", ..Ask::default() }), 0);
}

#[test]
fn another_line_of_a_header_buys_no_fresh_bucket() {
    let world = World::alone(&limit("").replace("[\"client.net\"]", "['request.headers[\"x-key\"]']"));
    let with = |lines: &[&'static str]| {
        let mut ask = Ask::default();
        for line in lines {
            ask.headers.append("x-key", line.parse().unwrap());
        }
        ask
    };
    assert_eq!(world.passes(9, &with(&["a"])), 5);
    assert_eq!(world.passes(9, &with(&["made up 1", "a"])), 5);
    assert_eq!(world.passes(9, &with(&["made up 2", "a"])), 0, "all requests with several lines share one bucket");
    assert_eq!(world.passes(9, &Ask::default()), 0, "with those that have none");
}

#[test]
fn a_condition_and_a_list_of_sites_say_where_a_limit_holds() {
    let world = World::alone(&limit("when = 'request.path.startsWith(\"/api/\")'\nsites = [\"www.example.com\"]"));
    let api = |host| Ask { path: "/api/x", host, ..Ask::default() };
    assert_eq!(world.passes(9, &Ask::default()), 9);
    assert_eq!(world.passes(9, &api("a.example.org")), 9);
    assert_eq!(world.passes(9, &api("www.example.com")), 5);
}

#[test]
fn the_first_limit_that_refuses_answers_and_the_tightest_is_told() {
    let two = format!("{}{}", limit(""), limit("").replace("api", "tight").replace("burst = 5", "burst = 2"));
    let world = World::alone(&two);
    let told = world.decide(&Ask::default()).quotas;
    let told: Vec<_> = told.iter().map(|quota| (quota.limit, quota.remaining)).collect();
    assert_eq!(told, [(LimitId(1), 1), (LimitId(0), 4)], "the tightest first");
    assert_eq!(world.passes(1, &Ask::default()), 1);
    assert!(
        matches!(world.decide(&Ask::default()).verdict, Verdict::Limited { quota, .. } if quota.limit == LimitId(1))
    );
}

#[test]
fn monitor_refuses_nobody_and_says_whom_it_would() {
    let world = World::alone(&limit("mode = \"monitor\""));
    let decisions: Vec<_> = (0..7).map(|_| world.decide(&Ask::default())).collect();
    assert!(
        decisions.iter().all(|decision| matches!(decision.verdict, Verdict::Pass(_)) && decision.quotas.is_empty())
    );
    assert_eq!(decisions.iter().filter(|decision| decision.would_refuse == [LimitId(0)]).count(), 2);
}

#[test]
fn editing_the_numbers_keeps_the_counts() {
    let world = World::alone(&limit(""));
    assert_eq!(world.passes(9, &Ask::default()), 5);
    let edited = crate::support::config(&limit("").replace("burst = 5", "burst = 6"));
    let filters = selvedge_filters::Filters::new(&edited, Default::default(), &world.store).unwrap();
    let edited = World { filters, ..world };
    assert_eq!(edited.passes(9, &Ask::default()), 1, "five were used before the edit");
}

#[test]
fn the_bound_is_the_slots_share_and_what_arrives_while_a_charge_travels() {
    let world = World::alone(&limit(""));
    let bound = world.filters.limits()[0].bound().unwrap();
    assert_eq!((bound.rate_per_s, bound.burst, bound.slot), (1.0, 5.0, Duration::from_secs(1)));
    assert_eq!(bound.beyond(0.0, Duration::ZERO), 1.0);
    assert_eq!(bound.beyond(100.0, Duration::from_millis(250)), 26.0);
    assert_eq!(bound.beyond(100.0, Duration::from_secs(8)), 861.0, "later than the ring reaches: a window more");
    let local = World::alone(&limit("scope = \"pop\""));
    assert_eq!(
        local.filters.limits()[0].bound().unwrap().beyond(100.0, Duration::from_millis(250)),
        1.0,
        "nothing travels"
    );
}
