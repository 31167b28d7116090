//! What a POP does with global limits while it hears nobody: a third of everything in a roster of three.

use selvedge_filters::SiteId;
use selvedge_filters::Verdict;
use selvedge_filters::limit::LimitId;

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
    let world = World::new(3, &limit("scope = \"pop\"\non_partition = \"full\""));
    assert_eq!(world.passes(20, &Ask::default()), 9);
}

#[test]
fn a_share_below_one_request_is_one() {
    let world = World::new(3, &limit("").replace("burst = 9", "burst = 1"));
    assert_eq!(world.passes(20, &Ask::default()), 1);
}
