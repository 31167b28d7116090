//! What a POP does with global limits while it hears nobody: a third of everything in a roster of three.

use selvedge_filters::SiteId;
use selvedge_filters::Verdict;
use selvedge_filters::limit::LimitId;

use crate::classes::one_of_three;
use crate::support::{Ask, World};

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 9\n{more}\n")
}

#[test]
fn fair_share_is_the_default_and_is_a_part_of_rate_and_burst() {
    let mut world = World::new(3, &limit(""));
    assert_eq!(world.passes(20, &Ask::default()), 3);
    world.wait(6_000);
    assert_eq!(world.passes(20, &Ask::default()), 2, "a third of one a second");
}

/// What is shown of a key is by what is in force here.
#[test]
fn a_level_is_by_the_share() {
    let mut world = World::new(3, &limit(""));
    assert_eq!(world.passes(20, &Ask::default()), 3);
    world.wait(3_000);
    let limit = &world.filters.limits()[0];
    let whose = limit.whose(&["192.0.2.1".to_owned()], &world.store, world.now).unwrap();
    let level = limit.level(&whose, &world.store, world.now);
    assert!((level - 2.0).abs() < 0.2, "{level}: one in three seconds drains");
}

#[test]
fn full_goes_on_as_if_nothing_were() {
    let world = World::new(3, &limit("on_partition = \"full\""));
    assert_eq!(world.passes(20, &Ask::default()), 9);
}

#[test]
fn deny_refuses_and_says_why() {
    let world = World::new(3, &limit("on_partition = \"deny\""));
    let expected = Verdict::Partitioned { site: SiteId(0), limit: LimitId(0) };
    assert_eq!(world.decide(&Ask::default()).verdict, expected);
}

#[test]
fn a_limit_of_one_pop_does_not_care() {
    let world = World::new(3, &limit("scope = \"pop\""));
    assert_eq!(world.passes(20, &Ask::default()), 9);
}

#[test]
fn a_share_below_one_request_is_one() {
    let world = World::new(3, &limit("").replace("burst = 9", "burst = 1"));
    assert_eq!(world.passes(20, &Ask::default()), 1);
}

fn quota(more: &str) -> World {
    one_of_three(&format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nquota = \"6/hour\"\n{more}\n"))
}

/// What passes of each of some clients.
fn of_each(world: &World, count: usize, net: &str) -> Vec<usize> {
    let ask = |last: usize| Ask { client: format!("{net}.{last}").leak(), ..Ask::default() };
    (1..=12).map(|last| world.passes(count, &ask(last))).collect()
}

/// A quota is not parted anew: a third of those keys are at home here, and the POP has the rights of those, four of six, and of the others
/// the one that it opens with.
#[test]
fn fair_share_of_a_quota_is_the_rights_that_a_pop_has() {
    let world = quota("on_partition = \"fair_share\"");
    let before = of_each(&world, 2, "192.0.2");
    assert!(before.iter().all(|passed| [1, 2].contains(passed)) && before.contains(&1) && before.contains(&2));
    world.store.set_heard(1, Some(world.now));
    let after = of_each(&world, 9, "192.0.2");
    assert_eq!(after, before.iter().map(|passed| if *passed == 2 { 2 } else { 0 }).collect::<Vec<_>>());
    let new = of_each(&world, 9, "198.51.100");
    assert!(new.iter().all(|passed| [1, 4].contains(passed)) && new.contains(&1) && new.contains(&4), "{new:?}");
}

#[test]
fn deny_refuses_whatever_is_left_of_a_quota() {
    let world = quota("on_partition = \"deny\"");
    let of_all = of_each(&world, 3, "192.0.2");
    assert!(of_all.contains(&3));
    world.store.set_heard(1, Some(world.now));
    assert_eq!(of_each(&world, 2, "192.0.2"), [0; 12]);
    let expected = Verdict::Partitioned { site: SiteId(0), limit: LimitId(0) };
    assert_eq!(world.decide(&Ask::default()).verdict, expected);
    world.store.set_heard(3, Some(world.now));
    let left: Vec<usize> = of_all.iter().map(|passed| usize::from(*passed == 3)).collect();
    assert_eq!(of_each(&world, 2, "192.0.2"), left, "what was refused has cost nothing");
}

#[test]
fn what_may_be_in_flight_is_a_part_or_all_of_it_or_nothing() {
    let flight = |most: u32, more: &str| {
        World::new(3, &format!("[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nin_flight = {most}\n{more}\n"))
    };
    assert_eq!(flight(9, "").passes(20, &Ask::default()), 3, "a third, by default");
    assert_eq!(flight(2, "on_partition = \"fair_share\"").passes(20, &Ask::default()), 1, "one at the least");
    assert_eq!(flight(9, "on_partition = \"full\"").passes(20, &Ask::default()), 9);
    assert_eq!(flight(9, "scope = \"pop\"").passes(20, &Ask::default()), 9);
    let denied = flight(9, "on_partition = \"deny\"").decide(&Ask::default());
    assert_eq!(denied.verdict, Verdict::Partitioned { site: SiteId(0), limit: LimitId(0) });
    assert!(denied.holds.is_empty());
}
